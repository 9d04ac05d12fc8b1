package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// Apply takes a statement of the log in that was executed without an error. follow says which tables matter; of all others
// nothing is kept, but for those that the statement makes like one that is known. A statement that is no DDL does nothing, and
// neither does one about temporary tables.
//
// A statement that cannot be read, or that does not fit what is known, is an error, and the catalogue is as it was: whoever
// asks must find out which tables the statement can have changed, and Forget them.
func (c *Catalog) Apply(sql string, s Session, follow func(Name) bool) (Effect, error) {
	r, err := rewrite(sql, s, &c.server)
	if err != nil || r == nil {
		return Effect{}, err
	}
	stmt, err := r.parse()
	if err != nil {
		return Effect{}, err
	}
	a := application{catalog: c, context: context{server: &c.server, session: &s}, rewriting: r, follow: follow, touched: map[Name]*Table{}}
	if err := a.statement(stmt); err != nil {
		return Effect{}, err
	}
	return a.commit(), nil
}

// application is one statement on its way into the catalogue.
type application struct {
	context
	*rewriting
	catalog *Catalog
	follow  func(Name) bool

	touched   map[Name]*Table // what the statement leaves; nil: gone
	order     []Name          // of touched
	unknown   []Name
	like      Name              // the table that the statement makes like another
	databases map[string]string // "": gone
}

func (a *application) statement(stmt ast.StmtNode) error {
	switch s := stmt.(type) {
	case *ast.CreateTableStmt:
		return a.createTable(s)
	case *ast.AlterTableStmt:
		return a.alterTable(s)
	case *ast.RenameTableStmt:
		for _, p := range s.TableToTables {
			if err := a.rename(a.name(p.OldTable), a.name(p.NewTable)); err != nil {
				return err
			}
		}
		return nil
	case *ast.DropTableStmt:
		for _, t := range s.Tables {
			a.set(a.name(t), nil)
		}
		return nil
	case *ast.CreateDatabaseStmt:
		return a.createDatabase(s.Name.O)
	case *ast.AlterDatabaseStmt:
		return a.alterDatabase(s.Name.O)
	case *ast.DropDatabaseStmt:
		a.dropDatabase(s.Name.O)
		return nil
	}
	return errors.New("reading a statement: it is none that was expected")
}

// name gives the full name of a table.
func (a *application) name(t *ast.TableName) Name { return a.full([2]string{t.Schema.O, t.Name.O}) }

func (a *application) full(name [2]string) Name {
	n := Name{Database: name[0], Table: name[1]}
	if n.Database == "" {
		n.Database = a.session.Database
	}
	return a.catalog.fold(n)
}

// table gives a table as of now within the statement; nil: not known, or gone.
func (a *application) table(n Name) *Table {
	if t, ok := a.touched[n]; ok {
		return t
	}
	return a.catalog.tables[n]
}

// set says what a table is after the statement; nil: gone.
func (a *application) set(n Name, t *Table) {
	if _, ok := a.touched[n]; !ok {
		a.order = append(a.order, n)
	}
	a.touched[n] = t
	a.unknown = slices.DeleteFunc(a.unknown, func(u Name) bool { return u == n })
}

// lose says that the shape of a table cannot be told.
func (a *application) lose(n Name) {
	a.set(n, nil)
	a.unknown = append(a.unknown, n)
}

// database gives the default collation of a database, "" when it is not known.
func (a *application) database(n string) string {
	n = a.catalog.fold(Name{Database: n}).Database
	if d, ok := a.catalog.databases[n]; ok {
		return d
	}
	if n == a.catalog.fold(Name{Database: a.session.Database}).Database {
		return a.session.Collation
	}
	return ""
}

func (a *application) createTable(s *ast.CreateTableStmt) error {
	n := a.name(s.Table)
	if a.ifNotExists && a.table(n) != nil {
		return nil
	}
	var source *Table
	if s.ReferTable != nil {
		source = a.table(a.name(s.ReferTable))
	}
	if !a.follow(n) && source == nil {
		if a.table(n) != nil {
			a.set(n, nil)
		}
		return nil
	}
	if a.ifNotExists && !a.catalog.absent[n] || s.ReferTable != nil && source == nil || a.selects {
		a.lose(n)
		return nil
	}
	if source != nil {
		d := a.draftOf(source)
		d.name, a.like = n, n
		a.set(n, d.table())
		return nil
	}
	o, err := a.option(s.Options)
	if err != nil {
		return err
	}
	base := a.database(n.Database)
	if base == "" && o.charset == "" && o.collation == "" {
		a.lose(n)
		return nil
	}
	t, err := a.create(s, n, o, base)
	if err != nil {
		return fmt.Errorf("creating %s: %w", n, err)
	}
	a.set(n, t)
	return nil
}

