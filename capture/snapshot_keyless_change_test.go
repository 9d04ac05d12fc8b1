package capture_test

import (
	"errors"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

// TestKeyComes: a table that gets a key while it waits is read in chunks, at once or after the next start.
func TestKeyComes(t *testing.T) {
	for _, restart := range []bool{false, true} {
		inBubble(t, func(t *testing.T) {
			r := bagRun(t, 30)
			wait := make(chan struct{})
			r.tune = func(s *modelSource) { calm(s); s.block = wait }
			l := r.begin()
			r.ask("1", action(capture.SnapshotPause, "shop.bag"))
			l.pass(time.Second)
			if restart {
				l.quit()
			}
			r.db.setKeyless(r.db.tables["bag"], false)
			close(wait)
			if restart {
				l = r.begin()
			}
			r.ask("2", action(capture.SnapshotResume))
			l.pass(time.Minute)
			r.db.insert("bag", modelKey{A: 1000, B: "x"})
			l.pass(time.Minute)
			l.quit()
			r.sink.equals("bag", true)
			r.sink.mu.Lock()
			n := len(r.sink.committed.reads["bag"])
			r.sink.mu.Unlock()
			if s := r.sink.status("bag"); s != capture.SnapshotDone || n != 30 || r.newest().scans.Load() < 3 {
				t.Errorf("%s, %d rows in %d reads", s, n, r.newest().scans.Load())
			}
		})
	}
}

// TestKeyIsListed: that a waiting table has a key now is also learnt when tables are listed for something else.
func TestKeyIsListed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := bagRun(t, 30)
		r.tune = func(s *modelSource) { calm(s); s.block = make(chan struct{}) }
		l := r.begin()
		r.ask("1", action(capture.SnapshotPause, "shop.bag"))
		l.pass(time.Second)
		r.db.setKeyless(r.db.tables["bag"], false)
		r.ask("2", start("", "shop.ints"))
		l.pass(time.Second)
		r.db.insert("bag", modelKey{A: 1000, B: "x"})
		l.pass(time.Second)
		l.quit()
		if n := len(r.sink.committed.fold["bag"]); n != 1 {
			t.Errorf("%d rows of it came while it pauses", n)
		}
		r.tune = calm
		l = r.begin()
		r.ask("3", action(capture.SnapshotResume))
		l.pass(time.Minute)
		l.quit()
		r.sink.equals("bag", true)
	})
}

// TestKeyGoes: a table that loses its key while it is read is read anew, in one piece; one that somebody has asked for is not.
func TestKeyGoes(t *testing.T) {
	for _, asked := range []bool{false, true} {
		for _, restart := range []bool{false, true} {
			inBubble(t, func(t *testing.T) {
				r, changed := calmRun(t, 30), false
				if asked {
					r.cfg.Mode = capture.SnapshotNever
				}
				r.tune = func(s *modelSource) {
					calm(s)
					s.scan = func(c capture.Chunk) error {
						if len(c.Table.Key) == 0 && !changed {
							changed = true
							r.db.insert("ints", modelKey{A: 5000}) // in the piece, and not in the stream
						}
						time.Sleep(time.Second)
						return nil
					}
				}
				l := r.begin()
				if asked {
					r.ask("1", start("", "shop.ints"))
				}
				l.pass(1500 * time.Millisecond) // one chunk has left
				if restart {
					l.quit()
				}
				r.db.setKeyless(r.db.tables["ints"], true)
				if restart {
					l = r.begin()
				}
				l.pass(time.Minute)
				l.quit()
				want := capture.SnapshotDone
				if asked {
					want = capture.SnapshotCancelled
				} else {
					r.sink.equals("ints", true)
				}
				if s := r.sink.status("ints"); s != want {
					t.Errorf("%s, want %s", s, want)
				}
			})
		}
	}
}

// TestKeylessLostPosition: a pipeline that may begin anew does not when that would repeat the rows of a table without key.
func TestKeylessLostPosition(t *testing.T) {
	for _, read := range []bool{false, true} {
		inBubble(t, func(t *testing.T) {
			r := bagRun(t, 20)
			r.cfg.Mode = capture.SnapshotWhenNeeded
			tune := r.tune
			if !read {
				r.tune = func(s *modelSource) { calm(s); s.block = make(chan struct{}) }
			}
			l := r.begin()
			l.pass(time.Minute)
			l.quit()
			r.tune = func(s *modelSource) {
				tune(s)
				if len(r.sources) == 0 {
					s.openErr = fault.NewFinal(fault.BinlogPurged, "opening", errors.New("purged"), "Read the tables again.")
				}
			}
			if read {
				if _, err := r.open(); !fault.Is(err, fault.NoKey) || !fault.IsFinal(err) {
					t.Errorf("opened with %v", err)
				}
				if s := r.sources[0]; s.started || len(r.sources) > 1 {
					t.Error("the source was started over")
				}
				r.cfg.Tables = []capture.SnapshotTable{{Name: "shop.bag", Skip: true}}
			}
			l = r.begin()
			l.pass(time.Minute)
			l.quit()
			r.sink.equals("bag", true)
		})
	}
}
