package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/upsert"
)

// beating is a format that has nothing but heartbeats.
type beating struct {
	formats.SideEncoder
	every time.Duration
}

func (beating) Compile(*changelog.Table, formats.Options) (formats.Encoder, error) { return nil, nil }
func (f beating) Side(formats.SideOptions) formats.SideEncoder                     { return f }
func (beating) Partition(formats.About) int32                                      { return 0 }
func (f beating) BeatEvery() time.Duration                                         { return f.every }
func (f beating) Topic(a formats.About) string {
	if a == formats.AboutHeartbeat {
		return "beats"
	}
	return ""
}

// beatsOf runs a feeder over batches that come at their times and gives what it hands on: the time, the position and "+" where a
// heartbeat is in the batch.
func beatsOf(t *testing.T, every, until time.Duration, come map[time.Duration]*changelog.Batch) string {
	t.Helper()
	var got []string
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), until)
		defer cancel()
		open := func(_ context.Context, name string, _ *upsert.Output) (*upsert.Topic, error) {
			return &upsert.Topic{Name: name, Partitions: 1}, nil
		}
		outputs := []upsert.Output{{Name: "o", Mode: upsert.Upsert, Format: beating{every: every}}}
		f := &feeder{planner: upsert.NewPlanner("p", outputs, nil, open), start: "start", budget: NewShared(1 << 30).budget(1 << 30),
			stats: &counters{}, log: slog.New(slog.NewTextHandler(io.Discard, nil))}
		wanted := make(chan struct{})
		close(wanted) // always
		f.wanted = wanted
		batches, queue, jobs := make(chan *changelog.Batch), make(chan *job, 100), make(chan *job, 100)
		go func() {
			for _, at := range slices.Sorted(maps.Keys(come)) {
				time.Sleep(at - time.Since(begin))
				batches <- come[at]
			}
			<-ctx.Done()
			close(batches)
		}()
		done := make(chan error)
		go func() { done <- f.run(ctx, batches, queue, jobs) }()
		for {
			select {
			case j := <-queue:
				b := j.batches[0].Batch
				s := fmt.Sprintf("%v %s", time.Since(begin), b.Next.Pos)
				if len(b.Notes) > 0 {
					s += "+"
				}
				if j.batches[0].Plans.Sides == nil && len(b.Notes) > 0 {
					t.Errorf("%s: nothing is to be written", s)
				}
				got = append(got, s)
				continue
			case err := <-done:
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("ended with %v", err)
				}
			}
			return
		}
	})
	return strings.Join(got, ", ")
}

// TestBeat: a heartbeat joins the next batch when one comes, and has a batch of its own at the last position when none does, but
// never within a transaction.
func TestBeat(t *testing.T) {
	batch := func(pos string, last bool) *changelog.Batch {
		b := changelog.NewBatch()
		b.Txns, b.Next.Pos = []changelog.Txn{{Last: last}}, changelog.Position(pos)
		return b
	}
	const ms = time.Millisecond
	for name, tc := range map[string]struct {
		every time.Duration
		come  map[time.Duration]*changelog.Batch
		want  string
	}{
		"idle":                 {400 * ms, nil, "400ms start+, 800ms start+"},
		"off":                  {0, map[time.Duration]*changelog.Batch{100 * ms: batch("a", true)}, "100ms a"},
		"after a batch":        {400 * ms, map[time.Duration]*changelog.Batch{100 * ms: batch("a", true)}, "100ms a, 400ms a+, 800ms a+"},
		"within a transaction": {400 * ms, map[time.Duration]*changelog.Batch{100 * ms: batch("a", false), 500 * ms: batch("b", true)}, "100ms a, 500ms b+, 900ms b+"},
	} {
		if got := beatsOf(t, tc.every, 950*ms, tc.come); got != tc.want {
			t.Errorf("%s: got %s, want %s", name, got, tc.want)
		}
	}
}
