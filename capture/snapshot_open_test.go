package capture_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// TestModes: which tables a new pipeline reads.
func TestModes(t *testing.T) {
	for _, c := range []struct {
		mode      capture.SnapshotMode
		table     capture.SnapshotTable
		status    capture.SnapshotStatus
		even, odd int
	}{
		{capture.SnapshotInitial, capture.SnapshotTable{}, capture.SnapshotDone, 1, 1},
		{capture.SnapshotWhenNeeded, capture.SnapshotTable{}, capture.SnapshotDone, 1, 1},
		{capture.SnapshotNever, capture.SnapshotTable{}, capture.SnapshotSkipped, 0, 0},
		{capture.SnapshotInitial, capture.SnapshotTable{Skip: true}, capture.SnapshotSkipped, 0, 0},
		{capture.SnapshotInitial, capture.SnapshotTable{Where: "odd"}, capture.SnapshotDone, 0, 1},
	} {
		inBubble(t, func(t *testing.T) {
			r := calmRun(t, 30)
			c.table.Name = "shop.ints"
			r.cfg.Mode, r.cfg.Tables = c.mode, []capture.SnapshotTable{c.table}
			for range 2 {
				l := r.begin()
				l.pass(time.Minute)
				l.quit()
			}
			if s := r.sink.status("ints"); s != c.status {
				t.Errorf("%s %+v: %s", c.mode, c.table, s)
			}
			r.wantReads("ints", c.even, c.odd)
		})
	}
}

// TestSkippedTables: tables that are skipped for what is made of them are not read, with a rule of their own and without; others are.
func TestSkippedTables(t *testing.T) {
	for _, rule := range [][]capture.SnapshotTable{nil, {{Name: "shop.pairs", Where: "odd", Priority: 1}}} {
		inBubble(t, func(t *testing.T) {
			r := calmRun(t, 30)
			r.db.add("pairs", []string{"a", "b"}, 5)
			r.cfg.Tables = rule
			r.cfg.Skips = func(schema, table string) bool { return schema == "shop" && table == "pairs" }
			l := r.begin()
			l.pass(time.Minute)
			l.quit()
			if s := r.sink.status("pairs"); s != capture.SnapshotSkipped || r.sink.count("pairs") != 0 {
				t.Errorf("%s, %d rows were read", s, r.sink.count("pairs"))
			}
			r.wantReads("ints", 1, 1)
		})
	}
}

// TestOnly: the pipeline ends when everything is read, and again at once when it is started once more, unless something is asked for.
func TestOnly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := calmRun(t, 30)
		r.cfg.Mode = capture.SnapshotOnly
		r.db.insert("ints", modelKey{A: 1000})
		only := func(reads int) {
			t.Helper()
			begin := time.Now()
			if _, err := r.attempt(time.Minute, nil); err != nil || !errors.Is(r.ended, capture.ErrComplete) {
				t.Errorf("ended with %v, %v after %v", err, r.ended, time.Since(begin))
			}
			if n := r.sink.count("ints"); n != reads || len(r.sink.requests()) > 0 {
				t.Errorf("%d rows were read, %d requests are left", n, len(r.sink.requests()))
			}
			r.sink.equals("ints", true)
		}
		only(31)
		only(31)
		r.ask("1", start("", "shop.ints"))
		only(62)
	})
}

// TestOnlyWaitsForWhatPauses: a table that pauses is not read.
func TestOnlyWaitsForWhatPauses(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := calmRun(t, 30)
		r.cfg.Mode = capture.SnapshotOnly
		r.tune = slowly
		l := r.begin()
		r.ask("1", action(capture.SnapshotPause))
		l.pass(time.Minute)
		select {
		case <-l.done:
			t.Errorf("ended with %v", r.ended)
		default:
		}
		r.ask("2", action(capture.SnapshotResume))
		l.pass(time.Minute)
		if err := l.end(); !errors.Is(err, capture.ErrComplete) {
			t.Errorf("ended with %v", err)
		}
		r.wantReads("ints", 1, 1)
	})
}

