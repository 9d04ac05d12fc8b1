package capture_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// TestKeylessTablesOfRandomHistories: whatever is written beside tables without key, and wherever the pipeline dies, no row is in a topic
// twice at any time, none is taken away that has not come, and in the end the topics have the rows of the tables.
func TestKeylessTablesOfRandomHistories(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { keylessHistory(t, seed) })
		})
	}
}

func keylessHistory(t *testing.T, seed uint64) {
	r := newModelRun(t, seed)
	randomTables(r)
	tables := []string{"bag", "sack"}
	for _, n := range tables {
		r.db.addKeyless(n, r.rnd.IntN(40))
	}
	r.db.slow = time.Duration(r.rnd.Int64N(int64(60 * time.Millisecond)))
	r.live(12, keylessWriter)
}

// keylessWriter hammers the tables with pauses in between; in the midst of it new tables without key come.
func keylessWriter(r *modelRun) {
	rnd := rand.New(rand.NewPCG(r.seed, 6))
	pause := time.Duration(rnd.Int64N(int64(20*time.Millisecond))) + time.Millisecond
	for i := range 20 + rnd.IntN(150) {
		time.Sleep(time.Duration(rnd.Int64N(int64(pause))))
		switch dice := rnd.IntN(40); {
		case dice == 0:
			r.db.note(changelog.Truncate, []string{"ints", "bag", "sack"}[rnd.IntN(3)])
		case dice == 1:
			r.db.note(changelog.DDL, []string{"names", "bag", "sack"}[rnd.IntN(3)])
		case dice == 2:
			time.Sleep(time.Duration(rnd.Int64N(int64(200 * time.Millisecond))))
		case dice == 3:
			name := fmt.Sprintf("late%d", i)
			r.db.addKeyless(name, rnd.IntN(10)) // with rows that the log does not have, as a table that is published later
			r.db.insert(name, modelKey{A: 1000}, modelKey{A: 1001})
		case dice < 6:
			r.db.transact(60)
		default:
			r.db.transact(1 + rnd.IntN(3))
		}
	}
}

// bagRun is a calm pipeline over a table "bag" without key and one with.
func bagRun(t *testing.T, rows int) *modelRun {
	r := calmRun(t, 5)
	r.db.addKeyless("bag", rows)
	return r
}

// bagged counts the rows of "bag" that are in the topic.
func (r *modelRun) bagged() int {
	r.sink.mu.Lock()
	defer r.sink.mu.Unlock()
	return len(r.sink.open.bags["bag"])
}

// TestKeylessDiesAtEachBatch: wherever the only death is.
func TestKeylessDiesAtEachBatch(t *testing.T) {
	for most := 1; most <= 25; most++ {
		inBubble(t, func(t *testing.T) {
			r := bagRun(t, 20)
			r.cfg.Readers = 2
			var working sync.WaitGroup
			working.Go(func() {
				for i := range 30 {
					r.db.insert("bag", modelKey{A: int64(1000 + i)})
					r.db.update("bag", r.db.keys("bag")[0])
					time.Sleep(time.Duration(1+i%7*5) * time.Millisecond)
				}
			})
			r.most = most
			if _, err := r.attempt(time.Hour, nil); err != nil {
				t.Fatal(err)
			}
			r.most = 0
			r.finishAfter(&working)
			r.sink.equals("bag", true)
		})
	}
}

// TestKeylessQuietMoment: while others change the table nothing of it comes, and the statistics say why; of other tables everything
// does. When they leave it alone it is read whole, as what the stream begins with.
func TestKeylessQuietMoment(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := bagRun(t, 20)
		h := &heard{}
		r.hear(h)
		var chunk capture.Chunk
		r.tune = func(s *modelSource) {
			calm(s)
			s.scan = func(c capture.Chunk) error {
				if c.Table.Name == "bag" {
					chunk = c
					time.Sleep(30 * time.Millisecond)
				}
				return nil
			}
		}
		r.cfg.Tables = []capture.SnapshotTable{{Name: "shop.bag", Priority: 1}}
		var working sync.WaitGroup
		working.Go(func() {
			for i := range 1500 {
				r.db.insert("bag", modelKey{A: int64(1000 + i)})
				r.db.insert("ints", modelKey{A: int64(1000 + i)})
				time.Sleep(10 * time.Millisecond)
			}
		})
		l := r.begin()
		l.pass(14_899 * time.Millisecond)
		s := l.status("bag")
		if s.Waits != "others change it; a table without key is read at a moment without changes" || s.Status != capture.SnapshotReading || s.Rows != 0 || r.bagged() != 0 {
			t.Errorf("%+v, %d rows in the topic", s, r.bagged())
		}
		if !h.has("the snapshot of a table waits") {
			t.Error("the log does not say that the table waits")
		}
		working.Wait()
		if n := r.newest().scans.Load(); n > 40 {
			t.Errorf("%d reads in 15 s", n)
		}
		l.pass(2 * time.Second)
		if s := l.status("bag"); s.Status != capture.SnapshotDone || s.Rows != 1520 || s.Waits != "" {
			t.Errorf("%+v", s)
		}
		if chunk.Bytes != 4*r.cfg.ChunkBytes || chunk.After != "" || chunk.UpTo != "" || len(chunk.Table.Key) > 0 || chunk.Time != time.Minute {
			t.Errorf("%+v", chunk)
		}
		if got := r.sink.open.places["bag"]; len(got) != 2 || got[1] != changelog.SnapshotLastOfTable && got[1] != changelog.SnapshotLast {
			t.Errorf("markers %v", got)
		}
		r.db.update("bag", modelKey{A: 1000})
		l.pass(time.Second)
		l.quit()
		r.sink.equals("ints", true)
		r.sink.equals("bag", true)
	})
}

