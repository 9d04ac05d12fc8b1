package shape

import (
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// Shape is what becomes of the changes of one table version. It is immutable.
type Shape struct {
	// Table has the columns that are left of those of the table that it was compiled for, and the added ones behind them; it is that
	// table where nothing becomes of it.
	Table *changelog.Table

	// Key are the columns of the record key in Table.
	Key []int

	source  *changelog.Table
	own     int     // number of columns of Table that are not added
	take    []int   // of these: which column of the table each is; nil: all of them, in their order
	masks   []*Mask // of these: what hides their values, nil for nothing; nil: none is hidden
	columns []From
	headers []Metadata
	places  []int // of columns: those whose values are not the same for the whole run
	filter  *filter
}

// Want is what an output wants of a table.
type Want struct {
	Key      []int // columns of the record key in the table
	Rules    *Rules
	Metadata []Metadata
	Upsert   bool // the topic is compacted
}

// Compile makes the shape of a table; nil when nothing becomes of it. The error says what of the table does not fit.
func Compile(t *changelog.Table, w Want) (*Shape, error) {
	if len(w.Metadata) == 0 && (w.Rules == nil || w.Rules.Empty()) {
		return nil, nil
	}
	s := &Shape{Table: t, Key: w.Key, source: t, own: len(t.Columns)}
	if w.Rules != nil {
		if err := s.apply(t, &w); err != nil {
			return nil, fault.NewFinal(fault.Config, "shaping table "+t.FullName(), err, "Correct what the pipeline's tables section says about this table.")
		}
	}
	return s, s.add(t, w.Metadata)
}

// add puts metadata behind the columns of the table t.
func (s *Shape) add(t *changelog.Table, list []Metadata) error {
	wide := *s.Table
	wide.Columns = append(make([]changelog.Column, 0, len(wide.Columns)+len(list)), wide.Columns...)
	for i := range list {
		m := &list[i]
		if m.As == Header {
			s.headers = append(s.headers, *m)
			continue
		}
		if s.Table.ColumnIndex(m.Name) >= 0 {
			return fault.NewFinal(fault.Config, "adding metadata", fmt.Errorf("table %s has a column %q of its own", t.FullName(), m.Name),
				"Give the metadata of the output another name.")
		}
		if m.From == Op || m.From == Position {
			s.places = append(s.places, len(s.columns))
		}
		s.columns = append(s.columns, m.From)
		wide.Columns = append(wide.Columns, columnOf(m, t))
	}
	if len(s.columns) > 0 {
		s.Table = &wide
	}
	return nil
}

// Prefix is the column that keys begin with, and what it is for the table where that can be told from it, else "". A table that
// lacks what the column is made of cannot be told from others by it.
func (s *Shape) Prefix(name string) (column int, value string, err error) {
	column = s.Table.ColumnIndex(name)
	switch from := s.columns[column-s.own]; from {
	case Topic:
		return column, "", nil
	case Database:
		value = s.Table.Database
	case Schema:
		value = s.Table.Schema
	case Table:
		value = s.Table.Name
	default:
		return 0, "", fault.NewFinal(fault.Internal, "beginning keys with metadata", fmt.Errorf("column %s is made of %s", name, from), "Report this as a bug.")
	}
	if value == "" {
		return 0, "", fault.NewFinal(fault.NoKey, "beginning keys with metadata", fmt.Errorf("nothing says what %s of table %s is", name, s.Table.FullName()),
			"Make the column of key_prefix from something that each of the tables has.")
	}
	return column, value, nil
}

// columnOf describes an added column. Databases name types differently, and formats may write the name.
func columnOf(m *Metadata, t *changelog.Table) changelog.Column {
	c := changelog.Column{Name: m.Name}
	of := func(typ changelog.Type, mysql, postgres string) changelog.Column {
		c.Type, c.SourceType = typ, mysql
		if t.Origin == "postgresql" {
			c.SourceType = postgres
		}
		return c
	}
	text := func() changelog.Column {
		return of(changelog.Type{Kind: changelog.KindString, Length: maxText, Charset: charset(t)}, "varchar(255)", "character varying(255)")
	}
	switch m.From {
	case Partition:
		return of(changelog.Type{Kind: changelog.KindInt, Bits: 32}, "int", "integer")
	case Offset:
		return of(changelog.Type{Kind: changelog.KindInt, Bits: 64}, "bigint", "bigint")
	case Timestamp:
		return of(changelog.Type{Kind: changelog.KindTimestamp, FSP: 3}, "timestamp(3)", "timestamp(3) with time zone")
	case Time:
		return of(changelog.Type{Kind: changelog.KindTimestamp, FSP: 6}, "timestamp(6)", "timestamp(6) with time zone")
	case Headers:
		return of(changelog.Type{Kind: changelog.KindJSON}, "json", "jsonb")
	case Key:
		c.Nullable = true
		return of(changelog.Type{Kind: changelog.KindString, Charset: charset(t)}, "longtext", "text")
	case Database:
		c.Nullable = t.Database == ""
	case Schema:
		c.Nullable = t.Schema == ""
	}
	return text()
}

// maxText is the declared length of short texts: that of names of topics, databases and tables, positions among them.
const maxText = 255

func charset(t *changelog.Table) string {
	if t.Origin == "postgresql" {
		return ""
	}
	return "utf8mb4"
}
