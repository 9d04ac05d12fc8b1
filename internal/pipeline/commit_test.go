package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/upsert"
)

// logWriter notes what the committer does and when.
type logWriter struct {
	begin time.Time
	mu    sync.Mutex // guards log
	log   []string
	fail  error

	reports []upsert.Progress
}

func (w *logWriter) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, fmt.Sprintf("%v ", time.Since(w.begin))+fmt.Sprintf(format, args...))
}

func (w *logWriter) Write(_ context.Context, c *upsert.Chunk) error {
	w.note("write %s", c.Next[0].Pos)
	return w.fail
}

func (w *logWriter) Report(p upsert.Progress) { w.reports = append(w.reports, p) }

func (w *logWriter) Commit(_ context.Context, cp changelog.Checkpoint, last *upsert.Chunk) (upsert.Committed, error) {
	if last != nil && len(last.Parts) > 0 {
		w.note("commit %s with rows %v", cp.Pos, cp.State)
		return upsert.Committed{}, w.fail
	}
	w.note("commit %s %v", cp.Pos, cp.State)
	return upsert.Committed{}, nil
}

func (w *logWriter) Settle(context.Context) error { return nil }

func (w *logWriter) Truncate(_ context.Context, list []upsert.Truncation) (time.Time, error) {
	w.note("truncate %d", len(list))
	return time.Now(), w.fail
}

// chunkAt is a chunk with rows that reaches the committer at a time after the start.
type chunkAt struct {
	after time.Duration
	chunk upsert.Chunk
}

func rows(pos string, bytes int, inTxn, drained bool) upsert.Chunk {
	return upsert.Chunk{Parts: []upsert.Part{{}}, Bytes: bytes, Next: []changelog.Checkpoint{{Pos: changelog.Position(pos)}}, InTxn: inTxn, Drained: drained}
}

func urgentAt(pos string) upsert.Chunk {
	return upsert.Chunk{Next: []changelog.Checkpoint{{Pos: changelog.Position(pos)}}, Drained: true, Soon: true}
}

func runCommitter(t *testing.T, policy CommitPolicy, chunks []chunkAt, until time.Duration) []string {
	t.Helper()
	var w *logWriter
	synctest.Test(t, func(t *testing.T) {
		w = &logWriter{begin: time.Now()}
		ctx, cancel := context.WithTimeout(t.Context(), until)
		defer cancel()
		c := committer{sink: w, ack: func(p changelog.Position) { w.note("ack %s", p) }, policy: policy,
			splitAfter: 5 * time.Second, stats: &counters{}, release: func(int64) {}}
		queue := make(chan *job, 10)
		go func() {
			for i := range chunks {
				time.Sleep(chunks[i].after - time.Since(w.begin))
				j := &job{done: make(chan struct{}), chunk: &chunks[i].chunk}
				close(j.done)
				queue <- j
			}
		}()
		if err := c.run(ctx, queue); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended with %v", err)
		}
	})
	return w.log
}

func TestCommitPolicy(t *testing.T) {
	const ms = time.Millisecond
	idle := upsert.Chunk{Next: []changelog.Checkpoint{{Pos: "i"}}, Drained: true}
	later := upsert.Chunk{Next: []changelog.Checkpoint{{Pos: "j"}}, Drained: true}
	for name, tc := range map[string]struct {
		chunks []chunkAt
		until  time.Duration
		want   string
	}{
		"a lone change at once":               {[]chunkAt{{100 * ms, rows("a", 1, false, true)}}, time.Second, "100ms commit a with rows []; 100ms ack a"},
		"not sooner than the gap":             {[]chunkAt{{100 * ms, rows("a", 1, false, true)}, {101 * ms, rows("b", 1, false, true)}}, time.Second, "100ms commit a with rows []; 100ms ack a; 101ms write b; 115ms commit b []; 115ms ack b"},
		"a busy stream at the interval":       {[]chunkAt{{100 * ms, rows("a", 1, false, false)}, {200 * ms, rows("b", 1, false, false)}}, time.Second, "100ms write a; 200ms write b; 600ms commit b []; 600ms ack b"},
		"at the size":                         {[]chunkAt{{100 * ms, rows("a", 9<<20, false, false)}, {150 * ms, rows("b", 9<<20, false, false)}}, 300 * ms, "100ms write a; 150ms commit b with rows []; 150ms ack b"},
		"not inside a transaction":            {[]chunkAt{{100 * ms, rows("a", 20<<20, true, false)}, {2000 * ms, rows("b", 1, false, true)}}, 3 * time.Second, "100ms write a; 2s commit b with rows []; 2s ack b"},
		"but a large transaction is split":    {[]chunkAt{{100 * ms, rows("a", 40<<20, true, false)}, {110 * ms, rows("b", 40<<20, true, false)}}, time.Second, "100ms write a; 110ms commit b with rows []; 110ms ack b"},
		"and an old one":                      {[]chunkAt{{100 * ms, rows("a", 1, true, false)}}, 6 * time.Second, "100ms write a; 5.1s commit a []; 5.1s ack a"},
		"an idle position after its interval": {[]chunkAt{{100 * ms, idle}}, 11 * time.Second, "10s commit i []; 10s ack i"},
		"but at once when the source waits":   {[]chunkAt{{100 * ms, urgentAt("i")}, {110 * ms, later}}, 9 * time.Second, "100ms commit i []; 100ms ack i"},
		"and no sooner than the gap":          {[]chunkAt{{100 * ms, urgentAt("i")}, {110 * ms, urgentAt("k")}}, time.Second, "100ms commit i []; 100ms ack i; 115ms commit k []; 115ms ack k"},
		"a state-only transaction once a day": {nil, 25 * time.Hour, "24h0m0s commit  []; 24h0m0s ack "},
	} {
		if got := strings.Join(runCommitter(t, DefaultCommitPolicy(), tc.chunks, tc.until), "; "); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, tc.want)
		}
	}
}

