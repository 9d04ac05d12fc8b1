package upsert

import (
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
	"cdcbridge/internal/shape"
)

// Materializer turns batches of changes into chunks of record batches. What becomes of a change:
//
//	                 upsert                                                changelog
//	insert, read     one record                                            one record
//	update           one record                                            one record
//	update of a key  delete and tombstone of the old key, insert of the    one record
//	                 new one
//	delete           record and tombstone                                  one record
//
// What a filter makes of a change (shape.Judge) is written as such a change: the insert of a row that comes into it, the delete of one
// that leaves it.
//
// A format that says a delete by the tombstone alone (formats.TombstoneOnly) has no record beside it in upsert mode.
//
// Of an insert or update whose row was gone before its missing values could be read (changelog.Gone) nothing is written in
// upsert mode but the end of an update's old key: the end of the new one is on its way.
//
// It belongs to one worker.
type Materializer struct {
	codec  kafkawire.Codec
	ctx    formats.Context
	parts  partSet
	key    []byte
	link   []byte // key of the other half of a key change
	told   []byte // that key as the header has it
	value  []byte
	run    []byte // headers that the records of a run share
	header []byte
	num    []byte
	moves  []formats.Moves // before the next change of the run that is being written, by plan
	lsns   bool            // records of the run have a position of their own
	place  []byte          // position of the run, or of the change
	op     string          // of the record, as the header has it
	shaper shape.Shaper
	quiet  changelog.Run // without its statement
}

// NewMaterializer makes a materializer that compresses with codec.
func NewMaterializer(codec kafkawire.Codec) *Materializer { return &Materializer{codec: codec} }

// Plans are what a batch is written by.
type Plans struct {
	Runs    [][]*Plan  // of each run
	Sides   *Sides     // nil: nothing is written beside the rows
	Moves   *Moves     // nil: no format counts them
	Topics  *RowTopics // nil: every row goes to the topic of its plan
	Parking *Parking   // nil: no record is parked
}

// Planned is a batch and what it is written by.
type Planned struct {
	Batch *changelog.Batch
	Plans Plans
	Seq   uint64 // number of the batch in this attempt
}

// Chunk encodes and compresses batches that follow each other. now is the wall clock in microseconds since the Unix epoch. The batches are
// left as they are.
func (m *Materializer) Chunk(now int64, batches ...Planned) (*Chunk, error) {
	c := &Chunk{}
	m.ctx.Now = now
	m.parts.begin(c, m.codec)
	for i := range batches {
		c.covers(batches[i].Batch)
		m.ctx.Seq = batches[i].Seq
		if err := m.encode(batches[i].Batch, batches[i].Plans); err != nil {
			m.parts.drop()
			return nil, err
		}
	}
	if err := m.parts.finish(); err != nil {
		return nil, err
	}
	m.shrink()
	return c, nil
}

// encode writes the rows of a batch and what stands beside them, in the batch's order, and then what is parked. A record beside the rows
// may stand within a run, since both may go to one topic.
func (m *Materializer) encode(b *changelog.Batch, plans Plans) error {
	var cues []cue
	if plans.Sides != nil {
		cues = plans.Sides.cues
	}
	for i := range b.Runs {
		run := &b.Runs[i]
		m.moves = m.moves[:0]
		for k := range plans.Runs[i] {
			m.moves = append(m.moves, plans.Moves.at(i, k))
		}
		for from := run.From; from < run.To; {
			for len(cues) > 0 && cues[0].at <= from {
				if err := m.beside(b, plans, cues[0]); err != nil {
					return err
				}
				cues = cues[1:]
			}
			to := run.To
			if len(cues) > 0 {
				to = min(to, cues[0].at)
			}
			for k, plan := range plans.Runs[i] {
				if plan.outbox != nil {
					if err := m.encodeMessages(b, run, plan, stretch{from, to, plans.Topics.at(i, k)}); err != nil {
						return err
					}
					continue
				}
				m.ctx.Moves = m.moves[k]
				if err := m.encodeRun(b, run, plan, from, to); err != nil {
					return err
				}
				m.moves[k] = m.ctx.Moves
			}
			from = to
		}
	}
	for _, c := range cues {
		if err := m.beside(b, plans, c); err != nil {
			return err
		}
	}
	return m.park(b, plans.Parking)
}

