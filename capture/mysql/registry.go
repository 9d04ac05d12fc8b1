package mysql

import (
	"bytes"
	"context"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// registry knows the captured tables and what the numbers in ROWS events mean.
type registry struct {
	src    *source
	byName map[tableName]*tableEntry
	byID   map[uint64]*mappedTable
	extra  *conn // for catalogue facts while the stream runs; nil: not open
}

// tableEntry is one captured table, over all its shapes.
type tableEntry struct {
	name   string // database.table
	id     int
	origin string            // of its tables
	shapes map[string]*shape // by tableMap.Shape
	facts  *tableFacts       // nil: the catalogue has no such table
	last   *changelog.Table  // newest version, nil before the first TABLE_MAP
	seen   bool              // rows of it have left

	serial uint64 // of the transaction that slot is about
	slot   int    // index into its tables
}

// mappedTable is what a number means: a captured table in one shape, or another table (entry nil).
type mappedTable struct {
	body  []byte // of the TABLE_MAP, from the names on
	entry *tableEntry
	shape *shape
}

// tooManyMaps bounds the memory of numbers, which the server gives away and never uses again.
const tooManyMaps = 4096

// mapped gives the meaning of a number. A number without TABLE_MAP is an error, but for the one that says "no rows".
func (r *registry) mapped(id uint64) (*mappedTable, error) {
	const dummy = 0xffffff // ends a statement without rows
	m := r.byID[id]
	if m == nil && id != dummy {
		return nil, badEvent("reading a ROWS event", "no TABLE_MAP announced the table number %d", id)
	}
	return m, nil
}

// tableMap takes a TABLE_MAP in. On a live stream nearly all of them repeat what is known already.
func (s *stream) tableMap(body []byte) error {
	m, err := parseTableMap(body)
	if err != nil {
		return err
	}
	m.MariaDB = s.src.facts.mariadb
	r := &s.tables
	if old := r.byID[m.ID]; old != nil && bytes.Equal(old.body, m.Shape) {
		return nil
	}
	mt := &mappedTable{body: bytes.Clone(m.Shape)}
	name := tableName{string(m.Schema), string(m.Name)}
	if s.src.filter.Match(name.database, name.name) {
		mt.entry = r.entry(name)
		if mt.shape, err = r.shape(mt.entry, m); err != nil {
			return err
		}
	}
	if len(r.byID) >= tooManyMaps {
		clear(r.byID)
	}
	r.byID[m.ID] = mt
	return nil
}

// entry finds or makes the entry of a captured table.
func (r *registry) entry(name tableName) *tableEntry {
	e := r.byName[name]
	if e == nil {
		e = &tableEntry{name: name.String(), id: r.src.shapes.ID(name.String()), origin: r.src.facts.origin(), shapes: map[string]*shape{}, facts: r.src.tables[name]}
		r.byName[name] = e
	}
	return e
}

// shape finds or prepares the decoder of a TABLE_MAP.
func (r *registry) shape(e *tableEntry, m tableMap) (*shape, error) {
	if sh := e.shapes[string(m.Shape)]; sh != nil {
		return sh, nil
	}
	var columns []columnFacts
	if e.facts != nil {
		columns = e.facts.columns
	}
	sh, err := newShape(m, columns)
	if err != nil {
		return nil, err
	}
	sh.table = r.src.shapes.Intern(sh.table)
	e.shapes[string(m.Shape)], e.last = sh, sh.table
	return sh, nil
}

// table is the newest version, or, before rows of it came, one that has a name only.
func (e *tableEntry) table(name tableName) *changelog.Table {
	if e.last == nil {
		e.last = &changelog.Table{ID: e.id, Origin: e.origin, Database: name.database, Name: name.name}
	}
	return e.last
}

// refresh reads the facts of a table again, after a statement that changed it, and looks for new cascades.
func (r *registry) refresh(ctx context.Context, name tableName) error {
	c, err := r.connection(ctx)
	if err != nil {
		return err
	}
	cat := catalog{c, r.src.filter}
	now, err := cat.tables(ctx, &name)
	if err != nil {
		return err
	}
	e := r.entry(name)
	if f := now[name]; f != nil {
		e.facts = f // a dropped table keeps its last ones: its rows may still be on the way
	}
	clear(e.shapes)
	for id, m := range r.byID {
		if m.entry == e {
			delete(r.byID, id)
		}
	}
	return r.src.refuseCascades(ctx, cat)
}

// connection opens the second connection, to the same server as the stream's.
func (r *registry) connection(ctx context.Context) (*conn, error) {
	if r.extra != nil {
		return r.extra, nil
	}
	c, err := connect(ctx, r.src.cfg)
	if err != nil {
		return nil, err
	}
	id, err := c.identity()
	if err == nil && id != r.src.facts.uuid() {
		err = fault.New(fault.WrongServer, "reading the catalogue", nil, "The address leads to several servers: connect to one of them.")
	}
	if err != nil {
		_ = c.raw.Close()
		return nil, err
	}
	r.extra = c
	return c, nil
}

// close ends the second connection. It is opened again when it is needed.
func (r *registry) close() {
	if r.extra != nil {
		_ = r.extra.raw.Close()
		r.extra = nil
	}
}
