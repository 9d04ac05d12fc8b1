package mysql

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"cdcbridge/capture"
	"cdcbridge/capture/mysql/schema"
	"cdcbridge/internal/fault"
)

// This file asks the catalogue, which shows the present, for the past. Rows at the place X of the log need the table as it was at
// X, and what a statement changed since must not be shown to them. So a probe
//
//  1. touches the tables in a transaction. The server then lets no statement change them, and each one that did has been logged:
//     a statement holds its lock until it is in the log;
//  2. reads their schema, and the end E of the log, while it holds them;
//  3. reads the log from X to E for statements about them.
//
// A table without such a statement has looked at X as it looks now. Of any other nothing is known.

// probe is one such question.
type probe struct {
	src    *source
	hist   *history
	from   logPlace // X: where the current transaction begins
	passed int      // statements of that transaction that are before the rows
	need   tableName
	alone  bool   // no other table is looked at, and what cannot be known at once is not
	why    string // what is known instead

	end       logPlace // E
	found     []*schema.Table
	sequences []schema.Name
	databases map[string]string // default collations
	missing   string            // why the needed table was not found
	touched   map[schema.Name]string
	created   map[string]bool // databases that a statement made or changed
}

const (
	heldPatience = time.Minute // how long a table that cannot be held is tried for
	toldEvery    = 10 * time.Second
)

// probeAt finds out what it can about all tables that are captured and not known, above all about one.
func (s *stream) probeAt(ctx context.Context, need tableName, why string) error {
	p := &probe{
		src: s.src, hist: s.src.history, from: s.txn.at, passed: s.txn.said, need: need, why: why,
		databases: map[string]string{}, touched: map[schema.Name]string{}, created: map[string]bool{},
	}
	since := time.Now()
	if err := p.catalogue(ctx); err != nil {
		return err
	}
	if err := p.log(ctx); err != nil {
		return err
	}
	n, err := p.learn()
	if err != nil {
		return err
	}
	s.src.env.Log.Info("the shapes of tables were looked up", "table", need.String(), "known_now", n, "changed_since", len(p.touched),
		"from", string(p.from.place()), "to", string(p.end.place()), "took", time.Since(since).Round(time.Millisecond))
	return nil
}

// nearEnd is how far, in bytes, the end of the log may be when a table is looked up that need not be known.
const nearEnd = 16 << 20

// lookUp finds out what a table looks like at the end of the current statement, if that is provable with little effort. A place far
// behind the end of the log has others before it that change tables; and an account need not be allowed to read them.
func (s *stream) lookUp(ctx context.Context, n tableName) error {
	p := &probe{
		src: s.src, hist: s.src.history, from: s.txn.at, passed: s.txn.said, need: n, alone: true,
		databases: map[string]string{}, touched: map[schema.Name]string{}, created: map[string]bool{},
	}
	err := p.catalogue(ctx)
	if fault.Is(err, fault.Permission) || errorCode(err) == 1205 || errors.Is(err, capture.ErrTableGone) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(p.found) == 0 || p.end.file != p.from.file || p.end.pos > p.from.pos+nearEnd {
		return nil
	}
	if err := p.log(ctx); err != nil {
		return err
	}
	if _, changed := p.touched[n.schema()]; changed {
		return nil
	}
	_, err = p.learn()
	return err
}

// catalogue holds the tables, reads them and finds the end of the log.
func (p *probe) catalogue(ctx context.Context) error {
	c, err := connect(ctx, p.src.cfg)
	if err != nil {
		return err
	}
	defer c.leave()
	return c.during(ctx, func() error {
		for _, sql := range []string{"SET SESSION lock_wait_timeout=1, completion_type=0 /*!80030 , show_gipk_in_create_table_and_information_schema=ON */", "START TRANSACTION"} {
			if _, err := c.query(sql); err != nil {
				return err
			}
		}
		if err := p.src.sameServer(c); err != nil {
			return err
		}
		if err := p.tables(ctx, c); err != nil {
			return err
		}
		rows, err := c.query("SELECT SCHEMA_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA")
		if err != nil {
			return err
		}
		for _, r := range rows {
			p.databases[r[0]] = r[1]
		}
		f := serverFacts{number: p.src.facts.number, mariadb: p.src.facts.mariadb}
		if err := c.readStatus(&f); err != nil {
			return err
		}
		p.end = f.status
		_, err = c.query("ROLLBACK")
		return err
	})
}

