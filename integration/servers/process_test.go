package servers

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// long is the long tier.
var long = os.Getenv("CDCBRIDGE_LONG") != ""

// A process that is killed leaves no server, no taken port and, after the next start of anything, no directory behind.
func TestServersDieWithTheirOwner(t *testing.T) {
	owner := exec.Command(os.Args[0], "-test.run=^TestOwnerHelper$", "-test.v")
	owner.Env = append(os.Environ(), "SERVERS_OWNER_HELPER=1")
	owner.Stderr = os.Stderr
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	addr, dir := "", ""
	for lines := bufio.NewScanner(out); dir == "" && lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "owner: "); ok {
			addr, dir, _ = strings.Cut(rest, " ")
		}
	}
	if dir == "" {
		t.Fatal("the owner said nothing")
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait() // killed, as wanted
	deadline := time.Now().Add(10 * time.Second)
	for {
		c, err := net.Dial("tcp", addr)
		if errors.Is(err, syscall.ECONNREFUSED) {
			break
		}
		if err == nil {
			_ = c.Close()
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server outlives its owner: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	for {
		sweep(filepath.Join(CacheDir(), "run"))
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is still there", dir)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestOwnerHelper is the process that the test above kills; by itself it does nothing.
func TestOwnerHelper(t *testing.T) {
	if os.Getenv("SERVERS_OWNER_HELPER") == "" {
		return
	}
	m, err := StartMySQL(t.Context(), MySQLOptions{})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("owner:", m.Addr(), m.dir.path)
	select {}
}

func TestPortsAreNotSharedBetweenProcesses(t *testing.T) {
	port, err := ReservePort(0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := ReleasePort(port); err != nil {
			t.Error(err)
		}
	}()
	// A lock of an open file of its own is what another process would ask for.
	other, err := os.OpenFile(filepath.Join(CacheDir(), ".lock-ports"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Start: int64(port), Len: 1}
	if err := syscall.FcntlFlock(other.Fd(), ofdSetLock, &lock); !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("another process can take port %d: %v", port, err)
	}
}
