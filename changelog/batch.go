package changelog

import (
	"sync"
	"unsafe"
)

// Position is a source's own durable text for a place in its log. Only the source that made it reads it.
type Position string

// State is one keyed record of a checkpoint beside the position: a snapshot cursor, a schema version, …
// A nil Value removes the key.
type State struct {
	Key   string
	Value []byte
}

// Checkpoint is what must be durable together with the changes before it. State carries only what changed since the
// last one; the sink keeps the latest value of each key and hands all of them out again when it is opened.
type Checkpoint struct {
	Pos   Position
	State []State

	// Group is what the offsets of a consumer group become in the same transaction, for those that look at how far the source is; nil:
	// the source has none, or none of the target's cluster. Like State it says only what changed.
	Group *GroupOffsets
}

// GroupOffsets are offsets of a consumer group on the cluster that the pipeline writes to.
type GroupOffsets struct {
	Group   string
	Offsets []GroupOffset
}

// GroupOffset is where a group goes on in one partition.
type GroupOffset struct {
	Topic       string
	Partition   int32
	Offset      int64 // of the next record to read
	LeaderEpoch int32 // of the record before it, -1: unknown
}

// Batch carries changes from the source through the pipeline. It holds whole transactions, or one part of one large
// transaction. The source fills it and gives it away for good; the worker that has encoded it releases it, and nobody else
// does. Next borrows nothing from the batch.
type Batch struct {
	Txns    []Txn
	Runs    []Run
	Changes []Change
	Notes   []Note
	Records []Record // that the changes and notes were read from; none where the source reads a log of its own kind
	Next    Checkpoint
	Drained bool // the source had nothing more to read when it gave the batch away: commit soon
	Soon    bool // the server waits for Next, or keeps much log until then: commit soon, even if only the checkpoint moves

	// Watermark says that what comes after this batch has event times at or after it, microseconds since the Unix epoch; 0: the source
	// does not say, and its transactions' commit times stand for it.
	Watermark int64

	arena arena
}

var batches = sync.Pool{New: func() any { return new(Batch) }}

// NewBatch gives an empty batch.
func NewBatch() *Batch { return batches.Get().(*Batch) }

// Release ends the life of the batch and of everything that borrows from it.
func (b *Batch) Release() {
	clear(b.Txns)
	clear(b.Runs)
	clear(b.Changes)
	clear(b.Notes)
	clear(b.Records)
	b.Txns, b.Runs, b.Changes, b.Notes, b.Records = b.Txns[:0], b.Runs[:0], b.Changes[:0], b.Notes[:0], b.Records[:0]
	b.Next, b.Drained, b.Soon, b.Watermark = Checkpoint{}, false, false, 0
	if b.arena.reset() && cap(b.Changes) <= maxPooledChanges {
		batches.Put(b)
	}
}

// Empty reports a batch that only moves the checkpoint.
func (b *Batch) Empty() bool { return len(b.Changes) == 0 && len(b.Notes) == 0 }

// InTxn reports whether the batch ends in the middle of a transaction.
func (b *Batch) InTxn() bool { return len(b.Txns) > 0 && !b.Txns[len(b.Txns)-1].Last }

// Size is the memory in bytes that the batch holds: what counts against the pipeline's budget.
func (b *Batch) Size() int {
	return b.arena.size + len(b.Changes)*int(unsafe.Sizeof(Change{})) + len(b.Txns)*int(unsafe.Sizeof(Txn{})) + len(b.Runs)*int(unsafe.Sizeof(Run{})) + len(b.Records)*int(unsafe.Sizeof(Record{}))
}

// Grab gives n bytes that live as long as the batch. Their content is undefined.
func (b *Batch) Grab(n int) []byte { return b.arena.grab(n) }

// Copy puts a copy of p into the batch.
func (b *Batch) Copy(p []byte) []byte {
	if len(p) == 0 {
		return []byte{}
	}
	q := b.arena.grab(len(p))
	copy(q, p)
	return q
}

// String puts a copy of p into the batch and gives it as a string that is valid until the batch is released.
func (b *Batch) String(p []byte) string {
	if len(p) == 0 {
		return ""
	}
	q := b.Copy(p)
	return unsafe.String(&q[0], len(q))
}

// NewRow gives a row of n NULLs that lives as long as the batch.
func (b *Batch) NewRow(n int) Row { return b.arena.row(n) }