// TestLostPosition: a pipeline that may does without its position; what the source below knew of it is forgotten.
func TestLostPosition(t *testing.T) {
	for mode, want := range map[capture.SnapshotMode]fault.Code{capture.SnapshotWhenNeeded: "", capture.SnapshotInitial: fault.BinlogPurged} {
		inBubble(t, func(t *testing.T) {
			r := calmRun(t, 30)
			r.cfg.Mode = mode
			r.cfg.Tables = []capture.SnapshotTable{{Name: "shop.pairs", Skip: true}}
			r.db.add("pairs", []string{"a", "b"}, 5)
			l := r.begin()
			l.pass(time.Minute)
			r.ask("1", start("even", "shop.ints"))
			l.pass(time.Minute)
			l.quit()
			r.sink.put(changelog.State{Key: "model/old", Value: []byte("x")})
			for i := range 200 {
				r.db.insert("ints", modelKey{A: int64(1000 + i)}) // nobody will ever stream these
			}
			tune := r.tune
			r.tune = func(s *modelSource) {
				tune(s)
				if len(r.sources) == 0 {
					s.openErr = fault.NewFinal(fault.BinlogPurged, "opening", errors.New("purged"), "Read the tables again.")
				}
			}
			src, err := r.open()
			if !fault.Is(err, want) {
				t.Fatalf("opened with %v", err)
			}
			if want != "" {
				return
			}
			if err := errors.Join(src.Close()); err != nil {
				t.Error(err)
			}
			if len(r.sources) != 3 || r.sources[0].closes != 1 || !r.sources[1].started || r.sources[1].opens != 0 || r.sources[2].given != nil {
				t.Errorf("%d sources", len(r.sources))
			}
			if _, left := r.sink.committed.state["model/old"]; left || r.sink.committed.state["model"] != "x" {
				t.Errorf("the state is %v", r.sink.committed.state)
			}
			r.tune = tune
			l = r.begin()
			l.pass(time.Minute)
			l.quit()
			r.sink.equals("ints", true)
			if s := r.sink.status("pairs"); s != capture.SnapshotSkipped {
				t.Errorf("the other table is %s", s)
			}
			if n := count(r.sink.committed.all, changelog.SnapshotFirst); n != 2 {
				t.Errorf("markers: %v", r.sink.committed.all)
			}
		})
	}
}

func count(all []changelog.Snapshot, p changelog.Snapshot) (n int) {
	for _, x := range all {
		if x == p {
			n++
		}
	}
	return n
}

// TestLegacyPipeline: one that began without snapshots reads nothing by itself, but tables that are added later.
func TestLegacyPipeline(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := calmRun(t, 30)
		r.sink.claim(changelog.Checkpoint{Pos: modelPos{}.text()})
		l := r.begin()
		l.pass(time.Minute)
		l.quit()
		r.wantReads("ints", 0, 0)
		r.db.add("pairs", []string{"a", "b"}, 10)
		l = r.begin()
		l.pass(time.Minute)
		l.quit()
		r.wantReads("ints", 0, 0)
		r.wantReads("pairs", 1, 1)
	})
}

// TestTablesComeAndGo: a table that is captured anew is read, also one that was captured before.
func TestTablesComeAndGo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := calmRun(t, 30)
		table := r.db.tables["ints"]
		again := func(hidden bool) {
			t.Helper()
			r.db.mu.Lock()
			table.hidden = hidden
			r.db.mu.Unlock()
			l := r.begin()
			l.pass(time.Minute)
			l.quit()
		}
		again(false)
		r.db.add("pairs", []string{"a", "b"}, 10)
		again(false)
		r.wantReads("ints", 1, 1)
		again(true)
		if s := r.sink.status("ints"); s != "" {
			t.Errorf("the table that is not captured is %s", s)
		}
		again(false)
		r.wantReads("ints", 2, 2)
		r.wantReads("pairs", 1, 1)
		if first, last := count(r.sink.committed.all, changelog.SnapshotFirst), count(r.sink.committed.all, changelog.SnapshotLast); first != 1 || last != 1 {
			t.Errorf("markers: %v", r.sink.committed.all)
		}
	})
}

