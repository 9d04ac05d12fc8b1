package cli

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
)

// converter reads records and writes what they say in another format.
type converter struct {
	*conversion
	reader formats.Reader
	format formats.Format
	side   formats.SideEncoder // nil: nothing is written but rows
	upsert bool
	out    *lineWriter
	err    io.Writer
	plans  map[planKey]*conversionPlan
	seq    uint64

	// While a record is converted.
	rec                *formats.Record
	ctx                formats.Context
	key, oldKey, value []byte
}

// conversionPlan writes the changes of one version of a table.
type conversionPlan struct {
	table          *changelog.Table
	encoder        formats.Encoder
	newKey, oldKey string // headers that link the halves of a key change; "": none
	more           []formats.Header
	bare           bool // a delete is the tombstone alone
}

// shownReasons is how many skipped messages are told about one by one.
const shownReasons = 10

// record converts one record. where names it in errors.
func (c *converter) record(r *formats.Record, where string) error {
	b := changelog.NewBatch()
	defer b.Release()
	if err := c.reader.Read(b, r); err != nil {
		if !c.ignore || !fault.Is(err, fault.Decode) {
			return fmt.Errorf("%s: %w", where, err)
		}
		c.skip(where, err)
		return nil
	}
	c.seq++
	c.rec, c.ctx = r, formats.Context{Now: time.Now().UnixMicro(), Seq: c.seq}
	if err := c.batch(b); err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	c.converted++
	return nil
}

// skip counts a message that cannot be read, and tells about the first of them.
func (c *converter) skip(where string, err error) {
	if c.skipped++; c.skipped <= shownReasons {
		_, _ = fmt.Fprintf(c.err, "skipped %s: %s\n", where, err)
	}
}

func (c *converter) batch(b *changelog.Batch) error {
	notes := b.Notes
	for i := range b.Runs {
		run := &b.Runs[i]
		plan, err := c.plan(run.Table, c.rec.Topic)
		if err != nil {
			return err
		}
		for at := run.From; at < run.To; at++ {
			for ; len(notes) > 0 && notes[0].At <= at; notes = notes[1:] {
				if err := c.note(b, &notes[0]); err != nil {
					return err
				}
			}
			c.ctx.Run, c.ctx.Txn = run, &b.Txns[run.Txn]
			if err := c.change(plan, &b.Changes[at]); err != nil {
				return err
			}
		}
	}
	for i := range notes {
		if err := c.note(b, &notes[i]); err != nil {
			return err
		}
	}
	if len(b.Changes) == 0 && len(b.Notes) == 0 && len(b.Txns) > 0 {
		c.leftOut++ // a transaction's begin or end
	}
	return nil
}

// plan compiles the encoder of a table version once for each topic.
func (c *converter) plan(t *changelog.Table, topic string) (*conversionPlan, error) {
	id := planKey{t, topic}
	if p := c.plans[id]; p != nil {
		return p, nil
	}
	if len(t.Key) == 0 && c.upsert {
		return nil, fault.NewFinal(fault.NoKey, "converting "+t.FullName(), fmt.Errorf("neither key nor message tells the key of table %s", t.FullName()),
			"Read records with their keys (-i kcat, or from the topic), or use --mode changelog.")
	}
	enc, err := c.format.Compile(t, formats.Options{Key: t.Key, Topic: topic, Upsert: c.upsert})
	if err != nil {
		return nil, err
	}
	p := &conversionPlan{table: t, encoder: enc}
	if l, ok := enc.(formats.KeyLinker); ok {
		p.newKey, p.oldKey = l.KeyLinkHeaders()
	}
	if w, ok := enc.(formats.HeaderWriter); ok {
		p.more = w.RecordHeaders()
	}
	_, p.bare = enc.(formats.TombstoneOnly)
	c.plans[id] = p
	return p, nil
}

