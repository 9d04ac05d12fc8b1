package plain

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/formats/internal/typed"
)

// beside is what a record says beside the row, in fields of its value or in our headers. Fields come later and win. All texts are
// parts of the record.
type beside struct {
	op                      changelog.Op // 0: not said
	time                    int64        // of the change, microseconds; of the record where that is not said
	exact                   bool         // time is in microseconds as the source has it
	database, schema, table []byte       // nil: not said
	full                    []byte       // namespace and table
	pos, txn                []byte
	ord                     uint64
}

func (b *beside) namespace() []byte {
	if len(b.schema) > 0 {
		return b.schema
	}
	return b.database
}

// headers takes what the headers say that every record of ours has. A log of operations of somebody else is no error.
func (b *beside) headers(headers []formats.Header) error {
	for i := range headers {
		value := headers[i].Value
		switch headers[i].Name {
		case "cdc.table":
			b.full = value
		case "cdc.pos":
			b.pos = value
		case "cdc.txn":
			b.txn = value
		case "cdc.ord":
			n, err := strconv.ParseUint(string(value), 10, 64)
			if err != nil {
				return fmt.Errorf("cdc.ord is %.40q", value)
			}
			b.ord = n
		case "cdc.op":
			switch string(value) {
			case "c":
				b.op = changelog.Insert
			case "u":
				b.op = changelog.Update
			case "r":
				b.op = changelog.Read
			case "d":
				b.op = changelog.Delete
			}
		}
	}
	return nil
}

var errTime = errors.New("it is no time")

// field takes what a field of the value says.
func (b *beside) field(name string, raw []byte) error {
	if jsonx.IsNull(raw) {
		return nil
	}
	switch name {
	case fieldOp, fieldDeleted:
		op, known := ops[string(raw)]
		if !known {
			return fmt.Errorf("%.40s is no operation", raw)
		}
		if op != 0 && (b.op != changelog.Delete || name == fieldOp) {
			b.op = op
		}
		return nil
	case fieldNow:
		return nil
	case fieldMillis, fieldMicros, fieldTime:
		return b.timeField(name, raw)
	case fieldOrd:
		n, err := jsonx.Int(raw)
		if err != nil || n < 0 {
			return fmt.Errorf("%.40s is no number of a change", raw)
		}
		b.ord = uint64(n)
		return nil
	}
	text, err := jsonx.Unquote(raw)
	if err != nil {
		return err
	}
	switch name {
	case fieldDatabase:
		b.database = text
	case fieldSchema:
		b.schema = text
	case fieldTable:
		b.table = text
	case fieldPos:
		b.pos = text
	case fieldTxn:
		b.txn = text
	}
	return nil
}

func (b *beside) timeField(name string, raw []byte) error {
	if name == fieldTime {
		text, err := jsonx.Unquote(raw)
		if err != nil {
			return err
		}
		n, ok := typed.Instant(text)
		if !ok {
			return errTime
		}
		if !b.exact {
			b.time = n
		}
		return nil
	}
	n, err := jsonx.Int(raw)
	switch {
	case err != nil || name == fieldMillis && (n > math.MaxInt64/1000 || n < math.MinInt64/1000):
		return errTime
	case name == fieldMicros:
		b.time, b.exact = n, true
	case !b.exact:
		b.time = n * 1000
	}
	return nil
}

// place says where in the log the change is: file and offset, or LSNs of commit and change. What is neither says nothing to us.
func (b *beside) place(batch *changelog.Batch, txn *changelog.Txn, run *changelog.Run, ch *changelog.Change) {
	i := bytes.LastIndexByte(b.pos, ':')
	if i < 0 {
		return
	}
	if commit, ok := lsnOf(b.pos[:i]); ok {
		if change, ok := lsnOf(b.pos[i+1:]); ok {
			txn.Origin.Pos, ch.Pos = commit, change
			return
		}
	}
	pos, err := strconv.ParseUint(string(b.pos[i+1:]), 10, 64)
	if err != nil {
		return
	}
	file := batch.String(b.pos[:i])
	run.File, run.Pos, txn.Origin.File = file, pos, file
	if txn.Snapshot {
		txn.Origin.Pos = pos
	}
}

// lsnOf reads "00000000/0338FF10".
func lsnOf(text []byte) (uint64, bool) {
	high, low, ok := bytes.Cut(text, []byte{'/'})
	if !ok || len(high) != 8 || len(low) != 8 {
		return 0, false
	}
	h, errHigh := strconv.ParseUint(string(high), 16, 32)
	l, errLow := strconv.ParseUint(string(low), 16, 32)
	return h<<32 | l, errHigh == nil && errLow == nil
}
