package capture_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
)

// start, pause, … make the requests of these tests.
func start(where string, tables ...string) capture.SnapshotRequest {
	return capture.SnapshotRequest{Action: capture.SnapshotStart, Tables: tables, Where: where}
}

func action(a capture.SnapshotAction, tables ...string) capture.SnapshotRequest {
	return capture.SnapshotRequest{Action: a, Tables: tables}
}

// slowly makes each scan take a second, so that requests come while tables are read.
func slowly(s *modelSource) {
	calm(s)
	s.scan = func(capture.Chunk) error { time.Sleep(time.Second); return nil }
}

// wantReads compares how often each row was read.
func (r *modelRun) wantReads(table string, even, odd int) {
	r.t.Helper()
	for _, k := range r.db.keys(table) {
		want := odd
		if meets("even", k) {
			want = even
		}
		if got := r.sink.committed.reads[table][k]; got != want {
			r.t.Errorf("%s: row %v was read %d times, not %d", table, k, got, want)
		}
	}
}

func (l *live) quit() {
	l.r.t.Helper()
	if err := l.end(); !errors.Is(err, context.Canceled) {
		l.r.t.Errorf("ended with %v", err)
	}
	if left := l.r.sink.requests(); len(left) > 0 {
		l.r.t.Errorf("requests are left: %s", left[0].Key)
	}
}

// TestStartRequests: what is asked for is read once more, and what is being read is read to its end whatever is asked for.
func TestStartRequests(t *testing.T) {
	for name, c := range map[string]struct {
		early     []capture.SnapshotRequest // while the table is read for the first time
		late      []capture.SnapshotRequest // after that
		even, odd int
	}{
		"all again":                        {nil, []capture.SnapshotRequest{start("", "shop.ints")}, 2, 2},
		"some again":                       {nil, []capture.SnapshotRequest{start("even", "shop.*")}, 2, 1},
		"twice":                            {nil, []capture.SnapshotRequest{start("even", "shop.*"), start("even", "shop.*")}, 2, 1}, // the second replaces the first, which has read nothing
		"another table":                    {nil, []capture.SnapshotRequest{start("even", "shop.others")}, 1, 1},
		"some while all are read":          {[]capture.SnapshotRequest{start("even", "shop.ints")}, nil, 2, 1},
		"the same some twice":              {[]capture.SnapshotRequest{start("even", "shop.ints"), start("even", "shop.ints")}, nil, 2, 1},
		"one after the other":              {[]capture.SnapshotRequest{start("even", "shop.ints"), start("odd", "shop.ints")}, nil, 2, 2},
		"all in the end":                   {[]capture.SnapshotRequest{start("even", "shop.ints"), start("", "shop.ints")}, nil, -1, -1},
		"conditions by table":              {nil, []capture.SnapshotRequest{{Action: capture.SnapshotStart, Tables: []string{"shop.*"}, Where: "even", Conditions: []capture.SnapshotCondition{{Regexp: `shop\.i.*`, Where: "odd"}, {Regexp: ".*", Where: "even"}}}}, 1, 2},
		"cancelled together with the rest": {[]capture.SnapshotRequest{start("even", "shop.ints"), action(capture.SnapshotCancel, "shop.ints"), start("", "shop.ints")}, nil, -1, -1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := calmRun(t, 30)
				r.tune = slowly
				l := r.begin()
				l.pass(1500 * time.Millisecond) // the first chunk has left
				for i, q := range c.early {
					r.ask(fmt.Sprintf("early%d", i), q)
					l.pass(10 * time.Millisecond)
				}
				l.pass(time.Minute)
				for i, q := range c.late {
					r.ask(fmt.Sprintf("late%d", i), q)
					l.pass(10 * time.Millisecond)
				}
				l.pass(time.Minute)
				if s := l.status("ints"); s.Status != capture.SnapshotDone {
					t.Errorf("the table is %+v", s)
				}
				l.quit()
				if c.even >= 0 {
					r.wantReads("ints", c.even, c.odd)
				} else if n := r.sink.count("ints"); n != 40 {
					t.Errorf("%d reads, the first chunk and then everything are 40", n)
				}
				r.sink.equals("ints", true)
			})
		})
	}
}