// create makes a new table.
func (a *application) create(s *ast.CreateTableStmt, n Name, o tableOptions, base string) (*Table, error) {
	d := &draft{context: a.context, name: n, engine: engineName(o.engine)}
	var err error
	if d.collation, err = a.ofTable(o, base, base); err != nil {
		return nil, err
	}
	var keys []newKey
	periods := false
	d.versioned, d.period = o.versioned, a.period
	for _, col := range s.Cols {
		def, err := a.definition(col)
		if err != nil {
			return nil, err
		}
		made, err := a.column(def, d.collation)
		if err != nil {
			return nil, err
		}
		d.columns = append(d.columns, draftColumn{Column: made})
		keys = append(keys, a.inlineKeys(def)...)
		periods = periods || def.period
		d.versioned = d.versioned || def.versioned
	}
	d.versioned = d.versioned && !periods
	for _, c := range s.Constraints {
		k, err := a.key(c)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	if err := d.addKeys(keys); err != nil {
		return nil, err
	}
	return d.table(), nil
}

// engineName gives the name of an engine as the server spells it; "" where that is not certain.
func engineName(s string) string {
	for _, n := range []string{"InnoDB", "MyISAM", "MEMORY", "Aria", "CSV", "ARCHIVE", "BLACKHOLE"} {
		if strings.EqualFold(n, s) {
			return n
		}
	}
	return ""
}

func (a *application) alterTable(s *ast.AlterTableStmt) error {
	n := a.name(s.Table)
	ch, err := a.gather(s.Specs)
	if err != nil {
		return err
	}
	t := a.table(n)
	switch {
	case t != nil:
		changed, err := a.changed(t, ch)
		if err != nil {
			return err
		}
		if changed == nil {
			a.lose(n)
		} else {
			a.set(n, changed)
		}
	case a.follow(n) && (len(s.Specs) > 1 || a.period != nil || a.noPeriod): // the first is ours
		a.lose(n)
	}
	a.partition(t)
	if ch.renameTo != nil {
		return a.rename(n, a.name(ch.renameTo))
	}
	return nil
}

// changed makes the table that a statement makes of another; nil: what is known does not tell.
func (a *application) changed(t *Table, ch *changes) (*Table, error) {
	if a.noPeriod || a.period != nil {
		copied := *t
		copied.Period = a.period
		t = &copied
	}
	changed, err := a.alter(t, ch, a.database(t.Database))
	if errors.Is(err, errUncertain) {
		return nil, nil
	}
	return changed, err
}

// partition makes a table of a partition of another, or the other way round.
func (a *application) partition(t *Table) {
	if a.parted != nil {
		switch n := a.full(*a.parted); {
		case t != nil && a.follow(n):
			made := *t
			made.Name = n
			a.set(n, &made)
		case a.follow(n):
			a.lose(n)
		}
	}
	if a.joined != nil {
		a.set(a.full(*a.joined), nil)
	}
}

// rename moves a table.
func (a *application) rename(from, to Name) error {
	if from == to {
		return nil
	}
	t := a.table(from)
	if t == nil && a.ifExists && !slices.Contains(a.unknown, from) && a.table(to) != nil {
		return nil // the server would not have replaced it
	}
	if t != nil {
		moved := *t
		moved.Name = to
		a.set(from, nil)
		a.set(to, &moved)
		return nil
	}
	a.set(from, nil)
	a.lose(to)
	return nil
}

// commit puts what the statement did into the catalogue.
func (a *application) commit() Effect {
	var e Effect
	for _, n := range a.order {
		t, before := a.touched[n], a.catalog.tables[n]
		lost := slices.Contains(a.unknown, n)
		keep := t != nil && (a.follow(n) || before != nil || a.like == n)
		switch {
		case keep:
			a.catalog.tables[n] = t
			e.Changed = append(e.Changed, n)
			delete(a.catalog.absent, n)
		case lost && a.follow(n):
			delete(a.catalog.tables, n)
			e.Unknown = append(e.Unknown, n)
			delete(a.catalog.absent, n)
		case before != nil || a.follow(n):
			delete(a.catalog.tables, n)
			e.Gone = append(e.Gone, n)
			if a.follow(n) && t == nil && !lost {
				a.catalog.absent[n] = true
			}
		}
	}
	for n, d := range a.databases {
		if d == "" {
			delete(a.catalog.databases, n)
			a.catalog.dropped[n] = true
		} else {
			a.catalog.databases[n] = d
			delete(a.catalog.dropped, n)
		}
	}
	return e
}
