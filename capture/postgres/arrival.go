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
	// gatherTime is how long the rest of a transaction is waited for.
	gatherTime = 400 * time.Microsecond
	// enough is a read so large that there is no need to wait for more.
	enough = 32 << 10
)

// gather waits a little for what is on its way. A walsender hands its messages to the network one by one, and to take each as it
// comes would cost more than all the rest: not even the runtime's poller is to wake up for it.
func (a *arrival) gather() {
	if a.socket == nil {
		return
	}
	a.wakeAt(enough)
	time.Sleep(gatherTime)
	a.wakeAt(1)
}

// wakeAt sets how much must have arrived before the kernel reports it. A kernel that does not know the option reports at once.
func (a *arrival) wakeAt(bytes int) {
	_ = a.socket.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, bytes)
	})
}

// glance is how long a connection without a socket may take to give what it has.
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
