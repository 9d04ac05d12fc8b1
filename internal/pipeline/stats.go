package pipeline

import (
	"sync/atomic"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/upsert"
)

// Stats are the numbers of one attempt.
type Stats struct {
	Running      bool          // source and sink are open
	Paused       bool          // somebody has asked for it: nothing is read
	Resumed      bool          // the attempt began at a committed checkpoint
	Changes      uint64        // row changes committed
	Read         uint64        // of these, rows that snapshots read
	Transactions uint64        // source transactions committed
	Records      uint64        // records committed
	Bytes        uint64        // bytes of record batches committed, compressed
	Commits      uint64        // Kafka transactions committed
	Splits       uint64        // of those, the ones that end inside a source transaction
	Progress     uint64        // commits that moved the position
	Position     string        // committed position
	CommitTime   int64         // source commit time of the newest committed transaction, microseconds since the Unix epoch
	Watermark    int64         // what is committed later has event times at or after it, same unit; 0: not known
	LastCommit   int64         // wall clock of the last commit, same unit; 0: none
	CommitTook   time.Duration // how long the last commit took
	CommitTotal  time.Duration // how long all of them took
	OpenSince    int64         // wall clock at which the open Kafka transaction began, same unit; 0: none
	InFlight     int64         // bytes counted against the memory budget
	Memory       int64         // the memory budget
	Source       capture.Stats
	Sink         upsert.SinkStats
}

// counters are what the stages count. Rows and bytes that are written wait in pending until their commit.
type counters struct {
	running, resumed, paused          atomic.Bool
	changes, read                     atomic.Uint64
	txns, records, bytes              atomic.Uint64
	commits, splits, progress         atomic.Uint64
	commitTime, lastCommit, openSince atomic.Int64
	watermark                         atomic.Int64
	commitTook, commitTotal, inFlight atomic.Int64
	position                          atomic.Pointer[string]
	pending                           struct{ changes, read, txns, records, bytes uint64 } // the committer's
}

func (s *counters) opened(pos changelog.Position, resumed bool) {
	text := string(pos)
	s.position.Store(&text)
	s.resumed.Store(resumed)
}

func (s *counters) written(c *upsert.Chunk) {
	s.pending.changes += uint64(c.Changes)
	s.pending.read += uint64(c.Read)
	s.pending.txns += uint64(c.Txns)
	s.pending.records += uint64(c.Records)
	s.pending.bytes += uint64(c.Bytes)
}

func (s *counters) committed(c *committer, _ upsert.Committed, took time.Duration) {
	s.changes.Add(s.pending.changes)
	s.read.Add(s.pending.read)
	s.txns.Add(s.pending.txns)
	s.records.Add(s.pending.records)
	s.bytes.Add(s.pending.bytes)
	s.pending = struct{ changes, read, txns, records, bytes uint64 }{}
	s.commits.Add(1)
	if c.inTxn {
		s.splits.Add(1)
	}
	if c.moved {
		s.progress.Add(1)
	}
	text := string(c.next.Pos)
	s.position.Store(&text)
	s.commitTime.Store(c.commitTime)
	s.watermark.Store(c.watermark)
	s.lastCommit.Store(c.last.UnixMicro())
	s.commitTook.Store(int64(took))
	s.commitTotal.Add(int64(took))
	s.openSince.Store(0)
}

// Stats returns the attempt's numbers. It may be called at any time, also before and after Run.
func (p *Pipeline) Stats() Stats {
	c := &p.stats
	s := Stats{
		Running: c.running.Load(), Resumed: c.resumed.Load(), Paused: c.paused.Load(),
		Changes: c.changes.Load(), Read: c.read.Load(), Transactions: c.txns.Load(), Records: c.records.Load(), Bytes: c.bytes.Load(),
		Commits: c.commits.Load(), Splits: c.splits.Load(), Progress: c.progress.Load(),
		CommitTime: c.commitTime.Load(), Watermark: c.watermark.Load(), LastCommit: c.lastCommit.Load(), OpenSince: c.openSince.Load(),
		CommitTook: time.Duration(c.commitTook.Load()), CommitTotal: time.Duration(c.commitTotal.Load()),
		InFlight: c.inFlight.Load(), Memory: p.spec.Memory,
	}
	if pos := c.position.Load(); pos != nil {
		s.Position = *pos
	}
	p.mu.Lock()
	source, sink := p.source, p.sink
	p.mu.Unlock()
	if source != nil {
		s.Source = source.Stats()
	}
	if sink != nil {
		s.Sink = sink.Stats()
	}
	return s
}
