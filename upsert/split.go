package upsert

import (
	"fmt"

	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// split replaces the head of a queue, which the broker found too large, by its two halves. Nothing of it was appended, so the
// first half takes its sequence. This happens when max.message.bytes was lowered while we run, or when the broker's own
// compression is worse than ours. A single record cannot be split.
func (p *producer) split(l *lane) error {
	part := l.queue[0]
	if part.Header.Count < 2 {
		return fault.NewFinal(fault.RecordTooLarge, fmt.Sprintf("writing to %s/%d", l.at.Topic, l.at.Partition),
			fmt.Errorf("%w: one record takes %d bytes", kafkawire.MessageTooLarge, len(part.Batch)),
			"Raise max.message.bytes of the topic (and the consumers' fetch limits), or leave the table out of tables.")
	}
	first, second, err := halve(part)
	if err != nil {
		return err
	}
	l.queue = append([]*Part{first, second}, l.queue[1:]...)
	l.sealed = false
	p.counters.splits.Add(1)
	return nil
}

// halve makes two batches of the records of a sealed one.
func halve(part *Part) (first, second *Part, err error) {
	b, _, ok, err := kafkawire.NextBatch(part.Batch)
	if err == nil && !ok {
		err = fault.NewFinal(fault.Internal, "splitting a batch", fmt.Errorf("it is cut short"), "Report this as a bug.")
	}
	if err != nil {
		return nil, nil, err
	}
	records, _, err := b.Records(nil)
	if err != nil {
		return nil, nil, err
	}
	half := part.Header.Count / 2
	if first, err = repack(part, &records, half); err != nil {
		return nil, nil, err
	}
	second, err = repack(part, &records, part.Header.Count-half)
	return first, second, err
}

// repack makes a batch of the next count records.
func repack(part *Part, records *kafkawire.Records, count int32) (*Part, error) {
	h := kafkawire.BatchHeader{Count: count, BaseTimestamp: part.Header.BaseTimestamp, Codec: part.Header.Codec}
	var section []byte
	var r kafkawire.FetchedRecord
	for i := range count {
		if !records.Next(&r) {
			return nil, fault.NewFinal(fault.Internal, "splitting a batch", fmt.Errorf("record %d of %d is missing: %w", i, count, records.Err()), "Report this as a bug.")
		}
		if i == 0 || r.Timestamp > h.MaxTimestamp {
			h.MaxTimestamp = r.Timestamp
		}
		section = kafkawire.AppendRecord(section, &kafkawire.Record{
			OffsetDelta: i, TimestampDelta: r.Timestamp - h.BaseTimestamp,
			Key: r.Key, Value: r.Value, Headers: r.Headers.Raw(), HeaderCount: r.Headers.Len(),
		})
	}
	batch, err := kafkawire.AppendCompressed(kafkawire.ReserveBatchHeader(nil), h.Codec, section)
	if err != nil {
		return nil, fault.NewFinal(fault.Internal, "splitting a batch", err, "Report this as a bug.")
	}
	return &Part{Topic: part.Topic, Partition: part.Partition, Header: h, Batch: batch}, nil
}
