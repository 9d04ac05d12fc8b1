package kafka

import (
	"bytes"
	"errors"
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// mark is how much of a batch there was before a record was read into it.
type mark struct {
	txns, runs, changes, notes, records int
}

func markOf(b *changelog.Batch) mark {
	return mark{len(b.Txns), len(b.Runs), len(b.Changes), len(b.Notes), len(b.Records)}
}

// undo takes what was read from a record out again: the batch may go out before the attempt ends, and the partition is not behind it.
func (m mark) undo(b *changelog.Batch) {
	b.Txns, b.Runs, b.Changes, b.Notes, b.Records = b.Txns[:m.txns], b.Runs[:m.runs], b.Changes[:m.changes], b.Notes[:m.notes], b.Records[:m.records]
}

// nothing reports that what was read is neither a change nor a note. A transaction that has none is taken out.
func (m mark) nothing(b *changelog.Batch) bool {
	if len(b.Changes) > m.changes || len(b.Notes) > m.notes {
		return false
	}
	b.Txns = b.Txns[:m.txns]
	return true
}

// read decodes the head of a partition into the batch. What the record becomes, or why it becomes nothing: the partition is behind
// it afterwards.
func (s *stream) read(p *partition) error {
	rec := &p.head
	b, from := s.batch, markOf(s.batch)
	if p.repeatsDelete(rec) {
		s.passed(p, rec)
		return s.marks.saw(p, rec, b, from)
	}
	switch err := s.reader.Read(b, s.readable.of(rec)); {
	case err != nil && !s.badRecord(err):
		return atRecord(rec, err)
	case err != nil:
		s.skipped(rec, err)
	default:
		if err := s.take(p, rec, from); errors.Is(err, errFirst) { // before deduplication has seen it
			from.undo(b)
			return err
		} else if err != nil {
			s.undo(p, from)
			return atRecord(rec, err)
		}
	}
	if err := s.marks.saw(p, rec, b, from); err != nil {
		s.undo(p, from)
		return atRecord(rec, err)
	}
	s.passed(p, rec)
	return nil
}

// undo takes a record that fails out of the batch, and out of what deduplication knows: it is read again when the attempt after this
// one has begun.
func (s *stream) undo(p *partition, from mark) {
	from.undo(s.batch)
	p.repeats.back()
}

// errFirst says that what the record became must be the first in its batch. The target ends the keys of a truncated table when all that
// comes before is committed, and the checkpoint of a batch is behind all of it.
var errFirst = errors.New("it must be the first record of a batch")

// take deals with what a record became.
func (s *stream) take(p *partition, rec *kafkawire.FetchedRecord, from mark) error {
	b := s.batch
	for i := from.txns; i < len(b.Txns); i++ {
		b.Txns[i].First, b.Txns[i].Last = true, true // the boundaries that a topic of transactions tells are not those of this stream
	}
	if from.nothing(b) {
		return nil
	}
	p.remember(rec, b.Changes[from.changes:])
	p.make(b.Txns[from.txns:])
	if err := s.learn(p, rec, from); err != nil {
		return err
	}
	for i := from.notes; i < len(b.Notes); i++ {
		if err := s.note(&b.Notes[i]); err != nil {
			return err
		}
		if b.Notes[i].Policy != "" && (from.changes > 0 || from.notes > 0) {
			return errFirst
		}
	}
	if err := s.checkMoved(p, b, from); err != nil {
		return err
	}
	if s.cfg.Deduplicate {
		s.stats.repeated += uint64(s.dropRepeated(p, b, from) + s.dropRepeatedTruncations(p, b, from))
	}
	if err := s.checkEmptied(p, b, from); err != nil {
		return err
	}
	if !from.nothing(b) {
		s.attach(rec, from, false)
	}
	s.stats.changes += uint64(len(b.Changes) - from.changes)
	s.stats.txns += uint64(len(b.Txns) - from.txns)
	return s.merger.took(p, from)
}

// attach puts the record into the batch and links what was read from it.
func (s *stream) attach(rec *kafkawire.FetchedRecord, from mark, whole bool) {
	b := s.batch
	r := changelog.Record{Topic: rec.Topic, Partition: rec.Partition, Offset: rec.Offset, Timestamp: rec.Timestamp, LogAppend: rec.LogAppend}
	if rec.Key != nil {
		r.Key = b.Copy(rec.Key)
	}
	if whole && rec.Value != nil {
		r.Value = b.Copy(rec.Value)
	}
	if n := rec.Headers.Len(); n > 0 {
		r.Headers = s.headers.of(n)
		rec.Headers.Each(func(name, value []byte) bool {
			h := changelog.RecordHeader{Name: b.String(name)}
			if value != nil {
				h.Value = b.Copy(value)
			}
			r.Headers = append(r.Headers, h)
			return true
		})
	}
	b.Records = append(b.Records, r)
	at := len(b.Records)
	for i := from.runs; i < len(b.Runs); i++ {
		b.Runs[i].Record = at
	}
	for i := from.notes; i < len(b.Notes); i++ {
		b.Notes[i].Record = at
	}
}

// headerSlabs hands out slices for headers, which live as long as the batches that they are in.
type headerSlabs struct{ free []changelog.RecordHeader }

const headerSlab = 512

func (h *headerSlabs) of(n int) []changelog.RecordHeader {
	if len(h.free) < n {
		h.free = make([]changelog.RecordHeader, max(n, headerSlab))
	}
	got := h.free[:0:n]
	h.free = h.free[n:]
	return got
}

// readable makes the records that formats read of those that were fetched.
type readable struct {
	record formats.Record
	names  nameTable
}

// of gives the record, which is good until the next one.
func (r *readable) of(rec *kafkawire.FetchedRecord) *formats.Record {
	headers := r.record.Headers[:0]
	if rec.Headers.Len() > 0 {
		rec.Headers.Each(func(name, value []byte) bool {
			headers = append(headers, formats.Header{Name: r.names.of(name), Value: value})
			return true
		})
	}
	r.record = formats.Record{
		Topic: rec.Topic, Partition: rec.Partition, Offset: rec.Offset, Timestamp: rec.Timestamp, Key: rec.Key, Value: rec.Value, Headers: headers,
	}
	return &r.record
}

// nameTable keeps the names of headers, of which a topic has few.
type nameTable map[string]string

const maxNames = 1000

func (t nameTable) of(name []byte) string {
	if known, ok := t[string(name)]; ok {
		return known
	}
	if len(t) == maxNames {
		clear(t)
	}
	text := string(name)
	t[text] = text
	return text
}

// repeatsDelete reports a tombstone of the delete that came before it. The format's reader knows that too, but for the first record
// after a restart.
func (p *partition) repeatsDelete(rec *kafkawire.FetchedRecord) bool {
	return rec.Value == nil && rec.Key != nil && len(p.deleted) > 0 && bytes.Equal(p.deleted, rec.Key)
}

// remember notes the key of a delete, whose tombstone may follow.
func (p *partition) remember(rec *kafkawire.FetchedRecord, changes []changelog.Change) {
	if rec.Key != nil && rec.Value != nil && len(changes) == 1 && changes[0].Op == changelog.Delete {
		p.deleted = append(p.deleted[:0:0], rec.Key...)
	} else {
		p.deleted = nil
	}
}

// passed moves the partition behind the record.
func (s *stream) passed(p *partition, rec *kafkawire.FetchedRecord) {
	s.moved += uint64(rec.Offset + 1 - p.offset)
	p.offset, p.epoch, p.hasHead = rec.Offset+1, p.records.Epoch(), false
	p.read++
	s.stats.records++
	s.touch(p)
}

// badRecord reports an error that is about the record alone, where the configuration goes on without it.
func (s *stream) badRecord(err error) bool {
	if !s.cfg.skips() {
		return false
	}
	switch fault.CodeOf(err) {
	case fault.Decode, fault.SchemaUnknown, fault.UnsupportedType, fault.NoKey:
		return true
	}
	return false
}

// skipped leaves a record out, or parks it. A tombstone behind it still is that of the delete before it: to the format's reader, and so
// after a restart.
func (s *stream) skipped(rec *kafkawire.FetchedRecord, err error) {
	s.stats.skipped++
	if s.cfg.DeadLetter == "" {
		return
	}
	s.stats.parked++
	b := s.batch
	from := markOf(b)
	b.Notes = append(b.Notes, changelog.Note{
		Kind: changelog.Parked, At: len(b.Changes), Txn: -1, Prefix: s.cfg.DeadLetter, Code: string(fault.CodeOf(err)), Text: reason(err), Time: rec.Timestamp * 1000,
	})
	s.attach(rec, from, true)
}

// reason is an error without its code and hint, which are elsewhere.
func reason(err error) string {
	if f := fault.As(err); f != nil && f.Err != nil {
		return f.Op + ": " + f.Err.Error()
	}
	return err.Error()
}

// note deals with what is no change of a row.
func (s *stream) note(n *changelog.Note) error {
	if n.Kind != changelog.Truncate {
		return nil
	}
	switch s.cfg.OnTruncate {
	case truncateTombstone:
		n.Policy = truncateTombstone
		return nil
	case truncateIgnore:
		return nil
	}
	table := "a table that is not known yet"
	if n.Table != nil {
		table = n.Table.FullName()
	}
	return fault.NewFinal(fault.Diverged, "reading a truncation", fmt.Errorf("all rows of %s went by one statement", table),
		"on_truncate: tombstone ends its rows in the target, on_truncate: ignore leaves them there.")
}

// atRecord says which record an error is about.
func atRecord(rec *kafkawire.FetchedRecord, err error) error {
	at := fmt.Sprintf("reading %s/%d@%d", rec.Topic, rec.Partition, rec.Offset)
	f := fault.As(err)
	if f == nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	g := *f
	g.Op = at
	if f.Op != "" {
		g.Op = at + ": " + f.Op
	}
	if g.Code == fault.Decode {
		g.Final = true
		g.Hint = "Correct the writer; ignore_parse_errors: true leaves such records out, dead_letter keeps them in a topic. " + g.Hint
	}
	return &g
}
