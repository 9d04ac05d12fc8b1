package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// changes are the clauses of an ALTER TABLE. The server gathers them all before it makes the new table: names are those of the
// old table, but for AFTER, which may name what is new.
type changes struct {
	drops    []string
	defines  []define // ADD, MODIFY and CHANGE, in order
	renames  [][2]string
	hide     map[string]bool // lower case: ALTER COLUMN … SET INVISIBLE or VISIBLE
	keyDrops []string
	keyNames [][2]string
	keys     []newKey
	options  []tableOptions
	renameTo *ast.TableName
}

// define is a column that a clause defines.
type define struct {
	*definition
	old   string // the column that it takes the place of; "": a new one
	first bool
	after string // "": at the end, or where the old one was
}

// gather sorts the clauses of a statement.
func (r *rewriting) gather(specs []*ast.AlterTableSpec) (*changes, error) {
	ch := &changes{hide: map[string]bool{}}
	for _, s := range specs {
		if err := ch.take(r, s); err != nil {
			return nil, err
		}
	}
	return ch, nil
}

func (ch *changes) take(r *rewriting, s *ast.AlterTableSpec) error {
	switch s.Tp {
	case ast.AlterTableAddColumns, ast.AlterTableModifyColumn, ast.AlterTableChangeColumn:
		return ch.define(r, s)
	case ast.AlterTableAddConstraint:
		k, err := r.key(s.Constraint)
		ch.keys = append(ch.keys, k)
		return err
	case ast.AlterTableDropColumn:
		ch.drops = append(ch.drops, s.OldColumnName.Name.O)
	case ast.AlterTableRenameColumn:
		ch.renames = append(ch.renames, [2]string{s.OldColumnName.Name.O, s.NewColumnName.Name.O})
	case ast.AlterTableAlterColumn:
		if len(r.visibility) == 0 {
			return fmt.Errorf("reading a statement: its parts are mixed up")
		}
		ch.hide[strings.ToLower(s.NewColumns[0].Name.Name.O)] = r.visibility[0]
		r.visibility = r.visibility[1:]
	case ast.AlterTableDropPrimaryKey:
		ch.keyDrops = append(ch.keyDrops, primary)
	case ast.AlterTableDropIndex:
		ch.keyDrops = append(ch.keyDrops, s.Name)
	case ast.AlterTableRenameIndex:
		ch.keyNames = append(ch.keyNames, [2]string{s.FromKey.O, s.ToKey.O})
	case ast.AlterTableRenameTable:
		ch.renameTo = s.NewTable
	case ast.AlterTableOption:
		o, err := r.option(s.Options)
		ch.options = append(ch.options, o)
		return err
	case ast.AlterTableForce:
	default:
		return fmt.Errorf("reading a statement: a clause of the kind %d is not expected", s.Tp)
	}
	return nil
}

func (ch *changes) define(r *rewriting, s *ast.AlterTableSpec) error {
	for _, col := range s.NewColumns {
		d, err := r.definition(col)
		if err != nil {
			return err
		}
		def := define{definition: d}
		switch s.Tp {
		case ast.AlterTableModifyColumn:
			def.old = d.name
		case ast.AlterTableChangeColumn:
			def.old = s.OldColumnName.Name.O
		}
		if s.Position != nil {
			def.first = s.Position.Tp == ast.ColumnPositionFirst
			if s.Position.Tp == ast.ColumnPositionAfter {
				def.after = s.Position.RelativeColumn.Name.O
			}
		}
		ch.defines = append(ch.defines, def)
	}
	for _, c := range s.NewConstraints {
		k, err := r.key(c)
		if err != nil {
			return err
		}
		ch.keys = append(ch.keys, k)
	}
	return nil
}

