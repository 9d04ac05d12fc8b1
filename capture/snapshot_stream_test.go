package capture_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// TestStreamIsNotKeptWaiting: a scan that never answers keeps nothing away but its table.
func TestStreamIsNotKeptWaiting(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := calmRun(t, 30)
		r.tune = func(s *modelSource) { calm(s); s.block = make(chan struct{}) }
		l := r.begin()
		begin := time.Now()
		for i := range 100 {
			r.db.insert("ints", modelKey{A: int64(1000 + i)})
			l.pass(time.Millisecond)
			if at := r.sink.checkpoint().Pos; at != (modelPos{At: i + 1}).text() {
				t.Fatalf("after %v the stream stands at %s, not at %d", time.Since(begin), at, i+1)
			}
		}
		if err := l.end(); !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		if n := r.sink.count("ints"); n != 0 {
			t.Errorf("%d rows of a scan that has not ended", n)
		}
	})
}

// TestHugeTransactionInAWindow: more keys than memory is meant for give the window up; it is read again.
func TestHugeTransactionInAWindow(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := calmRun(t, 0)
		r.cfg.Tables = []capture.SnapshotTable{{Name: "shop.ints", Skip: true}}
		r.db.add("names", []string{"b"}, 20)
		block := make(chan struct{})
		r.tune = func(s *modelSource) { calm(s); s.part, s.block = 4, block }
		l := r.begin()
		var huge []modelKey
		for i := range 20 {
			huge = append(huge, modelKey{B: fmt.Sprintf("%02d%s", i, strings.Repeat("x", 1<<20))})
		}
		r.db.update("names", r.db.keys("names")...)
		r.db.insert("names", huge...)
		l.pass(time.Second)
		if s := l.status("names"); s.Waits != "a large transaction changes it" {
			t.Errorf("the table is %+v", s)
		}
		close(block)
		l.pass(10 * time.Second)
		if s := l.status("names"); s.Status != capture.SnapshotDone {
			t.Errorf("the table is %+v", s)
		}
		if err := l.end(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		r.sink.equals("names", true)
		if n := r.newest().scans.Load(); n != 5 {
			t.Errorf("%d scans, there are 4 chunks and one that was given up", n)
		}
	})
}

// TestReadsThatAreNotYetPossible: a transaction that stays invisible for long lets the table wait, says so, and nothing else.
func TestReadsThatAreNotYetPossible(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := calmRun(t, 30)
		var log heard
		r.hear(&log)
		r.db.slow = time.Hour
		l := r.begin()
		for i := range 20 {
			r.db.insert("ints", modelKey{A: int64(1000 + i)})
		}
		if r.db.settled() {
			t.Fatal("everything is visible at once")
		}
		r.ask("again", capture.SnapshotRequest{Action: capture.SnapshotStart, Tables: []string{"shop.ints"}})
		l.pass(30 * time.Second)
		if s := l.status("ints"); s.Status != capture.SnapshotReading || s.Waits != "a transaction is not visible yet" {
			t.Errorf("the table is %+v", s)
		}
		if !log.has("waits") || strings.Count(log.buf.String(), "waits") != 1 {
			t.Errorf("the log says %s", log.buf.String())
		}
		if n := r.newest().scans.Load(); n > 200 {
			t.Errorf("%d scans in 30 seconds", n)
		}
		l.pass(2 * time.Hour)
		if s := l.status("ints"); s.Status != capture.SnapshotDone || s.Waits != "" {
			t.Errorf("the table is %+v", s)
		}
		if err := l.end(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		r.sink.equals("ints", true)
	})
}

// TestWaitingTablesKeepNobodyAway: however many tables wait for something of their own, the others are read.
func TestWaitingTablesKeepNobodyAway(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := calmRun(t, 30)
		for i := range 5 {
			r.db.add(fmt.Sprintf("added%d", i), []string{"a"}, 5)
		}
		r.tune = func(s *modelSource) {
			calm(s)
			s.scan = func(c capture.Chunk) error {
				if c.Table.Name != "ints" {
					return capture.NotYet{Why: "a transaction began before the table was published"}
				}
				return nil
			}
		}
		l := r.begin()
		l.pass(10 * time.Second)
		if s := l.status("ints"); s.Status != capture.SnapshotDone {
			t.Errorf("the table is %+v", s)
		}
		l.quit()
		r.wantReads("ints", 1, 1)
	})
}

