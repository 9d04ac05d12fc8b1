package mysql

import (
	"context"
	"errors"
	"time"

	"cdcbridge/internal/fault"
)

// This file makes reads show the transactions whose rows they complete; scan_visible.go says why that takes something.
//
//	MySQL with GTIDs     WAIT_FOR_EXECUTED_GTID_SET of these transactions; the rows of an XA PREPARE are those of the XA COMMIT
//	MySQL without GTIDs  LOCK TABLES … READ, which is granted when every transaction that changes the table is through
//	MariaDB              rows are read under shared locks. A transaction that is in the log and not yet visible has its rows
//	                     locked, also one that was prepared (XA), and a row that it inserts or deletes. So a read that gets its
//	                     locks shows what was streamed, and no statement of the server's could tell (scan_mariadb.go)

// rowReader opens a reader for looking rows up.
func (s *source) rowReader(ctx context.Context) (*reader, error) {
	c, err := s.scanConn(ctx)
	if err != nil {
		return nil, err
	}
	return &reader{src: s, conn: c, collations: s.history.ids, tables: map[tableName]*scanTable{}}, nil
}

// see makes a read that shows what it must, and takes it in.
func (c *completer) see(ctx context.Context, r *reread) error {
	rd, after := c.reader, &r.all.after
	switch {
	case c.src.facts.mariadb:
		// The locks tell.
	case after.unnamed:
		return c.seeLocked(ctx, r)
	case !c.waited:
		if err := rd.await(&position{gtids: &after.gtids}); err != nil {
			return err
		}
		c.waited = true
	}
	if err := r.read(rd); err != nil {
		return err
	}
	if _, err := rd.conn.query(commit); err != nil {
		return err
	}
	r.fill()
	return nil
}

// read holds the table, compares it with the log's and reads the rows.
func (r *reread) read(rd *reader) error {
	name := tableName{r.shape.table.Database, r.shape.table.Name}
	_, create, err := rd.hold(name)
	if err != nil {
		return err
	}
	t := rd.tables[name]
	if t == nil || t.create != create {
		if t, err = rd.newScanTable(name, create); err != nil {
			return err
		}
		rd.tables[name] = t
	}
	columns, err := r.fits(t)
	if err != nil {
		return err
	}
	return r.lookUp(rd, t, columns)
}

// seeLocked reads while nobody writes to the table.
func (c *completer) seeLocked(ctx context.Context, r *reread) error {
	if !c.src.cfg.SnapshotLock {
		return fault.NewFinal(fault.SourceSettings, opComplete, errors.New("the transaction has no GTID, without which nothing tells whether a read shows it"),
			"Have the log carry whole rows (cdcbridge validate says how on this server) and let sessions reconnect; or set the server to gtid_mode=ON; or set snapshot_lock: true, which locks the table against writing for some milliseconds.")
	}
	rd, name := c.reader, tableName{r.shape.table.Database, r.shape.table.Name}
	if _, err := rd.withLock(ctx); err != nil {
		return err
	}
	if _, err := rd.lockTable(name); err != nil {
		return err
	}
	since := time.Now()
	if err := r.read(rd); err != nil {
		return err
	}
	if _, err := rd.conn.query(commit); err != nil {
		return err
	}
	if err := rd.unlock(name, since); err != nil {
		return err
	}
	r.fill()
	return nil
}

// shown is what reads so far can have shown and a position lacks; nil when there is nothing. The server is asked after
// the reads, and has by then what they saw.
func (c *completer) shown(ctx context.Context, done gtidState) (gtidState, error) {
	switch done := done.(type) {
	case *domainState:
		text, err := c.ask(ctx, "SELECT @@GLOBAL.gtid_binlog_pos")
		if err != nil {
			return nil, err
		}
		state, err := parseDomainState(text)
		if err != nil {
			return nil, fault.New(fault.Source, opComplete, err, "")
		}
		if left := state.beyond(done); !left.empty() {
			return &left, nil
		}
	case *gtidSet:
		text, err := c.ask(ctx, "SELECT GTID_SUBTRACT(@@GLOBAL.gtid_executed,"+quote(done.String())+")")
		if err != nil {
			return nil, err
		}
		set, err := parseGTIDSet(text)
		if err != nil {
			return nil, fault.New(fault.Source, opComplete, err, "")
		}
		if !set.empty() {
			return &set, nil
		}
	}
	return nil, nil
}

// ask gives the one value that a statement gives.
func (c *completer) ask(ctx context.Context, sql string) (text string, err error) {
	err = c.reader.conn.during(ctx, func() error {
		rows, err := c.reader.conn.query(sql)
		if err == nil {
			text = rows[0][0]
		}
		return err
	})
	if err != nil {
		c.close()
		return "", serverFault(opComplete, err)
	}
	return text, nil
}

// pass forgets what reads have shown and the stream has given away since.
func (p *position) pass() {
	switch seen := p.seen.(type) {
	case *domainState:
		if done, ok := p.gtids.(*domainState); ok {
			if left := seen.beyond(done); left.empty() {
				p.seen = nil
			} else {
				p.seen = &left
			}
		}
	case *gtidSet:
		if done, ok := p.gtids.(*gtidSet); ok {
			if left := seen.minus(done); left.empty() {
				p.seen = nil
			} else {
				p.seen = &left
			}
		}
	}
}

// beyond gives the domains in which s is further than t.
func (s *domainState) beyond(t *domainState) domainState {
	var out domainState
	for _, g := range s.last {
		if at, ok := t.of(g.domain); !ok || at.seq < g.seq {
			out.last = append(out.last, g)
		}
	}
	return out
}