// tables holds and reads every table that is followed and not known.
func (p *probe) tables(ctx context.Context, c *conn) error {
	where := "TABLE_SCHEMA NOT IN " + systemSchemas
	if p.alone {
		where = "TABLE_SCHEMA=" + quote(p.need.database) + " AND TABLE_NAME=" + quote(p.need.name)
	}
	rows, err := c.query("SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_TYPE IN ('BASE TABLE','SYSTEM VERSIONED','SEQUENCE') AND " + where)
	if err != nil {
		return err
	}
	p.missing = "the server has no such table now"
	told := time.Now()
	for i, r := range rows {
		if time.Since(told) >= toldEvery {
			told = time.Now()
			p.src.env.Log.Info("reading the shapes of tables", "done", i, "of", len(rows))
		}
		name := tableName{r[0], r[1]}
		if !p.hist.follows(name.schema()) || p.hist.table(name) != nil {
			continue
		}
		err := p.table(ctx, c, name, r[2] == "SEQUENCE")
		switch {
		case err == nil:
		case errors.Is(err, capture.ErrTableGone):
		case name == p.need:
			return err
		case c.Ping() != nil:
			return err
		}
		if name == p.need && err == nil {
			p.missing = ""
		}
	}
	return nil
}

// table holds and reads one table.
func (p *probe) table(ctx context.Context, c *conn, name tableName, sequence bool) error {
	for since := time.Now(); ; {
		_, err := c.query("SELECT (SELECT 1 FROM (SELECT * FROM " + name.sql() + ") x WHERE FALSE)")
		if err == nil {
			break
		}
		switch errorCode(err) {
		case 1146, 1049, 1109, 1347, 1356: // no such table, no such database, unknown table, not a base table, a broken view
			return capture.ErrTableGone
		case 1044, 1142, 1143, 1370:
			return fault.NewFinal(fault.Permission, "looking up "+name.String(), err, fmt.Sprintf("Run GRANT SELECT ON %s TO %s.", name.sql(), account(p.src.cfg.User)))
		case 1205:
			if name == p.need && !p.alone && time.Since(since) < heldPatience && ctx.Err() == nil {
				continue
			}
			return fault.New(fault.Source, "looking up "+name.String(), err, "A statement that changes the definition of the table is running or waiting; this is tried again.")
		}
		return err
	}
	if sequence {
		p.sequences = append(p.sequences, name.schema())
		return nil
	}
	t, err := c.describe(name)
	if err != nil {
		return err
	}
	p.found = append(p.found, t)
	return nil
}

// log reads the log up to its end as it was when the tables were held.
func (p *probe) log(ctx context.Context) error {
	cfg := *p.src.cfg
	cfg.HeartbeatInterval = min(cfg.HeartbeatInterval, time.Second)
	cfg.OnTruncate = truncateNote
	src := newSource(&cfg, p.src.env)
	src.facts, src.filter = p.src.facts, &capture.Filter{}
	src.from = &position{server: p.src.facts.uuid(), file: p.from.file, pos: p.from.pos}
	c, err := connect(ctx, &cfg)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.raw.Close() })
	defer stop()
	defer c.raw.Close()
	if err := c.during(ctx, func() error { return p.src.sameServer(c) }); err != nil {
		return err
	}
	r, err := c.startDump(ctx, &cfg, max(rand.Uint32(), 1<<16), src.from)
	if err != nil {
		return err
	}
	s := newStream(src, r, nil)
	defer s.close()
	s.probe = p
	return cause(ctx, p.read(ctx, s))
}

