package canal

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

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
	r.orderKey(t)
	return nil
}

// orderKey puts the key's columns into the order of the record's key, where that has these columns. In pkNames they are in the order of the table.
func (r *reader) orderKey(t *changelog.Table) {
	var key jsonx.Index
	if len(t.Key) < 2 || r.msg.record == nil || key.Parse(r.msg.record, 1) != nil {
		return
	}
	ordered := make([]int, 0, len(t.Key))
	for n := 0; n < key.Len(); n = key.Next(n) {
		i := t.ColumnIndex(string(key.Name(n)))
		if !slices.Contains(t.Key, i) || slices.Contains(ordered, i) {
			return
		}
		ordered = append(ordered, i)
	}
	if len(ordered) == len(t.Key) {
		t.Key = ordered
	}
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
