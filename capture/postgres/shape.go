package postgres

import (
	"errors"
	"fmt"
	"slices"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// shape is the prepared decoder of one Relation message and the table version that it describes. It is immutable.
type shape struct {
	table    *changelog.Table
	columns  []columnType
	oids     []uint32 // types of the columns
	identity []bool   // the column's old value is logged
}

// newShape prepares a decoder. The types of all columns must have been loaded into the book. The catalogue's facts decorate
// the table and order its key; they may be of another time than the log, and nil when the table is gone.
func newShape(r *relationBody, facts *tableFacts, types *typeBook, before *changelog.Table) (*shape, error) {
	n := len(r.Columns)
	t := &changelog.Table{Origin: "postgresql", Schema: r.Schema, Name: r.Name, Columns: make([]changelog.Column, n)}
	s := &shape{table: t, columns: make([]columnType, n), oids: r.types(), identity: make([]bool, n)}
	for i, col := range r.Columns {
		var err error
		if s.columns[i], err = types.column(col.Type, col.Modifier); err != nil {
			return nil, fmt.Errorf("column %q of table %s: %w", col.Name, t.FullName(), err)
		}
		s.identity[i] = col.Key
		t.Columns[i] = changelog.Column{Name: col.Name, Type: s.columns[i].typ, SourceType: s.columns[i].source, Nullable: true}
		if f := facts.column(col.Name); f != nil {
			f.decorate(&t.Columns[i], col, &s.columns[i])
		}
	}
	if facts != nil {
		t.Comment = facts.comment
	}
	key, err := r.key(facts, before)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", t.FullName(), err)
	}
	for _, i := range key {
		if r.Identity == identityDefault {
			t.Columns[i].Nullable = false // a primary key's columns never are
		}
	}
	t.Key = key
	return s, nil
}

// decorate takes what the catalogue knows beyond the log. The catalogue shows the present, and the log may be older: what it says of
// a column of another type is left out.
func (f *columnFacts) decorate(col *changelog.Column, log relationColumn, c *columnType) {
	col.Nullable, col.Generated = !f.notNull, f.generated
	if f.typ != log.Type || f.modifier != log.Modifier {
		return
	}
	col.Comment, col.AutoIncrement = f.comment, f.def.numbered()
	if !f.generated {
		col.Default = f.def.read(c)
	}
}

// column finds what the catalogue says of a column, nil when it says nothing.
func (f *tableFacts) column(name string) *columnFacts {
	if f == nil {
		return nil
	}
	i := slices.IndexFunc(f.columns, func(c columnFacts) bool { return c.name == name })
	if i < 0 {
		return nil
	}
	return &f.columns[i]
}

// key gives the columns that identify a row, in the order of their declaration. They are among those whose old values are
// logged: else a change of the key would go unseen. The log has the columns and not their order, and under REPLICA IDENTITY
// FULL it has neither; the catalogue and the version before know more.
func (r *relationBody) key(facts *tableFacts, before *changelog.Table) ([]int, error) {
	logged := r.identity()
	if r.Identity == identityFull {
		return r.fullKey(facts)
	}
	if len(logged) < 2 {
		return logged, nil
	}
	if facts != nil {
		if key := r.ordered(facts.key, logged); key != nil {
			return key, nil
		}
	}
	if before != nil {
		var names []string
		for _, i := range before.Key {
			names = append(names, before.Columns[i].Name)
		}
		if key := r.ordered(names, logged); key != nil {
			return key, nil
		}
	}
	if facts != nil && r.Identity == identityIndex {
		return logged, nil // not the primary key: its own order means nothing to anybody
	}
	return nil, keyUnknown(errors.New("the primary key has changed since the row was logged, and the log does not tell the order of its columns"))
}

// ordered gives the columns of these names when they are exactly the logged ones, else nil.
func (r *relationBody) ordered(names []string, logged []int) []int {
	if len(names) != len(logged) {
		return nil
	}
	key := make([]int, 0, len(names))
	for _, name := range names {
		i := r.index(name)
		if !slices.Contains(logged, i) {
			return nil
		}
		key = append(key, i)
	}
	return key
}

// fullKey is the key of a table that logs whole old rows: it is in the catalogue only.
func (r *relationBody) fullKey(facts *tableFacts) ([]int, error) {
	if facts == nil {
		return nil, keyUnknown(errors.New("the table is gone, and with REPLICA IDENTITY FULL only the catalogue knows its key"))
	}
	var key []int
	for _, name := range facts.key {
		i := r.index(name)
		if i < 0 {
			if f := facts.column(name); f != nil && !f.published {
				return nil, nil // there is a key, and it is not published
			}
			return nil, keyUnknown(fmt.Errorf("its key has the column %q now, and the log does not have that", name))
		}
		key = append(key, i)
	}
	return key, nil
}

func keyUnknown(err error) error {
	return fault.NewFinal(fault.SchemaUnknown, "finding the key of a table", err,
		"Leave the table out of tables, or start it over with a new snapshot. To avoid this, change a key only while the pipeline has caught up.")
}

// mismatch is for rows that do not fit the Relation message that came before them.
func (s *shape) mismatch(format string, args ...any) error {
	return fault.NewFinal(fault.Decode, "decoding rows of "+s.table.FullName(), fmt.Errorf(format, args...),
		"Nothing was skipped. The row does not fit the log's own description of the table: report this with the server's version.")
}

// valueFault is for a value that its type does not allow.
func (s *shape) valueFault(i int, err error) error {
	return fault.NewFinal(fault.Decode, "decoding rows of "+s.table.FullName(), fmt.Errorf("column %q of the type %s: %w", s.table.Columns[i].Name, s.table.Columns[i].SourceType, err),
		"Nothing was skipped. Check the row on the server; if it is fine, report this with the column's definition.")
}
