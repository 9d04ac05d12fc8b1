package postgres

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

// keyColumn is a column of the index by which a table is read in chunks. Order and comparison are the index's own: by its operators
// and its collation.
type keyColumn struct {
	index     int    // of the column in the shape
	name      string // SQL, with the collation when the index has another one than the column
	collation string // of the index, SQL; "" when the type has none
	typ       uint32 // the type of its values, below all domains
	nature    string // "type.collation.operator family": while that is the same, so is the order
	less      operator
	upTo      operator // less or equal
	equal     operator
	from      operator // greater or equal
	greater   operator
	nulls     string // where the index has the NULLs that there are none of, so that its order is the one asked for
}

// operator is an operator of an index as SQL writes it whatever the search path is: "OPERATOR(pg_catalog.<)".
type operator string

// scanCursor is a place among the rows of a table in the order of its key. As text it is JSON:
//
//	{"of":["23.0.1976","25.100.1994"],"key":["7","x"]}
//
// of has the natures of all columns of the key, key the values as the server prints them. A bound that was made up and not
// read may have values for the first columns only. Then it stands behind all rows that begin with these.
type scanCursor struct {
	Of    []string `json:"of"`
	Key   []string `json:"key"`
	Bound bool     `json:"bound,omitempty"` // no row was read to here
}

// appendText appends the JSON form. Values must be UTF-8.
func (c *scanCursor) appendText(dst []byte) []byte {
	list := func(name string, items []string) {
		dst = append(append(dst, name...), '[')
		for i, item := range items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = capture.AppendJSONString(dst, item)
		}
		dst = append(dst, ']')
	}
	list(`{"of":`, c.Of)
	list(`,"key":`, c.Key)
	if c.Bound {
		dst = append(dst, `,"bound":true`...)
	}
	return append(dst, '}')
}

// parseCursor reads the JSON form; nil stands for the empty one.
func parseCursor(text capture.Cursor) (*scanCursor, error) {
	if text == "" {
		return nil, nil
	}
	bad := func(err error) error {
		return fault.NewFinal(fault.WrongServer, "reading a snapshot's cursor", fmt.Errorf("%q is not one of a PostgreSQL source: %w", abbreviate(string(text), 80), err),
			"The state belongs to a pipeline with another kind of source. Give this pipeline a name of its own.")
	}
	if !utf8.ValidString(string(text)) {
		return nil, bad(errors.New("it is not UTF-8"))
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	c := &scanCursor{}
	if err := d.Decode(c); err != nil {
		return nil, bad(err)
	}
	switch {
	case d.More():
		return nil, bad(errors.New("something follows it"))
	case len(c.Key) == 0 || len(c.Key) > len(c.Of) || !c.Bound && len(c.Key) < len(c.Of):
		return nil, bad(fmt.Errorf("it has %d values of %d", len(c.Key), len(c.Of)))
	}
	return c, nil
}

// cursorOf makes the cursor of a row from the text of its key. No column of a key is NULL.
func cursorOf(key []keyColumn, values [][]byte) (capture.Cursor, error) {
	c := scanCursor{Of: natures(key)}
	for i, v := range values {
		if v == nil || !utf8.Valid(v) {
			return "", fault.NewFinal(fault.Decode, "making a snapshot's cursor", fmt.Errorf("the key's column %s has the value %q", key[i].name, v), "Correct the row on the server.")
		}
		c.Key = append(c.Key, string(v))
	}
	return capture.Cursor(c.appendText(nil)), nil
}

func natures(key []keyColumn) []string {
	var out []string
	for i := range key {
		out = append(out, key[i].nature)
	}
	return out
}

// of reports whether a cursor, which may be nil, is one of that key.
func (c *scanCursor) of(key []keyColumn) bool { return c == nil || slices.Equal(c.Of, natures(key)) }

// condition collects SQL conditions and their parameters.
type condition struct {
	sql    []string
	values [][]byte
	types  []uint32
}

// beyond adds that a row's key is greater than the cursor, or no greater.
func (q *condition) beyond(key []keyColumn, c *scanCursor, greater bool) {
	if c == nil {
		return
	}
	first := len(q.values) + 1
	for i, v := range c.Key {
		q.values, q.types = append(q.values, []byte(v)), append(q.types, key[i].typ)
	}
	q.sql = append(q.sql, compare(key[:len(c.Key)], first, greater))
}

// compare compares columns with the parameters from first on. One operator compares rows, and an index that has the columns in this
// order is read from the right place. Operators of different names, such as those of an extension in a schema of its own
// beside the built-in ones, are spelt out.
func compare(key []keyColumn, first int, greater bool) string {
	op := func(k *keyColumn) operator {
		if greater {
			return k.greater
		}
		return k.upTo
	}
	same := !slices.ContainsFunc(key, func(k keyColumn) bool { return op(&k) != op(&key[0]) })
	if same {
		var columns, values []string
		for i := range key {
			columns, values = append(columns, key[i].name), append(values, fmt.Sprintf("$%d", first+i))
		}
		if len(key) == 1 {
			return columns[0] + " " + string(op(&key[0])) + " " + values[0]
		}
		return "ROW(" + strings.Join(columns, ", ") + ") " + string(op(&key[0])) + " ROW(" + strings.Join(values, ", ") + ")"
	}
	k, value := &key[0], fmt.Sprintf("$%d", first)
	if len(key) == 1 {
		return k.name + " " + string(op(k)) + " " + value
	}
	bound, strict := k.from, k.greater // the index is entered by the bound
	if !greater {
		bound, strict = k.upTo, k.less
	}
	return fmt.Sprintf("%s %s %s AND (%s %s %s OR %s %s %s AND %s)", k.name, bound, value, k.name, strict, value, k.name, k.equal, value, compare(key[1:], first+1, greater))
}

// order is the ORDER BY list of the key.
func order(key []keyColumn) string {
	var items []string
	for i := range key {
		items = append(items, key[i].name+" USING "+string(key[i].less)+key[i].nulls)
	}
	return strings.Join(items, ", ")
}
