package canal

import (
	"bytes"
	"errors"
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

var errNoColumns = errors.New("the message has no columns")

// fromTypes makes a table of the columns that mysqlType has.
func (r *reader) fromTypes() (*shape, error) {
	codes, err := r.sqlTypes()
	if err != nil {
		return nil, err
	}
	types := map[string][]byte{}
	var names []string
	for n := 0; n < r.types.Len(); n = r.types.Next(n) {
		name := string(r.types.Name(n))
		if types[name] != nil {
			return nil, fmt.Errorf("column %q is in mysqlType twice", name)
		}
		types[name] = bytes.Clone(r.types.Value(n))
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil, errNoColumns
	}
	b := tableBuilder{texts: make([]string, len(names)), codes: make([]int64, len(names))}
	for i, name := range r.inOrder(names, types) {
		text, err := jsonx.Unquote(types[name])
		if err != nil {
			return nil, fmt.Errorf("reading mysqlType of column %q: %w", name, err)
		}
		b.names, b.texts[i], b.codes[i] = append(b.names, name), string(text), codes[name]
	}
	t, loose := b.build()
	if err := r.identify(t); err != nil {
		return nil, err
	}
	s := newShape(r.intern(t), string(r.msg.database), string(r.msg.table))
	s.given, s.keys, s.types = false, bytes.Clone(r.msg.keys), make([][]byte, len(names))
	for i := range s.cells {
		s.types[i], s.cells[i].loose = types[s.cells[i].col.Name], loose[i]
		s.loose = s.loose || loose[i]
	}
	return s, nil
}

func (r *reader) intern(t *changelog.Table) *changelog.Table {
	if r.opts.Intern == nil {
		return t
	}
	return r.opts.Intern(t)
}

// inOrder puts the names into the order of the first row, if that has them all: TiCDC writes mysqlType in any order.
func (r *reader) inOrder(names []string, types map[string][]byte) []string {
	if len(r.data.rows) == 0 {
		return names
	}
	row := r.data.of(0)
	if len(row) != len(names) {
		return names
	}
	ordered, seen := make([]string, 0, len(names)), make(map[string]bool, len(names))
	for _, f := range row {
		name := string(f.name)
		if types[name] == nil || seen[name] {
			return names
		}
		seen[name] = true
		ordered = append(ordered, name)
	}
	return ordered
}

// maxKey is more columns than a key of any database has.
const maxKey = 64

// identify gives the table its name and its key.
func (r *reader) identify(t *changelog.Table) error {
	if t.Name = string(r.msg.table); t.Origin == postgres {
		t.Schema = string(r.msg.database)
	} else {
		t.Database = string(r.msg.database)
	}
	if r.msg.keys == nil {
		return nil
	}
	names, err := texts(r.msg.keys)
	if err != nil {
		return fmt.Errorf("reading member %q: %w", "pkNames", err)
	}
	if len(names) > maxKey {
		return fmt.Errorf("a key of %d columns", len(names))
	}
	for _, name := range names {
		i := t.ColumnIndex(name)
		if i < 0 || slices.Contains(t.Key, i) {
			return fmt.Errorf("pkNames has %q, which is no column of the message or is there twice", name)
		}
		t.Key = append(t.Key, i)
		t.Columns[i].Nullable = false
	}
	return nil
}

// widen gives times whose type does not say how many digits they have as many as the message shows.
func (r *reader) widen(s *shape) *shape {
	if !s.loose {
		return s
	}
	var t *changelog.Table
	for _, im := range []*rowset{&r.data, &r.old} {
		for n := range im.fields {
			i := s.find(im.fields[n].name, n)
			if i < 0 || !s.cells[i].loose {
				continue
			}
			raw := im.fields[n].raw
			point := bytes.IndexByte(raw, '.')
			digits := min(len(raw)-point-len(`."`), 6)
			if point < 0 || digits <= s.cells[i].col.Type.FSP || t != nil && digits <= t.Columns[i].Type.FSP {
				continue
			}
			if t == nil {
				clone := *s.table
				clone.Columns = slices.Clone(clone.Columns)
				t = &clone
			}
			t.Columns[i].Type.FSP = digits
		}
	}
	if t == nil {
		return s
	}
	wide := newShape(r.intern(t), s.database, s.name)
	wide.given, wide.types, wide.keys, wide.loose = false, s.types, s.keys, true
	for i := range wide.cells {
		wide.cells[i].loose = s.cells[i].loose
	}
	r.shapes[r.shapeKey(r.msg.database, r.msg.table)] = wide
	return wide
}

// tableBuilder makes columns of what a message says of their types.
type tableBuilder struct {
	names, texts []string
	codes        []int64 // of java.sql.Types; 0: none
}

// build makes the table and tells for each column whether its type is loose, see mysqlType. Which database it is of is told by
// types that only one of them has.
func (b *tableBuilder) build() (t *changelog.Table, loose []bool) {
	t = &changelog.Table{Origin: b.origin(), Columns: make([]changelog.Column, len(b.names))}
	loose = make([]bool, len(b.names))
	for i, text := range b.texts {
		c := changelog.Column{Name: b.names[i], SourceType: text, Nullable: true}
		if t.Origin == postgres {
			c.Type = serverType(text)
		} else {
			c.Type, loose[i] = mysqlType(text, b.codes[i])
		}
		t.Columns[i] = c
	}
	return t, loose
}

// origin finds the kind of database by the types that only one has. MySQL is what Canal reads.
func (b *tableBuilder) origin() string {
	mysql, server, mariadb := false, false, false
	for i, text := range b.texts {
		mysql = mysql || isMySQLType(text)
		server = server || isServerType(text, b.codes[i])
		mariadb = mariadb || text == "uuid" || text == "inet4" || text == "inet6"
	}
	switch {
	case server && !mysql:
		return postgres
	case mysql && mariadb:
		return "mariadb"
	}
	return "mysql"
}
