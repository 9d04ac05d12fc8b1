package pipeline

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// LeastShared is what all pipelines of a process together may have in flight, bytes, unless one of them may have more than half of it.
const LeastShared = 2 * DefaultMemory

// leastBatch is the size below which batches are not made smaller, however many pipelines share the memory.
const leastBatch = 256 << 10

// Shared is what the pipelines of one process share, so that many of them need hardly more memory than a few: memory for what is in flight, and
// the encoders, of which no more work at a time than there are processors. It is safe for concurrent use.
//
// A pipeline takes no more than it leaves free, so that one whose Kafka hangs leaves the others at least half; and one that has nothing in flight is
// always served, so that however many hang, nobody waits for another pipeline: it goes on a batch at a time.
type Shared struct {
	encoding chan struct{}
	each     atomic.Int64 // what batch tells, for who asks for more: sources ask with each transaction

	mu      sync.Mutex
	size    int64
	held    int64     // of all budgets
	busy    int64     // budgets that hold anything
	waiting []*budget // in the order in which they came
}

// NewShared makes what pipelines share when size bytes may be in flight.
func NewShared(size int64) *Shared {
	s := &Shared{size: size, encoding: make(chan struct{}, runtime.GOMAXPROCS(0))}
	s.divide()
	return s
}

// Resize sets how many bytes may be in flight. What is in flight beyond that stays.
func (s *Shared) Resize(size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size = size
	s.divide()
	s.serve()
}

// batch is the size at which a batch leaves its source when that asks for most bytes: less while many pipelines are busy, for each of them has
// one that waits and one that grows, whatever is free, and only a quarter of what is shared is for these.
func (s *Shared) batch(most int) int { return min(most, int(s.each.Load())) }

// divide is called when the size or the number of busy pipelines has changed. The lock is held.
func (s *Shared) divide() { s.each.Store(max(leastBatch, s.size/4/max(1, s.busy))) }

// encode calls f when its turn has come. f waits for nothing, so that turns come whatever becomes of other pipelines.
func (s *Shared) encode(ctx context.Context, f func() error) error {
	select {
	case s.encoding <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.encoding }()
	return f()
}

// budget is what one attempt may have in flight. One goroutine acquires, any may release.
type budget struct {
	shared *Shared
	limit  int64

	// The lock of shared guards these.
	held int64
	want int64         // what is waited for
	got  chan struct{} // closed when it is there
}

func (s *Shared) budget(limit int64) *budget { return &budget{shared: s, limit: limit} }

// try is acquire when there is no need to wait, and else nothing.
func (b *budget) try(n int64) bool {
	b.shared.mu.Lock()
	defer b.shared.mu.Unlock()
	if !b.fits(n) {
		return false
	}
	b.add(n)
	return true
}

// acquire waits until n bytes, at most the limit, may be in flight.
func (b *budget) acquire(ctx context.Context, n int64) error {
	s := b.shared
	s.mu.Lock()
	b.want, b.got = n, make(chan struct{})
	got := b.got
	s.waiting = append(s.waiting, b)
	s.serve()
	s.mu.Unlock()
	select {
	case <-got:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.waiting, b); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
		return ctx.Err()
	}
	return nil // it came at the same moment
}

// release gives n bytes back.
func (b *budget) release(n int64) {
	b.shared.mu.Lock()
	defer b.shared.mu.Unlock()
	b.add(-n)
	b.shared.serve()
}

// close gives back all that is held when the attempt has ended.
func (b *budget) close() {
	b.shared.mu.Lock()
	defer b.shared.mu.Unlock()
	b.add(-b.held)
	b.shared.serve()
}

// serve gives to those who wait what they may have now. The lock is held.
func (s *Shared) serve() {
	s.waiting = slices.DeleteFunc(s.waiting, func(b *budget) bool {
		if !b.fits(b.want) {
			return false
		}
		b.add(b.want)
		close(b.got)
		return true
	})
}

// fits reports that n bytes more may be held now. The lock is held.
func (b *budget) fits(n int64) bool {
	return b.held == 0 || b.held+n <= min(b.limit, b.shared.size-b.shared.held-n)
}

// add changes what is held. The lock is held.
func (b *budget) add(n int64) {
	if b.held > 0 {
		b.shared.busy--
	}
	b.held += n
	b.shared.held += n
	if b.held > 0 {
		b.shared.busy++
	}
	b.shared.divide()
}
