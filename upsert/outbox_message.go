package upsert

import (
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// stretch is Changes[from:to] of a run.
type stretch struct {
	from, to int
	topics   []*Topic // of all changes of the run, nil for those that go nowhere; no list: all go to the plan's
}

// encodeMessages writes the messages that changes of a run are.
func (m *Materializer) encodeMessages(b *changelog.Batch, run *changelog.Run, plan *Plan, s stretch) error {
	txn := &b.Txns[run.Txn]
	m.ctx.Run, m.ctx.Txn = run, txn
	m.appendRunHeaders(plan, run, txn, recordOf(b, run.Record))
	for i := s.from; i < s.to; i++ {
		ch := &b.Changes[i]
		is, err := plan.outbox.message(ch)
		if is && err == nil {
			topic := plan.Topic
			if s.topics != nil {
				topic = s.topics[i-run.From]
			}
			err = m.message(plan, topic, ch)
		}
		if err != nil {
			return fmt.Errorf("writing the message of %s at %s for output %s: %w", plan.Table.FullName(), placeOf(b, run, ch), plan.Output.Name, err)
		}
	}
	return nil
}

// message writes the message of one row.
func (m *Materializer) message(plan *Plan, topic *Topic, ch *changelog.Change) error {
	x, row := plan.outbox, ch.After
	m.placeChange(ch)
	m.appendChangeHeaders(ch, opName(ch.Op))
	rec := kafkawire.Record{HeaderCount: headerCount(m.ctx.Txn) + len(x.headers)}
	if ch.Fill == changelog.Reread {
		m.header = kafkawire.AppendRecordHeader(m.header, HeaderFill, fillReread)
		rec.HeaderCount++
	}
	var err error
	for _, h := range x.headers {
		var value []byte
		if value, m.told, err = columnOf(m.told, plan, row, h.column); err != nil {
			return err
		}
		m.header = kafkawire.AppendRecordHeader(m.header, h.name, value)
	}
	rec.Headers = m.header
	if x.key >= 0 {
		if rec.Key, m.key, err = columnOf(m.key, plan, row, x.key); err != nil {
			return err
		}
	}
	at := rec.Key
	if at == nil {
		at = x.fullName // messages without key keep the order of their table
	}
	if rec.Value, m.value, err = columnOf(m.value, plan, row, x.payload); err != nil {
		return err
	}
	return m.parts.add(topic, kafkawire.PartitionOf(at, topic.Partitions), &rec, m.messageTime(x, topic, row))
}

// columnOf gives what a column is in a message, nil for NULL and never nil otherwise. It is valid until scratch, which may have grown,
// is used again.
func columnOf(scratch []byte, plan *Plan, row changelog.Row, i int) (value, grown []byte, err error) {
	v := &row[i]
	if v.IsNull() {
		return nil, scratch, nil
	}
	if cap(scratch) == 0 {
		scratch = make([]byte, 0, minScratch) // an empty text must not become a null
	}
	column := &plan.Table.Columns[i]
	value, ok := appendColumn(scratch[:0], &column.Type, v)
	if !ok {
		return nil, value, fault.NewFinal(fault.UnsupportedType, opOutbox, fmt.Errorf("the value of column %s is no text", column.Name), "Name a column of texts, JSON, bytes, numbers or times.")
	}
	return value, value, nil
}

const minScratch = 64

// messageTime is the timestamp of a message, milliseconds since the Unix epoch: that of its column, else that which rows have. A
// broker would refuse one that is ahead of its clock.
func (m *Materializer) messageTime(x *outboxPlan, topic *Topic, row changelog.Row) int64 {
	now := m.ctx.Now / 1000
	at := now
	if !topic.WallClock {
		at = min(at, m.ctx.Txn.Commit/1000)
	}
	if x.stamp < 0 {
		return at
	}
	own := int64(-1)
	switch v := &row[x.stamp]; v.Kind() {
	case changelog.KindTimestamp, changelog.KindDateTime:
		if v.Form() == changelog.FormNormal {
			own = v.Int() / 1000
		}
	case changelog.KindInt, changelog.KindUint:
		own = v.Int()
	}
	if own < 0 {
		return at
	}
	return min(own, now)
}
