package mysql

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/capture/mysql/schema"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// This file keeps the shapes of tables as of where the stream stands, for a log that does not describe its rows
// (binlog_row_metadata=MINIMAL, and every release without that variable).
//
//	probe.go: the catalogue, where it is provably as old as the stream ─┐
//	query.go: each statement about captured tables ─────────────────────┼─▶ history ─▶ registry.go: what a TABLE_MAP means
//	the checkpoint's state: what was known at its position ─────────────┘      └─▶ the checkpoints of the batches that follow
//
// What a transaction changes here goes into the checkpoint that covers the transaction, never into an earlier one: a stream that
// begins again at a position finds the shapes as of there, and applies the statements after it once.

// history is used by the goroutine of the stream.
type history struct {
	cat       *schema.Catalog
	server    schema.Server
	ids       map[string]uint32 // collations by name
	names     map[uint16]string // and by number
	captures  func(database, table string) bool
	inside    func(database string) bool // reports databases with captured tables, of which shadows matter
	shadows   *capture.Filter
	absent    []schema.Name        // tables that are known to be gone, oldest first
	sequences map[schema.Name]bool // objects that look like tables in the log; their rows are counters
	copies    map[schema.Name]bool // shadows that were made in this log and have the values of their table

	kept    map[string]string // records as of the last change, by key
	pending []changelog.State // changed by the transaction that the stream is in
	ready   []changelog.State // changed since the last checkpoint
}

// emptyHistory knows nothing and follows nothing.
func emptyHistory() *history {
	return &history{
		cat: schema.NewCatalog(schema.Server{}), captures: func(string, string) bool { return false }, inside: func(string) bool { return false }, shadows: &capture.Filter{},
		ids: map[string]uint32{}, names: map[uint16]string{}, kept: map[string]string{}, sequences: map[schema.Name]bool{}, copies: map[schema.Name]bool{},
	}
}

// openHistory asks the server for what decides how statements are read, and takes the checkpoint's records in.
func (s *source) openHistory(ctx context.Context, state []changelog.State) error {
	h := emptyHistory()
	h.captures, h.inside = s.filter.Match, s.capturesIn
	var err error
	if h.shadows, err = capture.NewFilter(s.cfg.ShadowTables, nil); err != nil {
		return fault.NewFinal(fault.Config, "reading shadow_tables", err, "")
	}
	if err := s.conn.during(ctx, func() error { return h.ask(s.conn, s.facts) }); err != nil {
		return err
	}
	h.cat = schema.NewCatalog(h.server)
	for _, e := range state {
		if !h.owns(e) {
			continue
		}
		if !s.from.shapes { // statements have gone by that were not applied
			h.ready = append(h.ready, changelog.State{Key: e.Key})
			continue
		}
		if err := h.load(e); err != nil {
			return err
		}
	}
	s.history = h
	return nil
}

// ask reads the server's defaults and collations.
func (h *history) ask(c *conn, f *serverFacts) error {
	rows, err := c.query("SELECT @@GLOBAL.collation_server, @@GLOBAL.explicit_defaults_for_timestamp, @@GLOBAL.lower_case_table_names")
	if err != nil {
		return err
	}
	h.server = schema.Server{
		MariaDB: f.mariadb, Version: f.number, LowerCaseNames: rows[0][2] != "0", Collations: map[string]string{}, Defaults: map[string]string{},
		Collation: rows[0][0], ImplicitTimestamps: rows[0][1] == "0",
	}
	sql := "SELECT COLLATION_NAME, CHARACTER_SET_NAME, ID, IS_DEFAULT FROM information_schema.COLLATIONS"
	if f.mariadb && f.number >= 101000 { // where one name can stand for several character sets
		sql = "SELECT FULL_COLLATION_NAME, CHARACTER_SET_NAME, ID, IS_DEFAULT FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY"
	}
	if rows, err = c.query(sql); err != nil {
		return err
	}
	for _, r := range rows {
		id, err := strconv.ParseUint(r[2], 10, 16)
		if err != nil {
			return fault.New(fault.Source, "reading the collations", err, "")
		}
		h.ids[r[0]], h.names[uint16(id)], h.server.Collations[r[0]] = uint32(id), r[0], r[1]
		if r[3] == "Yes" {
			h.server.Defaults[r[1]] = r[0]
		}
	}
	h.alias()
	return nil
}

// alias adds the other name of each collation of utf8mb3. Records can be of a time when the server was of another release.
func (h *history) alias() {
	for name, charset := range maps.Clone(h.server.Collations) {
		other := "utf8_" + strings.TrimPrefix(name, "utf8mb3_")
		if charset == "utf8" {
			other = "utf8mb3_" + strings.TrimPrefix(name, "utf8_")
		}
		if _, known := h.ids[other]; (charset == "utf8" || charset == "utf8mb3") && !known {
			h.ids[other] = h.ids[name]
			h.server.Collations[other] = charset
		}
	}
}

