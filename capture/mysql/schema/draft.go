package schema

import (
	"cmp"
	"errors"
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
	period    *Period
	versioned bool // has the hidden columns of a system-versioned table
	ordered   bool // keys stay as they are
	converts  bool // CONVERT TO: all columns of text get the new collation
}

type draftColumn struct {
	Column
	was     string  // its name before, of a column that was there under another or was defined again; else ""
	before  *Column // what it was; nil: new
	changed bool    // defined again
}

type draftKey struct {
	Index
	unique bool
	null   bool // one of its columns can be NULL, as far as the server sees when it comes to the index
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
		if err := d.resolve(&k); err != nil {
			return err
		}
		if k.foreign && d.covered(k.Index, keys) {
			continue
		}
		if !k.foreign {
			d.keys = slices.DeleteFunc(d.keys, func(x draftKey) bool { return x.Foreign && k.begins(x.Index) })
		}
		if k.Name == "" {
			var err error
			if k.Name, err = d.keyName(k.Index); err != nil {
				return err
			}
		}
		if !k.unique {
			k.Made, k.Foreign = true, k.foreign
		}
		k.Hash = k.unique && k.hash && d.hashes()
		d.keys = append(d.keys, draftKey{Index: k.Index, unique: k.unique})
	}
	return nil
}

// resolve finds the columns of an index.
func (d *draft) resolve(k *newKey) error {
	if k.overlaps {
		last := len(k.Parts) - 1
		if d.period == nil || !strings.EqualFold(d.period.Name, k.Parts[last].Column) {
			return fmt.Errorf("adding an index: there is no period %s", k.Parts[last].Column)
		}
		k.Parts = append(k.Parts[:last:last], Part{Column: d.period.End}, Part{Column: d.period.Begin})
	}
	for i, p := range k.Parts {
		k.Parts[i].Descending = p.Descending && d.descends()
		if p.Column == "" {
			continue
		}
		at := d.find(p.Column)
		if at < 0 {
			return fmt.Errorf("adding an index: there is no column %s", p.Column)
		}
		k.Parts[i].Column = d.columns[at].Name
		if t := d.columns[at].DataType; p.Prefix == 0 && spatial(t) && t != "point" {
			k.hash = true // until another statement makes the index again, over a prefix
		}
	}
	return nil
}

// descends reports a server that does not just read DESC.
func (c context) descends() bool {
	if c.server.MariaDB {
		return c.server.Version >= 100800
	}
	return c.server.Version >= 80000
}

// begins reports that an index begins with all columns of another, whole.
func (k Index) begins(other Index) bool {
	return len(k.Parts) >= len(other.Parts) && slices.EqualFunc(k.Parts[:len(other.Parts)], other.Parts, func(a, b Part) bool {
		return a.Prefix == 0 && a.Column != "" && strings.EqualFold(a.Column, b.Column)
	})
}

// covered reports that another index begins with the columns of a foreign key, which then needs none.
func (d *draft) covered(k Index, others []newKey) bool {
	return slices.ContainsFunc(d.keys, func(x draftKey) bool { return x.begins(k) }) ||
		slices.ContainsFunc(others, func(x newKey) bool { return !x.foreign && x.begins(k) })
}

// errUncertain says that what is known of a table does not tell what a statement does to it.
var errUncertain = errors.New("what the statement does depends on what is not known")

// keyName gives the name that the server gives to an index: of its first column, with a number when that is taken. An index of
// which nobody knows whether it was made for a foreign key alone may be gone, with its name.
func (d *draft) keyName(k Index) (string, error) {
	base := k.Parts[0].Column
	if base == "" {
		base = "functional_index"
	}
	for n := 1; ; n++ {
		name := base
		if n > 1 {
			name = fmt.Sprintf("%s_%d", base, n)
		}
		at := d.findKey(name)
		if at < 0 && !strings.EqualFold(name, primary) {
			return name, nil
		}
		if at < 0 {
			continue
		}
		taken := d.keys[at]
		if !taken.unique && !taken.Made && (k.begins(taken.Index) || d.begun(at)) {
			return "", errUncertain
		}
	}
}

// begun reports that another index begins with the columns of one.
func (d *draft) begun(at int) bool {
	for i, k := range d.keys {
		if i != at && k.begins(d.keys[at].Index) {
			return true
		}
	}
	return false
}