// TestPauseAndResume: a table that pauses is where it was after a restart, and goes on from there.
func TestPauseAndResume(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := calmRun(t, 30)
		r.db.add("pairs", []string{"a", "b"}, 5)
		r.tune = slowly
		l := r.begin()
		l.pass(2500 * time.Millisecond)
		r.ask("1", action(capture.SnapshotPause, "shop.ints"))
		l.pass(time.Minute)
		n := r.sink.count("ints")
		if s := l.status("ints"); s.Status != capture.SnapshotPaused || n == 0 || n == 30 || s.Rows != uint64(n) {
			t.Errorf("%d rows were read: %+v", n, s)
		}
		if s := l.status("pairs"); s.Status != capture.SnapshotDone {
			t.Errorf("the other table: %+v", s)
		}
		l.quit()
		l = r.begin()
		l.pass(time.Minute)
		if s := l.status("ints"); s.Status != capture.SnapshotPaused || r.sink.count("ints") != n {
			t.Errorf("%d rows were read: %+v", r.sink.count("ints"), s)
		}
		r.ask("2", action(capture.SnapshotResume))
		l.pass(time.Minute)
		l.quit()
		r.wantReads("ints", 1, 1)
		r.wantReads("pairs", 1, 1)
	})
}

// TestCancel: what was cancelled stays so, until it is asked for.
func TestCancel(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := calmRun(t, 30)
		r.tune = slowly
		l := r.begin()
		l.pass(1500 * time.Millisecond)
		r.ask("1", start("even", "shop.ints"))
		l.pass(10 * time.Millisecond)
		r.ask("2", action(capture.SnapshotCancel))
		l.pass(time.Minute)
		l.quit()
		l = r.begin()
		l.pass(time.Minute)
		l.quit()
		if s, n := r.sink.status("ints"), r.sink.count("ints"); s != capture.SnapshotCancelled || n != 10 {
			t.Errorf("%d rows were read, the table is %s", n, s)
		}
		l = r.begin()
		r.ask("3", start("", "shop.ints"))
		l.pass(time.Minute)
		l.quit()
		r.sink.equals("ints", true)
	})
}

