package debezium

import (
	"errors"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

// encoder writes the records of one table version. It is immutable after Compile.
type encoder struct {
	table    *changelog.Table
	options  formats.Options
	cfg      *Config
	server   string // logical name of the source
	compiler compiler
	columns  []column
	key      []keyColumn
	source   source
	schemas  schemas
	headers  []formats.Header
}

var (
	_ formats.Encoder      = (*encoder)(nil)
	_ formats.KeyLinker    = (*encoder)(nil)
	_ formats.HeaderWriter = (*encoder)(nil)
)

// AppendValue appends the envelope of one change.
func (e *encoder) AppendValue(dst []byte, c *formats.Context, ch *changelog.Change) ([]byte, error) {
	op, err := e.check(c, ch)
	if err != nil {
		return dst, err
	}
	w := e.valueWrapping(ch)
	dst = append(w.open(dst), `{"before":`...)
	if dst, err = e.appendBefore(dst, ch); err != nil {
		return dst, err
	}
	dst = append(dst, `,"after":`...)
	if ch.Op == changelog.Delete {
		dst = append(dst, "null"...)
	} else if dst, err = e.appendRow(dst, ch.After, e.refuseUnchanged); err != nil {
		return dst, err
	}
	return w.close(e.appendRest(dst, c, ch, op)), nil
}

const noTransaction = `,"transaction":null`

// appendRest appends what follows the rows, to the end of the envelope.
func (e *encoder) appendRest(dst []byte, c *formats.Context, ch *changelog.Change, op byte) []byte {
	if e.cfg.TransactionMetadata && c.Run.Snapshot == changelog.Streamed {
		dst = appendSource(dst, e.source, c, ch)
		return appendTail(appendTransaction(dst, c, ch), c, op)
	}
	kept, made := c.Keep(e)
	if kept == nil {
		dst = appendSource(dst, e.source, c, ch)
		return appendTail(append(dst, noTransaction...), c, op)
	}
	if !made {
		e.keep(kept, c)
	}
	place := e.source.place(c, ch)
	dst = append(dst, kept.Parts[0]...)
	n := 1
	for ; n < e.source.parts(); n++ {
		dst = append(e.source.appendPlace(dst, place, n), kept.Parts[n]...)
	}
	return append(append(dst, op), kept.Parts[n]...)
}

// keep renders the rest without what each change has of its own: its place and its letter.
func (e *encoder) keep(k *formats.Kept, c *formats.Context) {
	last := e.source.parts()
	for n := range last {
		k.Parts[n] = e.source.appendPart(k.Parts[n][:0], c, n)
	}
	k.Parts[last-1] = append(append(k.Parts[last-1], noTransaction...), beforeOp...)
	k.Parts[last] = appendAfterOp(k.Parts[last][:0], c)
}

const beforeOp = `,"op":"`

// appendTail appends what follows the transaction, to the end of the envelope.
func appendTail(dst []byte, c *formats.Context, op byte) []byte {
	return appendAfterOp(append(append(dst, beforeOp...), op), c)
}

func appendAfterOp(dst []byte, c *formats.Context) []byte {
	dst = append(dst, `","ts_ms":`...)
	return append(appendTimes(dst, c.Now, `,"ts_us":`), '}')
}

// check finds Debezium's letter for the change and makes sure that the images which it needs are there.
func (e *encoder) check(c *formats.Context, ch *changelog.Change) (byte, error) {
	var op byte
	needBefore, needAfter := false, true
	switch ch.Op {
	case changelog.Read, changelog.Upsert:
		// For an upsert it is unknown whether the row is new; "this is the row now" is what a read says.
		op = 'r'
	case changelog.Insert:
		op = 'c'
	case changelog.Update:
		op = 'u'
	case changelog.Delete:
		op, needBefore, needAfter = 'd', true, false
	default:
		return 0, e.broken("the change has no operation")
	}
	switch {
	case c.Txn == nil || c.Run == nil:
		return 0, e.broken("the change belongs to no transaction")
	case int(c.Run.Snapshot) >= len(snapshots) || c.Run.Snapshot != changelog.Streamed && ch.Op != changelog.Read:
		return 0, e.broken("a snapshot has a change that it cannot have read")
	case needAfter && len(ch.After) != len(e.columns):
		return 0, e.broken("the new row does not have the table's columns")
	case needBefore && len(ch.Before) != len(e.columns), ch.Before != nil && len(ch.Before) != len(e.columns):
		return 0, e.broken("the old row does not have the table's columns")
	}
	return op, nil
}

func (e *encoder) appendBefore(dst []byte, ch *changelog.Change) ([]byte, error) {
	switch {
	case ch.Op != changelog.Update && ch.Op != changelog.Delete:
		return append(dst, "null"...), nil
	case ch.Before != nil:
		return e.appendRow(dst, ch.Before, unknownIsNull)
	case !e.cfg.KeyInBefore:
		return append(dst, "null"...), nil
	case len(e.key) == 0:
		return dst, fault.NewFinal(fault.NoKey, "encoding "+e.table.FullName()+" as debezium-json",
			errors.New("an update has neither an old row nor a key"), "Give the table a primary key, let the database log whole old rows, or switch key_in_before off.")
	}
	return e.appendKeyColumns(dst, ch.After, false)
}

// wholeRows says how to make the database log what it left out.
func (e *encoder) wholeRows() string {
	if e.table.Origin == postgres {
		return "ALTER TABLE " + e.table.FullName() + " REPLICA IDENTITY FULL; changes that are in the log already stay as they are."
	}
	return "Set binlog_row_image=FULL on the server, for every session."
}

// unchangedFunc writes a value that the log did not carry.
type unchangedFunc func(dst []byte, c *column) ([]byte, error)

// unknownIsNull is for old rows: the log often has their key only, and Debezium writes null for the rest.
func unknownIsNull(dst []byte, _ *column) ([]byte, error) { return append(dst, "null"...), nil }

// refuseUnchanged is for new rows: a compacted topic would lose the value for good. Elsewhere Debezium's placeholder stands
// for it in the types that have one.
func (e *encoder) refuseUnchanged(dst []byte, c *column) ([]byte, error) {
	if e.options.Upsert || c.placeholder == nil {
		return dst, refuse(fault.SourceSettings, e.wholeRows(), "the log does not carry the column's value")
	}
	return append(dst, c.placeholder...), nil
}

func (e *encoder) appendRow(dst []byte, row changelog.Row, unchanged unchangedFunc) ([]byte, error) {
	columns := e.columns[:len(row)]
	for i := range row {
		c, v := &columns[i], &row[i]
		dst = c.prefix.Append(dst)
		var err error
		if kind, _, _, _ := v.Raw(); kind == c.kind {
			dst, err = c.append(dst, c, v)
		} else {
			dst, err = appendMissing(dst, c, kind, unchanged)
		}
		if err != nil {
			return dst, e.locate("encoding", e.table.Columns[i].Name, err)
		}
	}
	return append(dst, '}'), nil
}

// appendMissing writes what is no value of the column's kind.
func appendMissing(dst []byte, c *column, kind changelog.Kind, unchanged unchangedFunc) ([]byte, error) {
	switch kind {
	case changelog.KindNull:
		return append(dst, "null"...), nil
	case changelog.KindUnchanged:
		return unchanged(dst, c)
	}
	return dst, malformed("a value of kind %d in a column of kind %d", kind, c.kind)
}

// CountsMoves implements formats.MoveCounter.
func (e *encoder) CountsMoves() bool { return e.cfg.TransactionMetadata }

func appendTransaction(dst []byte, c *formats.Context, ch *changelog.Change) []byte {
	dst = append(dst, `,"transaction":{"id":"`...)
	dst = jsonx.AppendEscapedText(dst, c.Txn.ID)
	dst = append(dst, `","total_order":`...)
	dst = jsonx.AppendUint(dst, ch.Index+1+c.Moves.Total)
	dst = append(dst, `,"data_collection_order":`...)
	dst = jsonx.AppendUint(dst, ch.TableIndex+1+c.Moves.Table)
	return append(dst, '}')
}

// locate adds table and column to the fault of a value.
func (e *encoder) locate(doing, column string, err error) error {
	f := fault.As(err)
	f.Op = doing + " column " + column + " of " + e.table.FullName() + " as debezium-json"
	return f
}

func (e *encoder) broken(what string) error {
	return fault.NewFinal(fault.Internal, "encoding "+e.table.FullName()+" as debezium-json", errors.New(what),
		"Report this with the log position.")
}
