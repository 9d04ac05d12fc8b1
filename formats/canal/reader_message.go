package canal

import (
	"bytes"
	"errors"
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

// envelope is what a message says around its rows. It borrows from the message.
type envelope struct {
	typ, database, table, sql, gtid []byte // texts

	time  int64  // es, or ts of writers that have no other, milliseconds since the Unix epoch
	built int64  // ts
	batch uint64 // id
	ddl   bool

	data, old, keys, types, sqlTypes []byte // raw values; nil: null or absent
	record                           []byte // the record's key, which is beside the message; nil: none

	has uint32 // members that have been there, a bit each
}

// member is one of a message's members that the reader reads.
type member uint8

const (
	memberType member = iota + 1
	memberDDL
	memberSQL
	memberDatabase
	memberTable
	memberTime
	memberBuilt
	memberGTID
	memberBatch
	memberKeys
	memberTypes
	memberSQLTypes
	memberData
	memberOld
)

// memberOf is 0 for what is none.
func memberOf(name []byte) member {
	switch string(name) {
	case "type":
		return memberType
	case "isDdl":
		return memberDDL
	case "sql":
		return memberSQL
	case "database":
		return memberDatabase
	case "table":
		return memberTable
	case "es":
		return memberTime
	case "ts":
		return memberBuilt
	case "gtid":
		return memberGTID
	case "id":
		return memberBatch
	case "pkNames":
		return memberKeys
	case "mysqlType":
		return memberTypes
	case "sqlType":
		return memberSQLTypes
	case "data":
		return memberData
	case "old":
		return memberOld
	}
	return 0
}

// envelope takes the message apart.
func (r *reader) envelope(value []byte) error {
	if err := r.top.Parse(value, 1); err != nil {
		return err
	}
	m := &r.msg
	*m = envelope{}
	for n := 0; n < r.top.Len(); n = r.top.Next(n) {
		name, raw := r.top.Name(n), r.top.Value(n)
		which := memberOf(name)
		if which == 0 {
			continue
		}
		if m.has&(1<<which) != 0 {
			return fmt.Errorf("member %q is there twice", name)
		}
		if m.has |= 1 << which; jsonx.IsNull(raw) {
			continue
		}
		if err := m.set(which, raw); err != nil {
			return fmt.Errorf("reading member %q: %w", name, err)
		}
	}
	if len(m.typ) == 0 {
		return errNoType
	}
	if m.time == 0 {
		m.time = m.built
	}
	return nil
}

var errNoObject = errors.New("it is no object")

// set takes a member in that is not null.
func (m *envelope) set(which member, raw []byte) (err error) {
	switch which {
	case memberType:
		m.typ, err = jsonx.Unquote(raw)
	case memberDDL:
		m.ddl, err = boolean(raw)
	case memberSQL:
		m.sql, err = jsonx.Unquote(raw)
	case memberDatabase:
		m.database, err = jsonx.Unquote(raw)
	case memberTable:
		m.table, err = jsonx.Unquote(raw)
	case memberTime:
		m.time, err = millis(raw)
	case memberBuilt:
		m.built, err = millis(raw)
	case memberGTID:
		m.gtid, err = jsonx.Unquote(raw)
	case memberBatch:
		m.batch, err = count(raw)
	case memberKeys:
		m.keys = raw
	case memberTypes:
		m.types = raw
	case memberSQLTypes:
		m.sqlTypes = raw
	case memberData:
		m.data = raw
	case memberOld:
		m.old = raw
	}
	if (which == memberTypes || which == memberSQLTypes) && !jsonx.IsObject(raw) {
		return errNoObject
	}
	return err
}

// field is one column of a row of the message.
type field struct{ name, raw []byte }

// rowset are the rows of data or of old.
type rowset struct {
	fields []field
	rows   []rowRange
}

type rowRange struct {
	from, to int
	null     bool // the writer has no such row
}

func (im *rowset) of(i int) []field { return im.fields[im.rows[i].from:im.rows[i].to] }

var (
	errNullRow = errors.New("a row of the data is null")
	errNoArray = errors.New("it is no array")
)

// images takes the rows of the message apart.
func (r *reader) images(op changelog.Op) error {
	if err := r.split(&r.data, r.msg.data); err != nil {
		return fmt.Errorf("reading member %q: %w", "data", err)
	}
	for i := range r.data.rows {
		if r.data.rows[i].null {
			return errNullRow
		}
	}
	r.old.fields, r.old.rows = r.old.fields[:0], r.old.rows[:0]
	if op != changelog.Update || r.msg.old == nil {
		return nil
	}
	if err := r.split(&r.old, r.msg.old); err != nil {
		return fmt.Errorf("reading member %q: %w", "old", err)
	}
	if len(r.old.rows) != len(r.data.rows) {
		return fmt.Errorf("%d rows in old, %d in data", len(r.old.rows), len(r.data.rows))
	}
	return nil
}

// split takes an array of objects apart, which is valid JSON.
func (r *reader) split(im *rowset, raw []byte) error {
	im.fields, im.rows = im.fields[:0], im.rows[:0]
	if raw[0] != '[' {
		return errNoArray
	}
	if one := bytes.TrimSpace(raw[1 : len(raw)-1]); jsonx.IsObject(one) && r.row.Parse(one, 1) == nil {
		r.keep(im)
		return nil
	}
	return jsonx.EachElement(raw, func(v []byte) error {
		if jsonx.IsNull(v) { // TiCDC: "old":[null]
			im.rows = append(im.rows, rowRange{len(im.fields), len(im.fields), true})
			return nil
		}
		if err := r.row.Parse(v, 1); err != nil {
			return err
		}
		r.keep(im)
		return nil
	})
}

// keep appends the row that was taken apart.
func (r *reader) keep(im *rowset) {
	from := len(im.fields)
	for n := 0; n < r.row.Len(); n = r.row.Next(n) {
		im.fields = append(im.fields, field{r.row.Name(n), r.row.Value(n)})
	}
	im.rows = append(im.rows, rowRange{from: from, to: len(im.fields)})
}