func (p *probe) read(ctx context.Context, s *stream) error {
	told := time.Now()
	for s.file == "" || (logPlace{s.file, s.off}).before(p.end) {
		h, err := s.r.next(time.Now().Add(firstEvent))
		if errors.Is(err, errNothing) {
			err = fmt.Errorf("not even a heartbeat came for %v", firstEvent)
		}
		if err != nil {
			return serverFault("looking for statements in the log", err)
		}
		if h.Type == eventHeartbeat || h.Type == eventHeartbeatV2 {
			if arrived, err := p.heartbeat(s, h); arrived || err != nil {
				return err
			}
			continue
		}
		if err := s.event(ctx, h); err != nil {
			return fmt.Errorf("looking for statements in the log: %w", s.located(err))
		}
		if time.Since(told) >= toldEvery {
			told = time.Now()
			p.src.env.Log.Info("reading the log for statements about tables that are not known yet", "at", string(logPlace{s.file, s.off}.place()), "to", string(p.end.place()))
		}
	}
	return nil
}

// heartbeat reports whether the server has sent all up to the end: it says so when it has nothing more to send.
func (p *probe) heartbeat(s *stream, h *eventHeader) (bool, error) {
	body, err := s.r.body()
	if err != nil {
		return false, err
	}
	b, err := parseHeartbeat(h, body)
	if err != nil {
		return false, err
	}
	if h.Type == eventHeartbeat {
		b.Pos |= s.off &^ 0xffffffff
	}
	return !logPlace{string(b.File), b.Pos}.before(p.end), nil
}

// see takes a statement between the two places.
func (p *probe) see(s *stream, st statement, sql string) {
	if s.txn.at == p.from && s.txn.said <= p.passed || !st.defines && st.kind != stmtUnknown || st.keeps {
		return
	}
	where := fmt.Sprintf("%s at %s", abbreviate(sql, 120), logPlace{s.file, s.off}.place())
	touch := func(n schema.Name) {
		if _, had := p.touched[n]; !had {
			p.touched[n] = where
		}
	}
	all := st.anything || st.kind == stmtUnknown
	if st.database != "" || all {
		p.created[strings.ToLower(st.database)] = true
	}
	names := slices.Clone(p.sequences)
	for _, t := range p.found {
		names = append(names, t.Name)
	}
	names = append(names, p.need.schema())
	for _, n := range names {
		for _, t := range st.tables {
			all = all || strings.EqualFold(t.database, n.Database) && (t.name == "" || strings.EqualFold(t.name, n.Table))
		}
		if all {
			touch(n)
		}
		all = st.anything || st.kind == stmtUnknown
	}
}

// learn keeps what is proven and gives the number of tables.
func (p *probe) learn() (n int, err error) {
	for _, t := range p.found {
		if _, changed := p.touched[t.Name]; changed {
			continue
		}
		if err := p.hist.put(t); err != nil {
			return n, err
		}
		n++
	}
	for _, name := range p.sequences {
		if _, changed := p.touched[name]; changed {
			continue
		}
		p.hist.sequences[name] = true
		if err := p.hist.save(name); err != nil {
			return n, err
		}
	}
	for name, collation := range p.databases {
		if p.created[strings.ToLower(name)] || p.created[""] || !slices.ContainsFunc(p.hist.cat.Names(), func(n schema.Name) bool { return n.Database == name }) {
			continue
		}
		p.hist.cat.PutDatabase(name, collation)
		if err := p.hist.saveDatabase(name); err != nil {
			return n, err
		}
	}
	if p.hist.table(p.need) != nil || p.hist.sequences[p.need.schema()] {
		return n, nil
	}
	return n, p.fault()
}

// fault says why the table that was looked for is not known.
func (p *probe) fault() error {
	reason := p.missing
	if where, changed := p.touched[p.need.schema()]; changed {
		reason = "since then it was changed by " + where
	} else if reason == "" {
		reason = p.why
	}
	return schemaFault(p.need, p.from, reason)
}

// schemaFault is for rows of which nothing tells what they mean.
func schemaFault(name tableName, at logPlace, reason string) error {
	return fault.NewFinal(fault.SchemaUnknown, "preparing a table's decoder",
		fmt.Errorf("the log does not describe %s in full, and what it looked like at %s is not known: %s", name, at.place(), reason),
		"Nothing was skipped and nothing was guessed. Start after these rows: read the table again (a new snapshot), or leave it out of tables. "+
			"binlog_row_metadata = FULL, where the server has it, keeps it from happening again, because then rows carry their description.")
}
