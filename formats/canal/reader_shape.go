package canal

import (
	"bytes"
	"fmt"
	"slices"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

// shape is one version of a table, ready to read rows of it.
type shape struct {
	table          *changelog.Table
	database, name string // as the messages have them
	cells          []cell
	byName         map[string]int
	coded          []int // cells of ENUM and SET

	given    bool     // the table was not made from messages
	types    [][]byte // raw mysqlType of each column; nil: given, or the messages do not say
	allTypes []byte   // the whole raw mysqlType of the last message that had all columns
	codes    []byte   // the whole raw sqlType by which the labels of cells were set
	loose    bool     // some cell is
	keys     []byte   // raw pkNames
	filled   []uint64 // by cell, the round in which it got its value
	round    uint64
	inferred []guess // of a table that only JSON tells
}

// cell is what reading the values of one column takes.
type cell struct {
	col      *changelog.Column
	server   bool // texts are PostgreSQL's
	label    bool // ENUM and SET: the text is labels, not their number
	distinct bool // ENUM and SET: labels can be told apart in a key
	guessed  bool // nothing but JSON tells what the column is
	loose    bool // temporal: the type does not say how many digits the fraction has
	labels   [][]byte
}

func newShape(t *changelog.Table, database, name string) *shape {
	s := &shape{table: t, database: database, name: name, given: true, byName: make(map[string]int, len(t.Columns)), filled: make([]uint64, len(t.Columns))}
	for i := range t.Columns {
		col := &t.Columns[i]
		c := cell{col: col, server: t.Origin == postgres}
		if col.Type.Kind == changelog.KindEnum || col.Type.Kind == changelog.KindSet {
			s.coded = append(s.coded, i)
			c.distinct = distinct(col.Type.Labels)
			for _, l := range col.Type.Labels {
				c.labels = append(c.labels, []byte(l))
			}
		}
		s.cells = append(s.cells, c)
		s.byName[col.Name] = i
	}
	return s
}

// find gives the index of a column, which probably is hint.
func (s *shape) find(name []byte, hint int) int {
	if hint < len(s.cells) && s.cells[hint].col.Name == string(name) {
		return hint
	}
	if i, ok := s.byName[string(name)]; ok {
		return i
	}
	return -1
}

// hasKey reports that the fields are those of the table's key.
func (s *shape) hasKey(fields []field) bool {
	if len(fields) != len(s.table.Key) {
		return false
	}
	for _, f := range fields {
		if i := s.find(f.name, 0); i < 0 || !slices.Contains(s.table.Key, i) {
			return false
		}
	}
	return true
}

// shapeKey is valid until its next call.
func (r *reader) shapeKey(database, table []byte) string {
	r.key = append(append(append(r.key[:0], database...), 0), table...)
	return string(r.key)
}

// shape finds the table that the message is about, or makes it.
func (r *reader) shape(op changelog.Op) (*shape, error) {
	m := &r.msg
	r.key = append(append(append(r.key[:0], m.database...), 0), m.table...)
	s := r.shapes[string(r.key)]
	if s == nil && r.opts.Table != nil {
		if t := r.opts.Table(string(m.database), string(m.table)); t != nil {
			s = newShape(t, string(m.database), string(m.table))
			r.shapes[string(r.key)] = s
		}
	}
	var err error
	switch {
	case s != nil && s.given:
	case m.types != nil:
		s, err = r.typed(s, op)
	default:
		s, err = r.infer(s)
	}
	if err != nil {
		return nil, err
	}
	return s, r.setLabels(s)
}

// setLabels finds out whether the message has ENUM and SET as labels or as numbers.
func (r *reader) setLabels(s *shape) error {
	if len(s.coded) == 0 || s.codes != nil && bytes.Equal(s.codes, r.msg.sqlTypes) {
		return nil
	}
	if err := r.parseCodes(); err != nil {
		return err
	}
	for _, i := range s.coded {
		s.cells[i].label = r.config.labelled(s.cells[i].col.Type.Kind)
	}
	for n := 0; n < r.codes.Len(); n = r.codes.Next(n) {
		i := s.find(r.codes.Name(n), n)
		if i < 0 || len(s.cells[i].labels) == 0 || jsonx.IsNull(r.codes.Value(n)) {
			continue
		}
		code, err := r.code(n)
		if err != nil {
			return err
		}
		s.cells[i].label = code == sqlVarchar
	}
	s.codes = append(s.codes[:0], r.msg.sqlTypes...)
	return nil
}

// labelled reports whether the options have labels for the kind.
func (c *Config) labelled(kind changelog.Kind) bool {
	return kind == changelog.KindEnum && c.Enum == EnumLabel || kind == changelog.KindSet && c.Set == SetLabel
}

var noObject = []byte("{}")

// parseCodes takes sqlType apart.
func (r *reader) parseCodes() error {
	raw := r.msg.sqlTypes
	if raw == nil {
		raw = noObject
	}
	return r.codes.Parse(raw, 1)
}

// code gives the n-th code of sqlType.
func (r *reader) code(n int) (int64, error) {
	code, err := jsonx.Int(r.codes.Value(n))
	if err != nil {
		return 0, fmt.Errorf("reading sqlType of column %q: %w", r.codes.Name(n), err)
	}
	return code, nil
}

// sqlTypes gives the codes of java.sql.Types that the message has, by column.
func (r *reader) sqlTypes() (map[string]int64, error) {
	if err := r.parseCodes(); err != nil {
		return nil, err
	}
	codes := make(map[string]int64, r.codes.Len())
	for n := 0; n < r.codes.Len(); n = r.codes.Next(n) {
		if jsonx.IsNull(r.codes.Value(n)) {
			continue
		}
		var err error
		if codes[string(r.codes.Name(n))], err = r.code(n); err != nil {
			return nil, err
		}
	}
	return codes, nil
}

// typed finds the version of a table that mysqlType describes.
func (r *reader) typed(s *shape, op changelog.Op) (*shape, error) {
	if s != nil && s.allTypes != nil && bytes.Equal(s.allTypes, r.msg.types) && bytes.Equal(s.keys, r.msg.keys) {
		return r.widen(s), nil
	}
	if err := r.types.Parse(r.msg.types, 1); err != nil {
		return nil, err
	}
	if s == nil || !r.fits(s, op) {
		var err error
		if s, err = r.fromTypes(); err != nil {
			return nil, err
		}
		r.shapes[r.shapeKey(r.msg.database, r.msg.table)] = s
	}
	return r.widen(s), nil
}

// fits reports whether the message is about this version of the table: it has the same columns, or is a delete or an update under
// which the log left some out. An insert without a column is about a table that does not have it.
func (r *reader) fits(s *shape, op changelog.Op) bool {
	if s.types == nil {
		return false
	}
	count := 0
	s.round++
	for n := 0; n < r.types.Len(); n = r.types.Next(n) {
		i := s.find(r.types.Name(n), count)
		if i < 0 || s.filled[i] == s.round || !bytes.Equal(s.types[i], r.types.Value(n)) {
			return false
		}
		s.filled[i] = s.round
		count++
	}
	switch {
	case count == len(s.cells) && bytes.Equal(s.keys, r.msg.keys):
		s.allTypes = append(s.allTypes[:0], r.msg.types...)
		return true
	case count == len(s.cells):
		return r.msg.keys == nil && op == changelog.Update
	case op == changelog.Insert || count > len(s.cells):
		return false
	}
	return r.msg.keys == nil || bytes.Equal(s.keys, r.msg.keys)
}
