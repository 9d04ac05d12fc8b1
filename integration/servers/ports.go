package servers

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
)

// Ports for servers lie below the range that Linux takes for outgoing connections (32768 and up), and each taken one is
// marked by a lock on one byte of a file in the cache. So two test packages that start servers at the same moment never get
// the same port, a stopped server finds its port free when it is started again, and a lock cannot outlive its process.
const (
	firstPort = 20000
	lastPort  = 31999

	ofdSetLock = 37 // F_OFD_SETLK: the lock belongs to the open file, not to the process; package syscall has no name for it
)

var ports struct {
	sync.Mutex
	file  *os.File
	taken map[int]bool
}

// ReservePort returns the wanted port, or any free one when wanted is 0. It stays ours until ReleasePort.
func ReservePort(wanted int) (int, error) {
	ports.Lock()
	defer ports.Unlock()
	if ports.file == nil {
		if err := os.MkdirAll(CacheDir(), 0o755); err != nil {
			return 0, fmt.Errorf("making the cache: %w", err)
		}
		f, err := os.OpenFile(filepath.Join(CacheDir(), ".lock-ports"), os.O_CREATE|os.O_RDWR, 0o666)
		if err != nil {
			return 0, fmt.Errorf("opening the list of taken ports: %w", err)
		}
		ports.file, ports.taken = f, make(map[int]bool)
	}
	if wanted != 0 {
		if err := tryPort(wanted); err != nil {
			return 0, fmt.Errorf("reserving port %d: %w", wanted, err)
		}
		return wanted, nil
	}
	var err error
	for range 500 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if err = tryPort(port); err == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("finding a free port between %d and %d: %w", firstPort, lastPort, err)
}

func tryPort(port int) error {
	if ports.taken[port] {
		return fmt.Errorf("another server of this process has it")
	}
	if err := lockPort(port, syscall.F_WRLCK); err != nil {
		return err
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return errors.Join(err, lockPort(port, syscall.F_UNLCK))
	}
	if err := l.Close(); err != nil {
		return err
	}
	ports.taken[port] = true
	return nil
}

func lockPort(port int, kind int16) error {
	lock := syscall.Flock_t{Type: kind, Whence: io.SeekStart, Start: int64(port), Len: 1}
	if err := syscall.FcntlFlock(ports.file.Fd(), ofdSetLock, &lock); err != nil {
		return fmt.Errorf("locking port %d: %w", port, err)
	}
	return nil
}

// ReleasePort gives a port back that ReservePort gave.
func ReleasePort(port int) error {
	ports.Lock()
	defer ports.Unlock()
	if !ports.taken[port] {
		return nil
	}
	delete(ports.taken, port)
	return lockPort(port, syscall.F_UNLCK)
}
