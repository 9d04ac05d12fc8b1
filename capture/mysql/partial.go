package mysql

import (
	"errors"
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// This file decodes row images that lack columns (binlog_row_image=MINIMAL or NOBLOB, MariaDB's FULL_NODUP), and those that
// have a column of JSON as a difference to its old value (binlog_row_value_options=PARTIAL_JSON). They are decoded in steps
// that cost more than image does, and only their events come here.
//
// Such an image has a NULL bit for each column that it has, and then the values. The new images of a PARTIAL_UPDATE_ROWS event
// begin with options; if these say so, a bit follows for each JSON column of the table, whether the image has it or not: set, it
// says that the value is a difference.

// optionPartialJSON says that the bits of the JSON columns follow.
const optionPartialJSON = 1

// imageField says what an image has of a column.
type imageField uint8

const (
	fieldAbsent imageField = iota
	fieldNull
	fieldValue
	fieldDifference // of JSON
)

// partialImage walks over the columns of one image.
type partialImage struct {
	shape   *shape
	rest    []byte // what follows in the event
	present []byte
	nulls   []byte
	diffs   []byte // nil: no column is a difference
	columns int    // columns that the image has, of those behind us
	json    int    // JSON columns behind us
}

// partialImage reads the head of the image at the front of p.
func (s *shape) partialImage(p, present []byte, options bool) (partialImage, error) {
	c := cursor{b: p}
	im := partialImage{shape: s, present: present}
	if options && c.packed()&optionPartialJSON != 0 {
		im.diffs = c.bytes((s.documents() + 7) / 8)
	}
	n := 0
	for i := range s.columns {
		if hasBit(present, i) {
			n++
		}
	}
	im.nulls = c.bytes((n + 7) / 8)
	if c.short {
		return im, s.mismatch("a row image ends within its NULL bits")
	}
	im.rest = c.b
	return im, nil
}

// documents counts the JSON columns.
func (s *shape) documents() int {
	n := 0
	for i := range s.columns {
		if s.isDocument(i) {
			n++
		}
	}
	return n
}

func (s *shape) isDocument(i int) bool { return s.table.Columns[i].Type.Kind == changelog.KindJSON }

// next steps over column i, which must be the one after the last. val is the value's bytes as decode takes them.
func (im *partialImage) next(i int) (f imageField, val []byte, err error) {
	f = fieldValue
	if im.diffs != nil && im.shape.isDocument(i) {
		if hasBit(im.diffs, im.json) {
			f = fieldDifference
		}
		im.json++
	}
	if !hasBit(im.present, i) {
		return fieldAbsent, nil, nil
	}
	null := hasBit(im.nulls, im.columns)
	im.columns++
	if null {
		return fieldNull, nil, nil
	}
	c := &im.shape.columns[i]
	from, to := c.span(im.rest)
	if to < 0 {
		return f, nil, im.shape.mismatch("a row image ends within column %q", c.name)
	}
	val, im.rest = im.rest[from:to:to], im.rest[to:]
	return f, val, nil
}

// decodePartial is decodeRows for images that may lack columns.
func (s *shape) decodePartial(b *changelog.Batch, e rowsEvent, skip int, at *ordinals) (rowsDone, error) {
	var done rowsDone
	p := e.Rows
	if len(p) == 0 {
		return done, s.nothingLogged()
	}
	for len(p) > 0 {
		var err error
		left := len(p)
		if done.Skipped < skip {
			if p, err = s.skipPartial(&e, p); err != nil {
				return rowsDone{}, err
			}
			done.Skipped++
			done.SkippedBytes = len(e.Rows) - len(p)
		} else {
			ch := changelog.Change{Op: e.Op, RowInEvent: int32(done.Rows), Index: at.Index, TableIndex: at.TableIndex}
			if p, err = s.partialChange(b, &ch, &e, p); err != nil {
				return rowsDone{}, fmt.Errorf("row %d of the event: %w", done.Rows, err)
			}
			b.Changes = append(b.Changes, ch)
		}
		if len(p) == left {
			return done, s.nothingLogged()
		}
		done.Rows++
		at.Index++
		at.TableIndex++
	}
	return done, nil
}

// nothingLogged is for rows of which the log has no column at all: INSERT INTO t VALUES () with binlog_row_image=MINIMAL. They
// take no bytes, so that nobody knows how many there are.
func (s *shape) nothingLogged() error {
	return fault.NewFinal(fault.SourceSettings, "decoding rows of "+s.table.FullName(), errors.New("the log says of an inserted row that all its columns have their defaults, and nothing else"),
		"Run SET GLOBAL binlog_row_image = FULL (cdcbridge validate says how it stays on this server) and let sessions reconnect, or name a column in such INSERT statements. The row needs a new snapshot of its table.")
}

// partialChange decodes one row change from the front of p and returns what follows it. What the new row lacks comes from the
// old one, as far as that has it.
func (s *shape) partialChange(b *changelog.Batch, ch *changelog.Change, e *rowsEvent, p []byte) ([]byte, error) {
	var err error
	if e.Before != nil {
		if ch.Before, p, err = s.partialRow(b, nil, p, e.Before, false); err != nil {
			return nil, err
		}
	}
	if e.After != nil {
		ch.After, p, err = s.partialRow(b, ch.Before, p, e.After, e.Options)
	}
	return p, err
}

// partialRow decodes the image at the front of p and returns what follows it. Columns that it lacks are those of old, or
// Unchanged without old. Those that it has as a difference are Unchanged: the old value is not theirs.
func (s *shape) partialRow(b *changelog.Batch, old changelog.Row, p, present []byte, options bool) (changelog.Row, []byte, error) {
	im, err := s.partialImage(p, present, options)
	if err != nil {
		return nil, nil, err
	}
	row := b.NewRow(len(s.columns))
	for i := range s.columns {
		f, val, err := im.next(i)
		if err != nil {
			return nil, nil, err
		}
		switch f {
		case fieldValue:
			c := &s.columns[i]
			if err := c.decode(c, val, &row[i], b); err != nil {
				return nil, nil, s.valueFault(c, err)
			}
		case fieldAbsent:
			if row[i] = changelog.Unchanged(); old != nil {
				row[i] = old[i]
			}
		case fieldDifference:
			row[i] = changelog.Unchanged()
		case fieldNull:
		}
	}
	return row, im.rest, nil
}

// skipPartial steps over one row change without decoding it.
func (s *shape) skipPartial(e *rowsEvent, p []byte) ([]byte, error) {
	var err error
	if e.Before != nil {
		if _, p, err = s.partialFields(nil, p, e.Before, false); err != nil {
			return nil, err
		}
	}
	if e.After != nil {
		_, p, err = s.partialFields(nil, p, e.After, e.Options)
	}
	return p, err
}

// partialFields gives the bytes of the columns that keep names (in the order of keep; nil of NULLs and of what the image lacks)
// and what follows the image.
func (s *shape) partialFields(keep []int, p, present []byte, options bool) (values [][]byte, rest []byte, err error) {
	im, err := s.partialImage(p, present, options)
	if err != nil {
		return nil, nil, err
	}
	if keep != nil {
		values = make([][]byte, len(keep))
	}
	for i := range s.columns {
		_, val, err := im.next(i)
		if err != nil {
			return nil, nil, err
		}
		for k := range keep {
			if keep[k] == i {
				values[k] = val
			}
		}
	}
	return values, im.rest, nil
}
