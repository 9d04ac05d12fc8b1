package kafka

import (
	"sync/atomic"
	"time"

	"cdcbridge/internal/kafkawire"
)

// lane is what readers and stream share of a partition: the answers that were fetched and not decoded yet.
type lane struct {
	at    kafkawire.TopicPartition
	id    kafkawire.TopicID
	owner *partition // the stream's own

	end atomic.Int64 // up to which committed records can be read, at the last answer; -1: none came yet

	// What follows is guarded by the mutex of the readers.

	next        int64 // offset to fetch from
	epoch       int32 // leader epoch of the batch before it, -1: not known
	leader      int32 // broker, -1: to be looked up
	leaderEpoch int32
	queue       []chunk
	queued      int  // bytes
	asked       bool // in a request that runs
	held        bool // not to be fetched for now
	dropped     bool // not to be fetched any more
	lined       bool // among the arrived lanes

	refused int       // answers in a row that refuse next though the partition has it
	failing time.Time // since when it cannot be read, zero: it can
	why     error
}

// chunk is what one Fetch brought of a partition.
type chunk struct {
	got  kafkawire.Fetched
	size int // bytes in memory
	at   time.Time
}

func newLane(p *partition) *lane {
	l := &lane{at: p.at(), id: p.id, owner: p, next: p.offset, epoch: p.epoch, leader: -1, leaderEpoch: -1}
	l.end.Store(-1)
	p.lane = l
	return l
}

// stable is up to where committed records can be read, -1 when nothing came yet.
func (l *lane) stable() int64 { return l.end.Load() }

// took takes the answer of a request and gives the bytes that wait in addition.
func (l *lane) took(got *kafkawire.Fetched) int {
	l.failing, l.why, l.refused = time.Time{}, nil, 0
	l.end.Store(got.LastStable)
	next, epoch := got.Next(l.next, l.epoch)
	if next == l.next {
		return 0 // nothing whole
	}
	size := len(got.Records)
	l.next, l.epoch = next, epoch
	l.queue = append(l.queue, chunk{got: *got, size: size, at: time.Now()})
	l.queued += size
	return size
}

// fail notes that the lane cannot be read, and returns why once that has lasted for patience.
func (l *lane) fail(why error, now time.Time, patience time.Duration) error {
	l.leader, l.why = -1, why
	if l.failing.IsZero() {
		l.failing = now
	}
	if now.Sub(l.failing) > patience {
		return why
	}
	return nil
}