// change writes what one change becomes: in mode upsert a delete has a tombstone, and a change of the key is the end of the old
// row and the beginning of a new one.
func (c *converter) change(p *conversionPlan, ch *changelog.Change) error {
	c.ctx.Split = false
	row := ch.After
	if ch.Op == changelog.Delete {
		row = ch.Before
	}
	var err error
	if c.key, err = c.keyOf(p, c.key[:0], row); err != nil {
		return err
	}
	if !c.upsert {
		return c.write(p, ch, c.key, nil)
	}
	if ch.Op == changelog.Delete {
		return c.end(p, ch, c.key, nil)
	}
	if ch.Op == changelog.Update && knows(ch.Before, p.table.Key) {
		if c.oldKey, err = c.keyOf(p, c.oldKey[:0], ch.Before); err != nil {
			return err
		}
		if !bytes.Equal(c.oldKey, c.key) {
			return c.move(p, ch)
		}
	}
	return c.write(p, ch, c.key, nil)
}

// move writes a change of the key as its two halves.
func (c *converter) move(p *conversionPlan, ch *changelog.Change) error {
	c.ctx.Split = true
	old, now := *ch, *ch
	old.Op, old.After = changelog.Delete, nil
	now.Op, now.Before = changelog.Insert, nil
	if err := c.end(p, &old, c.oldKey, link(p.newKey, c.key)); err != nil {
		return err
	}
	return c.write(p, &now, c.key, link(p.oldKey, c.oldKey))
}

func link(name string, key []byte) []formats.Header {
	if name == "" {
		return nil
	}
	return []formats.Header{{Name: name, Value: key}}
}

// end writes a delete and its tombstone.
func (c *converter) end(p *conversionPlan, ch *changelog.Change, key []byte, links []formats.Header) error {
	if !p.bare {
		if err := c.write(p, ch, key, links); err != nil {
			return err
		}
	}
	return c.out.write(c.rec, c.rec.Topic, key, nil, append(links, p.more...))
}

func (c *converter) write(p *conversionPlan, ch *changelog.Change, key []byte, links []formats.Header) error {
	var err error
	if c.value, err = p.encoder.AppendValue(c.value[:0], &c.ctx, ch); err != nil {
		return err
	}
	return c.out.write(c.rec, c.rec.Topic, key, c.value, append(links, p.more...))
}

// keyOf is nil for tables without a key.
func (c *converter) keyOf(p *conversionPlan, dst []byte, row changelog.Row) ([]byte, error) {
	if len(p.table.Key) == 0 {
		return nil, nil
	}
	return p.encoder.AppendKey(dst, row)
}

// knows reports that an old row has the key.
func knows(row changelog.Row, key []int) bool {
	for _, i := range key {
		if i >= len(row) || row[i].IsUnchanged() {
			return false
		}
	}
	return len(key) > 0
}

// abouts are the records beside the rows that notes become.
var abouts = map[changelog.NoteKind]formats.About{
	changelog.DDL: formats.AboutStatement, changelog.Truncate: formats.AboutTruncate,
	changelog.Message: formats.AboutMessage, changelog.Heartbeat: formats.AboutHeartbeat,
}

// note writes what is no change of a row, or counts it.
func (c *converter) note(b *changelog.Batch, n *changelog.Note) error {
	topic := ""
	if c.side != nil {
		topic = c.side.Topic(abouts[n.Kind])
	}
	switch topic {
	case "":
		c.leftOut++
		return nil
	case formats.TableTopic:
		topic = c.rec.Topic
	}
	c.ctx.Run, c.ctx.Txn, c.ctx.Split = nil, nil, false
	if n.Txn >= 0 {
		c.ctx.Txn = &b.Txns[n.Txn]
	}
	key, value, ok, err := c.side.AppendSide(c.key[:0], c.value[:0], &formats.Beside{About: abouts[n.Kind], Context: &c.ctx, Note: n})
	if err != nil {
		return err
	}
	if !ok {
		c.leftOut++
		return nil
	}
	return c.out.write(c.rec, topic, key, value, nil)
}
