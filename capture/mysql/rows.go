package mysql

import (
	"bytes"
	"fmt"

	"cdcbridge/changelog"
)

// rowsStatementEnd is the flag of the last ROWS event of a statement: its TABLE_MAPs are void after it.
const rowsStatementEnd uint16 = 1

// rowsEvent is a WRITE_ROWS, UPDATE_ROWS or DELETE_ROWS event of version 1 or 2, or a PARTIAL_UPDATE_ROWS event. It borrows
// from the event.
type rowsEvent struct {
	TableID uint64
	Flags   uint16
	Op      changelog.Op // Insert, Update or Delete
	Columns int
	Rows    []byte // all row images, one after the other: what a digest over source rows covers

	// Of images that may lack columns: partial.go decodes them. Both are nil when the images have all columns, as nearly always.
	Before, After []byte // a bit for each column, set when the images have it
	Options       bool   // new images begin with options: columns of JSON may be differences
}

// read reads the head of a ROWS event's body (no header, no checksum).
func (e *rowsEvent) read(t eventType, body []byte) error {
	c := cursor{b: body}
	e.TableID, e.Flags = c.uint(6), c.u16()
	switch t {
	case eventWriteRows, eventWriteRowsV1:
		e.Op = changelog.Insert
	case eventUpdateRows, eventUpdateRowsV1:
		e.Op = changelog.Update
	case eventDeleteRows, eventDeleteRowsV1:
		e.Op = changelog.Delete
	case eventPartialUpdateRows:
		e.Op, e.Options = changelog.Update, true
	default:
		return badEvent("reading a ROWS event", "its type is %d", t)
	}
	if t >= eventWriteRows {
		// Version 2 has extra data (partition ids, NDB) of which the length counts itself; nothing in it is row data.
		c.bytes(int(c.u16()) - 2)
	}
	e.Columns = c.packedInt()
	bits := (e.Columns + 7) / 8
	if e.Op != changelog.Insert {
		e.Before = c.bytes(bits)
	}
	if e.Op != changelog.Delete {
		e.After = c.bytes(bits)
	}
	if c.short || e.Columns == 0 {
		return badEvent("reading a ROWS event", "its %d bytes do not hold the bits of %d columns", len(body), e.Columns)
	}
	if !e.Options && hasAll(e.Before, e.Columns) && hasAll(e.After, e.Columns) {
		e.Before, e.After = nil, nil
	}
	e.Rows = c.b
	return nil
}

// hasAll reports bits of which the first n are set, or none at all.
func hasAll(bits []byte, n int) bool {
	if bits == nil {
		return true
	}
	for _, b := range bits[:n/8] {
		if b != 0xff {
			return false
		}
	}
	rest := byte(1)<<(n%8) - 1
	return rest == 0 || bits[n/8]&rest == rest
}

func hasBit(bits []byte, i int) bool { return bits[i>>3]>>(i&7)&1 == 1 }

// partial reports images that may lack columns.
func (e *rowsEvent) partial() bool { return e.Before != nil || e.After != nil }

// clone makes the event independent of the memory that it came in.
func (e rowsEvent) clone() rowsEvent {
	e.Rows, e.Before, e.After = bytes.Clone(e.Rows), bytes.Clone(e.Before), bytes.Clone(e.After)
	return e
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
// It appends no Run. What After lacks of a partial image is Unchanged. On an error the batch may hold changes of this event and must be thrown away.
func (s *shape) decodeRows(b *changelog.Batch, e rowsEvent, skip int, at *ordinals) (rowsDone, error) {
	if e.Columns != len(s.columns) {
		return rowsDone{}, s.mismatch("the rows have %d columns, the table map has %d", e.Columns, len(s.columns))
	}
	if e.partial() {
		return s.decodePartial(b, e, skip, at)
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
			b.Changes = append(b.Changes, changelog.Change{Op: e.Op, RowInEvent: int32(done.Rows), Index: at.Index, TableIndex: at.TableIndex})
			if p, err = s.change(b, &b.Changes[len(b.Changes)-1], p); err != nil {
				return rowsDone{}, fmt.Errorf("row %d of the event: %w", done.Rows, err)
			}
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
