package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// slowConn is silent for a while before each piece, as long as nobody's deadline comes first, and records what it is told.
type slowConn struct {
	net.Conn
	deadline atomic.Pointer[time.Time] // interrupt sets it from elsewhere
	pieces   []piece
	next     time.Time // when the first piece arrives
	begin    time.Time
	told     []report
	answer   func(ask bool) []byte // what the server says to a status message
}

type piece struct {
	after time.Duration
	data  []byte
}

// report is one status message.
type report struct {
	at    time.Duration
	flush uint64
	ask   bool
}

func (c *slowConn) Read(p []byte) (int, error) {
	if len(c.pieces) == 0 {
		time.Sleep(time.Until(*c.deadline.Load()))
		return 0, os.ErrDeadlineExceeded
	}
	if c.next.IsZero() {
		c.next = time.Now().Add(c.pieces[0].after)
	}
	if wait := time.Until(c.next); wait > 0 {
		if until := time.Until(*c.deadline.Load()); until < wait {
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

func (c *slowConn) Write(p []byte) (int, error) {
	if len(p) != 39 || p[0] != 'd' || p[5] != 'r' || binary.BigEndian.Uint64(p[6:]) != binary.BigEndian.Uint64(p[14:]) || binary.BigEndian.Uint64(p[14:]) != binary.BigEndian.Uint64(p[22:]) {
		return 0, errors.New("not a status message")
	}
	r := report{time.Since(c.begin), binary.BigEndian.Uint64(p[14:]), p[38] != 0}
	c.told = append(c.told, r)
	if c.answer != nil {
		if data := c.answer(r.ask); data != nil {
			c.pieces = append(c.pieces, piece{time.Millisecond, data})
		}
	}
	return len(p), nil
}

func (c *slowConn) SetReadDeadline(t time.Time) error {
	if t.IsZero() {
		t = time.Now().Add(time.Hour)
	}
	c.deadline.Store(&t)
	return nil
}
func (c *slowConn) SetWriteDeadline(time.Time) error { return nil }

func keepaliveFrame(end uint64, reply byte) []byte {
	w := newLog()
	w.keepalive(end, reply)
	return w.out
}

// slowStream runs a stream over a slow connection until ctx ends or the stream does.
func slowStream(t *testing.T, wire *slowConn, during time.Duration, take func(*stream, <-chan *changelog.Batch)) error {
	t.Helper()
	wire.begin = time.Now()
	s, _, _ := memStream(t, wire, nil, minBatchBytes)
	defer s.close()
	out := make(chan *changelog.Batch)
	s.out = out
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	defer context.AfterFunc(ctx, s.r.interrupt)()
	done := make(chan struct{})
	go func() {
		defer close(done)
		take(s, out)
	}()
	err := s.run(ctx)
	cancel()
	close(out)
	<-done
	return err
}

func drop(_ *stream, out <-chan *changelog.Batch) {
	for b := range out {
		b.Release()
	}
}

// TestIdleStreamAsks has a server that says where it stands only when it is asked.
func TestIdleStreamAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := uint64(logStart)
		wire := &slowConn{answer: func(ask bool) []byte {
			if !ask {
				return nil
			}
			end += 1000
			return keepaliveFrame(end, 0)
		}}
		var positions []changelog.Position
		err := slowStream(t, wire, 10*time.Second, func(s *stream, out <-chan *changelog.Batch) {
			for b := range out {
				positions = append(positions, b.Next.Pos)
				p, _ := parsePosition(b.Next.Pos)
				s.src.flushed.Store(uint64(p.lsn))
				s.r.flushed.Store(uint64(p.lsn))
				b.Release()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if n := len(positions); n < 7 || n > 10 {
			t.Errorf("%d positions in 10 s", n)
		}
		asked := 0
		for i, r := range wire.told {
			if r.ask {
				asked++
			}
			if i > 0 && r.flush < wire.told[i-1].flush {
				t.Errorf("%+v after %+v", r, wire.told[i-1])
			}
		}
		if asked < 8 || asked > 10 || len(wire.told) > 22 {
			t.Errorf("asked %d times, told %d times", asked, len(wire.told))
		}
		if last := wire.told[len(wire.told)-1]; last.flush < logStart+6000 {
			t.Errorf("%+v", last)
		}
	})
}

// TestSilence measures how long a server may say nothing: long before its first message, then a minute.
func TestSilence(t *testing.T) {
	for name, c := range map[string]struct {
		pieces []piece
		ends   time.Duration
	}{
		"a slow start":   {[]piece{{9 * time.Minute, oneRowTransactions(2).out}}, 10 * time.Minute},
		"a long pause":   {[]piece{{0, oneRowTransactions(2).out[:200]}, {50 * time.Second, oneRowTransactions(2).out[200:]}}, 110 * time.Second},
		"half a message": {[]piece{{0, oneRowTransactions(2).out[:300]}}, time.Minute},
		"no first word":  {nil, firstMessage},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wire := &slowConn{pieces: c.pieces}
				err := slowStream(t, wire, time.Hour, drop)
				if f := fault.As(err); f == nil || f.Code != fault.Unreachable || f.Final || f.Hint == "" {
					t.Errorf("ended with %v", err)
				}
				if took := time.Since(wire.begin); took < c.ends || took > c.ends+2*time.Second {
					t.Errorf("gave up after %v, want %v", took, c.ends)
				}
				gaps(t, wire.told, time.Second+tick)
			})
		})
	}
}

