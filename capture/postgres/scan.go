package postgres

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// This file reads tables while the stream flows. A chunk is one transaction of a fraction of a second:
//
//	BEGIN, LOCK in ACCESS SHARE MODE ─▶ moment: snapshot, then End ─▶ what it must see, and does ─▶ rows by the key's index ─▶ COMMIT
//	                                                                                                 ─▶ log durable up to End
//
// The lock waits for an ALTER TABLE, and one waits for it; nobody who writes does. What must be seen is in pending.go and writers.go.

var _ capture.Scanner = (*source)(nil)

const (
	// scanLock is how long a chunk waits for its lock: a queue of others who want the table stands behind it.
	scanLock = 200 * time.Millisecond
	// scanRetries is how long a chunk is tried again for what it must see and does not. Mostly that is a matter of microseconds.
	scanRetries = 200 * time.Millisecond
)

// reader is a capture.Reader.
type reader struct {
	src    *source
	c      *conn
	tables map[string]*scanTable // by SQL name
	paces  map[string]*pace
}

// scanSession makes the server read by the key's index: a cursor is planned for its first rows, and nothing that needs all
// rows first is considered.
const scanSession = "SET cursor_tuple_fraction = 0; SET jit = off; SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off; SET lock_timeout = 200; SET idle_in_transaction_session_timeout = 30000"

// Reader implements capture.Scanner.
func (s *source) Reader(ctx context.Context) (capture.Reader, error) {
	c, err := s.beside(ctx)
	if err != nil {
		return nil, err
	}
	if _, err = c.query(ctx, scanSession); err != nil {
		c.close()
		return nil, err
	}
	return &reader{src: s, c: c, tables: map[string]*scanTable{}, paces: map[string]*pace{}}, nil
}

