package postgres

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// arrival reads what a connection has received already, without waiting for more.
type arrival struct {
	wire   net.Conn
	socket syscall.RawConn // below it; nil: it has none
	plain  bool            // the socket's bytes are the connection's
	mark   int             // how much must have arrived before the kernel reports it; 0: nobody has said yet
	pause  time.Duration   // how long gather waits the next time
}

// arrivalOn looks for the socket below a connection, TLS or not.
func arrivalOn(wire net.Conn) arrival {
	a := arrival{wire: wire, plain: true}
	below := wire
	if t, ok := wire.(*tls.Conn); ok {
		below, a.plain = t.NetConn(), false
	}
	if sc, ok := below.(syscall.Conn); ok {
		if socket, err := sc.SyscallConn(); err == nil {
			a.socket = socket
		}
	}
	return a
}

const (
	// firstPause is how long the rest of what has begun to come is waited for, and longestPause how long when more and more comes.
	firstPause   = 400 * time.Microsecond
	longestPause = 5 * time.Millisecond
	// enough is a read so large that there is no need to wait for more.
	enough = 128 << 10
)

// gather waits a little for what is on its way. A walsender hands its messages to the network one by one, and to take each as it
// comes would cost more than all the rest: not even the runtime's poller is to wake up for it. The longer the server goes on, the longer
// are the pauses. It leaves a read deadline behind.
func (a *arrival) gather() {
	if a.socket == nil {
		return
	}
	a.pause = min(max(2*a.pause, firstPause), longestPause)
	if !a.wakeAt(enough) {
		time.Sleep(a.pause)
		return
	}
	if a.wire.SetReadDeadline(time.Now().Add(a.pause)) != nil {
		return // whoever reads finds out
	}
	waited := false
	_ = a.socket.Read(func(uintptr) bool {
		again := waited
		waited = true
		return again // the first time it is to wait
	})
}

// rest says that nothing is on its way.
func (a *arrival) rest() { a.pause = 0 }

// wakeAt sets how much must have arrived before the kernel reports it. It is not ok with a kernel that reports at once.
func (a *arrival) wakeAt(bytes int) (ok bool) {
	if a.socket == nil || a.mark == bytes {
		return true
	}
	err := a.socket.Control(func(fd uintptr) {
		ok = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, bytes) == nil
	})
	if ok = ok && err == nil; ok {
		a.mark = bytes
	}
	return ok
}

// glance is how long a connection with TLS or without a socket may take to give what it has.
const glance = 100 * time.Microsecond

// read gives what is there, or errNothing. The connection has no read deadline when it is called.
func (a *arrival) read(p []byte) (int, error) {
	wait := glance
	if a.socket != nil {
		n, err := a.poll(p)
		if err != nil || a.plain {
			return n, err
		}
		if n == 0 {
			wait = -time.Second // what TLS has decoded already is given in spite of a deadline that is over
		}
	}
	if err := a.wire.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return 0, err
	}
	n, err := a.wire.Read(p)
	for a.socket != nil && err == nil && n < len(p) { // TLS gives one record at a time, that is one message of the walsender
		var m int
		m, err = a.wire.Read(p[n:])
		n += m
	}
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		err = errNothing
	}
	if n > 0 {
		err = nil
	}
	return n, err
}

// poll reads from the socket without waiting; below TLS it only looks and reports 1 when something is there, 0 when not.
func (a *arrival) poll(p []byte) (n int, err error) {
	flags := 0
	if !a.plain {
		flags, p = syscall.MSG_PEEK, p[:1]
	}
	var failed error
	err = a.socket.Read(func(fd uintptr) bool {
		for {
			n, _, failed = syscall.Recvfrom(int(fd), p, flags) // the socket is a non-blocking one, as all of Go's
			if !errors.Is(failed, syscall.EINTR) {
				return true // never wait
			}
		}
	})
	switch {
	case err != nil:
		return 0, err
	case errors.Is(failed, syscall.EAGAIN) && a.plain:
		return 0, errNothing
	case errors.Is(failed, syscall.EAGAIN):
		return 0, nil
	case failed != nil:
		return 0, os.NewSyscallError("recv", failed)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}