// forget says that the shape of a table is not known any more.
func (h *history) forget(n schema.Name) error {
	h.cat.Forget(n)
	delete(h.sequences, n)
	delete(h.copies, n)
	return h.save(n)
}

// put says what a table looks like.
func (h *history) put(t *schema.Table) error {
	h.cat.Put(t)
	return h.save(t.Name)
}

func (n tableName) schema() schema.Name { return schema.Name{Database: n.database, Table: n.name} }

// table gives the shape of a captured table, nil when it is not known.
func (h *history) table(n tableName) *schema.Table { return h.cat.Table(n.schema()) }

// follows reports whether the shape of a table is kept.
func (h *history) follows(n schema.Name) bool {
	return h.captures(n.Database, n.Table) || h.shadows.Match(n.Database, n.Table) && h.inside(n.Database)
}

// session is what a QUERY event says of its session, in names.
func (h *history) session(q queryBody) schema.Session {
	return schema.Session{
		Database: string(q.Schema), SQLMode: q.SQLMode, Collation: h.names[q.Database], UTF8MB4: h.names[q.UTF8MB4], Connection: h.names[q.Connection], Server: h.names[q.Server],
	}
}

// apply takes a statement in and gives the tables of which it changed what is known. One that only defines columns anew, and
// leaves their values as they are, becomes one that changes no rows.
func (h *history) apply(st *statement, sql string, in schema.Session) ([]schema.Name, error) {
	var before *schema.Table
	if len(st.retypes) > 0 {
		before = h.cat.Table(h.stored(st.tables[0]))
	}
	effect, err := h.cat.Apply(sql, in, h.follows)
	if err != nil {
		return h.fail(*st)
	}
	if len(st.retypes) > 0 && !h.converts(*st, before) {
		st.kind = stmtShape
	}
	return h.changed(*st, effect)
}

// fail is apply for a statement of which it cannot be told what it did: it was not understood, or ended with an error.
func (h *history) fail(st statement) ([]schema.Name, error) {
	return h.changed(st, schema.Effect{Unknown: h.named(st)})
}

func (h *history) changed(st statement, effect schema.Effect) ([]schema.Name, error) {
	for _, n := range effect.Unknown {
		h.cat.Forget(n)
	}
	changed := slices.Concat(effect.Changed, effect.Gone, effect.Unknown)
	for _, n := range changed {
		delete(h.sequences, n)
	}
	h.follow(st, changed)
	for _, n := range changed {
		if err := h.save(n); err != nil {
			return nil, err
		}
	}
	if st.database != "" {
		return changed, h.saveDatabase(st.database)
	}
	return changed, nil
}

// named gives every table that a statement can have changed and that is followed.
func (h *history) named(st statement) []schema.Name {
	var out []schema.Name
	known := h.cat.Names()
	for _, n := range known {
		if st.anything || slices.Contains(st.tables, tableName{n.Database, ""}) {
			out = append(out, n)
		}
	}
	for _, t := range st.tables {
		if n := h.stored(t); n.Table != "" && (h.follows(n) || h.cat.Table(n) != nil) {
			out = append(out, n)
		}
	}
	return out
}

// stored is a name as the server keeps it.
func (h *history) stored(t tableName) schema.Name {
	n := t.schema()
	if h.server.LowerCaseNames {
		n.Database, n.Table = strings.ToLower(n.Database), strings.ToLower(n.Table)
	}
	return n
}

// concerns reports whether a statement is about tables that are followed, or makes one like such a table.
func (h *history) concerns(st statement) bool {
	return len(h.named(st)) > 0 || st.like.name != "" && h.cat.Table(h.stored(st.like)) != nil
}

// shape prepares the decoder of a TABLE_MAP that the log does not describe by what is known of the table. why says why it
// cannot be; then there is no decoder.
func (h *history) shape(name tableName, l tableLayout) (sh *shape, why string, err error) {
	t := h.table(name)
	if t == nil {
		return nil, "nothing is known of the table", nil
	}
	full, facts, err := layoutOf(t, h.ids, h.server.MariaDB)
	if fault.As(err) != nil {
		return nil, "", fmt.Errorf("table %s: %w", name, err)
	}
	if err != nil { // it was another server's, or another release's
		return nil, err.Error(), nil
	}
	if why = full.contradicts(l); why != "" {
		return nil, why, nil
	}
	sh, err = tableLayout{columns: l.columns, meta: full.meta, mariadb: full.mariadb, bare: l.bare}.shape(name, facts)
	return sh, "", err
}

// misled reports whether a TABLE_MAP that describes a table contradicts what is known of it.
func (h *history) misled(name tableName, l tableLayout) bool {
	t := h.table(name)
	if t == nil {
		return false
	}
	known, _, err := layoutOf(t, h.ids, h.server.MariaDB)
	if err != nil || known.contradicts(l) != "" {
		return true
	}
	for i := range known.meta.names {
		if string(known.meta.names[i]) != string(l.meta.names[i]) {
			return true
		}
	}
	return false
}
