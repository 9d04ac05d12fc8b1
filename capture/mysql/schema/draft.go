package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// primary is the name of the primary key.
const primary = "PRIMARY"

// draft is a table while a statement makes or changes it.
type draft struct {
	context
	name      Name
	engine    string
	collation string
	columns   []draftColumn
	keys      []draftKey // in the server's order, later ones after
}

type draftColumn struct {
	Column
	was     string  // its name before, of a column that was there under another or was defined again; else ""
	before  *Column // what it was; nil: new
	changed bool    // defined again
}

type draftKey struct {
	Index
	unique  bool
	foreign bool // made for a foreign key: gone when another index can do its work
}

func (d *draft) find(name string) int {
	return slices.IndexFunc(d.columns, func(c draftColumn) bool { return strings.EqualFold(c.Name, name) })
}

func (d *draft) findKey(name string) int {
	return slices.IndexFunc(d.keys, func(k draftKey) bool { return strings.EqualFold(k.Name, name) })
}

// addKeys appends indexes in the order in which a statement has them, and names those that have no name.
func (d *draft) addKeys(keys []newKey) error {
	slices.SortStableFunc(keys, func(a, b newKey) int { return cmp.Compare(a.place, b.place) })
	for _, k := range keys {
		if k.ifNotExists && d.findKey(k.Name) >= 0 {
			continue
		}
		for i, p := range k.Parts {
			if p.Column == "" {
				continue
			}
			at := d.find(p.Column)
			if at < 0 {
				return fmt.Errorf("adding an index: there is no column %s", p.Column)
			}
			k.Parts[i].Column = d.columns[at].Name
		}
		if k.foreign && d.covered(k, keys) {
			continue
		}
		if k.Name == "" {
			k.Name = d.keyName(k.Index)
		}
		d.keys = append(d.keys, draftKey{Index: k.Index, unique: k.unique, foreign: k.foreign})
	}
	return nil
}

// covered reports that another index begins with the columns of a foreign key, which then needs none.
func (d *draft) covered(k newKey, others []newKey) bool {
	begins := func(x Index) bool {
		return len(x.Parts) >= len(k.Parts) && slices.EqualFunc(x.Parts[:len(k.Parts)], k.Parts, func(a, b Part) bool {
			return a.Prefix == 0 && strings.EqualFold(a.Column, b.Column)
		})
	}
	return slices.ContainsFunc(d.keys, func(x draftKey) bool { return begins(x.Index) }) ||
		slices.ContainsFunc(others, func(x newKey) bool { return !x.foreign && begins(x.Index) })
}

// keyName gives the name that the server gives to an index: of its first column, with a number when that is taken.
func (d *draft) keyName(k Index) string {
	base := k.Parts[0].Column
	if base == "" {
		base = "functional_index"
	}
	if d.findKey(base) < 0 && !strings.EqualFold(base, primary) {
		return base
	}
	for n := 2; ; n++ {
		if name := fmt.Sprintf("%s_%d", base, n); d.findKey(name) < 0 {
			return name
		}
	}
}

// inlineKeys gives the indexes that the definition of a column has.
func inlineKeys(d *definition) []newKey {
	var out []newKey
	k := newKey{keyDetail: keyDetail{place: d.place}, unique: true, Index: Index{Parts: []Part{{Column: d.name}}}}
	if d.primary {
		k.Name = primary
		out = append(out, k)
	}
	if d.unique {
		k.Name, k.Parts = "", slices.Clone(k.Parts)
		out = append(out, k)
	}
	return out
}

// chars gives how many characters, or bytes, a column of a limited length holds.
func (d *draft) chars(c *Column) int {
	if c.Octets == 0 {
		return 0
	}
	return c.Octets / width(d.charsetOf(c.Collation))
}

// table ends the draft: keys make their columns NOT NULL and stand in the server's order.
func (d *draft) table() *Table {
	t := &Table{Name: d.name, Engine: d.engine, Collation: d.collation}
	for _, k := range d.keys {
		if k.Name == primary {
			for _, p := range k.Parts {
				if at := d.find(p.Column); at >= 0 {
					d.columns[at].Nullable = false
				}
			}
		}
	}
	for i := range d.columns {
		t.Columns = append(t.Columns, d.columns[i].Column)
	}
	for i := range d.keys {
		parts := slices.Clone(d.keys[i].Parts)
		for j, p := range parts {
			if at := d.find(p.Column); at >= 0 && p.Prefix > 0 && p.Prefix == d.chars(&d.columns[at].Column) {
				parts[j].Prefix = 0
			}
		}
		d.keys[i].Parts = parts
	}
	slices.SortStableFunc(d.keys, func(a, b draftKey) int { return cmp.Compare(d.rank(a), d.rank(b)) })
	for _, k := range d.keys {
		if k.unique {
			t.Unique = append(t.Unique, k.Index)
		} else {
			t.Other = append(t.Other, k.Index)
		}
	}
	return t
}

// rank is where the server puts an index: the primary key, unique ones without NULL, then those with it, among both first the
// ones over whole columns, and then the rest (sort_keys in sql/sql_table.cc).
func (d *draft) rank(k draftKey) int {
	if !k.unique {
		return 10
	}
	if k.Name == primary {
		return 0
	}
	rank := 1
	for _, p := range k.Parts {
		at := d.find(p.Column)
		if at < 0 || d.columns[at].Nullable {
			rank |= 4
		}
		if p.Prefix > 0 {
			rank |= 2
		}
	}
	return rank
}

// draftOf begins a draft with a table as it is.
func (c context) draftOf(t *Table) *draft {
	d := &draft{context: c, name: t.Name, engine: t.Engine, collation: t.Collation}
	for i := range t.Columns {
		d.columns = append(d.columns, draftColumn{Column: t.Columns[i], before: &t.Columns[i]})
	}
	for _, k := range t.Unique {
		d.keys = append(d.keys, draftKey{Index: k, unique: true})
	}
	for _, k := range t.Other {
		d.keys = append(d.keys, draftKey{Index: k})
	}
	return d
}