// inlineKeys gives the indexes that the definition of a column has.
func (c context) inlineKeys(d *definition) []newKey {
	var out []newKey
	k := newKey{keyDetail: keyDetail{place: d.place}, unique: true, Index: Index{Parts: []Part{{Column: d.name}}}}
	if d.primary {
		k.Name = primary
		out = append(out, k)
	}
	if d.unique && (!d.primary || !c.server.MariaDB) { // which makes one of the two
		k.Name, k.Parts = "", slices.Clone(k.Parts)
		out = append(out, k)
	}
	if d.references && c.references() {
		k.Name, k.Parts, k.unique, k.foreign = "", slices.Clone(k.Parts), false, true
		out = append(out, k)
	}
	return out
}

// references reports a server for which REFERENCES in the definition of a column makes a foreign key.
func (c context) references() bool {
	return c.server.MariaDB && c.server.Version >= 100500 || !c.server.MariaDB && c.server.Version >= 90000
}

// chars gives how many characters, or bytes, a column of a limited length holds.
func (d *draft) chars(c *Column) int {
	octets := c.Octets
	if len(c.Labels) > 0 { // a number, which counts as a text of as many bytes
		octets = c.size()
	}
	return octets / width(d.charsetOf(c.Collation))
}

// table ends the draft: keys make their columns NOT NULL and stand in the server's order.
func (d *draft) table() *Table {
	t := &Table{Name: d.name, Engine: d.engine, Collation: d.collation, Period: d.period}
	if d.period != nil {
		for _, n := range []string{d.period.Begin, d.period.End} {
			if at := d.find(n); at >= 0 {
				d.columns[at].Nullable = false
			}
		}
	}
	d.primaryIsNotNull()
	for i := range d.columns {
		t.Columns = append(t.Columns, d.columns[i].Column)
	}
	for i := range d.keys {
		parts := slices.Clone(d.keys[i].Parts)
		for j, p := range parts {
			at := d.find(p.Column)
			switch {
			case at < 0:
			case p.Prefix > 0 && p.Prefix == d.chars(&d.columns[at].Column), d.columns[at].number():
				parts[j].Prefix = 0
			case d.columns[at].DataType == "point" && (d.server.MariaDB || d.server.Version < 80000):
				parts[j].Prefix = 25 // as long as a point is
			case p.Prefix == 0 && d.server.MariaDB && spatial(d.columns[at].DataType):
				parts[j].Prefix = 8
			}
		}
		d.keys[i].Parts = parts
	}
	hashes := d.hash()
	if !d.ordered {
		slices.SortStableFunc(d.keys, func(a, b draftKey) int { return cmp.Compare(d.rank(a), d.rank(b)) })
	}
	for _, k := range d.keys {
		if k.unique {
			t.Unique = append(t.Unique, k.Index)
		} else {
			t.Other = append(t.Other, k.Index)
		}
	}
	t.Columns = append(t.Columns, Hidden(d.versioned, hashes)...)
	return t
}

// primaryIsNotNull makes the columns of the primary key NOT NULL. The server does that when it comes to that key: indexes before
// it are over columns as they were.
func (d *draft) primaryIsNotNull() {
	for i := range d.keys {
		k := &d.keys[i]
		for _, p := range k.Parts {
			at := d.find(p.Column)
			if k.Name == primary && at >= 0 {
				d.columns[at].Nullable = false
			}
			k.null = k.null || at < 0 || d.columns[at].Nullable
		}
	}
}

// rank is where the server puts an index: the primary key, unique ones without NULL, then those with it, among both first the
// ones over whole columns, then those that MariaDB keeps as hashes, and then the rest (sort_keys in sql/sql_table.cc).
func (d *draft) rank(k draftKey) int {
	if !k.unique {
		return 10
	}
	if k.Hash {
		return 9
	}
	if k.Name == primary {
		return 0
	}
	rank := 1
	if k.null {
		rank |= 4
	}
	for _, p := range k.Parts {
		if at := d.find(p.Column); p.Prefix > 0 && (at < 0 || d.columns[at].DataType != "point") {
			rank |= 2
		}
	}
	return rank
}

// draftOf begins a draft with a table as it is.
func (c context) draftOf(t *Table) *draft {
	d := &draft{context: c, name: t.Name, engine: t.Engine, collation: t.Collation, period: t.Period}
	for i := range t.Columns {
		if t.Columns[i].Hidden {
			d.versioned = d.versioned || t.Columns[i].Name == rowStart
			continue
		}
		d.columns = append(d.columns, draftColumn{Column: t.Columns[i], before: &t.Columns[i]})
	}
	for _, k := range t.Unique {
		k.Hash = false // which is found anew
		d.keys = append(d.keys, draftKey{Index: k, unique: true})
	}
	for _, k := range t.Other {
		d.keys = append(d.keys, draftKey{Index: k})
	}
	return d
}
