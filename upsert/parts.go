package upsert

import (
	"fmt"
	"sync"

	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// targetPart is how large the uncompressed records of a part grow before it is closed: brokers pay per batch, and a
// megabyte compresses well.
const targetPart = 1 << 20

// builder collects the records of one partition.
type builder struct {
	topic     *Topic
	partition int32
	records   []byte // reserved header, then records, uncompressed
	count     int32
	base, max int64 // record timestamps, milliseconds
}

// builders have the large buffers of all workers of the process: those that do not work have none.
var builders = sync.Pool{New: func() any { return &builder{} }}

// giveBack ends the use of a builder, whose buffer is kept unless a huge record has blown it up.
func (b *builder) giveBack() {
	if b.topic = nil; cap(b.records) <= targetPart+targetPart/2 {
		builders.Put(b)
	}
}

// partSet collects the records of one chunk by partition. It belongs to one worker.
type partSet struct {
	chunk  *Chunk
	codec  kafkawire.Codec
	slots  [][]*builder // by Topic.Index and partition; nil: nothing collected
	active []*builder
}

func (s *partSet) begin(c *Chunk, codec kafkawire.Codec) { s.chunk, s.codec = c, codec }

// add appends one record to its partition's part, closing the part before it would become too large.
func (s *partSet) add(t *Topic, partition int32, rec *kafkawire.Record, at int64) error {
	b := s.builder(t, partition)
	if b.count > 0 && len(b.records)+recordOverhead+len(rec.Key)+len(rec.Value)+len(rec.Headers) > t.partLimit() {
		if err := s.close(b); err != nil {
			return err
		}
	}
	if b.count == 0 {
		b.base, b.max = at, at
	}
	rec.OffsetDelta, rec.TimestampDelta = b.count, at-b.base
	b.records = kafkawire.AppendRecord(b.records, rec)
	b.count++
	b.max = max(b.max, at)
	s.chunk.Records++
	return nil
}

// recordOverhead is the most that a record takes beside key, value and headers: six varints and the attributes.
const recordOverhead = 40

func (t *Topic) partLimit() int { return min(targetPart, t.MaxBatch) }

func (s *partSet) builder(t *Topic, partition int32) *builder {
	for t.Index >= len(s.slots) {
		s.slots = append(s.slots, nil)
	}
	if s.slots[t.Index] == nil {
		s.slots[t.Index] = make([]*builder, t.Partitions)
	}
	if b := s.slots[t.Index][partition]; b != nil {
		return b
	}
	b := builders.Get().(*builder)
	b.topic, b.partition, b.count = t, partition, 0
	b.records = kafkawire.ReserveBatchHeader(b.records[:0])
	s.slots[t.Index][partition] = b
	s.active = append(s.active, b)
	return b
}

// close turns what b has collected into a part and empties b.
func (s *partSet) close(b *builder) error {
	raw := b.records
	codec, out := kafkawire.None, raw
	if s.codec != kafkawire.None {
		scratch := builders.Get().(*builder)
		defer scratch.giveBack()
		packed, err := kafkawire.AppendCompressed(kafkawire.ReserveBatchHeader(scratch.records[:0]), s.codec, raw[kafkawire.BatchHeaderSize:])
		if err != nil {
			return fmt.Errorf("compressing a batch for %s/%d: %w", b.topic.Name, b.partition, err)
		}
		scratch.records = packed
		if len(packed) < len(raw) {
			codec, out = s.codec, packed
		}
	}
	size := len(out)
	if b.topic.Recompress {
		size = len(raw)
	}
	if size > b.topic.MaxBatch {
		return fault.NewFinal(fault.RecordTooLarge, "building a record batch", fmt.Errorf("%d records of %d bytes (limit of topic %s: %d)", b.count, size, b.topic.Name, b.topic.MaxBatch),
			"Raise max.message.bytes of the topic (and replica.fetch.max.bytes and the consumers' limits), or leave the table out of tables.")
	}
	s.chunk.Parts = append(s.chunk.Parts, Part{
		Topic: b.topic, Partition: b.partition, Batch: append(make([]byte, 0, len(out)), out...),
		Header: kafkawire.BatchHeader{Count: b.count, BaseTimestamp: b.base, MaxTimestamp: b.max, Codec: codec},
	})
	s.chunk.Bytes += len(out)
	b.count = 0
	b.records = kafkawire.ReserveBatchHeader(b.records[:0])
	return nil
}

// finish closes all parts and frees the builders.
func (s *partSet) finish() error {
	defer s.drop()
	for _, b := range s.active {
		if b.count == 0 {
			continue
		}
		if err := s.close(b); err != nil {
			return err
		}
	}
	return nil
}

// drop forgets what has been collected and not closed.
func (s *partSet) drop() {
	for i, b := range s.active {
		s.slots[b.topic.Index][b.partition] = nil
		b.giveBack()
		s.active[i] = nil
	}
	s.active = s.active[:0]
	s.chunk = nil
}