// encodeRun writes Changes[from:to] of a run.
func (m *Materializer) encodeRun(b *changelog.Batch, run *changelog.Run, plan *Plan, from, to int) error {
	txn := &b.Txns[run.Txn]
	m.ctx.Run, m.ctx.Txn = run, txn
	if plan.quiet && run.Query != "" {
		m.quiet = *run
		m.quiet.Query = ""
		m.ctx.Run = &m.quiet
	}
	rec := recordOf(b, run.Record)
	m.appendRunHeaders(plan, run, txn, rec)
	if plan.shape != nil {
		if err := m.shaper.Begin(plan.shape, shape.Source{Txn: txn, Record: rec}); err != nil {
			return fmt.Errorf("encoding %s at %s for output %s: %w", plan.Table.FullName(), m.place, plan.Output.Name, err)
		}
	}
	at := m.ctx.Now / 1000
	if !plan.Topic.WallClock {
		at = min(at, txn.Commit/1000) // a clock ahead of ours would be refused by the broker
	}
	for i := from; i < to; i++ {
		ch := &b.Changes[i]
		if err := m.encodeChange(plan, ch, stamp{at: at}); err != nil {
			return fmt.Errorf("encoding %s of %s at %s for output %s: %w", ch.Op, plan.Table.FullName(), placeOf(b, run, ch), plan.Output.Name, err)
		}
	}
	return nil
}

// stamp is what a record carries beside key and value.
type stamp struct {
	at   int64  // record timestamp, milliseconds
	link string // name of the header that tells m.link, the key of the other half of a key change; empty: none
	fill bool   // the value has parts that were read later than the change was made
}

func (m *Materializer) encodeChange(plan *Plan, ch *changelog.Change, s stamp) error {
	if plan.shape != nil {
		judged, err := m.shaper.Judge(ch)
		if err != nil {
			return err
		}
		if judged == nil {
			m.leaveOut(plan)
			return nil
		}
		ch = judged
	}
	s.fill = ch.Fill == changelog.Reread
	m.placeChange(ch)
	if plan.shape != nil {
		ch = m.shaper.Extend(ch, m.place)
	}
	if plan.Output.Mode != Upsert {
		return m.record(plan, ch, s)
	}
	switch ch.Op {
	case changelog.Read, changelog.Insert, changelog.Upsert:
		if ch.Fill == changelog.Gone {
			return nil
		}
		return m.record(plan, ch, s)
	case changelog.Update:
		switch moved, err := plan.moved(ch, &m.key, &m.link); {
		case err != nil:
			return err
		case moved:
			return m.keyChange(plan, ch, s)
		}
		if ch.Fill == changelog.Gone {
			return nil
		}
		return m.record(plan, ch, s)
	case changelog.Delete:
		return m.end(plan, ch, s)
	}
	return fault.NewFinal(fault.Internal, "materializing a change", fmt.Errorf("operation %d", ch.Op), "Please report this as a bug.")
}

// leaveOut says to a format that numbers changes that this one is not there.
func (m *Materializer) leaveOut(plan *Plan) {
	if plan.counts && !m.ctx.Txn.Snapshot {
		m.ctx.Moves.Total--
		m.ctx.Moves.Table--
	}
}

