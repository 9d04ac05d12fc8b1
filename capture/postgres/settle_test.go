package postgres

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// slowWriter is a connection of a machine so busy that a write returns long after the answer to it has come.
type slowWriter struct {
	net.Conn
	slow atomic.Bool
}

func (c *slowWriter) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if c.slow.Load() {
		time.Sleep(100 * time.Millisecond)
	}
	return n, err
}

// TestStreamAfterASlowWrite: what pgconn began to read in the background takes nothing of the stream.
func TestStreamAfterASlowWrite(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan error, 1)
	go func() { served <- serveReplication(l) }()
	cfg, err := pgconn.ParseConfig("postgres://cdc@" + l.Addr().String() + "/shop?sslmode=disable&replication=database")
	if err != nil {
		t.Fatal(err)
	}
	wire := &slowWriter{}
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		wire.Conn = c
		return wire, err
	}
	pg, err := pgconn.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer wire.Close()
	wire.slow.Store(true)
	if _, err := pg.Exec(t.Context(), "IDENTIFY_SYSTEM").ReadAll(); err != nil {
		t.Fatal(err)
	}
	wire.slow.Store(false)
	r, err := newWALReader(pg, new(atomic.Uint64), time.Second, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(10*time.Second, r.interrupt).Stop() // bytes that are gone do not come
	if err := r.start("START_REPLICATION SLOT s LOGICAL 0/0"); err != nil {
		t.Errorf("starting the stream: %v", err)
	}
	_ = wire.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// serveReplication answers as a walsender does, one connection.
func serveReplication(l net.Listener) error {
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	b := pgproto3.NewBackend(c, c)
	if _, err := b.ReceiveStartupMessage(); err != nil {
		return err
	}
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	for {
		if err := b.Flush(); err != nil {
			return err
		}
		m, err := b.Receive()
		if err != nil {
			return nil // the client is done
		}
		switch m := m.(type) {
		case *pgproto3.Sync:
			b.Send(&pgproto3.NoticeResponse{Severity: "NOTICE", Message: "in between"})
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		case *pgproto3.Query:
			if m.String == "IDENTIFY_SYSTEM" {
				b.Send(&pgproto3.CommandComplete{CommandTag: []byte("IDENTIFY_SYSTEM")})
				b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
				continue
			}
			b.Send(&pgproto3.CopyBothResponse{})
			b.Send(&pgproto3.CopyData{Data: []byte("k")})
		default:
			return fmt.Errorf("the client sends %T", m)
		}
	}
}