// beside opens a connection to the stream's server.
func (s *source) beside(ctx context.Context) (*conn, error) {
	c, err := connect(ctx, s.cfg, session{pipeline: s.env.Pipeline})
	if err != nil {
		return nil, err
	}
	if err = s.facts.sameServer(ctx, c); err == nil {
		var rows [][]string
		if rows, err = c.query(ctx, "SELECT "+timelineSQL); err == nil {
			err = s.facts.sameTimeline(rows[0][0])
		}
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// Close implements capture.Reader.
func (r *reader) Close() { r.c.close() }

// scan is a Scan under way.
type scan struct {
	*reader
	chunk       capture.Chunk
	after, upTo *scanCursor
	seen        pglogrepl.LSN
	table       string // SQL name
	batch       *changelog.Batch
}

// Scan implements capture.Reader.
func (r *reader) Scan(ctx context.Context, c capture.Chunk, b *changelog.Batch) (capture.Scanned, error) {
	op := "reading rows of " + c.Table.FullName()
	s := &scan{reader: r, chunk: c, batch: b, table: identifier(c.Table.Schema) + "." + identifier(c.Table.Name)}
	seen, err := parsePosition(c.Seen)
	if err != nil {
		return capture.Scanned{}, err
	}
	if s.seen = seen.lsn; seen.txn != nil {
		return capture.Scanned{}, capture.NotYet{Why: "the stream is within a transaction"}
	}
	if s.after, err = parseCursor(c.After); err != nil {
		return capture.Scanned{}, err
	}
	if s.upTo, err = parseCursor(c.UpTo); err != nil {
		return capture.Scanned{}, err
	}
	began, txns, runs, changes := time.Now(), len(b.Txns), len(b.Runs), len(b.Changes)
	for pause := time.Millisecond; ; pause *= 2 {
		got, err := s.attempt(ctx)
		if err == nil {
			return got, nil
		}
		clear(b.Changes[changes:])
		b.Txns, b.Runs, b.Changes = b.Txns[:txns], b.Runs[:runs], b.Changes[:changes]
		var wait capture.NotYet
		switch {
		case !errors.As(err, &wait):
			return got, s.fault(op, cause(ctx, err))
		case time.Since(began)+pause > scanRetries:
			return got, wait
		}
		select {
		case <-ctx.Done():
			return got, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// fault gives an error its code. What a chunk may meet passes as it is.
func (s *scan) fault(op string, err error) error {
	if errors.Is(err, capture.ErrTableGone) || errors.Is(err, capture.ErrKeyChanged) {
		return err
	}
	code := state(err)
	switch {
	case fault.As(err) != nil:
	case code == "42501":
		return fault.NewFinal(fault.Permission, op, flat{err}, "Run GRANT SELECT ON "+s.table+" TO "+identifier(s.src.cfg.User)+", and GRANT USAGE on its schema. Where row-level security hides rows, also ALTER ROLE "+identifier(s.src.cfg.User)+" BYPASSRLS.")
	case s.chunk.Where != "" && (strings.HasPrefix(code, "42") || strings.HasPrefix(code, "22")):
		return fault.NewFinal(fault.Config, op, flat{err}, "The server cannot use the snapshot's condition ("+s.chunk.Where+"): correct it. Functions and types that are not built in are written with their schema.")
	case code == "55000":
		return fault.New(fault.Unreachable, op, flat{err}, "The server has become a standby: point host at the primary.")
	}
	return serverFault(op, err)
}

// attempt reads the chunk once.
func (s *scan) attempt(ctx context.Context) (got capture.Scanned, err error) {
	limited, cancel := context.WithTimeout(ctx, s.c.timeout+max(s.chunk.Time, 0))
	defer cancel()
	began := time.Now()
	t := s.tables[s.table]
	oid, kind, err := s.find(limited, t)
	if err != nil {
		return got, err
	}
	if s.after == nil || s.after.Bound { // nothing was read here before
		if oid, err = s.src.writers.look(limited, s.c, s.src.facts, s.table, oid); err != nil {
			return got, err
		}
	}
	read, err := s.src.pending.begin(limited, s.c, s.src.facts)
	if err != nil {
		return got, err
	}
	defer s.src.pending.end(read)
	m, err := s.c.beginMoment(limited, s.table, kind, s.src.cfg.Publication, scanLock)
	if err != nil {
		return got, s.unlocked(limited, err)
	}
	if err := s.judge(limited, read, m, oid); err != nil {
		return got, s.giveUp(limited, err)
	}
	if t == nil || t.mark != m.mark {
		if t, err = s.loadTable(limited, m); err != nil {
			return got, s.giveUp(limited, err)
		}
		s.tables[s.table] = t
	}
	if err := t.fits(s.chunk, s.after, s.upTo); err != nil {
		return got, s.giveUp(limited, err)
	}
	return s.rows(limited, t, m, began)
}

// giveUp ends the moment's transaction because of an error, so that the session can be used again.
func (s *scan) giveUp(ctx context.Context, why error) error {
	if err := s.c.abandon(ctx); err != nil && fault.As(why) == nil {
		return err
	}
	return why
}

// find gives the table's number and kind, of which the lock depends.
func (s *scan) find(ctx context.Context, t *scanTable) (oid uint32, kind byte, err error) {
	if t != nil {
		return t.oid, t.kind, nil
	}
	rows, err := s.c.query(ctx, "SELECT oid, relkind FROM pg_class WHERE oid = to_regclass($1)", s.table)
	if err != nil {
		return 0, 0, err
	}
	if len(rows) == 0 {
		return 0, 0, capture.ErrTableGone
	}
	oid, err = parseOID(rows[0][0])
	return oid, rows[0][1][0], err
}

// unlocked judges why the table was not locked.
func (s *scan) unlocked(ctx context.Context, err error) error {
	code := state(err)
	if code != lockNotAvailable && code != undefinedTable && code != "3F000" {
		return err
	}
	if err := s.c.abandon(ctx); err != nil {
		return err
	}
	delete(s.tables, s.table)
	if code != lockNotAvailable {
		return capture.ErrTableGone
	}
	holders, err := s.c.query(ctx, "SELECT DISTINCT pid FROM pg_locks WHERE relation = to_regclass($1) AND mode = 'AccessExclusiveLock'", s.table)
	if err != nil {
		return err
	}
	var pids []string
	for _, h := range holders {
		pids = append(pids, h[0])
	}
	return capture.NotYet{Why: "the table is locked, or about to be, by a statement that alters it (pid " + strings.Join(pids, ", ") + ")"}
}

// judge makes sure that the moment is one of the stream's server and of the table that was looked at, and shows what it must.
func (s *scan) judge(ctx context.Context, r read, m moment, oid uint32) error {
	if err := s.src.facts.sameTimeline(m.timeline); err != nil {
		return err
	}
	if m.oid != oid {
		delete(s.tables, s.table)
		return capture.NotYet{Why: "the table is being replaced"}
	}
	hidden, ok := s.src.pending.hidden(r, m.snap, s.seen)
	if !ok {
		return capture.NotYet{Why: "the read is too old to tell what it must see"}
	}
	writing := []uint64(nil)
	if s.after == nil || s.after.Bound {
		writing = s.src.writers.running(m.oid, m.snap)
	}
	if len(hidden) == 0 && len(writing) == 0 {
		return nil
	}
	look, err := s.c.sessions(ctx)
	if err != nil {
		return err
	}
	s.src.pending.looked(r, m.snap, look)
	if hidden, ok = s.src.pending.hidden(r, m.snap, s.seen); !ok || len(hidden) > 0 {
		return capture.NotYet{Why: look.describe(hidden) + " may be in the stream already and is not visible yet"}
	}
	if len(writing) > 0 {
		return capture.NotYet{Why: look.describe(writing) + " was writing to the table when it was first looked at and has not ended"}
	}
	return nil
}

// rows reads the chunk's rows and ends the transaction.
func (s *scan) rows(ctx context.Context, t *scanTable, m moment, began time.Time) (got capture.Scanned, err error) {
	b := s.batch
	p := s.paces[s.table]
	if p == nil {
		p = &pace{}
		s.paces[s.table] = p
	}
	r := &chunkRead{conn: s.c, table: t, chunk: s.chunk, batch: b, end: uint64(m.end), began: began, before: b.Size(), from: len(b.Changes), filtered: t.filtered(s.chunk.Where)}
	sql, q := t.chunkSQL(s.after, s.upTo, s.chunk.Where)
	if err := r.read(ctx, sql, q, p); err != nil {
		return got, err
	}
	again, err := r.finish(ctx, m, s.table)
	if err != nil {
		return got, err
	}
	if again != "" {
		return got, capture.NotYet{Why: again}
	}
	got = capture.Scanned{End: capture.Place(appendLSN(nil, m.end)), Done: r.done, Rows: len(b.Changes) - r.from}
	if r.scanned > 0 && len(t.key) > 0 {
		if got.Last, err = cursorOf(t.key, r.last); err != nil {
			return got, err
		}
	}
	if got.Rows > 0 {
		b.Runs = append(b.Runs, changelog.Run{Table: t.shape.table, Txn: len(b.Txns), From: r.from, To: len(b.Changes), Pos: uint64(m.end), Time: m.clock})
		b.Txns = append(b.Txns, changelog.Txn{Commit: m.clock, Origin: changelog.Origin{Pos: uint64(m.end)}, First: true, Last: true, Snapshot: true})
	}
	return got, nil
}