// TestKeylessNotes: a table that is emptied or altered while its piece is on its way is read again.
func TestKeylessNotes(t *testing.T) {
	for _, kind := range []changelog.NoteKind{changelog.Truncate, changelog.DDL} {
		inBubble(t, func(t *testing.T) {
			r := bagRun(t, 20)
			first := true
			r.tune = func(s *modelSource) {
				calm(s)
				s.lag = 100 * time.Millisecond
				s.scan = func(c capture.Chunk) error {
					if c.Table.Name == "bag" && first {
						first = false
						go r.db.note(kind, "bag")
					}
					return nil
				}
			}
			l := r.begin()
			l.pass(time.Minute)
			l.quit()
			r.sink.equals("bag", true)
			if want := map[bool]int{false: 20}[kind == changelog.Truncate]; r.bagged() != want {
				t.Errorf("%d rows", r.bagged())
			}
		})
	}
}

// TestKeylessTooLarge: what is no piece ends the pipeline, each time; without it, the changes come from there on.
func TestKeylessTooLarge(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := bagRun(t, 20)
		r.tune = func(s *modelSource) { calm(s); s.piece = 19 }
		for range 2 {
			l := r.begin()
			l.pass(time.Minute)
			if err := l.end(); !fault.Is(err, fault.NoKey) || !fault.IsFinal(err) {
				t.Errorf("ended with %v", err)
			}
		}
		r.cfg.Tables = []capture.SnapshotTable{{Name: "shop.bag", Skip: true}}
		l := r.begin()
		r.db.insert("bag", modelKey{A: 1000})
		l.pass(time.Minute)
		l.quit()
		if s := r.sink.status("bag"); s != capture.SnapshotSkipped || r.bagged() != 1 {
			t.Errorf("%s, %d rows", s, r.bagged())
		}
	})
}

// TestKeylessPiece: a condition chooses rows of a piece; one that is exactly as large as it may be is one.
func TestKeylessPiece(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := bagRun(t, 20)
		odd := 0
		for _, k := range r.db.keys("bag") {
			if meets("odd", k) {
				odd++
			}
		}
		r.tune = func(s *modelSource) { calm(s); s.piece = odd }
		r.cfg.Tables = []capture.SnapshotTable{{Name: "shop.bag", Where: "odd"}}
		l := r.begin()
		l.pass(time.Minute)
		l.quit()
		if r.bagged() != odd {
			t.Errorf("%d rows, want %d", r.bagged(), odd)
		}
	})
}

// TestKeylessRequests: it is not read again; while it pauses nothing of it comes, also over a restart; when it is cancelled what comes
// later does.
func TestKeylessRequests(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := bagRun(t, 20)
		h := &heard{}
		r.hear(h)
		wait := make(chan struct{})
		r.tune = func(s *modelSource) { calm(s); s.block = wait }
		l := r.begin()
		r.ask("1", action(capture.SnapshotPause, "shop.bag"))
		l.pass(time.Minute)
		close(wait)
		for range 2 {
			r.db.insert("bag", modelKey{A: int64(1000 + r.db.length())})
			l.pass(time.Minute)
			l.quit()
			l = r.begin()
		}
		if s := l.status("bag"); s.Status != capture.SnapshotPaused || r.bagged() != 0 {
			t.Errorf("%+v, %d rows", s, r.bagged())
		}
		r.ask("2", action(capture.SnapshotResume))
		l.pass(time.Minute)
		r.ask("3", start("", "shop.*"))
		r.ask("4", start("odd", "shop.bag"))
		l.pass(time.Minute)
		if !h.has("a table cannot be read again") || len(r.sink.requests()) > 0 {
			t.Errorf("the request is not refused: %v", r.sink.requests())
		}
		l.quit()
		r.sink.equals("bag", true)
		if s := r.sink.status("bag"); s != capture.SnapshotDone || r.bagged() != 22 {
			t.Errorf("%s, %d rows", s, r.bagged())
		}
	})
	inBubble(t, func(t *testing.T) {
		r := bagRun(t, 20)
		r.tune = func(s *modelSource) { calm(s); s.block = make(chan struct{}) }
		l := r.begin()
		r.db.insert("bag", modelKey{A: 1000})
		l.pass(time.Second)
		r.ask("1", action(capture.SnapshotCancel, "shop.bag"))
		l.pass(time.Second)
		r.db.insert("bag", modelKey{A: 1001})
		l.pass(time.Second)
		l.quit()
		if s := r.sink.status("bag"); s != capture.SnapshotCancelled || r.bagged() != 1 {
			t.Errorf("%s, %d rows", s, r.bagged())
		}
	})
}

// TestKeylessNewcomer: a table that comes while the stream flows is read at once if it has no key, whatever its rows are from, and not
// when the pipeline does not read tables.
func TestKeylessNewcomer(t *testing.T) {
	for mode, want := range map[capture.SnapshotMode]int{capture.SnapshotInitial: 7, capture.SnapshotNever: 2} {
		inBubble(t, func(t *testing.T) {
			r := calmRun(t, 5)
			r.cfg.Mode = mode
			l := r.begin()
			l.pass(time.Second)
			r.db.addKeyless("bag", 5)
			r.db.insert("bag", modelKey{A: 1000}, modelKey{A: 1001})
			l.pass(time.Minute)
			if r.bagged() != want {
				t.Errorf("%d rows", r.bagged())
			}
			l.quit()
			r.cfg.Mode = capture.SnapshotInitial
			l = r.begin()
			l.pass(time.Minute)
			l.quit()
			if r.bagged() != want {
				t.Errorf("%d rows after another start", r.bagged())
			}
		})
	}
}
