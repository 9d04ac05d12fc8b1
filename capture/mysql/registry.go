package mysql

import (
	"context"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// registry knows the captured tables and what the numbers in ROWS events mean.
type registry struct {
	src    *source
	byName map[tableName]*tableEntry
	byID   map[uint64]*mappedTable
	facts  lists[columnFacts]
	alike  map[likeness]*shape
	extra  *conn // for catalogue facts while the stream runs; nil: not open
}

// tableEntry is one captured table, over all its shapes.
type tableEntry struct {
	name   string // database.table
	id     int
	origin string           // of its tables
	shapes []*shape         // of different bodies
	facts  *tableFacts      // nil: the catalogue has no such table
	last   *changelog.Table // newest version, nil before the first TABLE_MAP
	seen   bool             // rows of it have left

	logged, decoded int // bytes of the rows of its last event: in the log, and what they took in the batch beside them

	serial uint64 // of the transaction that slot is about
	slot   int    // index into its tables
}

// mappedTable is what a number means: a captured table in one shape, or another table (entry nil).
type mappedTable struct {
	body  string // of the TABLE_MAP, from the names on; "": not known
	entry *tableEntry
	shape *shape
}

// tooManyMaps bounds the memory of numbers, which the server gives away and never uses again; and tooManyAlike that of definitions that no table
// may have any more.
const (
	tooManyMaps  = 4096
	tooManyAlike = 4096
)

// mapped gives the meaning of a number. A number without TABLE_MAP is an error, but for the one that says "no rows".
func (r *registry) mapped(id uint64) (*mappedTable, error) {
	const dummy = 0xffffff // ends a statement without rows
	m := r.byID[id]
	if m == nil && id != dummy {
		return nil, badEvent("reading a ROWS event", "no TABLE_MAP announced the table number %d", id)
	}
	return m, nil
}

// knows reports a TABLE_MAP that says what its number means already, as nearly all of them do on a live stream.
func (r *registry) knows(body []byte) bool {
	c := cursor{b: body}
	m := r.byID[c.uint(6)]
	c.u16() // the flags are nothing to us
	return m != nil && m.body != "" && m.body == string(c.b)
}

// tableMap takes a TABLE_MAP in.
func (s *stream) tableMap(ctx context.Context, body []byte) error {
	r := &s.tables
	if r.knows(body) {
		return nil
	}
	m, err := parseTableMap(body)
	if err != nil {
		return err
	}
	m.MariaDB, m.Bare = s.src.facts.mariadb, s.src.facts.bareJSON()
	if s.txn.quiet && s.txn.xa == "" {
		r.byID[m.ID] = &mappedTable{} // rows that are done; what they look like may not be known any more
		return nil
	}
	mt := &mappedTable{}
	name := tableName{string(m.Schema), string(m.Name)}
	if s.src.filter.Match(name.database, name.name) {
		e := r.entry(name)
		if mt.shape, err = s.shape(ctx, e, name, m); err != nil {
			return err
		}
		if mt.shape != nil {
			mt.entry, mt.body = e, mt.shape.body
		}
	}
	if mt.entry == nil {
		mt.body = string(m.Shape)
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
		e = &tableEntry{name: name.String(), id: r.src.shapes.ID(name.String()), origin: r.src.facts.origin(), facts: r.src.tables[name]}
		if t := r.src.history.table(name); t != nil {
			e.facts = factsOf(t)
		}
		r.byName[name] = e
	}
	return e
}

// shape finds or prepares the decoder of a TABLE_MAP. There is none for what is not a table of rows.
func (s *stream) shape(ctx context.Context, e *tableEntry, name tableName, m tableMap) (*shape, error) {
	for _, sh := range e.shapes {
		if sh.body == string(m.Shape) {
			return sh, nil
		}
	}
	sh, err := s.newShape(ctx, e, name, m)
	if sh == nil || err != nil {
		return nil, err
	}
	sh.body = string(m.Shape)
	e.shapes, e.last = append(e.shapes, sh), sh.table
	return sh, nil
}

func (s *stream) newShape(ctx context.Context, e *tableEntry, name tableName, m tableMap) (*shape, error) {
	l, err := m.parseLayout()
	if err != nil {
		return nil, err
	}
	var sh *shape
	switch {
	case l.meta.names == nil || l.ambiguous():
		sh, err = s.undescribed(ctx, e, name, l)
	case e.facts == nil && l.isSequence():
		return nil, nil
	case s.src.history.misled(name, l):
		// A statement passed that is not in the log, or that was not understood as it was meant.
		if err := s.src.history.forget(name.schema()); err != nil {
			return nil, err
		}
		fallthrough
	default:
		return s.described(e, name, l, m)
	}
	if sh == nil || err != nil {
		return nil, err
	}
	sh.table = s.src.version(name, sh)
	return sh, nil
}

// undescribed prepares the decoder of a TABLE_MAP without column names by what is known of the table here.
func (s *stream) undescribed(ctx context.Context, e *tableEntry, name tableName, l tableLayout) (*shape, error) {
	h := s.src.history
	if h.sequences[name.schema()] {
		return nil, nil
	}
	sh, why, err := h.shape(name, l)
	if sh != nil || err != nil {
		return sh, err
	}
	if err := h.forget(name.schema()); err != nil {
		return nil, err
	}
	if err := s.probeAt(ctx, name, why); err != nil || h.sequences[name.schema()] {
		return nil, err
	}
	e.facts = factsOf(h.table(name))
	if sh, why, err = h.shape(name, l); sh == nil && err == nil {
		err = schemaFault(name, s.txn.at, "the catalogue shows another table: "+why)
	}
	return sh, err
}

// table is the newest version, or, before rows of it came, one that has a name only.
func (e *tableEntry) table(name tableName) *changelog.Table {
	if e.last == nil {
		e.last = &changelog.Table{ID: e.id, Origin: e.origin, Database: name.database, Name: name.name}
	}
	return e.last
}

// refresh says that a statement changed a table. Its facts are what the history knows; where that knows nothing, those of now
// must do, as they always must for words. New cascades are looked for too.
func (r *registry) refresh(ctx context.Context, name tableName) error {
	e := r.entry(name)
	r.forget(e)
	c, err := r.connection(ctx)
	if err != nil {
		return err
	}
	cat := catalog{c, r.src.filter}
	now, err := cat.tables(ctx, &name)
	if err != nil {
		return err
	}
	f, t := now[name], r.src.history.table(name)
	if f != nil { // a dropped table keeps its last ones: its rows may still be on the way
		e.facts = f
		r.src.words.put(name, f.words)
	}
	if t != nil {
		e.facts = factsOf(t)
	}
	return r.src.refuseTables(ctx, cat)
}

// forget says that what TABLE_MAPs of a table mean may not be what it was.
func (r *registry) forget(e *tableEntry) {
	e.shapes = nil
	for id, m := range r.byID {
		if m.entry == e || m.entry == nil {
			delete(r.byID, id)
		}
	}
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
