package plain

import (
	"errors"
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
)

// encoder writes the records of one table version. It is immutable after Compile.
type encoder struct {
	table   *changelog.Table
	options formats.Options
	cfg     Config
	columns []column
	key     []keyColumn
	fields  []field
}

var (
	_ formats.Encoder       = (*encoder)(nil)
	_ formats.TombstoneOnly = (*encoder)(nil)
)

// TombstoneOnly says that there is no record for a delete in a compacted topic.
func (e *encoder) TombstoneOnly() {}

// AppendValue appends the new row, or of a delete in a log of changes the old one.
func (e *encoder) AppendValue(dst []byte, c *formats.Context, ch *changelog.Change) ([]byte, error) {
	if err := e.check(c, ch); err != nil {
		return dst, err
	}
	row, old := ch.After, ch.Op == changelog.Delete
	if old {
		row = ch.Before
	}
	columns := e.columns[:len(row)]
	for i := range row {
		col, v := &columns[i], &row[i]
		dst = col.prefix.Append(dst)
		var err error
		if kind, _, _, _ := v.Raw(); kind == col.kind {
			dst, err = col.append(dst, col, v)
		} else {
			dst, err = e.appendMissing(dst, col, kind, old)
		}
		if err != nil {
			return dst, e.locate("encoding", e.table.Columns[i].Name, err)
		}
	}
	for i := range e.fields {
		f := &e.fields[i]
		dst = f.prefix.Append(dst)
		dst = f.append(dst, f, c, ch)
	}
	return append(dst, '}'), nil
}

// appendMissing writes what is no value of the column's kind. old rows may lack values.
func (e *encoder) appendMissing(dst []byte, c *column, kind changelog.Kind, old bool) ([]byte, error) {
	switch {
	case kind == changelog.KindUnchanged && !old:
		return dst, refuse(fault.SourceSettings, e.wholeRows(), "the log does not carry the column's value")
	case kind == changelog.KindNull || kind == changelog.KindUnchanged:
		return append(dst, "null"...), nil
	}
	return dst, malformed("a value of kind %d in a column of kind %d", kind, c.kind)
}

// check makes sure that the change can be written and has the image for it.
func (e *encoder) check(c *formats.Context, ch *changelog.Change) error {
	if c.Txn == nil || c.Run == nil {
		return e.broken("the change belongs to no transaction")
	}
	switch ch.Op {
	case changelog.Read, changelog.Insert, changelog.Update, changelog.Upsert:
		if len(ch.After) != len(e.columns) {
			return e.broken("the new row does not have the table's columns")
		}
		return nil
	case changelog.Delete:
		if e.options.Upsert {
			return e.broken("a delete has no value in a compacted topic")
		}
		if len(ch.Before) != len(e.columns) {
			return e.broken("the old row does not have the table's columns")
		}
		return nil
	}
	return e.broken("the change has no operation")
}

// wholeRows says how to make the database log what it left out.
func (e *encoder) wholeRows() string {
	if e.table.Origin == postgres {
		return "ALTER TABLE " + e.table.FullName() + " REPLICA IDENTITY FULL; changes that are in the log already stay as they are."
	}
	return "Set binlog_row_image=FULL on the server, for every session."
}

// locate adds table and column to the fault of a value.
func (e *encoder) locate(doing, column string, err error) error {
	f := fault.As(err)
	f.Op = doing + " column " + column + " of " + e.table.FullName() + " as plain-json"
	return f
}

func (e *encoder) broken(what string) error {
	return fault.NewFinal(fault.Internal, "encoding "+e.table.FullName()+" as plain-json", errors.New(what), "Report this with the log position.")
}

// refuse makes the fault of a value that has no form; the caller adds where it was.
func refuse(code fault.Code, hint, text string, args ...any) error {
	return fault.NewFinal(code, "", fmt.Errorf(text, args...), hint)
}

// malformed is the fault of a value that breaks the contract of its kind.
func malformed(text string, args ...any) error {
	return refuse(fault.Internal, "Report this with the table's definition and the log position.", text, args...)
}
