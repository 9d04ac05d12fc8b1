package mysql

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// errNothing is what a read returns in poll mode when the socket holds no byte.
var errNothing error = nothing{}

// nothing is a temporary timeout, which crypto/tls passes through without spoiling the connection.
type nothing struct{}

func (nothing) Error() string   { return "nothing to read now" }
func (nothing) Timeout() bool   { return true }
func (nothing) Temporary() bool { return true }

// pollConn is a TCP connection that can be asked for what has arrived already, without waiting. TLS, when there is any, is
// on top of it. It is used by one goroutine, but for Close.
type pollConn struct {
	net.Conn
	fd   syscall.RawConn
	head []byte // read from the connection already, to be read again
	poll bool   // reads do not wait
}

func newPollConn(c net.Conn) (*pollConn, error) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("a %T has no socket", c)
	}
	fd, err := sc.SyscallConn()
	return &pollConn{Conn: c, fd: fd}, err
}

// Read reads as net.Conn says, and returns errNothing in poll mode instead of waiting.
func (c *pollConn) Read(p []byte) (int, error) {
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	if !c.poll {
		return c.Conn.Read(p)
	}
	var n int
	var readErr error
	err := c.fd.Read(func(fd uintptr) bool {
		for {
			n, readErr = syscall.Read(int(fd), p)
			if !errors.Is(readErr, syscall.EINTR) {
				return true // never wait
			}
		}
	})
	switch {
	case err != nil:
		return 0, err
	case errors.Is(readErr, syscall.EAGAIN):
		return 0, errNothing
	case readErr != nil:
		return 0, os.NewSyscallError("read", readErr)
	case n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// readPacket reads one packet with its header and leaves it in the connection.
func (c *pollConn) readPacket() ([]byte, error) {
	packet := make([]byte, 4)
	if _, err := io.ReadFull(c, packet); err != nil {
		return nil, err
	}
	size := int(packet[0]) | int(packet[1])<<8 | int(packet[2])<<16
	if size > 64<<10 {
		return nil, fmt.Errorf("a first packet of %d bytes is not MySQL's", size)
	}
	packet = append(packet, make([]byte, size)...)
	if _, err := io.ReadFull(c, packet[4:]); err != nil {
		return nil, err
	}
	c.head = packet
	return packet, nil
}
