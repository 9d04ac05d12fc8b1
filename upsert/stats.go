package upsert

import (
	"sync/atomic"
	"time"
)

// SinkStats are a sink's counters since it was made and where it stands.
type SinkStats struct {
	Protocol   string        // transactional protocol of this attempt, "" before Open
	Committed  uint64        // transactions, claims included
	Aborted    uint64        // transactions that were rolled back on request
	Records    uint64        // acknowledged, state records included; those of transactions that aborted later too
	Bytes      uint64        // of acknowledged record batches as they went over the wire
	Repeated   uint64        // calls that had to be made again
	Splits     uint64        // batches that the broker found too large
	Topics     int           // target topics in use
	OpenSince  time.Time     // begin of the open transaction, zero if there is none
	LastCommit time.Duration // how long the last commit took, state records included
}

// counters are written by the goroutines that use the sink and read by anybody.
type counters struct {
	committed, aborted, records, bytes, repeated, splits atomic.Uint64

	topics     atomic.Int64
	began      atomic.Int64 // of the open transaction, nanoseconds since 1970; 0: none
	lastCommit atomic.Int64 // nanoseconds
	protocol   atomic.Value // string
}

func (c *counters) openSince() time.Time {
	if n := c.began.Load(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Time{}
}

func (c *counters) snapshot() SinkStats {
	protocol, _ := c.protocol.Load().(string)
	return SinkStats{
		Protocol: protocol, Committed: c.committed.Load(), Aborted: c.aborted.Load(), Records: c.records.Load(), Bytes: c.bytes.Load(),
		Repeated: c.repeated.Load(), Splits: c.splits.Load(), Topics: int(c.topics.Load()), OpenSince: c.openSince(),
		LastCommit: time.Duration(c.lastCommit.Load()),
	}
}
