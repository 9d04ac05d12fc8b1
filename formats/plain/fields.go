package plain

import (
	"fmt"
	"strconv"
	"strings"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

// What a value can say beside the row. Those that Debezium's ExtractNewRecordState can add have its names and its forms.
const (
	fieldOp       = "op"           // c, u, d, r
	fieldDatabase = "db"           //
	fieldSchema   = "schema"       // null on MySQL and MariaDB
	fieldTable    = "table"        //
	fieldNow      = "ts_ms"        // when the value was written, milliseconds
	fieldMillis   = "source.ts_ms" // when the change was committed, milliseconds
	fieldMicros   = "source.ts_us" // the same in microseconds
	fieldTime     = "time"         // the same as ISO 8601 text in UTC with three fraction digits, which Flink reads as TIMESTAMP_LTZ(3)
	fieldPos      = "pos"          // what the header cdc.pos says
	fieldTxn      = "txn"          // what cdc.txn says; null on rows of a snapshot
	fieldOrd      = "ord"          // what cdc.ord says; null on rows of a snapshot
	fieldDeleted  = "deleted"      // "true" on a delete, else "false"
)

var fieldNames = []string{
	fieldOp, fieldDatabase, fieldSchema, fieldTable, fieldNow, fieldMillis, fieldMicros, fieldTime, fieldPos, fieldTxn, fieldOrd, fieldDeleted,
}

// fieldName is what a field is called in the value.
func (c *Config) fieldName(name string) string {
	return c.AddFieldsPrefix + strings.ReplaceAll(name, ".", "_")
}

// field is one of them, ready to be written.
type field struct {
	prefix jsonx.Name // comma, name, colon
	text   []byte     // the value of one that is always the same
	append func(dst []byte, f *field, c *formats.Context, ch *changelog.Change) []byte
}

func (e *encoder) compileFields() error {
	for _, name := range e.cfg.AddFields {
		full := e.cfg.fieldName(name)
		if e.table.ColumnIndex(full) >= 0 {
			return fault.NewFinal(fault.Config, "preparing plain-json for "+e.table.FullName(), fmt.Errorf("the field %s of add_fields is also a column", full), "Choose another add_fields_prefix.")
		}
		f := field{prefix: jsonx.NewMember(false, full), append: appendConstant}
		switch name {
		case fieldOp:
			f.append = appendOp
		case fieldDatabase:
			f.text = textOrNull(e.table.Database)
		case fieldSchema:
			f.text = textOrNull(e.table.Schema)
		case fieldTable:
			f.text = textOrNull(e.table.Name)
		case fieldNow:
			f.append = appendNow
		case fieldMillis:
			f.append = appendCommitMillis
		case fieldMicros:
			f.append = appendCommitMicros
		case fieldTime:
			f.append = appendCommitTime
		case fieldPos:
			f.append = appendPos
			if e.table.Origin == postgres {
				f.append = appendLSNs
			}
		case fieldTxn:
			f.append = appendTxn
		case fieldOrd:
			f.append = appendOrd
		case fieldDeleted:
			f.append = appendDeleted
		}
		e.fields = append(e.fields, f)
	}
	return nil
}

func textOrNull(s string) []byte {
	if s == "" {
		return []byte("null")
	}
	return jsonx.AppendString(nil, []byte(s))
}

func appendConstant(dst []byte, f *field, _ *formats.Context, _ *changelog.Change) []byte {
	return append(dst, f.text...)
}

func appendOp(dst []byte, _ *field, _ *formats.Context, ch *changelog.Change) []byte {
	op := byte('u')
	switch ch.Op {
	case changelog.Read, changelog.Upsert: // "this is the row now" is what a read says
		op = 'r'
	case changelog.Insert:
		op = 'c'
	case changelog.Delete:
		op = 'd'
	}
	return append(dst, '"', op, '"')
}

func appendDeleted(dst []byte, _ *field, _ *formats.Context, ch *changelog.Change) []byte {
	if ch.Op == changelog.Delete {
		return append(dst, `"true"`...)
	}
	return append(dst, `"false"`...)
}

func appendNow(dst []byte, _ *field, c *formats.Context, _ *changelog.Change) []byte {
	return strconv.AppendInt(dst, c.Now/1000, 10)
}

func appendCommitMillis(dst []byte, _ *field, c *formats.Context, _ *changelog.Change) []byte {
	return strconv.AppendInt(dst, floorDiv(c.Txn.Commit, 1000), 10)
}

func appendCommitMicros(dst []byte, _ *field, c *formats.Context, _ *changelog.Change) []byte {
	return strconv.AppendInt(dst, c.Txn.Commit, 10)
}

func appendCommitTime(dst []byte, _ *field, c *formats.Context, _ *changelog.Change) []byte {
	civil := changelog.CivilFromMicros(c.Txn.Commit)
	dst = append(changelog.AppendDate(append(dst, '"'), civil), 'T')
	return append(changelog.AppendClock(dst, civil, 3), 'Z', '"')
}

// appendPos says where in the log of MySQL or MariaDB the change is, or where the read of a snapshot's row stands.
func appendPos(dst []byte, _ *field, c *formats.Context, _ *changelog.Change) []byte {
	file, pos := c.Run.File, c.Run.Pos
	if c.Txn.Snapshot {
		file, pos = c.Txn.Origin.File, c.Txn.Origin.Pos
	}
	dst = jsonx.AppendEscapedText(append(dst, '"'), file)
	return append(strconv.AppendUint(append(dst, ':'), pos, 10), '"')
}

// appendLSNs says the same of PostgreSQL's: commit and change.
func appendLSNs(dst []byte, _ *field, c *formats.Context, ch *changelog.Change) []byte {
	at := ch.Pos
	if c.Txn.Snapshot {
		at = 0
	}
	dst = append(appendLSN(append(dst, '"'), c.Txn.Origin.Pos), ':')
	return append(appendLSN(dst, at), '"')
}

func appendLSN(dst []byte, lsn uint64) []byte {
	const digits = "0123456789ABCDEF"
	for shift := 60; shift >= 0; shift -= 4 {
		if shift == 28 {
			dst = append(dst, '/')
		}
		dst = append(dst, digits[lsn>>shift&15])
	}
	return dst
}

func appendTxn(dst []byte, _ *field, c *formats.Context, _ *changelog.Change) []byte {
	if c.Txn.Snapshot {
		return append(dst, "null"...)
	}
	return append(jsonx.AppendEscapedText(append(dst, '"'), c.Txn.ID), '"')
}

func appendOrd(dst []byte, _ *field, c *formats.Context, ch *changelog.Change) []byte {
	if c.Txn.Snapshot {
		return append(dst, "null"...)
	}
	return strconv.AppendUint(dst, ch.Index, 10)
}

// floorDiv divides towards minus infinity.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