// TestSlowVisibilityIsNoStarvation: when every transaction is visible later than a read waits, and another one comes before that, the
// table is read all the same.
func TestSlowVisibilityIsNoStarvation(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := calmRun(t, 50)
		l := r.begin()
		r.db.delay = 10 * patience
		r.db.insert("ints", modelKey{A: 999})
		r.ask("again", capture.SnapshotRequest{Action: capture.SnapshotStart, Tables: []string{"shop.ints"}})
		for i := range 3000 {
			r.db.insert("ints", modelKey{A: int64(1000 + i)})
			l.pass(2 * time.Millisecond)
		}
		if s := l.status("ints"); s.Status == capture.SnapshotWaiting || s.Rows < 50 {
			t.Errorf("after 6 seconds: %+v", s)
		}
		if err := l.end(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestReadersFail: what fails is tried again, whoever cannot be reached is asked for ever, and what only a person can cure ends
// the attempt.
func TestReadersFail(t *testing.T) {
	wrong := errors.New("the disk is full")
	for name, c := range map[string]struct {
		err   error
		times int64 // so many scans fail
		scans int64 // expected, at least
		want  error
	}{
		"some":        {wrong, 3, 4, context.Canceled},
		"always":      {wrong, 1 << 40, 10, wrong},
		"unreachable": {fault.New(fault.Unreachable, "connecting", wrong, "Start it."), 40, 41, context.Canceled},
		"final":       {fault.NewFinal(fault.Permission, "reading", wrong, "GRANT SELECT."), 1, 1, wrong},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := calmRun(t, 30)
				r.tune = func(s *modelSource) {
					calm(s)
					s.scan = func(capture.Chunk) error {
						if s.scans.Load() <= c.times {
							return c.err
						}
						return nil
					}
				}
				l := r.begin()
				l.pass(10 * time.Minute)
				if err := l.end(); !errors.Is(err, c.want) {
					t.Errorf("ended with %v", err)
				}
				if n := r.newest().scans.Load(); n < c.scans || n > c.scans+5 {
					t.Errorf("%d scans", n)
				}
				if errors.Is(c.want, context.Canceled) {
					r.sink.equals("ints", true)
				}
			})
		})
	}
}

// TestRequestThatCannotBe: what the server refuses for good ends what was asked for, and nothing else.
func TestRequestThatCannotBe(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := calmRun(t, 30)
		r.tune = func(s *modelSource) {
			calm(s)
			s.scan = func(c capture.Chunk) error {
				if c.Where != "" {
					return fault.NewFinal(fault.Config, "reading", errors.New("unknown column"), "Correct the condition.")
				}
				return nil
			}
		}
		l := r.begin()
		l.pass(time.Second)
		r.ask("1", start("colour = 5", "shop.ints"))
		l.pass(time.Second)
		if s := l.status("ints"); s.Status != capture.SnapshotCancelled || !strings.Contains(s.Waits, "unknown column") {
			t.Errorf("the table is %+v", s)
		}
		l.quit()
		if s := r.sink.status("ints"); s != capture.SnapshotCancelled {
			t.Errorf("the table is %s", s)
		}
		r.wantReads("ints", 1, 1)
	})
}

// TestPartialChangesWithoutEnd: a row whose changes never carry all of it keeps its table waiting, and that costs little.
func TestPartialChangesWithoutEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := calmRun(t, 30)
		r.tune = func(s *modelSource) { calm(s); s.lag = 20 * time.Millisecond }
		hot := r.db.keys("ints")[0]
		l := r.begin()
		l.pass(time.Second)
		var writing sync.WaitGroup
		writing.Go(func() {
			for range 20_000 {
				r.db.updatePartly("ints", hot)
				time.Sleep(time.Millisecond)
			}
		})
		l.pass(time.Second)
		before := r.newest().scans.Load()
		r.ask("1", start("", "shop.ints"))
		l.pass(18 * time.Second)
		if s, n := l.status("ints"), r.newest().scans.Load()-before; s.Waits == "" || s.Rows > 0 || n > 60 {
			t.Errorf("after %d scans the table is %+v", n, s)
		}
		writing.Wait()
		l.pass(5 * time.Minute)
		l.quit()
		r.wantReads("ints", 2, 2)
	})
}

// TestTableGone: the snapshot of a table that was dropped ends, the others go on.
func TestTableGone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := calmRun(t, 30)
		r.db.add("pairs", []string{"a", "b"}, 30)
		block := make(chan struct{})
		r.tune = func(s *modelSource) { calm(s); s.block = block }
		l := r.begin()
		r.db.mu.Lock()
		r.db.tables["ints"].dropped = true
		r.db.mu.Unlock()
		close(block)
		l.pass(time.Second)
		if err := l.end(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if a, b := r.sink.status("ints"), r.sink.status("pairs"); a != capture.SnapshotGone || b != capture.SnapshotDone {
			t.Errorf("ints %s, pairs %s", a, b)
		}
		r.sink.equals("pairs", true)
	})
}

