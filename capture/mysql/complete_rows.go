package mysql

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// This file makes the statements that find rows by their keys, many rows with one statement, and takes the rows in.

const (
	// mostKeys and mostKeyBytes bound a statement: the server's optimiser gives up on long lists, and its packets have a limit.
	mostKeys     = 200
	mostKeyBytes = 256 << 10
)

// equality describes a column of a key for comparing it with constants. Unlike newKeyPart it knows nothing of an order.
func equality(c *changelog.Column) (keyPart, error) {
	p := keyPart{name: c.Name, charset: c.Type.Charset}
	switch c.Type.Kind {
	case changelog.KindInt, changelog.KindUint, changelog.KindBits:
		p.form = formNumber
	case changelog.KindDecimal:
		p.form = formDecimal
	case changelog.KindFloat32, changelog.KindFloat64:
		p.form = formFloat
	case changelog.KindDate:
		p.form = formDate
	case changelog.KindTime:
		p.form = formTime
	case changelog.KindDateTime, changelog.KindTimestamp:
		p.form = formTimestamp
	case changelog.KindString:
		p.form = formText
	case changelog.KindBytes:
		p.form = formBytes
	case changelog.KindEnum, changelog.KindSet:
		p.form = formLabels
	default:
		return p, fault.NewFinal(fault.UnsupportedType, opComplete, fmt.Errorf("rows cannot be read by the key column %q (%s)", c.Name, c.SourceType), "Set binlog_row_image = FULL on the server, for every session.")
	}
	return p, nil
}

// condition is true of the row with the key that a row has. texts are the stored bytes of its text.
func (r *reread) condition(row changelog.Row, texts [][]byte) (string, error) {
	var and []string
	for n, k := range r.shape.table.Key {
		p := &r.parts[n]
		var raw []byte
		if p.form == formText {
			raw, texts = texts[0], texts[1:]
		} else {
			raw = keyText(row[k], r.shape.table.Columns[k].Type.FSP)
		}
		var literal string
		var err error
		if p.form == formText && p.charset == "" { // a type of its own that is compared with its text
			literal = "X'" + hex.EncodeToString(raw) + "'"
		} else if literal, err = p.literal(raw); err != nil {
			return "", fault.NewFinal(fault.Decode, opComplete, err, "Nothing was skipped. Report this with the column's definition.")
		}
		if r.lists() {
			return literal, nil
		}
		and = append(and, quoteName(p.name)+"="+literal)
	}
	return "(" + strings.Join(and, " AND ") + ")", nil
}

// lists reports keys that are compared with a list of constants. Others are compared one by one: k IN (TIME'…', TIME'…') finds
// nothing on MySQL when the constants have another number of fraction digits than the column or each other.
func (r *reread) lists() bool {
	if len(r.parts) != 1 {
		return false
	}
	f := r.parts[0].form
	return f == formNumber || f == formText || f == formBytes
}

// keyText writes a value as the server shows it in a column with that many fraction digits, as far as literals need that.
func keyText(v changelog.Value, fsp int) []byte {
	switch v.Kind() {
	case changelog.KindInt:
		return strconv.AppendInt(nil, v.Int(), 10)
	case changelog.KindUint, changelog.KindBits, changelog.KindEnum, changelog.KindSet:
		return strconv.AppendUint(nil, v.Uint(), 10)
	case changelog.KindFloat32:
		return strconv.AppendFloat(nil, float64(v.Float32()), 'e', -1, 64)
	case changelog.KindFloat64:
		return strconv.AppendFloat(nil, v.Float64(), 'e', -1, 64)
	case changelog.KindDate:
		return changelog.AppendDate(nil, v.Civil())
	case changelog.KindTime:
		return changelog.AppendSpan(nil, v.Int(), fsp)
	case changelog.KindDateTime, changelog.KindTimestamp:
		c := v.Civil()
		return changelog.AppendClock(append(changelog.AppendDate(nil, c), ' '), c, fsp)
	}
	return v.Bytes()
}