// TestConfigurationForbids: a table that is not to be read any more pauses where it is.
func TestConfigurationForbids(t *testing.T) {
	for _, never := range []bool{true, false} {
		inBubble(t, func(t *testing.T) {
			r := calmRun(t, 30)
			tables := r.cfg.Tables
			r.tune = slowly
			l := r.begin()
			l.pass(1500 * time.Millisecond)
			l.quit()
			if never {
				r.cfg.Mode = capture.SnapshotNever
			} else {
				r.cfg.Tables = []capture.SnapshotTable{{Name: "shop.ints", Skip: true}}
			}
			l = r.begin()
			l.pass(time.Minute)
			if n := r.sink.count("ints"); l.status("ints").Status != capture.SnapshotPaused || n != 10 {
				t.Errorf("%d rows were read: %+v", n, l.status("ints"))
			}
			l.quit()
			r.cfg.Mode, r.cfg.Tables = capture.SnapshotInitial, tables
			l = r.begin()
			r.ask("1", action(capture.SnapshotResume, "shop.ints"))
			l.pass(time.Minute)
			l.quit()
			r.wantReads("ints", 1, 1)
		})
	}
}

// TestPriority: the table with the highest priority is read first, with one reader wholly.
func TestPriority(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := calmRun(t, 30)
		r.db.add("names", []string{"b"}, 30)
		r.db.add("pairs", []string{"a", "b"}, 30)
		r.cfg.Tables = []capture.SnapshotTable{{Name: "shop.names", Priority: -1}, {Name: "shop.pairs", Priority: 5}}
		l := r.begin()
		l.pass(time.Minute)
		l.quit()
		order := slices.Compact(r.sink.committed.order)
		if got := strings.Join(order, " "); got != "pairs ints names" {
			t.Errorf("the order is %s", got)
		}
	})
}

// TestOpenWritesWhatChanges: an Open that changes nothing about snapshots writes nothing about them.
func TestOpenWritesWhatChanges(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := calmRun(t, 30)
		src, err := r.open()
		if err != nil || src.Close() != nil {
			t.Fatal(err)
		}
		again := capture.WithSnapshot(r.source, r.cfg, capture.Env{})
		cp, err := again.Open(t.Context(), r.sink.checkpoint())
		if err != nil || len(cp.State) != 1 || cp.State[0].Key != "model" {
			t.Errorf("%v %v", cp.State, err)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestOpenRefuses: what is wrong is found before the first row, and whatever was opened is closed once.
func TestOpenRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(r *modelRun)
		want  fault.Code
	}{
		"newer state": {func(r *modelRun) { r.sink.put(changelog.State{Key: "snapshot", Value: []byte(`{"v":2}`)}) }, fault.StateNewer},
		"newer table": {func(r *modelRun) {
			r.sink.put(changelog.State{Key: "snapshot/shop.ints", Value: []byte(`{"v":3,"status":7}`)})
		}, fault.StateNewer},
		"no JSON":    {func(r *modelRun) { r.sink.put(changelog.State{Key: "snapshot/shop.ints", Value: []byte(`{"v":1,`)}) }, fault.Decode},
		"no version": {func(r *modelRun) { r.sink.put(changelog.State{Key: "snapshot/shop.ints", Value: []byte(`{}`)}) }, fault.Decode},
		"no list":    {func(r *modelRun) { r.db.listErr = fault.New(fault.Permission, "listing", nil, "GRANT.") }, fault.Permission},
		"the source below": {func(r *modelRun) {
			r.tune = func(s *modelSource) { s.openErr = fault.New(fault.Auth, "connecting", nil, "…") }
		}, fault.Auth},
		"nothing": {func(r *modelRun) { r.db.setKeyless(r.db.tables["ints"], true) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := calmRun(t, 3)
				c.spoil(r)
				src, err := r.open()
				if !fault.Is(err, c.want) {
					t.Errorf("opened with %v", err)
				}
				if err == nil {
					if err := src.Close(); err != nil {
						t.Error(err)
					}
					r.closed()
				}
			})
		})
	}
}
