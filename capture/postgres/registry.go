package postgres

import (
	"context"
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// registry knows the captured tables and what the numbers in row messages mean.
type registry struct {
	src      *source
	catalog  lookup
	types    *typeBook
	byName   map[string]*tableEntry
	byOID    map[uint32]*related
	passed   map[uint32]bool // tables that are not captured, which has been logged
	last     *related        // the one that was asked for last
	messages tableEntry      // logical messages have no table, but are counted as if
	arrivals uint64          // Relation messages that came
}

// lookup is what the stream asks the server beside its log, on the connection for SQL.
type lookup interface {
	rowQuerier // pg_type

	// tableFacts gives nil when there is no such table any more.
	tableFacts(ctx context.Context, oid uint32) (*tableFacts, error)

	// checkPublications gives a fault unless all publications are as they were when the source was opened.
	checkPublications(ctx context.Context) error
}

// tableEntry is one captured table, over all its versions.
type tableEntry struct {
	name    string           // schema.table
	last    *changelog.Table // the version that came last
	gapSize int              // what the missing values of a change are taken to need, in bytes of memory

	serial uint64 // of the transaction that slot is about
	slot   int    // index into its tables
}

// related is what a number means: a captured table in one shape, or another table (entry nil). Which of them is found out when
// rows come: the log describes partitions too whose rows have the name of the partitioned table.
type related struct {
	oid     uint32
	body    relationBody
	stamp   uint64 // when the message came, in arrivals
	decided bool
	entry   *tableEntry
	shape   *shape
}

func newRegistry(src *source, c lookup) registry {
	return registry{src: src, catalog: c, types: newTypeBook(), byName: map[string]*tableEntry{}, byOID: map[uint32]*related{}, passed: map[uint32]bool{}}
}

// relation takes a Relation message in. The server repeats it whenever something about the table may have changed, which the
// catalogue must be asked for.
func (r *registry) relation(body []byte) error {
	rel, err := parseRelation(body)
	if err != nil {
		return err
	}
	r.last = nil
	r.arrivals++
	r.byOID[rel.OID] = &related{oid: rel.OID, body: rel, stamp: r.arrivals}
	return nil
}

// related gives the meaning of a number.
func (s *stream) related(ctx context.Context, oid uint32) (*related, error) {
	r := &s.tables
	if r.last != nil && r.last.oid == oid {
		return r.last, nil
	}
	m := r.byOID[oid]
	if m == nil {
		return nil, badMessage(nil, "no Relation message announced the table number %d", oid)
	}
	if !m.decided {
		if err := s.decide(ctx, m); err != nil {
			return nil, err
		}
	}
	r.last = m
	return m, nil
}

// decide finds out whether a table is captured, and prepares its decoder.
func (s *stream) decide(ctx context.Context, m *related) error {
	r, rel, sel := &s.tables, &m.body, s.src.selection
	var facts *tableFacts
	captured, known := sel.match.Match(rel.Schema, rel.Name), sel.viaRoot
	if captured || !known {
		err := s.aside(func() error {
			var err error
			if facts, err = r.catalog.tableFacts(ctx, rel.OID); err != nil {
				return err
			}
			return r.types.load(ctx, r.catalog, rel.types())
		})
		if err != nil {
			return err
		}
	}
	if facts != nil {
		captured, known = sel.captures(facts), true
	}
	switch {
	case captured:
		m.entry = r.entry(rel.Schema + "." + rel.Name)
		var err error
		if m.shape, err = m.entry.version(rel, facts, r); err != nil {
			return err
		}
	case !known && sel.allowed.Match(rel.Schema, rel.Name):
		return goneFault(rel)
	case !r.passed[rel.OID]:
		r.passed[rel.OID] = true
		s.log.Info("a published table is not captured, because the patterns of tables and exclude_tables leave it out", "table", rel.Schema+"."+rel.Name)
	}
	m.decided = true
	return nil
}

// goneFault is for a table that no pattern names and that may have been a part of one that is captured.
func goneFault(r *relationBody) error {
	return fault.NewFinal(fault.SchemaUnknown, "reading the WAL stream", fmt.Errorf("the table %s.%s is gone, and only the catalogue knew whether it was a part of a captured one", r.Schema, r.Name),
		"Name it in tables to have its last changes, or in exclude_tables to go without them.")
}

// types are the data types of all columns.
func (r *relationBody) types() []uint32 {
	oids := make([]uint32, len(r.Columns))
	for i := range r.Columns {
		oids[i] = r.Columns[i].Type
	}
	return oids
}

// entry finds or makes the entry of a captured table.
func (r *registry) entry(name string) *tableEntry {
	e := r.byName[name]
	if e == nil {
		e = &tableEntry{name: name, gapSize: firstGapSize}
		r.byName[name] = e
	}
	return e
}

// version prepares a decoder.
func (e *tableEntry) version(rel *relationBody, facts *tableFacts, r *registry) (*shape, error) {
	sh, err := r.src.version(rel, facts, r.types, e.last)
	if err == nil {
		e.last = sh.table
	}
	return sh, err
}

// version prepares the decoder of a table, whoever describes it: the log to the stream or the catalogue to a Reader. What nothing
// tells apart is one version, with one Table.
func (s *source) version(rel *relationBody, facts *tableFacts, types *typeBook, before *changelog.Table) (*shape, error) {
	sh, err := newShape(rel, facts, types, before)
	if err != nil {
		return nil, err
	}
	sh.table.Database = s.cfg.Database
	sh.table = s.shapes.Intern(sh.table)
	return sh, nil
}

// query implements lookup.
func (s *source) query(ctx context.Context, sql string, args ...string) ([][]string, error) {
	return s.side.query(ctx, sql, args...)
}
