package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// deafConn is a connection that cannot be written to.
type deafConn struct {
	memConn
	closed bool
}

func (c *deafConn) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }
func (c *deafConn) Close() error              { c.closed = true; return nil }

// TestHandedOverIsGivenAway breaks the connection at the moment when a batch has been taken: the batch is the reader's, and is
// not touched.
func TestHandedOverIsGivenAway(t *testing.T) {
	s, out, _ := memStream(t, &deafConn{}, nil, 16<<10)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.done, s.timer = ctx.Done(), time.NewTimer(time.Hour)
	s.r.told = time.Time{} // a report is due
	s.batch.Txns = append(s.batch.Txns, changelog.Txn{ID: "1:2", First: true, Last: true})
	if err := s.emit(ctx, true); fault.As(err) == nil {
		t.Errorf("got %v", err)
	}
	if b := <-out; len(b.Txns) != 1 || b.Txns[0].ID != "1:2" || b.Next.Pos == "" || !b.Drained {
		t.Errorf("the batch became %+v", b)
	}
}

// TestGoodbye is not said on a connection that has failed already, and is an error on one that fails only then.
func TestGoodbye(t *testing.T) {
	wire := &deafConn{memConn: memConn{said: true, quiet: true}}
	r := memReader(wire)
	if _, err := r.read(make([]byte, 10), time.Time{}); err == nil {
		t.Fatal("an ended connection was read")
	}
	if err := r.finish(); err != nil || !wire.closed {
		t.Errorf("%v, closed %v", err, wire.closed)
	}
	wire = &deafConn{}
	if err := memReader(wire).finish(); !fault.Is(err, fault.Unreachable) || !wire.closed {
		t.Errorf("%v, closed %v", err, wire.closed)
	}
}