// gaps looks for times in which the server heard nothing from us.
func gaps(t *testing.T, told []report, most time.Duration) {
	t.Helper()
	last := time.Duration(0)
	for _, r := range told {
		if r.at-last > most {
			t.Errorf("nothing was said between %v and %v", last, r.at)
		}
		last = r.at
	}
}

// TestBackPressureKeepsTheConnection takes a batch an hour.
func TestBackPressureKeepsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := &slowConn{pieces: []piece{{0, oneRowTransactions(100).out}}}
		rows := 0
		err := slowStream(t, wire, 6*time.Hour, func(s *stream, out <-chan *changelog.Batch) {
			for rows < 100 {
				time.Sleep(time.Hour)
				b, ok := <-out
				if !ok {
					return
				}
				rows += len(b.Changes)
				b.Release()
			}
			drop(s, out)
		})
		if !fault.Is(err, fault.Unreachable) && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if rows < 5*7 || len(wire.told) < 4*3600 { // a batch of minBatchBytes holds seven of these transactions
			t.Errorf("%d rows, %d status messages", rows, len(wire.told))
		}
		gaps(t, wire.told, time.Second+tick)
		for _, r := range wire.told {
			if r.flush != 0 {
				t.Fatalf("%+v, and nothing was committed", r)
			}
		}
	})
}

// TestSlowCatalogueKeepsTheConnection waits for a table's facts for a minute and a half.
func TestSlowCatalogueKeepsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := &slowConn{pieces: []piece{{0, oneRowTransactions(2).out}}, begin: time.Now()}
		s, _, catalog := memStream(t, wire, nil, minBatchBytes)
		defer s.close()
		catalog.slow = 90 * time.Second
		out := make(chan *changelog.Batch, 16)
		s.out = out
		if err := s.run(t.Context()); !fault.Is(err, fault.Unreachable) {
			t.Error(err)
		}
		if took := time.Since(wire.begin); took < 150*time.Second || len(out) == 0 {
			t.Errorf("ended after %v, %d batches", took, len(out))
		}
		gaps(t, wire.told, time.Second+tick)
	})
}

// TestAnswers has a server that shuts down: it asks again as soon as it is answered, until everything is committed.
func TestAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := &slowConn{pieces: []piece{{10 * time.Millisecond, keepaliveFrame(logStart+100, 1)}}}
		wire.answer = func(bool) []byte { return keepaliveFrame(logStart+100, 1) }
		var urgent []time.Duration
		err := slowStream(t, wire, 3*time.Second, func(s *stream, out <-chan *changelog.Batch) {
			for b := range out {
				if b.Soon {
					urgent = append(urgent, time.Since(wire.begin))
				}
				time.Sleep(time.Second) // it takes a while to commit
				s.r.flushed.Store(logStart + 100)
				b.Release()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if len(urgent) != 1 || urgent[0] > 20*time.Millisecond {
			t.Errorf("asked for a commit after %v", urgent)
		}
		first := slices.IndexFunc(wire.told, func(r report) bool { return r.at > 5*time.Millisecond })
		if r := wire.told[first]; r.at > 70*time.Millisecond {
			t.Errorf("answered after %v", r.at)
		}
		if n := len(wire.told); n < 20 || n > 70 {
			t.Errorf("%d answers in 3 s", n)
		}
		i := slices.IndexFunc(wire.told, func(r report) bool { return r.flush > 0 })
		if r := wire.told[i]; r.at < time.Second || r.at > 1100*time.Millisecond {
			t.Errorf("committed after a second, said after %v", r.at)
		}
	})
}

// TestInterrupt ends a read, and a wait for the reader of batches, at once.
func TestInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := &slowConn{pieces: []piece{{0, oneRowTransactions(100).out}}}
		err := slowStream(t, wire, 5*time.Second, func(_ *stream, out <-chan *changelog.Batch) {
			for b := range out {
				b.Release()
				if len(wire.pieces) == 0 {
					return
				}
			}
		})
		if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if took := time.Since(wire.begin); took < 5*time.Second || took > 5*time.Second+tick {
			t.Errorf("took %v", took)
		}
	})
}
