package mysql

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// slowConn is silent for a while before each piece, as long as nobody's deadline comes first.
type slowConn struct {
	net.Conn
	deadline time.Time
	pieces   []piece
	next     time.Time // when the first piece arrives
	polled   *pollConn
}

type piece struct {
	after time.Duration
	data  []byte
}

func (c *slowConn) Read(p []byte) (int, error) {
	if len(c.pieces) == 0 {
		if c.polled.poll {
			return 0, errNothing
		}
		time.Sleep(time.Until(c.deadline))
		return 0, os.ErrDeadlineExceeded
	}
	if c.next.IsZero() {
		c.next = time.Now().Add(c.pieces[0].after)
	}
	if wait := time.Until(c.next); wait > 0 {
		if c.polled.poll {
			return 0, errNothing
		}
		if until := time.Until(c.deadline); until < wait {
			time.Sleep(until)
			return 0, os.ErrDeadlineExceeded
		}
		time.Sleep(wait)
	}
	n := copy(p, c.pieces[0].data)
	if c.pieces[0].data = c.pieces[0].data[n:]; len(c.pieces[0].data) == 0 {
		c.pieces, c.next = c.pieces[1:], time.Time{}
	}
	return n, nil
}

func (c *slowConn) SetReadDeadline(t time.Time) error {
	c.deadline = t
	return nil
}

// TestPatience measures what silence ends a stream. A server may look for the start position for minutes before its first
// event; afterwards three heartbeats that do not come are enough, whatever time the events before took.
func TestPatience(t *testing.T) {
	log := oneRowTransactions(2)
	for name, c := range map[string]struct {
		pieces []piece
		ends   time.Duration // after the last piece
	}{
		"a slow start":  {[]piece{{9 * time.Minute, log}}, 3 * time.Second},
		"a long pause":  {[]piece{{0, log[:100]}, {2 * time.Second, log[100:]}}, 3 * time.Second},
		"no first word": {nil, firstEvent},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, out := memStream(t, nil, nil, 1<<20, 0)
				defer s.close()
				conn := &slowConn{pieces: c.pieces, polled: s.r.raw}
				s.r.wire, s.r.raw.Conn = conn, conn
				s.r.patience = 10 * time.Second
				s.cfg.HeartbeatInterval = time.Second
				changes := make(chan int)
				go func() {
					n := 0
					for b := range out {
						n += len(b.Changes)
						b.Release()
					}
					changes <- n
				}()
				start, before := time.Now(), time.Duration(0)
				for _, p := range c.pieces {
					before += p.after
				}
				err := s.run(context.Background())
				close(out)
				if n := <-changes; n != 2*min(1, len(c.pieces)) {
					t.Errorf("%d changes", n)
				}
				if f := fault.As(err); f == nil || f.Code != fault.Unreachable || f.Final || errors.Is(err, io.EOF) {
					t.Errorf("ended with %v", err)
				}
				if took := time.Since(start) - before; took < c.ends || took > c.ends+2*time.Second {
					t.Errorf("gave up %v after the last word, want %v", took, c.ends)
				}
			})
		})
	}
}

// TestPatienceWithASlowConsumer blocks the stream for a day between two batches: that is not the server's silence.
func TestPatienceWithASlowConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := oneRowTransactions(400)
		s, _ := memStream(t, nil, nil, minBatchBytes, 0)
		defer s.close()
		conn := &slowConn{pieces: []piece{{0, log}}, polled: s.r.raw}
		s.r.wire, s.r.raw.Conn = conn, conn
		s.cfg.HeartbeatInterval = time.Second
		out := make(chan *changelog.Batch)
		s.out = out
		failed := make(chan error, 1)
		go func() { failed <- s.run(context.Background()) }()
		rows := 0
		for rows < 400 {
			time.Sleep(24 * time.Hour)
			select {
			case b := <-out:
				rows += len(b.Changes)
				b.Release()
			case err := <-failed:
				t.Fatalf("after %d rows: %v", rows, err)
			}
		}
		if err := <-failed; !fault.Is(err, fault.Unreachable) {
			t.Error(err)
		}
	})
}
