package mysql

import (
	"errors"
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// rowsStatementEnd is the flag of the last ROWS event of a statement: its TABLE_MAPs are void after it.
const rowsStatementEnd uint16 = 1

// rowsEvent is a WRITE_ROWS, UPDATE_ROWS or DELETE_ROWS event of version 1 or 2. It borrows from the event.
type rowsEvent struct {
	TableID uint64
	Flags   uint16
	Op      changelog.Op // Insert, Update or Delete
	Columns int
	Rows    []byte // all row images, one after the other: what a digest over source rows covers
}

// parseRows reads the head of a ROWS event's body (no header, no checksum). It refuses partial images: a column that the
// image lacks could only be guessed.
func parseRows(t eventType, body []byte) (rowsEvent, error) {
	c := cursor{b: body}
	e := rowsEvent{TableID: c.uint(6), Flags: c.u16()}
	switch t {
	case eventWriteRows, eventWriteRowsV1:
		e.Op = changelog.Insert
	case eventUpdateRows, eventUpdateRowsV1:
		e.Op = changelog.Update
	case eventDeleteRows, eventDeleteRowsV1:
		e.Op = changelog.Delete
	case eventPartialUpdateRows:
		return rowsEvent{}, partialJSONFault()
	default:
		return rowsEvent{}, badEvent("reading a ROWS event", "its type is %d", t)
	}
	if t >= eventWriteRows {
		// Version 2 has extra data (partition ids, NDB) of which the length counts itself; nothing in it is row data.
		c.bytes(int(c.u16()) - 2)
	}
	e.Columns = c.packedInt()
	bitmaps := 1
	if e.Op == changelog.Update {
		bitmaps = 2
	}
	for range bitmaps {
		present := c.bytes((e.Columns + 7) / 8)
		if c.short || e.Columns == 0 {
			return rowsEvent{}, badEvent("reading a ROWS event", "its %d bytes do not hold the bits of %d columns", len(body), e.Columns)
		}
		if missing := missingColumn(present, e.Columns); missing >= 0 {
			return rowsEvent{}, rowImageFault(missing)
		}
	}
	e.Rows = c.b
	return e, nil
}

// missingColumn gives the first column without a bit, or -1.
func missingColumn(present []byte, n int) int {
	for i := range n {
		if present[i/8]>>(i%8)&1 == 0 {
			return i
		}
	}
	return -1
}

func rowImageFault(column int) error {
	return fault.NewFinal(fault.SourceSettings, "reading a ROWS event", fmt.Errorf("the row image lacks column %d", column+1),
		"Run SET PERSIST binlog_row_image = FULL, let sessions reconnect and look for clients that set it for their session. The rows already logged without it need a new snapshot of their table.")
}

func partialJSONFault() error {
	return fault.NewFinal(fault.SourceSettings, "reading a ROWS event", errors.New("the update is logged as a JSON difference"),
		"Run SET PERSIST binlog_row_value_options = '' (PARTIAL_JSON cannot be captured) and let sessions reconnect. The rows already logged with it need a new snapshot of their table.")
}

// ordinals number row changes within their transaction.
type ordinals struct {
	Index      uint64 // of the next change among all captured ones
	TableIndex uint64 // of the next change of this table
}

// rowsDone says what decodeRows found in an event.
type rowsDone struct {
	Rows         int // row changes in the event, skipped ones included
	Skipped      int // of those, not appended
	SkippedBytes int // the part of rowsEvent.Rows that they take
}

// decodeRows appends a Change for every row change of the event but the first skip ones, and moves at past all of them.
// The rows live in the batch and borrow from e.Rows, which must live as long: read the event into memory of Batch.Grab.
// It appends no Run. On an error the batch may hold changes of this event and must be thrown away.
func (s *shape) decodeRows(b *changelog.Batch, e rowsEvent, skip int, at *ordinals) (rowsDone, error) {
	if e.Columns != len(s.columns) {
		return rowsDone{}, s.mismatch("the rows have %d columns, the table map has %d", e.Columns, len(s.columns))
	}
	var done rowsDone
	p := e.Rows
	for len(p) > 0 {
		var err error
		if done.Skipped < skip {
			if p, err = s.skipChange(e.Op, p); err != nil {
				return rowsDone{}, err
			}
			done.Skipped++
			done.SkippedBytes = len(e.Rows) - len(p)
		} else {
			ch := changelog.Change{Op: e.Op, RowInEvent: int32(done.Rows), Index: at.Index, TableIndex: at.TableIndex}
			if p, err = s.change(b, &ch, p); err != nil {
				return rowsDone{}, fmt.Errorf("row %d of the event: %w", done.Rows, err)
			}
			b.Changes = append(b.Changes, ch)
		}
		done.Rows++
		at.Index++
		at.TableIndex++
	}
	return done, nil
}

// change decodes one row change from the front of p and returns what follows it.
func (s *shape) change(b *changelog.Batch, ch *changelog.Change, p []byte) ([]byte, error) {
	var err error
	if ch.Op != changelog.Insert {
		if ch.Before, p, err = s.image(b, p); err != nil {
			return nil, err
		}
	}
	if ch.Op != changelog.Delete {
		ch.After, p, err = s.image(b, p)
	}
	return p, err
}

// skipChange steps over one row change without decoding it.
func (s *shape) skipChange(op changelog.Op, p []byte) ([]byte, error) {
	p, err := s.skipImage(p)
	if op == changelog.Update && err == nil {
		p, err = s.skipImage(p)
	}
	return p, err
}
