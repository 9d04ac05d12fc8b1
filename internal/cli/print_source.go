package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"cdcbridge/capture"
	"cdcbridge/changelog"
)

// sourcePrinter writes changes of a source, one line an image.
type sourcePrinter struct {
	out      io.Writer
	json     bool
	pipeline string
	filter   *capture.Filter // nil: all tables
	left     int             // how many changes are still wanted; 0: no limit
	line     []byte
}

// sourceImage is one printed line as JSON.
type sourceImage struct {
	Mark      string          `json:"mark"` // +I, -U, +U or -D; else what it is instead of a row: ddl, truncate, message or parked
	Pipeline  string          `json:"pipeline"`
	Txn       string          `json:"txn,omitempty"`       // as the header cdc.txn
	Ord       *uint64         `json:"ord,omitempty"`       // of the change in its transaction, as the header cdc.ord
	Topic     string          `json:"topic,omitempty"`     // of a source that reads topics: where the change was read
	Partition *int32          `json:"partition,omitempty"` //
	Offset    *int64          `json:"offset,omitempty"`    //
	Time      string          `json:"time"`                // when the change was committed
	Table     string          `json:"table,omitempty"`
	Key       json.RawMessage `json:"key,omitempty"` // null where the table has none, or the image lacks it
	Row       json.RawMessage `json:"row,omitempty"` // without the columns that the log has no value of
	Text      string          `json:"text,omitempty"`
}

// batch prints what a batch has, notes at their places. It returns errEnough when it has printed as much as is wanted.
func (p *sourcePrinter) batch(b *changelog.Batch) error {
	notes := b.Notes
	until := func(at int) error {
		for len(notes) > 0 && notes[0].At <= at {
			if err := p.note(b, &notes[0]); err != nil {
				return err
			}
			notes = notes[1:]
		}
		return nil
	}
	for i := range b.Runs {
		run := &b.Runs[i]
		for at := run.From; at < run.To; at++ {
			if err := until(at); err != nil {
				return err
			}
			if err := p.change(b, run, &b.Changes[at]); err != nil {
				return err
			}
		}
	}
	return until(len(b.Changes))
}

func (p *sourcePrinter) wants(t *changelog.Table) bool {
	return p.filter == nil || t == nil || p.filter.Match(t.Namespace(), t.Name)
}

func (p *sourcePrinter) change(b *changelog.Batch, run *changelog.Run, c *changelog.Change) error {
	if !p.wants(run.Table) {
		return nil
	}
	marks, ok := opMarks[c.Op]
	if !ok {
		return fmt.Errorf("a change of %s has the unknown operation %d", run.Table.FullName(), c.Op)
	}
	im := p.image(b, run.Txn, run.Record)
	im.Table, im.Ord = run.Table.FullName(), &c.Index
	for _, side := range []struct {
		mark string
		row  changelog.Row
	}{{marks.before, c.Before}, {marks.after, c.After}} {
		if side.mark == "" || side.row == nil {
			continue
		}
		im.Mark, im.Key, im.Row = side.mark, keyOfRow(run.Table, side.row), rowObject(run.Table, side.row)
		if err := p.write(&im); err != nil {
			return err
		}
	}
	return p.count()
}

// noteMarks are how what is no row is marked. Other notes say nothing to people.
var noteMarks = map[changelog.NoteKind]string{changelog.DDL: "ddl", changelog.Truncate: "truncate", changelog.Message: "message", changelog.Parked: "parked"}

func (p *sourcePrinter) note(b *changelog.Batch, n *changelog.Note) error {
	mark, ok := noteMarks[n.Kind]
	if !ok || !p.wants(n.Table) {
		return nil
	}
	im := p.image(b, n.Txn, n.Record)
	im.Mark, im.Text = mark, n.Text
	if n.Table != nil {
		im.Table = n.Table.FullName()
	}
	if n.Kind == changelog.Message {
		im.Text = n.Prefix + " " + n.Text
	}
	if im.Time == "" && n.Time != 0 {
		im.Time = momentText(n.Time)
	}
	if err := p.write(&im); err != nil {
		return err
	}
	return p.count()
}

// image begins a line with where a change stands.
func (p *sourcePrinter) image(b *changelog.Batch, txn, record int) sourceImage {
	im := sourceImage{Pipeline: p.pipeline}
	if txn >= 0 && txn < len(b.Txns) {
		im.Txn, im.Time = b.Txns[txn].ID, momentText(b.Txns[txn].Commit)
	}
	if record > 0 && record <= len(b.Records) {
		r := &b.Records[record-1]
		im.Topic, im.Partition, im.Offset = r.Topic, &r.Partition, &r.Offset
	}
	return im
}

// place is where a change stands, for people.
func (im *sourceImage) place() string {
	switch {
	case im.Topic != "":
		return fmt.Sprintf("%s/%d@%d", im.Topic, *im.Partition, *im.Offset)
	case im.Ord != nil:
		return fmt.Sprintf("%s/%d", im.Txn, *im.Ord)
	}
	return orDash(im.Txn)
}

func (p *sourcePrinter) write(im *sourceImage) error {
	p.line = p.line[:0]
	if p.json {
		if im.Ord != nil && im.Key == nil {
			im.Key = json.RawMessage("null")
		}
		text := bytes.NewBuffer(p.line)
		enc := json.NewEncoder(text)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(im); err != nil {
			return fmt.Errorf("printing a change of %s: %w", im.Table, err)
		}
		p.line = text.Bytes()
	} else {
		p.line = fmt.Appendf(p.line, "%s %s %s %s", im.Mark, im.place(), orDash(im.Time), orDash(im.Table))
		for _, part := range [][]byte{im.Key, im.Row, []byte(im.Text)} {
			if len(part) > 0 {
				p.line = append(append(p.line, ' '), part...)
			}
		}
		p.line = append(p.line, '\n')
	}
	_, err := p.out.Write(p.line)
	return err
}

// count returns errEnough when that was the last change that is wanted.
func (p *sourcePrinter) count() error {
	if p.left == 0 {
		return nil
	}
	if p.left--; p.left == 0 {
		return errEnough
	}
	return nil
}

// keyOfRow is the key of an image, nil when the table has none or the image not all of it.
func keyOfRow(t *changelog.Table, row changelog.Row) json.RawMessage {
	if len(t.Key) == 0 {
		return nil
	}
	for _, i := range t.Key {
		if row[i].IsUnchanged() {
			return nil
		}
	}
	return columnsObject(t, t.Key, row)
}

// rowObject is an image without the columns that the log has no value of.
func rowObject(t *changelog.Table, row changelog.Row) json.RawMessage {
	var there []int
	for i := range row {
		if !row[i].IsUnchanged() {
			there = append(there, i)
		}
	}
	return columnsObject(t, there, row)
}

func columnsObject(t *changelog.Table, columns []int, row changelog.Row) json.RawMessage {
	b := []byte{'{'}
	for n, i := range columns {
		if n > 0 {
			b = append(b, ',')
		}
		b = append(appendJSONText(b, t.Columns[i].Name), ':')
		b = appendValue(b, &t.Columns[i].Type, row[i])
	}
	return append(b, '}')
}
