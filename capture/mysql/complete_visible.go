package mysql

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

// This file waits until a read shows the transactions whose rows it completes; scan_visible.go says why that takes waiting.
//
//	MySQL with GTIDs     WAIT_FOR_EXECUTED_GTID_SET of these transactions; the rows of an XA PREPARE are those of the XA COMMIT
//	MariaDB              a consistent snapshot that stands behind the beginning of the newest of them: it stands between two
//	                     transactions, so behind its end
//	MySQL without GTIDs  LOCK TABLES … READ, which is granted when every transaction that changes the table is through

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
		at, err := rd.snapshotBehind(after.at)
		if err != nil {
			return err
		}
		c.last = at
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
			"Run SET PERSIST binlog_row_image = FULL, binlog_row_value_options = '' and let sessions reconnect; or set the server to gtid_mode=ON; or set snapshot_lock: true, which locks the table against writing for some milliseconds.")
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

// shown is what reads so far can have shown and a position lacks; nil when there is nothing. MySQL is asked after the reads, and
// has by then what they saw.
func (c *completer) shown(ctx context.Context, done gtidState) (gtidState, error) {
	switch done := done.(type) {
	case *domainState:
		if s := c.last.beyond(done); !s.empty() {
			return &s, nil
		}
	case *gtidSet:
		var text string
		err := c.reader.conn.during(ctx, func() error {
			rows, err := c.reader.conn.query("SELECT GTID_SUBTRACT(@@GLOBAL.gtid_executed," + quote(done.String()) + ")")
			if err == nil {
				text = rows[0][0]
			}
			return err
		})
		if err != nil {
			return nil, serverFault(opComplete, err)
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

// snapshotBehind begins a transaction whose snapshot stands behind a place in the log of MariaDB, and says where it stands.
func (r *reader) snapshotBehind(at logPlace) (state domainState, err error) {
	for _, sql := range []string{"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT"} {
		if _, err := r.conn.query(sql); err != nil {
			return state, err
		}
	}
	rows, err := r.conn.query("SHOW STATUS LIKE 'binlog_snapshot_%'")
	if err != nil {
		return state, err
	}
	var stands logPlace
	for _, f := range rows {
		switch strings.ToLower(f[0]) {
		case "binlog_snapshot_file":
			stands.file = f[1]
		case "binlog_snapshot_position":
			if stands.pos, err = parseOffset(f[1]); err != nil {
				return state, err
			}
		}
	}
	if stands.file == "" {
		return state, fault.New(fault.Source, opComplete, errors.New("the server does not say where in its log a snapshot stands"), "")
	}
	if !at.before(stands) {
		return state, capture.NotYet{Why: fmt.Sprintf("the server does not show the transaction at %s yet", at.place())}
	}
	if rows, err = r.conn.query("SELECT BINLOG_GTID_POS(" + quote(stands.file) + "," + strconv.FormatUint(stands.pos, 10) + ")"); err != nil {
		return state, err
	}
	gtids, err := parseDomainState(rows[0][0])
	if err != nil {
		return state, fault.New(fault.Source, opComplete, err, "")
	}
	return *gtids, nil
}
