package schema

import (
	"maps"
	"slices"
	"strings"
)

// Catalog is the shapes of the tables that are followed, as of one place in the log. It is used by one goroutine; the tables
// that it gives away are immutable.
type Catalog struct {
	server    Server
	tables    map[Name]*Table
	databases map[string]string // default collations

	// What statements have removed: a CREATE … IF NOT EXISTS of it makes it.
	absent  map[Name]bool
	dropped map[string]bool
}

// NewCatalog makes an empty catalogue of a server.
func NewCatalog(s Server) *Catalog {
	return &Catalog{server: s, tables: map[Name]*Table{}, databases: map[string]string{}, absent: map[Name]bool{}, dropped: map[string]bool{}}
}

// Table gives the shape of a table, nil when it is not known.
func (c *Catalog) Table(n Name) *Table { return c.tables[c.fold(n)] }

// Put says what a table looks like.
func (c *Catalog) Put(t *Table) {
	n := c.fold(t.Name)
	c.tables[n] = t
	delete(c.absent, n)
}

// Forget says that nothing is known of a table.
func (c *Catalog) Forget(n Name) {
	delete(c.tables, c.fold(n))
	delete(c.absent, c.fold(n))
}

// PutAbsent says that there is no such table.
func (c *Catalog) PutAbsent(n Name) {
	c.Forget(n)
	c.absent[c.fold(n)] = true
}

// Absent reports whether a table is known not to exist.
func (c *Catalog) Absent(n Name) bool { return c.absent[c.fold(n)] }

// Database gives the default collation of a database, "" when it is not known.
func (c *Catalog) Database(name string) string {
	return c.databases[c.fold(Name{Database: name}).Database]
}

// PutDatabase says what the default collation of a database is.
func (c *Catalog) PutDatabase(name, collation string) {
	c.databases[c.fold(Name{Database: name}).Database] = collation
}

// Names lists what is known, sorted.
func (c *Catalog) Names() []Name {
	return slices.SortedFunc(maps.Keys(c.tables), func(a, b Name) int { return strings.Compare(a.String(), b.String()) })
}

// fold gives a name as the server keeps it.
func (c *Catalog) fold(n Name) Name {
	if c.server.LowerCaseNames {
		n.Database, n.Table = strings.ToLower(n.Database), strings.ToLower(n.Table)
	}
	return n
}
