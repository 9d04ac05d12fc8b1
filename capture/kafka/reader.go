package kafka

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// Limits of what is fetched and not decoded yet, in bytes as it came over the wire. A partition of which nothing waits is asked for in
// any case: another one, which is full, may wait for it (a common order, a limit of drift).
const (
	fetchBudget  = 16 << 20 // of all partitions together, about
	maxShare     = 2 << 20  // of one
	minShare     = 16 << 10 // of one, when the budget is used up
	maxAnswer    = 4 << 20
	fetchWait    = 500 * time.Millisecond
	hurriedWait  = 20 * time.Millisecond // when a partition that is not asked for is wanted again soon
	laneFailures = 15 * time.Second      // how long a partition may stay unreadable before that is an error
)

// readers fetch the partitions from their leaders, one goroutine a broker, and follow them as they move. What comes waits in the
// lanes. run owns all goroutines; the other methods are for the stream.
type readers struct {
	wire  *kafkawire.Client
	log   *slog.Logger
	lost  string        // on_offset_lost
	ready chan struct{} // something has arrived, or run has ended
	heard atomic.Int64  // wall clock of the last answer, microseconds since the Unix epoch; a broker that has nothing says so

	mu      sync.Mutex
	lanes   []*lane
	brokers map[int32]*brokerReader
	arrived []*lane // with something in their queue, in the order in which it came
	waiting int     // bytes of all queues
	err     error   // why run has ended
	wake    chan struct{}
}

func newReaders(wire *kafkawire.Client, lost string, log *slog.Logger) *readers {
	return &readers{wire: wire, log: log, lost: lost, ready: make(chan struct{}, 1), wake: make(chan struct{}, 1), brokers: map[int32]*brokerReader{}}
}

// add begins to read a partition.
func (r *readers) add(lanes ...*lane) {
	r.mu.Lock()
	r.lanes = append(r.lanes, lanes...)
	r.mu.Unlock()
	nudge(r.wake)
}

// drop ends the reading of a partition and forgets what has come of it.
func (r *readers) drop(l *lane) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting -= l.queued
	l.dropped, l.queue, l.queued = true, nil, 0
	r.lanes = slices.DeleteFunc(r.lanes, func(o *lane) bool { return o == l })
	r.arrived = slices.DeleteFunc(r.arrived, func(o *lane) bool { return o == l })
}

// hold stops the reading of a partition behind its chunk, or lets it go on. What has come already waits.
func (r *readers) hold(l *lane, held bool) {
	r.mu.Lock()
	l.held = held
	b, waits := r.brokers[l.leader], len(l.queue) > 0
	r.mu.Unlock()
	if b != nil && !held {
		nudge(b.wake)
	}
	if waits && !held {
		nudge(r.ready)
	}
}

// first gives the lane whose oldest chunk came first, of those that are not held, and that chunk; nil when nothing is there.
func (r *readers) first() (*lane, chunk) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		i := slices.IndexFunc(r.arrived, func(l *lane) bool { return !l.held })
		if i < 0 {
			return nil, chunk{}
		}
		l := r.arrived[i]
		r.arrived = slices.Delete(r.arrived, i, i+1)
		l.lined = false
		if c, ok := r.take(l); ok {
			return l, c
		}
	}
}

// of gives the oldest chunk of a lane.
func (r *readers) of(l *lane) (chunk, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.take(l)
}

// lines gives the lanes that something has come for since it was last asked.
func (r *readers) lines() []*lane {
	r.mu.Lock()
	defer r.mu.Unlock()
	lanes := r.arrived
	r.arrived = nil
	for _, l := range lanes {
		l.lined = false
	}
	return lanes
}

func (r *readers) take(l *lane) (chunk, bool) {
	if len(l.queue) == 0 {
		return chunk{}, false
	}
	c := l.queue[0]
	l.queue[0] = chunk{}
	if l.queue = l.queue[1:]; len(l.queue) == 0 {
		l.queue = nil
	}
	l.queued -= c.size
	r.waiting -= c.size
	if len(l.queue) > 0 {
		r.line(l)
	}
	if b := r.brokers[l.leader]; b != nil {
		b.freed = time.Now()
		nudge(b.wake)
	}
	return c, true
}

func (r *readers) line(l *lane) {
	if !l.lined {
		l.lined = true
		r.arrived = append(r.arrived, l)
	}
}

// failed is why run has ended, nil while it runs.
func (r *readers) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// caughtUp reports that everything that could be read at the last answers has been handed over.
func (r *readers) caughtUp() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lanes {
		if len(l.queue) > 0 || !l.held && (l.end.Load() < 0 || l.next < l.end.Load()) {
			return false
		}
	}
	return true
}

// room is how many bytes are to be asked for of a lane, 0: it is full.
func (r *readers) room(l *lane) int32 {
	switch {
	case r.waiting < fetchBudget && l.queued < maxShare:
		return maxShare
	case l.queued == 0:
		return minShare
	}
	return 0
}