// However long the policy would wait, the transaction must end well before Kafka aborts it.
func TestCommitPolicyYieldsToTheTransactionTimeout(t *testing.T) {
	slow := DefaultCommitPolicy()
	slow.MinGap, slow.MaxInterval = time.Minute, time.Hour
	for _, drained := range []bool{false, true} {
		got := strings.Join(runCommitter(t, slow, []chunkAt{{0, rows("a", 1, false, drained)}}, 10*time.Second), "; ")
		if want := "0s write a; 5s commit a []; 5s ack a"; got != want {
			t.Errorf("drained %v: got %s, want %s", drained, got, want)
		}
	}
}

// What the daemon keeps up with does not wait for max_interval, though more is always there: a source that is drained each time while Kafka
// takes its small chunks no faster than they come, and one that never says so but whose changes are new.
func TestBusyStreamIsNoBacklog(t *testing.T) {
	const ms, gap = time.Millisecond, busyGaps * 15 * time.Millisecond
	last := time.Now()
	for name, tc := range map[string]struct {
		after         time.Duration
		drained, more bool
		age           time.Duration // of the newest change, 0: not known
		want          time.Duration
	}{
		"drained, more waits":       {5 * ms, true, true, 0, gap - 5*ms},
		"and the gap is over":       {gap, true, true, 0, 0},
		"drained, nothing waits":    {5 * ms, true, false, time.Second, 10 * ms},
		"never drained, but new":    {5 * ms, false, true, time.Second, gap - 5*ms},
		"a clock that is ahead":     {5 * ms, false, true, -time.Hour, gap - 5*ms},
		"a backlog":                 {5 * ms, false, true, time.Minute, 495 * ms},
		"a backlog without a clock": {5 * ms, false, false, 0, 495 * ms},
	} {
		now := last.Add(tc.after)
		c := committer{policy: DefaultCommitPolicy(), splitAfter: time.Minute, drained: tc.drained, last: last, began: last}
		if tc.age != 0 {
			c.commitTime = now.Add(-tc.age).UnixMicro()
		}
		if got := c.due(now, tc.more); got != tc.want {
			t.Errorf("%s: due in %v, want %v", name, got, tc.want)
		}
	}
}

func TestDrainCommitsWhatIsLeft(t *testing.T) {
	w := &logWriter{begin: time.Now()}
	c := committer{sink: w, ack: func(changelog.Position) {}, policy: DefaultCommitPolicy(), splitAfter: time.Hour, stats: &counters{}, release: func(int64) {}}
	queue := make(chan *job, 2)
	for _, pos := range []string{"a", "b"} {
		chunk := rows(pos, 1, pos == "b", false)
		chunk.Next[0].State = []changelog.State{{Key: "cursor", Value: []byte(pos)}}
		j := &job{done: make(chan struct{}), chunk: &chunk}
		close(j.done)
		queue <- j
	}
	close(queue)
	if err := c.run(t.Context(), queue); err != nil {
		t.Fatal(err)
	}
	if last := w.log[len(w.log)-1]; !strings.HasSuffix(last, "commit b [{cursor [98]}]") {
		t.Errorf("ended with %q", last)
	}
	if s := c.stats.splits.Load(); s != 1 {
		t.Errorf("%d splits counted", s)
	}
}

func TestFailedWriteCommitsNothing(t *testing.T) {
	w := &logWriter{begin: time.Now(), fail: errors.New("broker gone")}
	c := committer{sink: w, ack: func(changelog.Position) { t.Error("acknowledged") }, policy: DefaultCommitPolicy(), splitAfter: time.Hour, stats: &counters{}, release: func(int64) {}}
	queue := make(chan *job, 1)
	chunk := rows("a", 1, false, true)
	j := &job{done: make(chan struct{}), chunk: &chunk}
	close(j.done)
	queue <- j
	if err := c.run(t.Context(), queue); !errors.Is(err, w.fail) {
		t.Errorf("got %v", err)
	}
	if len(w.log) != 1 {
		t.Errorf("did %v", w.log)
	}
}
