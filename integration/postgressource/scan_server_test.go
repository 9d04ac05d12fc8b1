package postgressource

import (
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// switchboard passes connections on to one of several servers.
func switchboard(t *testing.T) (port int, to func(p *servers.Postgres)) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var upstream atomic.Pointer[servers.Postgres]
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", upstream.Load().Addr())
			if err != nil {
				_ = in.Close()
				continue
			}
			for _, c := range [][2]net.Conn{{in, out}, {out, in}} {
				go func() {
					_, _ = io.Copy(c[0], c[1])
					_ = c[0].Close()
				}()
			}
		}
	}()
	return l.Addr().(*net.TCPAddr).Port, upstream.Store
}

// TestReaderOfAnotherServer: behind one address may be several servers, and rows of another one than the stream's are not read.
func TestReaderOfAnotherServer(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.PostgresOptions{})
	b.exec("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
	standby := servers.StandbyFor(t, b.p, servers.StandbyOptions{})
	other := newBench(t, servers.PostgresOptions{FreshCluster: true})
	other.exec("CREATE TABLE t (id int PRIMARY KEY)")
	port, to := switchboard(t)
	to(b.p)
	cfg := b.config()
	cfg.Port = port
	s := startScanning(t, cfg, "")
	chunk := capture.Chunk{Table: s.table("public.t")}
	for name, p := range map[string]*servers.Postgres{"another cluster": other.p, "a standby": standby} {
		to(p)
		_, err := s.src.Reader(t.Context())
		if f := wantFault(t, err, fault.Unreachable); f.Final || !strings.Contains(f.Error(), "different servers") {
			t.Errorf("%s: %v", name, f)
		}
		if _, err := s.src.Scannable(t.Context()); !fault.Is(err, fault.Unreachable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	to(standby)
	_, err := s.src.Reader(t.Context())
	if f := wantFault(t, err, fault.Unreachable); f.Final || !strings.Contains(f.Error(), "timelines 1 and 2") {
		t.Error(f)
	}
	to(b.p)
	if got := s.mustScan(s.reader(), chunk); got.Rows != 1 {
		t.Errorf("%q", got.rows)
	}
}