// alter makes the table that the clauses make of another. base is the default collation of its database.
func (c context) alter(t *Table, ch *changes, base string) (*Table, error) {
	old := c.draftOf(t)
	d := &draft{context: c, name: t.Name, engine: t.Engine, collation: t.Collation, versioned: old.versioned, period: old.period}
	if err := d.alterOptions(ch, base); err != nil {
		return nil, err
	}
	ch.leaveOut(old)
	if err := d.alterColumns(old, ch); err != nil {
		return nil, err
	}
	for i := range d.columns {
		if col := &d.columns[i]; d.converts && col.before != nil && !col.changed {
			if len(col.Labels) > 0 && wide(c.charsetOf(col.Collation)) {
				return nil, errUncertain // some servers take the bytes of labels for what they are not
			}
			col.Column = c.convert(col.Column, d.collation)
		}
	}
	if err := d.alterKeys(old, ch); err != nil {
		return nil, err
	}
	keys := ch.keys
	for _, def := range ch.defines {
		keys = append(keys, c.inlineKeys(def.definition)...)
	}
	d.ordered = c.server.MariaDB && len(keys) == 0 && !d.firstChanges(old)
	if err := d.addKeys(keys); err != nil {
		return nil, err
	}
	return d.table(), nil
}

// alterOptions gives the table its new default collation and engine.
func (d *draft) alterOptions(ch *changes, base string) (err error) {
	var all tableOptions // of which the last of each kind counts
	for _, o := range ch.options {
		if o.engine != "" {
			if d.engine == "MEMORY" && d.server.MariaDB {
				return errUncertain // USING HASH of an index, which nothing tells, has another meaning elsewhere
			}
			d.engine = engineName(o.engine)
		}
		d.versioned = (d.versioned || o.versioned && !ch.hasPeriod()) && !o.plain
		if all.charset != "" || all.collation != "" {
			if d.converts != o.convert && (o.charset != "" || o.collation != "") {
				return errUncertain // CONVERT TO and a new default are in each other's way
			}
		}
		d.converts = d.converts || o.convert
		if o.charset != "" {
			all.charset = o.charset
			if !d.server.MariaDB && d.server.Version < 80000 {
				all.collation = ""
			}
		}
		all.collation = cmp.Or(o.collation, all.collation)
	}
	if all.charset != "" || all.collation != "" {
		d.collation, err = d.ofTable(all, d.collation, base)
	}
	return err
}

// hasPeriod reports that a clause defines a column of the table's period.
func (ch *changes) hasPeriod() bool {
	return slices.ContainsFunc(ch.defines, func(x define) bool { return x.period })
}

// firstChanges reports that the index by which the engine keeps rows loses a column, or becomes one that cannot be the primary
// key. Without that, and without a new index, MariaDB leaves the order of indexes as it is.
func (d *draft) firstChanges(old *draft) bool {
	if len(old.keys) == 0 {
		return false
	}
	if old.primaryIsNotNull(); old.rank(old.keys[0]) > 1 {
		return false
	}
	return slices.ContainsFunc(old.keys[0].Parts, func(p Part) bool {
		col := d.heir(p.Column)
		return col == nil || old.keys[0].Name != primary && col.Nullable
	})
}

// leaveOut removes the clauses that IF EXISTS and IF NOT EXISTS make none.
func (ch *changes) leaveOut(old *draft) {
	ch.defines = slices.DeleteFunc(ch.defines, func(d define) bool {
		return d.ifNotExists && old.find(d.name) >= 0 || d.ifExists && old.find(d.old) < 0
	})
	ch.keys = slices.DeleteFunc(ch.keys, func(k newKey) bool { return k.ifNotExists && old.findKey(k.Name) >= 0 })
}

