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

	time int64 // es, or ts of writers that have no other, milliseconds since the Unix epoch
	ddl  bool

	data, old, keys []byte // raw values; nil: null or absent
	types, sqlTypes int    // fields of the top index whose fields are the columns; -1: null or absent
	has             uint32 // members that have been there, a bit each
}

var memberNames = [...]string{"type", "isDdl", "sql", "database", "table", "es", "ts", "gtid", "pkNames", "mysqlType", "sqlType", "data", "old"}

func memberOf(name []byte) int {
	for i, m := range memberNames {
		if string(name) == m {
			return i
		}
	}
	return -1
}

// envelope takes the message apart.
func (r *reader) envelope(value []byte) error {
	if err := r.top.Parse(value, 2); err != nil {
		return err
	}
	m := &r.msg
	*m = envelope{types: -1, sqlTypes: -1}
	built := int64(0)
	for n := 0; n < r.top.Len(); n = r.top.Next(n) {
		name, raw := r.top.Name(n), r.top.Value(n)
		member := memberOf(name)
		if member < 0 {
			continue
		}
		if m.has&(1<<member) != 0 {
			return fmt.Errorf("member %q is there twice", name)
		}
		m.has |= 1 << member
		if jsonx.IsNull(raw) {
			continue
		}
		if err := r.member(string(memberNames[member]), n, raw, &built); err != nil {
			return fmt.Errorf("reading member %q: %w", name, err)
		}
	}
	if len(m.typ) == 0 {
		return errNoType
	}
	if m.time == 0 {
		m.time = built
	}
	return nil
}

var errNoObject = errors.New("it is no object")

func (r *reader) member(name string, n int, raw []byte, built *int64) (err error) {
	m := &r.msg
	switch name {
	case "type":
		m.typ, err = jsonx.Unquote(raw)
	case "isDdl":
		m.ddl, err = boolean(raw)
	case "sql":
		m.sql, err = jsonx.Unquote(raw)
	case "database":
		m.database, err = jsonx.Unquote(raw)
	case "table":
		m.table, err = jsonx.Unquote(raw)
	case "es":
		m.time, err = millis(raw)
	case "ts":
		*built, err = millis(raw)
	case "gtid":
		m.gtid, err = jsonx.Unquote(raw)
	case "pkNames":
		m.keys = raw
	case "mysqlType", "sqlType":
		if !jsonx.IsObject(raw) {
			return errNoObject
		}
		if name == "mysqlType" {
			m.types = n
		} else {
			m.sqlTypes = n
		}
	case "data":
		m.data = raw
	case "old":
		m.old = raw
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
