package upsert

import (
	"cdcbridge/changelog"
	"cdcbridge/internal/kafkawire"
)

// Topic is a target topic as it was found when it was first used in this attempt. It is immutable.
type Topic struct {
	Index      int // dense per sink, from 0: workers keep their buffers under it
	Name       string
	ID         [16]byte // Kafka's topic id, pinned in the checkpoint
	Partitions int32
	MaxBatch   int  // largest record batch in bytes that the topic accepts, header included (max.message.bytes)
	Recompress bool // the broker recompresses, so MaxBatch limits the uncompressed batch
	WallClock  bool // records carry the wall clock, because retention would delete old source times at once
}

// Part is one record batch for one partition, complete but for producer id, epoch, sequence and CRC.
type Part struct {
	Topic     *Topic
	Partition int32
	Header    kafkawire.BatchHeader // Producer, Sequence and Transactional are the sink's to fill
	Batch     []byte                // reserved header, then the records section in Header.Codec
}

// Chunk is what batches of changes became: any number of parts, and the checkpoints that hold once they are durable.
// Parts of the same partition are in order. It borrows nothing from the batches.
type Chunk struct {
	Parts   []Part
	Records int                    // records in all parts
	Bytes   int                    // bytes of all parts as they go over the wire
	Changes int                    // row changes that they came from, counted once whatever the number of outputs
	Read    int                    // of these, rows that a snapshot read
	Next    []changelog.Checkpoint // of each batch, in their order
	InTxn   bool                   // the last of Next is inside a source transaction
	Drained bool                   // the source had nothing more to read
	Soon    bool                   // the source asks for Next to be committed soon, even if nothing else is
	Txns    int                    // source transactions that end in the chunk
	Commit  int64                  // commit time of the newest source transaction in it, microseconds since the Unix epoch; 0: none

	// Watermark says that what comes later has event times at or after it, microseconds since the Unix epoch; 0: nothing new is known.
	Watermark int64
}

// covers says that a batch is in the chunk, behind those before.
func (c *Chunk) covers(b *changelog.Batch) {
	c.Changes += len(b.Changes)
	commit := int64(0)
	for i := range b.Txns {
		if b.Txns[i].Snapshot {
			c.Read += len(b.Changes) // such a batch holds nothing else
			continue
		}
		if b.Txns[i].Last {
			c.Txns++
		}
		commit = max(commit, b.Txns[i].Commit)
	}
	watermark := b.Watermark
	if watermark == 0 && len(b.Records) == 0 {
		watermark = commit // a log has its transactions in the order of their commits; topics say what they know
	}
	c.Commit = max(c.Commit, commit)
	if c.Watermark == 0 || watermark != 0 && watermark > c.Watermark {
		c.Watermark = watermark
	}
	c.InTxn, c.Drained, c.Soon = b.InTxn(), b.Drained, c.Soon || b.Soon
	c.Next = append(c.Next, b.Next)
}
