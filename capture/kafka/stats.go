package kafka

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"cdcbridge/capture"
)

// counters are what the stream counts.
type counters struct {
	txns, changes, records, bytes uint64
	skipped, parked, repeated     uint64
}

// numbers are the source's numbers as others see them. The stream renews them with each batch, for the partitions that are in it.
type numbers struct {
	mu    sync.Mutex
	stats capture.Stats
	lanes []*lane // of stats.Partitions
	times []int64 // the same: commit time of the newest change, microseconds since the Unix epoch; 0: none yet
}

// listed takes the partitions that are read, in their order.
func (n *numbers) listed(parts []*partition) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stats.Partitions, n.lanes, n.times = make([]capture.PartitionStats, len(parts)), make([]*lane, len(parts)), make([]int64, len(parts))
	for i, p := range parts {
		p.index = i
		n.lanes[i], n.times[i] = p.lane, p.clock.commit
		n.stats.Partitions[i] = p.stats()
	}
}

func (n *numbers) opened(at string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stats.Connected, n.stats.Position = true, at
}

func (n *numbers) ended() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stats.Connected = false
}

func (p *position) people(partitions int) string {
	return fmt.Sprintf("%d records of %d partitions of the cluster %s", p.Records, partitions, p.Cluster)
}

func (p *partition) stats() capture.PartitionStats {
	return capture.PartitionStats{
		Topic: p.topic, Partition: p.number, Offset: p.offset, Committed: p.offset, End: -1, Records: p.read, Bytes: p.bytes,
		Watermark: p.clock.watermark, Idle: p.clock.idle, Held: p.clock.held,
	}
}

// gave renews what a batch has changed.
func (n *numbers) gave(s *stream) { n.renew(s, s.touched) }

// all renews everything.
func (n *numbers) all(s *stream) { n.renew(s, s.parts) }

func (n *numbers) renew(s *stream, parts []*partition) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c, st := &s.stats, &n.stats
	st.Transactions, st.Changes, st.Events, st.Bytes = c.txns, c.changes, c.records, c.bytes
	st.Skipped, st.Parked, st.Repeated = c.skipped, c.parked, c.repeated
	st.Position, st.Watermark = s.pos.people(len(s.parts)), s.pos.Watermark
	for _, p := range parts {
		st.Partitions[p.index], n.times[p.index] = p.stats(), p.clock.commit
	}
}

// Stats implements capture.Source.
func (s *source) Stats() capture.Stats {
	n := &s.numbers
	n.mu.Lock()
	st := n.stats
	st.Partitions = slices.Clone(n.stats.Partitions)
	st.CaughtUp = true
	for i := range st.Partitions {
		p := &st.Partitions[i]
		if n.lanes[i] != nil {
			p.End = n.lanes[i].stable()
		}
		st.CaughtUp = st.CaughtUp && p.End >= 0 && p.Offset >= p.End
	}
	st.EventTime = n.eventTime(st.Partitions)
	n.mu.Unlock()
	st.LastEvent = s.readers.heard.Load()
	s.offsets.report(&st)
	return st
}

// eventTime is the commit time of the newest change read, in the partition that is farthest back of those that have more to read: what is
// not readable yet is that old.
func (n *numbers) eventTime(parts []capture.PartitionStats) int64 {
	oldest, newest := int64(0), int64(0)
	for i := range parts {
		at := n.times[i]
		if at != 0 && parts[i].Offset < parts[i].End && (oldest == 0 || at < oldest) {
			oldest = at
		}
		newest = max(newest, at)
	}
	return cmp.Or(oldest, newest)
}
