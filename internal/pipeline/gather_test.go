package pipeline

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/upsert"
)

// gathering runs a feeder over batches, one a millisecond, from which the committer wants something at one time, and gives what it hands on.
func gathering(t *testing.T, memory int64, batches []*changelog.Batch, wantedAt time.Duration) string {
	t.Helper()
	var got []string
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		wanted, in, queue, jobs := make(chan struct{}), make(chan *changelog.Batch), make(chan *job, 100), make(chan *job, 100)
		f := &feeder{planner: upsert.NewPlanner("p", nil, nil, nil), budget: NewShared(1 << 30).budget(memory),
			stats: &counters{}, log: slog.New(slog.NewTextHandler(io.Discard, nil)), wanted: wanted}
		go func() {
			for i, b := range batches {
				time.Sleep(time.Duration(i+1)*time.Millisecond - time.Since(begin))
				in <- b
			}
			time.Sleep(time.Second)
			close(in)
		}()
		go func() {
			time.Sleep(wantedAt)
			select {
			case wanted <- struct{}{}:
			case <-t.Context().Done():
			}
		}()
		ended := make(chan error)
		go func() { ended <- f.run(t.Context(), in, queue, jobs) }()
		for {
			select {
			case j := <-queue:
				var names []string
				for _, p := range j.batches {
					names = append(names, string(p.Batch.Next.Pos))
				}
				got = append(got, fmt.Sprintf("%v %s", time.Since(begin), strings.Join(names, "")))
				f.budget.release(j.held)
			case err := <-ended:
				if err != nil {
					t.Errorf("ended with %v", err)
				}
				return
			}
		}
	})
	return strings.Join(got, ", ")
}

// TestGather: what comes while the committer wants nothing is one chunk; but nothing waits that is large, of a backlog, or in the way of
// memory for others.
func TestGather(t *testing.T) {
	drained := func(pos string, bytes int) *changelog.Batch {
		b := changelog.NewBatch()
		b.Grab(bytes)
		b.Txns = append(b.Txns, changelog.Txn{Last: true})
		b.Next.Pos, b.Drained = changelog.Position(pos), true
		return b
	}
	backlog := func(pos string) *changelog.Batch {
		b := drained(pos, 1)
		b.Drained = false
		return b
	}
	const small = 1000
	for name, tc := range map[string]struct {
		memory  int64
		batches []*changelog.Batch
		wanted  time.Duration
		want    string
	}{
		"until it is wanted":          {1 << 29, []*changelog.Batch{drained("a", small), drained("b", small), drained("c", small)}, 2500 * time.Microsecond, "2.5ms ab, 1.003s c"},
		"a lone one that is wanted":   {1 << 29, []*changelog.Batch{drained("a", small)}, 0, "1ms a"},
		"all before one of a backlog": {1 << 29, []*changelog.Batch{drained("a", small), backlog("b"), drained("c", small)}, 10 * time.Millisecond, "2ms ab, 10ms c"},
		"up to a size":                {1 << 29, []*changelog.Batch{drained("a", gatheredBytes/2), drained("b", gatheredBytes/2), drained("c", small)}, 10 * time.Millisecond, "2ms ab, 10ms c"},
		"no memory for more":          {5000, []*changelog.Batch{drained("a", small), drained("b", small), drained("c", small)}, 10 * time.Millisecond, "2ms a, 3ms b, 10ms c"},
	} {
		if got := gathering(t, tc.memory, tc.batches, tc.wanted); got != tc.want {
			t.Errorf("%s: got %s, want %s", name, got, tc.want)
		}
	}
}

// TestCommitterAsks: rows are asked for when they could be committed, and what has come by then is in that commit.
func TestCommitterAsks(t *testing.T) {
	for _, tc := range []struct {
		eager bool
		want  string
	}{
		{false, "20ms asks; 20ms commit a with rows []; 20ms ack a; 40ms asks; 41ms commit b with rows []; 41ms ack b; 61ms asks; 62ms commit c with rows []; 62ms ack c; 82ms asks"},
		{true, "0s asks; 0s write a; 0s asks; 1ms write b; 1ms asks; 2ms write c; 2ms asks; 60ms commit c []; 60ms ack c"},
	} {
		var w *logWriter
		synctest.Test(t, func(t *testing.T) {
			w = &logWriter{begin: time.Now()}
			wanted, queue := make(chan struct{}), make(chan *job, 10)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			go func() {
				for _, pos := range []string{"a", "b", "c"} {
					<-wanted
					w.note("asks")
					if pos != "a" {
						time.Sleep(time.Millisecond) // to encode
					}
					chunk := rows(pos, 1, false, true)
					j := &job{done: make(chan struct{}), chunk: &chunk}
					close(j.done)
					queue <- j
				}
				<-wanted
				w.note("asks")
			}()
			c := committer{sink: w, ack: func(p changelog.Position) { w.note("ack %s", p) }, policy: DefaultCommitPolicy(), splitAfter: time.Hour,
				stats: &counters{}, release: func(int64) {}, wanted: wanted, eager: tc.eager}
			c.policy.MinGap = 20 * time.Millisecond
			_ = c.run(ctx, queue)
		})
		if got := strings.Join(w.log, "; "); got != tc.want {
			t.Errorf("eager %v:\n got %s\nwant %s", tc.eager, got, tc.want)
		}
	}
}