// received takes what a leader answered of a lane, and reports whether there is something to decode.
func (r *readers) received(l *lane, got *kafkawire.Fetched) bool {
	r.waiting += l.took(got)
	if len(l.queue) == 0 {
		return false
	}
	r.line(l)
	return true
}

// run reads until ctx ends or a partition cannot be read. All that it starts has ended when it returns.
func (r *readers) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var running sync.WaitGroup
	err := r.lead(ctx, &running, cancel)
	cancel(err)
	running.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		err = cause
	}
	r.mu.Lock()
	r.err = err
	r.mu.Unlock()
	nudge(r.ready)
	return err
}

// lead finds the leaders of lanes that have none, and starts what reads from them.
func (r *readers) lead(ctx context.Context, running *sync.WaitGroup, fail context.CancelCauseFunc) error {
	for failures := 0; ; {
		troubled, err := r.findLeaders(ctx)
		if err != nil {
			return err
		}
		r.mu.Lock()
		for _, l := range r.lanes {
			if l.leader >= 0 && r.brokers[l.leader] == nil {
				b := &brokerReader{readers: r, id: l.leader, wake: make(chan struct{}, 1)}
				r.brokers[l.leader] = b
				running.Go(func() {
					if err := b.run(ctx); err != nil {
						fail(err)
					}
				})
			}
		}
		for _, b := range r.brokers {
			nudge(b.wake)
		}
		r.mu.Unlock()
		if failures++; !troubled {
			failures = 0
		}
		if failures > 0 {
			if kafkawire.Pause(ctx, retryPause(failures)) != nil {
				return context.Cause(ctx)
			}
			continue
		}
		select {
		case <-r.wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// findLeaders looks up leaders. troubled says that some lane has to be looked up again.
func (r *readers) findLeaders(ctx context.Context) (troubled bool, err error) {
	r.mu.Lock()
	var missing []*lane
	var names []string
	failing := false
	for _, l := range r.lanes {
		if l.leader < 0 {
			missing = append(missing, l)
			names = append(names, l.at.Topic)
			failing = failing || !l.failing.IsZero()
		}
	}
	r.mu.Unlock()
	if len(missing) == 0 {
		return false, nil
	}
	slices.Sort(names)
	meta, err := r.wire.Metadata(ctx, slices.Compact(names)...)
	if ctx.Err() != nil {
		return true, context.Cause(ctx)
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range missing {
		if err := r.lookUp(l, meta, err, now); err != nil {
			return true, err
		}
		troubled = troubled || l.leader < 0
	}
	return troubled || failing, nil
}

// lookUp takes the leader of a lane from what Metadata answered.
func (r *readers) lookUp(l *lane, meta *kafkawire.Metadata, err error, now time.Time) error {
	if err != nil {
		return r.later(l, err, now)
	}
	leader, epoch, code := meta.Leader(l.at)
	switch {
	case code != kafkawire.OK:
		return r.later(l, codeFault("finding the leader of "+l.at.String(), code), now)
	case meta.Topic(l.at.Topic).ID != l.id:
		return replaced(l.at.Topic, l.id, meta.Topic(l.at.Topic).ID)
	}
	l.leader, l.leaderEpoch = leader, epoch
	return nil
}

// retryPause is how long to wait before something is tried for another time.
func retryPause(failures int) time.Duration { return 5 * time.Millisecond << min(failures, 7) }

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// answered takes the answer of a request, or why there is none.
func (r *readers) answered(ctx context.Context, lanes []*lane, fetched []kafkawire.Fetched, err error) error {
	if err != nil && fault.IsFinal(err) {
		return err
	}
	shared := 0
	for i := range fetched {
		if len(fetched[i].Records) > 0 {
			shared++
		}
	}
	var lost []lostLane
	now, arrived := time.Now(), false
	r.mu.Lock()
	for i, l := range lanes {
		l.asked = false
		switch {
		case l.dropped:
		case err != nil:
			if err := r.later(l, err, now); err != nil {
				r.mu.Unlock()
				return err
			}
		case fetched[i].Code == kafkawire.OffsetOutOfRange || fetched[i].DivergedAt >= 0:
			l.asked = true // until it is clear what is lost
			lost = append(lost, lostLane{l, fetched[i].DivergedAt})
		case fetched[i].Code != kafkawire.OK:
			if err := r.later(l, codeFault("reading "+l.at.String(), fetched[i].Code), now); err != nil {
				r.mu.Unlock()
				return err
			}
		default:
			if shared > 1 { // or one partition's few records would keep the whole answer in memory
				fetched[i].Records = bytes.Clone(fetched[i].Records)
			}
			arrived = r.received(l, &fetched[i]) || arrived
		}
	}
	r.mu.Unlock()
	if arrived {
		nudge(r.ready)
	}
	return r.regain(ctx, lost)
}

// later has a lane looked up and asked again, or returns why that is of no use.
func (r *readers) later(l *lane, why error, now time.Time) error {
	nudge(r.wake)
	if fault.IsFinal(why) {
		return why
	}
	return l.fail(why, now, laneFailures)
}