// TestKeyChanges: the table is read from its beginning by its new key, also when the pipeline dies before that, and what had been
// read by the old one is not gone on with.
func TestKeyChanges(t *testing.T) {
	for name, crash := range map[string]bool{"alive": false, "with a crash": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := calmRun(t, 30)
				table := r.db.tables["ints"]
				r.tune = func(s *modelSource) {
					calm(s)
					s.scan = func(capture.Chunk) error {
						if s.scans.Load() == 2 {
							time.Sleep(time.Second)
						}
						return nil
					}
				}
				l := r.begin()
				l.pass(100 * time.Millisecond)
				r.db.rekey(table, []string{"a", "b"})
				if crash {
					l.quit()
					l = r.begin()
				}
				l.pass(5 * time.Second)
				if err := l.end(); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				if s := r.sink.status("ints"); s != capture.SnapshotDone {
					t.Errorf("the table is %s", s)
				}
				for _, k := range r.db.keys("ints") {
					if r.sink.committed.reads["ints"][k] < 1 || k.B != "new" {
						t.Errorf("row %v was read %d times", k, r.sink.committed.reads["ints"][k])
					}
				}
			})
		})
	}
}

// TestKeyChangesForGood: that a table begins anew is durable before anything of it is read: its key may have the same columns, and
// cursors that mean something else.
func TestKeyChangesForGood(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := calmRun(t, 30)
		r.tune = func(s *modelSource) {
			calm(s)
			s.scan = func(capture.Chunk) error {
				if s.scans.Load() == 1 {
					return nil
				}
				time.Sleep(100 * time.Millisecond) // the first chunk leaves
				r.db.mu.Lock()
				r.db.listErr = errors.New("too many connections")
				r.db.mu.Unlock()
				return capture.ErrKeyChanged
			}
		}
		l := r.begin()
		l.pass(time.Second)
		l.quit()
		if text := r.sink.committed.state["snapshot/shop.ints"]; text != `{"v":1,"status":"waiting"}` {
			t.Error(text)
		}
	})
}

// TestKeyChangesForEver: a table of which list and reads say different things costs little, and says what it waits for.
func TestKeyChangesForEver(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := calmRun(t, 30)
		r.log = nil
		r.tune = func(s *modelSource) {
			calm(s)
			s.scan = func(capture.Chunk) error { return capture.ErrKeyChanged }
		}
		l := r.begin()
		l.pass(10 * time.Minute)
		if s := l.status("ints"); s.Waits != "its key has changed" {
			t.Errorf("the table is %+v", s)
		}
		l.quit()
		if n := r.newest().scans.Load(); n > 150 {
			t.Errorf("%d scans in 10 minutes", n)
		}
	})
}

// TestBoundsComeTooLate: bounds that were looked for before a table was asked for anew are of no use.
func TestBoundsComeTooLate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := calmRun(t, 30)
		r.cfg.Readers = 2
		first := true
		r.tune = func(s *modelSource) {
			calm(s)
			s.estimate = 1_000_000
			s.bounds = func() []capture.Cursor {
				if !first {
					time.Sleep(2 * time.Second)
					return nil
				}
				first = false
				time.Sleep(time.Second)
				return []capture.Cursor{"of another key"}
			}
		}
		l := r.begin()
		r.ask("1", start("", "shop.ints"))
		l.pass(time.Minute)
		l.quit()
		r.wantReads("ints", 1, 1)
	})
}

// TestStatsAndAckAtAnyTime is for the race detector.
func TestStatsAndAckAtAnyTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newModelRun(t, 5)
		randomTables(r)
		stop := make(chan struct{})
		var watching sync.WaitGroup
		watching.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(100 * time.Microsecond):
				}
				r.mu.Lock()
				src := r.src
				r.mu.Unlock()
				if src == nil {
					continue
				}
				src.Ack(modelPos{}.text())
				for _, s := range src.Stats().Snapshots {
					if s.Rows > 1000 || s.Ended != 0 && s.Ended < s.Began {
						t.Errorf("%+v", s)
					}
				}
				src.(capture.Requester).Request(changelog.State{Key: "request/x", Value: []byte("no request")})
			}
		})
		r.crashes(5)
		r.finish()
		close(stop)
		watching.Wait()
	})
}