// lookUp reads the rows of the keys that were not read yet. The index of the key finds them.
func (r *reread) lookUp(rd *reader, t *scanTable, columns []int) error {
	sub := &scanTable{name: t.name, columns: make([]scanColumn, len(columns))}
	exprs := make([]string, len(columns))
	for n, j := range columns {
		sub.columns[n] = scanColumn{column: t.columns[j].column, part: -1}
		exprs[n] = t.exprs[j]
	}
	head := "SELECT " + strings.Join(exprs, ",") + " FROM " + t.name.sql()
	if t.index != "" {
		head += " FORCE INDEX (" + quoteName(t.index) + ")"
	}
	for first := r.done; r.done < len(r.keys); {
		to, size := r.done, 0
		for to < len(r.keys) && (to == r.done || to-r.done < r.most && size+len(r.keys[to]) < mostKeyBytes) {
			size += len(r.keys[to]) + len(" OR ")
			to++
		}
		sql := head + " WHERE " + strings.Join(r.keys[r.done:to], " OR ")
		if r.lists() {
			sql = head + " WHERE " + quoteName(r.parts[0].name) + " IN (" + strings.Join(r.keys[r.done:to], ",") + ")"
		}
		if rd.src.facts.mariadb {
			sql += shareLock(to-r.done == 1 && r.done == first)
		}
		if err := r.take(rd, sub, sql); err != nil {
			clear(r.rows[r.done:to])
			r.most = max(1, (to-r.done)/4)
			return err
		}
		r.done, r.most = to, min(2*r.most, mostKeys)
	}
	return nil
}

// shareLock reads rows under locks, for which MariaDB needs no right but SELECT. A read of one row waits for it, so that a row
// which others always change is had in turn. Whoever has locks already does not wait: two that wait for each other are a
// deadlock, and it could hit the other one.
func shareLock(wait bool) string {
	if wait {
		return " LOCK IN SHARE MODE WAIT 1"
	}
	return sharing
}

// take runs a statement and puts its rows to their keys.
func (r *reread) take(rd *reader, sub *scanTable, sql string) error {
	if err := rd.packets.run(rd.conn, sql); err != nil {
		return busyRows(rd, sub.name, err)
	}
	defer rd.packets.shrink()
	for {
		p, err := rd.packets.next()
		if err != nil {
			return busyRows(rd, sub.name, err)
		}
		if p == nil {
			return nil
		}
		before := r.batch.Size()
		row, err := sub.row(r.batch, p, nil)
		if err != nil {
			return err
		}
		r.scratch = r.scratch[:0]
		for n := range r.parts {
			r.scratch = row[n].AppendIdentity(r.scratch)
		}
		at, found := r.index[string(r.scratch)]
		if !found && r.exact() {
			return fault.NewFinal(fault.Internal, opComplete, fmt.Errorf("%.300s gave a row that it does not ask for", sql), "Nothing was skipped. Please report this as a bug.")
		}
		if !found {
			continue // the server takes its key for ours, and it is not: the row has moved there
		}
		if r.rows[at] != nil {
			return fault.NewFinal(fault.Internal, opComplete, fmt.Errorf("%.300s gave two rows of one key", sql), "Nothing was skipped. Please report this as a bug.")
		}
		r.rows[at] = row
		r.all.learn(r.shape.table, r.batch.Size()-before)
	}
}

// busyRows gives an error of a read its meaning: rows that others have locked can be had later.
func busyRows(rd *reader, name tableName, err error) error {
	switch errorCode(err) {
	case 1205, 1213: // lock_wait_timeout, deadlock
		return capture.NotYet{Why: "a transaction that changes its rows is not through"}
	}
	return rd.tableFault(name, err)
}

// exact reports a key of which values are equal to the server only if they are the same.
func (r *reread) exact() bool {
	for i := range r.parts {
		if f := r.parts[i].form; f == formText || f == formFloat {
			return false
		}
	}
	return true
}