func (d *draft) alterColumns(old *draft, ch *changes) error {
	replaced := map[string]bool{}
	for i := range old.columns {
		col := old.columns[i]
		if slices.ContainsFunc(ch.drops, func(n string) bool { return strings.EqualFold(n, col.Name) }) {
			continue
		}
		at := slices.IndexFunc(ch.defines, func(x define) bool { return x.old != "" && strings.EqualFold(x.old, col.Name) })
		if at < 0 {
			d.columns = append(d.columns, ch.kept(col))
			continue
		}
		x := ch.defines[at]
		replaced[strings.ToLower(x.old)] = true
		made, err := d.made(x, old)
		if err != nil {
			return err
		}
		d.columns = append(d.columns, made)
	}
	for _, x := range ch.defines {
		if x.old != "" && !replaced[strings.ToLower(x.old)] {
			return fmt.Errorf("changing %s: there is no column %s", d.name, x.old)
		}
		if err := d.place(x, old); err != nil {
			return err
		}
	}
	return nil
}

// place puts a column where its clause says: a new one, or one that stands where the old one was and is taken from there.
func (d *draft) place(x define, old *draft) error {
	if x.old == "" {
		made, err := d.made(x, old)
		if err != nil {
			return err
		}
		return d.insert(made, x)
	}
	if !x.first && x.after == "" {
		return nil
	}
	at := slices.IndexFunc(d.columns, func(c draftColumn) bool { return c.changed && strings.EqualFold(c.was, x.old) })
	made := d.columns[at]
	d.columns = slices.Delete(d.columns, at, at+1)
	return d.insert(made, x)
}

// kept gives a column that no clause defines again.
func (ch *changes) kept(col draftColumn) draftColumn {
	if hide, ok := ch.hide[strings.ToLower(col.Name)]; ok {
		col.Invisible = hide
	}
	for _, n := range ch.renames {
		if strings.EqualFold(n[0], col.before.Name) {
			col.was, col.Name = n[0], n[1]
		}
	}
	return col
}

// made gives the column that a clause defines.
func (d *draft) made(x define, old *draft) (draftColumn, error) {
	out := draftColumn{was: x.old}
	if x.old != "" {
		out.before, out.changed = old.columns[old.find(x.old)].before, true
	}
	col, err := d.column(x.definition, d.collation)
	if d.converts && x.old != "" && !d.server.MariaDB && d.server.Version >= 80000 && long(col.DataType) && col.Collation == "" && x.typ.length < 0 {
		return out, errUncertain // bytes are resized as text is, by what nothing tells
	}
	if err == nil && d.converts && col.Collation != "" && textual(x.typ.name) {
		def := *x.definition
		def.charset = charsetChoice{charset: d.charsetOf(d.collation), collation: d.collation}
		if x.charset.binary && (x.charset.charset == "" || !d.server.MariaDB && d.server.Version < 80000) {
			def.charset.collation, def.charset.binary = "", true
		}
		if err = d.resize(&def, out.before); err == nil {
			col, err = d.column(&def, d.collation)
		}
	}
	out.Column = col
	return out, err
}

// resize: under CONVERT TO, a text that takes the place of another column is as long as that one was, whatever its definition
// says. So it is since MySQL 8.
func (d *draft) resize(def *definition, before *Column) error {
	if before == nil || d.server.MariaDB || d.server.Version < 80000 || !long(def.typ.name) || def.typ.length >= 0 {
		return nil
	}
	chars := d.chars(before)
	switch size := sizes[strings.Replace(before.DataType, "blob", "text", 1)]; {
	case size > 0:
		chars = size / width(d.charsetOf(before.Collation))
	case chars == 0:
		return errUncertain
	}
	def.typ.name = blobOf("text", min(chars*width(d.charsetOf(d.collation)), 1<<32-1))
	return nil
}

func (d *draft) insert(col draftColumn, x define) error {
	at := len(d.columns)
	switch {
	case x.first:
		at = 0
	case x.after != "":
		if at = d.find(x.after); at < 0 {
			return fmt.Errorf("changing %s: there is no column %s", d.name, x.after)
		}
		at++
	}
	d.columns = slices.Insert(d.columns, at, col)
	return nil
}