// record writes the message of one change.
func (m *Materializer) record(plan *Plan, ch *changelog.Change, s stamp) error {
	if err := m.setKey(plan, ch); err != nil {
		return err
	}
	op := opName(ch.Op)
	if plan.shape != nil {
		m.shaper.SetOp(op)
	}
	var err error
	if m.value, err = plan.encoder.AppendValue(m.value[:0], &m.ctx, ch); err != nil {
		return err
	}
	m.appendChangeHeaders(ch, op)
	return m.put(plan, m.value, s)
}

// end writes what ends a key in a compacted topic.
func (m *Materializer) end(plan *Plan, del *changelog.Change, s stamp) error {
	if !plan.bare {
		if err := m.record(plan, del, s); err != nil {
			return err
		}
	}
	if plan.Output.NoTombstones {
		return nil
	}
	return m.tombstone(plan, del, s)
}

// tombstone writes a null value for the key that the change's before image has.
func (m *Materializer) tombstone(plan *Plan, ch *changelog.Change, s stamp) error {
	if err := m.setKey(plan, ch); err != nil {
		return err
	}
	m.appendChangeHeaders(ch, opTombstone)
	return m.put(plan, nil, s)
}

func (m *Materializer) setKey(plan *Plan, ch *changelog.Change) error {
	if len(plan.Key) == 0 {
		m.key = m.key[:0]
		return nil
	}
	row := ch.After
	if row == nil {
		row = ch.Before
	}
	var err error
	m.key, err = plan.appendKey(m.key[:0], row)
	return err
}

// appendKey appends the record key of a row, which the log must have.
func (p *Plan) appendKey(dst []byte, row changelog.Row) ([]byte, error) {
	for _, k := range p.Key {
		if k >= len(row) || row[k].IsUnchanged() {
			return dst, fault.NewFinal(fault.NoKey, "reading the record key", fmt.Errorf("the log does not carry key column %s", p.Table.Columns[k].Name),
				"Let the source log whole rows (binlog_row_image=FULL on MySQL, REPLICA IDENTITY FULL on PostgreSQL).")
		}
	}
	return p.encoder.AppendKey(dst, row)
}

// put adds a record with m.key and m.header to the part of its partition.
func (m *Materializer) put(plan *Plan, value []byte, s stamp) error {
	count := headerCount(m.ctx.Txn)
	if plan.sharded {
		count++
	}
	if s.link != "" {
		m.told = plan.links.linker.AppendKeyLink(m.told[:0], m.link)
		m.header = kafkawire.AppendRecordHeader(m.header, s.link, m.told)
		count++
	}
	if s.fill {
		m.header = kafkawire.AppendRecordHeader(m.header, HeaderFill, fillReread)
		count++
	}
	m.header = append(m.header, plan.more.bytes...)
	count += plan.more.count
	if plan.shape != nil {
		count += m.shaper.Headers(m.place, m.op, func(name string, value []byte) {
			m.header = kafkawire.AppendRecordHeader(m.header, name, value)
		})
	}
	rec := kafkawire.Record{Value: value, Headers: m.header, HeaderCount: count}
	partition := plan.keyless
	if len(plan.Key) > 0 {
		rec.Key = m.key
		partition = kafkawire.PartitionOf(m.key, plan.Topic.Partitions)
	}
	return m.parts.add(plan.Topic, partition, &rec, s.at)
}

// shrink lets go of scratch space that a few huge rows have blown up.
func (m *Materializer) shrink() {
	for _, p := range []*[]byte{&m.key, &m.link, &m.told, &m.value, &m.header} {
		if cap(*p) > maxScratch {
			*p = nil
		}
	}
}

const maxScratch = 1 << 20

// opTombstone is what HeaderOp says on a tombstone.
const opTombstone = "x"

// fillReread is what HeaderFill says.
var fillReread = []byte("reread")

func opName(op changelog.Op) string {
	switch op {
	case changelog.Read:
		return "r"
	case changelog.Insert:
		return "c"
	case changelog.Update, changelog.Upsert:
		return "u"
	case changelog.Delete:
		return "d"
	}
	return "?"
}
