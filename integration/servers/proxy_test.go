package servers

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// listen serves connections until the test ends and returns the address.
func listen(t *testing.T, serve func(conn net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return l.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// echo answers each line with itself.
func echo(t *testing.T) string {
	t.Helper()
	return listen(t, func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
}

// talker is one connection through a proxy.
type talker struct {
	net.Conn
	r *bufio.Reader
}

func talk(t *testing.T, p *Proxy) *talker {
	t.Helper()
	conn := dial(t, p.Addr())
	return &talker{conn, bufio.NewReader(conn)}
}

func (c *talker) say(patience time.Duration, line string) (string, error) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return "", err
	}
	return c.r.ReadString('\n')
}

// answers fails the test unless the line comes back.
func (c *talker) answers(t *testing.T) {
	t.Helper()
	if got, err := c.say(5*time.Second, "hello"); got != "hello\n" {
		t.Fatalf("got %q, %v", got, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newProxy(t *testing.T) *Proxy {
	t.Helper()
	p, err := StartProxy(echo(t))
	must(t, err)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestProxyDelays(t *testing.T) {
	p := newProxy(t)
	c := talk(t, p)
	c.answers(t)
	for name, delay := range map[string]func(time.Duration) error{"answer": p.Latency, "request": p.LatencyToServer} {
		must(t, delay(200*time.Millisecond))
		begin := time.Now()
		c.answers(t)
		if took := time.Since(begin); took < 200*time.Millisecond {
			t.Errorf("with its %s delayed by 200 ms a call took %v", name, took)
		}
		must(t, delay(0))
	}
}

func TestProxyCuts(t *testing.T) {
	p := newProxy(t)
	c := talk(t, p)
	c.answers(t)
	must(t, p.Cut())
	if got, err := c.say(5*time.Second, "hello"); err == nil {
		t.Errorf("a cut connection answered %q", got)
	}
	talk(t, p).answers(t)

	must(t, p.CutAfter(3))
	if got, err := talk(t, p).say(5*time.Second, "hello"); got != "hel" || !errors.Is(err, io.EOF) {
		t.Errorf("got %q, %v from a connection that is cut after 3 bytes", got, err)
	}
	must(t, p.CutAfter(0))
	talk(t, p).answers(t)
}

func TestProxySilences(t *testing.T) {
	p := newProxy(t)
	c := talk(t, p)
	c.answers(t)
	must(t, p.Silence(true))
	if got, err := c.say(200*time.Millisecond, "hello"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a silent server said %q, %v", got, err)
	}
	must(t, p.Silence(false))
	talk(t, p).answers(t)
}

func TestProxyGoesDownAndUp(t *testing.T) {
	p := newProxy(t)
	p.Down()
	if conn, err := net.Dial("tcp", p.Addr()); err == nil {
		_ = conn.Close()
		t.Error("a proxy that is down accepted a connection")
	}
	must(t, p.Up())
	must(t, p.Up())
	talk(t, p).answers(t)
}
