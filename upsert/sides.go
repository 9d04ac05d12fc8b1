package upsert

import (
	"context"
	"fmt"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// abouts is how many things a record beside the rows can be about, with the zero that is none.
const abouts = int(formats.AboutHeartbeat) + 1

// aboutNames are what HeaderOp says of records beside the rows.
var aboutNames = [abouts]string{
	formats.AboutBegin: "begin", formats.AboutEnd: "end", formats.AboutStatement: "ddl", formats.AboutTruncate: "truncate", formats.AboutMessage: "message",
	formats.AboutHeartbeat: "heartbeat",
}

// Sides are what the outputs write beside the rows of one batch; nil: nothing. They are immutable.
type Sides struct {
	cues []cue
	of   []side
}

// side is what one output writes beside the rows of one batch.
type side struct {
	output  *Output
	encoder formats.SideEncoder
	topics  [abouts]*Topic
	ours    []byte  // the header that all its records have
	tables  []*Plan // by note: where the rows of a truncated table go; nil: nowhere, or the record goes elsewhere
}

// sideWriter is what the planner keeps for one output that writes records beside its rows.
type sideWriter struct {
	output  *Output // the planner's, but for topics that are never compacted
	side    side    // all topics that are open
	encoder formats.SideEncoder
}

// newSideWriters finds the outputs that write records beside their rows.
func (p *Planner) newSideWriters() []*sideWriter {
	var writers []*sideWriter
	ours := kafkawire.AppendRecordHeader(nil, HeaderPipeline, []byte(p.pipeline))
	for i := range p.outputs {
		o := &p.outputs[i]
		enc := sideEncoder(p.pipeline, o)
		if enc == nil {
			continue
		}
		plain := o.sides()
		w := &sideWriter{output: &plain, encoder: enc, side: side{output: o, encoder: enc, ours: ours}}
		writers = append(writers, w)
	}
	return writers
}

// sideEncoder is what the output writes records beside its rows with, nil for nothing.
func sideEncoder(pipeline string, o *Output) formats.SideEncoder {
	w, ok := o.Format.(formats.SideWriter)
	if !ok {
		return nil
	}
	return w.Side(formats.SideOptions{Prefix: pipeline, Upsert: o.Mode == Upsert})
}

// sides is the output as its topics of records beside the rows are opened: they keep every record.
func (o *Output) sides() Output {
	plain := *o
	plain.Mode = Changelog
	return plain
}

// BeatEvery is how often the outputs want a Heartbeat note at least; 0: none does.
func (p *Planner) BeatEvery() time.Duration {
	every := time.Duration(0)
	for _, w := range p.sides {
		if b, ok := w.encoder.(formats.Beater); ok && b.BeatEvery() > 0 && (every == 0 || b.BeatEvery() < every) {
			every = b.BeatEvery()
		}
	}
	return every
}

// Sides prepares what the outputs write beside the rows of a batch, opening their topics at first use.
func (p *Planner) Sides(ctx context.Context, b *changelog.Batch) (*Sides, error) {
	if len(p.sides) == 0 {
		return nil, nil
	}
	cues := cuesOf(b)
	if len(cues) == 0 {
		return nil, nil
	}
	s := &Sides{cues: cues, of: make([]side, 0, len(p.sides))}
	for _, w := range p.sides {
		one, err := p.sideOf(ctx, w, b, cues)
		if err != nil {
			return nil, fmt.Errorf("planning records beside the rows of output %s: %w", w.output.Name, err)
		}
		s.of = append(s.of, one)
	}
	return s, nil
}

func (p *Planner) sideOf(ctx context.Context, w *sideWriter, b *changelog.Batch, cues []cue) (side, error) {
	var tables []*Plan
	for _, c := range cues {
		switch name := w.encoder.Topic(c.about); {
		case name == "" || w.side.topics[c.about] != nil:
		case name == formats.TableTopic:
			plan, err := p.tableOf(ctx, w.side.output, b.Notes[c.note].Table)
			if err != nil {
				return side{}, err
			}
			if tables == nil {
				tables = make([]*Plan, len(b.Notes))
			}
			tables[c.note] = plan
		default:
			if err := p.openSide(ctx, w, c.about, legalTopic(name)); err != nil {
				return side{}, err
			}
		}
	}
	one := w.side // a copy: workers read it while the feeder opens more
	one.tables = tables
	return one, nil
}

// tableOf finds where the rows of a table go; nil: this output does not write them.
func (p *Planner) tableOf(ctx context.Context, o *Output, t *changelog.Table) (*Plan, error) {
	if t == nil {
		return nil, nil
	}
	if len(t.Columns) == 0 {
		return p.bareTable(ctx, o, t)
	}
	plans, err := p.Plans(ctx, t)
	if err != nil {
		return nil, err
	}
	for _, plan := range plans {
		if plan.Output == o {
			return plan, nil
		}
	}
	return nil, nil
}

// bareTable is tableOf for a table of which nothing is known but its name: no row of it was seen yet. The plan writes no rows.
func (p *Planner) bareTable(ctx context.Context, o *Output, t *changelog.Table) (*Plan, error) {
	if !o.takes(t) {
		return nil, nil
	}
	w := written{table: t, topic: TopicName(o.Topic, p.pipeline, t)}
	if err := p.place(&w, t, o, nil); err != nil {
		return nil, err
	}
	topic, err := p.topic(ctx, w.topic, o)
	if err != nil {
		return nil, err
	}
	return &Plan{Output: o, Table: t, Topic: topic, keyless: keylessPartition(t, topic), sharded: o.KeyPrefix != "", shard: w.shard}, nil
}

// openSide opens a topic of records beside the rows. It belongs to one output, which writes no rows there, and no other does.
func (p *Planner) openSide(ctx context.Context, w *sideWriter, a formats.About, name string) error {
	if err := p.ownSide(name, w.side.output); err != nil {
		return err
	}
	t, err := p.topic(ctx, name, w.output)
	if err != nil {
		return err
	}
	if n := w.encoder.Partition(a); n >= t.Partitions {
		return fault.NewFinal(fault.TopicSettings, "opening topic "+name, fmt.Errorf("it has %d partitions, and records go to partition %d", t.Partitions, n), "Report this as a bug.")
	}
	w.side.topics[a] = t
	return nil
}

// beside writes the records of a cue.
func (m *Materializer) beside(b *changelog.Batch, plans Plans, c cue) error {
	for i := range plans.Sides.of {
		if err := m.side(b, &plans.Sides.of[i], plans.Moves, c); err != nil {
			return err
		}
	}
	return nil
}

// side writes the record of a cue for one output, if there is one.
func (m *Materializer) side(b *changelog.Batch, s *side, moves *Moves, c cue) error {
	plan := (*Plan)(nil)
	if s.tables != nil && c.note >= 0 {
		plan = s.tables[c.note]
	}
	topic := s.topics[c.about]
	if plan != nil {
		topic = plan.Topic
	}
	_, once := s.encoder.(formats.StatementWriter)
	if topic == nil || c.again && once {
		return nil
	}
	var note *changelog.Note
	var counts []changelog.Count
	m.ctx.Run, m.ctx.Txn = nil, nil
	if c.note >= 0 {
		note = &b.Notes[c.note]
	}
	if c.whole != nil && once {
		note = c.whole
	}
	if c.txn >= 0 {
		m.ctx.Txn = &b.Txns[c.txn]
	}
	if c.about == formats.AboutEnd {
		counts = moves.addTo(countsOf(b, c.txn, s.output), c.txn, s.output)
	}
	key, value, ok, err := s.encoder.AppendSide(m.key[:0], m.value[:0], &formats.Beside{About: c.about, Context: &m.ctx, Note: note, Counts: counts})
	if err != nil {
		return fmt.Errorf("encoding a %s record for output %s: %w", aboutNames[c.about], s.output.Name, err)
	}
	m.key, m.value = keep(m.key, key), keep(m.value, value)
	if !ok {
		return nil
	}
	rec := kafkawire.Record{Key: key, Value: value}
	var from *changelog.Record
	if note != nil {
		from = recordOf(b, note.Record)
	}
	rec.Headers, rec.HeaderCount = m.sideHeaders(s, c, plan, note, from)
	return m.parts.add(topic, s.partition(c.about, topic, plan, key), &rec, m.sideTime(topic))
}

// keep holds on to scratch space that may have grown, even when what was written into it is said not to be there.
func keep(old, grown []byte) []byte {
	if grown == nil {
		return old
	}
	return grown
}

// partition is where a record goes: where the format says, or with those of its key; without key with others of its table.
func (s *side) partition(a formats.About, t *Topic, plan *Plan, key []byte) int32 {
	switch n := s.encoder.Partition(a); {
	case n >= 0:
		return n
	case key != nil:
		return kafkawire.PartitionOf(key, t.Partitions)
	case plan != nil:
		return plan.keyless
	}
	return 0
}

// sideTime is the timestamp of a record: as for rows, see encodeRun.
func (m *Materializer) sideTime(t *Topic) int64 {
	at := m.ctx.Now / 1000
	if m.ctx.Txn != nil && !t.WallClock {
		at = min(at, m.ctx.Txn.Commit/1000)
	}
	return at
}