// TestOddRequests: one that comes twice counts once, one that cannot be read is told and removed, and only one that needs the list
// of the tables waits for the server.
func TestOddRequests(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := calmRun(t, 30)
		var log heard
		r.hear(&log)
		l := r.begin()
		l.pass(time.Minute)
		r.ask("1", start("", "shop.ints"))
		r.ask("1", start("", "shop.ints"))
		l.pass(time.Minute)
		r.ask("1", start("", "shop.ints"))
		l.pass(time.Minute)
		if n := r.sink.count("ints"); n != 60 {
			t.Errorf("%d reads", n)
		}
		for i, text := range []string{"", "nothing", `{"v":9,"action":"start"}`, `{"v":1,"action":"start"}`, `{"v":1,"action":"start","regexps":["("]}`, `{"v":1,"action":"pause","where":"x"}`} {
			r.askRaw(fmt.Sprintf("odd%d", i), []byte(text))
		}
		l.pass(time.Second)
		if n := strings.Count(log.buf.String(), "a request is not carried out"); n != 6 {
			t.Errorf("%d complaints: %s", n, log.buf.String())
		}
		r.db.mu.Lock()
		r.db.listErr = errors.New("too many connections")
		r.db.mu.Unlock()
		r.ask("2", action(capture.SnapshotPause))
		l.pass(10 * time.Second)
		if left := r.sink.requests(); len(left) != 1 || left[0].Key != "request/1" {
			t.Errorf("%d requests are left", len(left)) // nobody removes the one that was written again
		}
		r.ask("3", start("", "shop.ints"))
		l.pass(10 * time.Second)
		if n := r.sink.count("ints"); n != 60 || len(r.sink.requests()) != 2 || !log.has("too many connections") {
			t.Errorf("%d reads, %d requests", n, len(r.sink.requests()))
		}
		r.db.mu.Lock()
		r.db.listErr = nil
		r.db.mu.Unlock()
		l.pass(10 * time.Second)
		if n := r.sink.count("ints"); n != 90 || len(r.sink.requests()) != 1 {
			t.Errorf("%d reads, %d requests", n, len(r.sink.requests()))
		}
		if err := l.end(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestRequestsAreCarriedOutOnce: wherever the pipeline dies after a request or a signal, what it asks for is done once.
func TestRequestsAreCarriedOutOnce(t *testing.T) {
	for most := 1; most <= 24; most++ {
		for _, signal := range []bool{false, true} {
			inBubble(t, func(t *testing.T) {
				r := calmRun(t, 30)
				r.rnd = newModelRun(t, uint64(most)).rnd
				r.cfg.Mode, r.commit = capture.SnapshotNever, 3
				r.tune = func(s *modelSource) { calm(s); s.part = 1 + most%3 }
				r.signalTable()
				if _, err := r.attempt(time.Second, nil); err != nil {
					t.Fatal(err)
				}
				rows := r.db.keys("ints")
				if signal {
					r.db.signal("s1", "execute-snapshot", `{"data-collections":["shop\\.ints"],"additional-conditions":[{"data-collection":"shop.i.*","filter":"even"}]}`)
				} else {
					r.ask("1", start("even", "*.ints"))
				}
				r.most = most
				if _, err := r.attempt(time.Minute, nil); err != nil {
					t.Fatal(err)
				}
				r.most = 0
				r.finish()
				for _, k := range rows {
					want := 0
					if meets("even", k) {
						want = 1
					}
					if got := r.sink.committed.reads["ints"][k]; got != want {
						t.Errorf("after %d batches (signal %v): row %v was read %d times, not %d", most, signal, k, got, want)
					}
				}
			})
		}
	}
}

// TestSignals: rows of the signal table are requests.
func TestSignals(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := calmRun(t, 0)
		var log heard
		r.hear(&log)
		r.db.add("pairs", []string{"a", "b"}, 30)
		r.signalTable()
		r.tune = slowly
		l := r.begin()
		status := func(want capture.SnapshotStatus) {
			t.Helper()
			l.pass(1200 * time.Millisecond)
			if s := l.status("pairs"); s.Status != want {
				t.Errorf("the table is %s, not %s", s.Status, want)
			}
		}
		l.pass(500 * time.Millisecond)
		status(capture.SnapshotReading)
		r.db.signal("1", "pause-snapshot", "")
		status(capture.SnapshotPaused)
		r.db.signal("2", "resume-snapshot", `{"data-collections":["none"]}`)
		status(capture.SnapshotPaused)
		r.db.signal("3", "resume-snapshot", `{"data-collections":["shop\\.p.*"]}`)
		status(capture.SnapshotReading)
		r.db.signal("4", "stop-snapshot", `{"data-collections":["shop\\.p.*"],"type":"INCREMENTAL"}`)
		status(capture.SnapshotCancelled)
		r.db.signal("5", "log", `{"message":"hello"}`)
		r.db.signal("6", "execute-snapshot", `{"data-collections":`)
		r.db.signal("7", "execute-snapshot", "")
		r.db.signal("8", "pause-snapshot", `{"data-collections":["("]}`)
		status(capture.SnapshotCancelled)
		for _, id := range []string{"6", "7", "8"} {
			if !log.has("signal " + id + ": ") {
				t.Errorf("the log does not tell of signal %s: %s", id, log.buf.String())
			}
		}
		r.db.signal("9", "execute-snapshot", `{"data-collections":["shop\\..*"]}`)
		status(capture.SnapshotReading)
		l.pass(time.Minute)
		status(capture.SnapshotDone)
		l.quit()
		r.sink.equals("pairs", true)
		r.sink.equals("ints", true)
	})
}
