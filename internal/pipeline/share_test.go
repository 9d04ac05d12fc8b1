package pipeline

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"cdcbridge/upsert"
)

func (b *budget) mustAcquire(t *testing.T, n int64) {
	t.Helper()
	if err := b.acquire(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

// TestAloneAPipelineHasItsWholeMemory: what it shares with nobody makes it no slower.
func TestAloneAPipelineHasItsWholeMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewShared(LeastShared)
		b := s.budget(DefaultMemory)
		for range DefaultMemory / (8 << 20) {
			b.mustAcquire(t, 8<<20)
		}
		if got := s.batch(2 << 20); got != 2<<20 {
			t.Errorf("batches of %d bytes", got)
		}
		got := make(chan error, 1)
		go func() { got <- b.acquire(t.Context(), 1) }()
		synctest.Wait()
		if len(got) > 0 {
			t.Error("it has more than its memory")
		}
		b.release(8 << 20)
		if err := <-got; err != nil {
			t.Error(err)
		}
		b.close()
		if s.held != 0 || s.busy != 0 {
			t.Errorf("%d bytes of %d pipelines are held after the end", s.held, s.busy)
		}
	})
}

// TestPipelinesThatHangLeaveRoom: one that never gives anything back leaves half, and however many there are, another one goes on.
func TestPipelinesThatHangLeaveRoom(t *testing.T) {
	const size, piece = 1000, 10
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := NewShared(size)
		var hanging sync.WaitGroup
		for i := range 9 {
			hanging.Go(func() {
				b := s.budget(size)
				var err error
				for err == nil {
					err = b.acquire(ctx, piece)
				}
			})
			synctest.Wait()
			if free := s.size - s.held; i == 0 && free != size/2 {
				t.Errorf("one that hangs leaves %d of %d", free, size)
			}
		}
		b := s.budget(size)
		for range 3 { // more than is free, but it has nothing
			b.mustAcquire(t, size)
			b.release(size)
		}
		cancel()
		hanging.Wait()
		if len(s.waiting) != 0 {
			t.Errorf("%d wait that have given up", len(s.waiting))
		}
	})
}

// TestTheSumStaysWithinWhatIsShared: whatever pipelines do, together they have no more than that in flight beside one batch of each; none has more than its own
// memory, all come to their end, and nothing is held after it.
func TestTheSumStaysWithinWhatIsShared(t *testing.T) {
	const pipelines, size, limit, piece = 16, 1000, 300, 40
	s := NewShared(size)
	var total, turns atomic.Int64
	var worst [pipelines]int64 // that each has seen
	var all sync.WaitGroup
	for i := range pipelines {
		all.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			b := s.budget(limit)
			pieces := make(chan int64, 64)
			var releasing sync.WaitGroup
			releasing.Go(func() {
				for n := range pieces {
					turns.Add(1)
					total.Add(-n)
					b.release(n)
				}
			})
			for range 500 {
				n := 1 + r.Int64N(piece)
				ctx, cancel := context.WithCancel(t.Context())
				if r.IntN(4) == 0 {
					go cancel()
				}
				err := b.acquire(ctx, n)
				cancel()
				if err != nil {
					continue
				}
				worst[i] = max(worst[i], total.Add(n))
				pieces <- n
			}
			close(pieces)
			releasing.Wait()
			b.close()
		})
	}
	all.Wait()
	if most := slices.Max(worst[:]); most > size+pipelines*piece {
		t.Errorf("%d bytes were in flight of %d", most, size)
	}
	if s.held != 0 || s.busy != 0 || len(s.waiting) != 0 {
		t.Errorf("%d bytes are held by %d, %d wait", s.held, s.busy, len(s.waiting))
	}
	if turns.Load() < 1000 {
		t.Errorf("only %d pieces came through", turns.Load())
	}
}

// TestBatchesAreSmallerWhenManyAreBusy: and large again afterwards.
func TestBatchesAreSmallerWhenManyAreBusy(t *testing.T) {
	s := NewShared(LeastShared)
	var all []*budget
	for range 64 {
		b := s.budget(DefaultMemory)
		b.mustAcquire(t, 1)
		all = append(all, b)
	}
	if got := s.batch(2 << 20); got != 384<<10 {
		t.Errorf("64 busy pipelines make batches of %d bytes", got)
	}
	if got := s.batch(4 << 10); got != 4<<10 {
		t.Errorf("a source that asks for 4096 bytes gets %d", got)
	}
	s.Resize(1 << 20)
	if got := s.batch(2 << 20); got != leastBatch {
		t.Errorf("of hardly any memory batches have %d bytes", got)
	}
	s.Resize(LeastShared)
	for _, b := range all[1:] {
		b.close()
	}
	if got := s.batch(2 << 20); got != 2<<20 {
		t.Errorf("one busy pipeline makes batches of %d bytes", got)
	}
}

// TestATurnIsGivenBack: by an encoder that fails too, and who is cancelled does not wait for one.
func TestATurnIsGivenBack(t *testing.T) {
	s := NewShared(LeastShared)
	broken := errors.New("broken")
	for range 2 * cap(s.encoding) {
		if err := s.encode(t.Context(), func() error { return broken }); !errors.Is(err, broken) {
			t.Fatal(err)
		}
	}
	for range cap(s.encoding) {
		s.encoding <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.encode(ctx, func() error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestAnAttemptThatEndsGivesEverythingBack: also what no worker and no committer has come to.
func TestAnAttemptThatEndsGivesEverythingBack(t *testing.T) {
	s := NewShared(LeastShared)
	f := &feeder{planner: upsert.NewPlanner("p", nil, nil, nil), budget: s.budget(DefaultMemory), stats: &counters{}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.budget.mustAcquire(t, 5)
	if err := f.budget.acquire(ctx, DefaultMemory); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	f.budget.close()
	if s.held != 0 || s.busy != 0 || len(s.waiting) != 0 {
		t.Errorf("%d bytes are held by %d, %d wait", s.held, s.busy, len(s.waiting))
	}
}
