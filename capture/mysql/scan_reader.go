package mysql

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// reader is a capture.Reader over one connection, and a second one for locks where they are needed.
type reader struct {
	src        *source
	conn, lock *conn
	packets    rowPackets
	collations map[string]uint32 // ids by name
	tables     map[tableName]*scanTable
	paces      map[tableName]*pace

	locks     int
	lockedFor time.Duration

	// On MariaDB.
	floor    logPlace // all that the checkpoint has stands before it
	ordered  bool     // the server moves its visible place with a whole group of transactions
	unproven logPlace // a visible place that nothing has proven
	share    bool     // this chunk is read with locks on its rows
}

// chunkRows is what a read has put into the batch.
type chunkRows struct {
	table *scanTable
	rows  int
	last  capture.Cursor
	done  bool
	clock int64 // of the server, microseconds since the Unix epoch
}

// Close implements capture.Reader.
func (r *reader) Close() {
	for _, c := range []*conn{r.conn, r.lock} {
		if c != nil {
			c.leave()
		}
	}
}

// Scan implements capture.Reader.
func (r *reader) Scan(ctx context.Context, c capture.Chunk, b *changelog.Batch) (capture.Scanned, error) {
	mark := markOf(b)
	var s capture.Scanned
	err := r.during(ctx, func() (err error) {
		s, err = r.scan(ctx, c, b)
		return err
	})
	if err != nil {
		mark.rewind(b)
		return capture.Scanned{}, err
	}
	return s, nil
}

// during gives up on the connections when ctx ends, and cleans up after a try that came too early.
func (r *reader) during(ctx context.Context, f func() error) error {
	try := func() error {
		err := f()
		if errors.As(err, new(capture.NotYet)) {
			if failed := r.giveUp(); failed != nil {
				return failed
			}
		}
		return err
	}
	if r.lock == nil {
		return r.conn.during(ctx, try)
	}
	return r.lock.during(ctx, func() error { return r.conn.during(ctx, try) })
}

func (r *reader) scan(ctx context.Context, c capture.Chunk, b *changelog.Batch) (capture.Scanned, error) {
	seen, err := parsePosition(c.Seen)
	if err != nil {
		return capture.Scanned{}, err
	}
	name := tableName{c.Table.Schema, c.Table.Name}
	how := r.unlocked
	r.share = false
	if seen.gtids == nil && !r.conn.mariadb || r.tables[name] != nil && !r.tables[name].snapshots() {
		if how, err = r.withLock(ctx); err != nil {
			return capture.Scanned{}, err
		}
	} else if err := r.awaitVisible(seen); err != nil {
		return capture.Scanned{}, err
	}
	got, end, err := how(c, b)
	if errors.Is(err, errNeedsLock) {
		if _, err := r.conn.query(commit); err != nil {
			return capture.Scanned{}, err
		}
		return r.scan(ctx, c, b) // this time it is known of the table
	}
	if err != nil {
		return capture.Scanned{}, err
	}
	if got.rows > 0 {
		r.frame(b, got, end)
		r.src.scanned.Store(name, true)
	}
	return capture.Scanned{End: end.place(), Last: got.last, Done: got.done, Rows: got.rows}, nil
}

// errNeedsLock says that the rows of a table can be read under a lock only.
var errNeedsLock = errors.New("the table's engine has no snapshots")

// withLock opens the connection that locks are held by.
func (r *reader) withLock(ctx context.Context) (func(capture.Chunk, *changelog.Batch) (chunkRows, logPlace, error), error) {
	if !r.src.cfg.SnapshotLock {
		return nil, noGTIDs()
	}
	if r.lock == nil {
		var err error
		if r.lock, err = r.src.scanConn(ctx); err != nil {
			return nil, err
		}
		// With autocommit the lock is the server's alone. Without it InnoDB locks too, and waits for longer.
		if _, err := r.lock.query("SET SESSION autocommit=1"); err != nil {
			return nil, err
		}
	}
	return r.locked, nil
}

// frame puts the rows that were read last into a transaction and a run.
func (r *reader) frame(b *changelog.Batch, got chunkRows, end logPlace) {
	file := b.String([]byte(end.file))
	b.Txns = append(b.Txns, changelog.Txn{Commit: got.clock, Origin: changelog.Origin{File: file, Pos: end.pos}, First: true, Last: true, Snapshot: true})
	to := len(b.Changes)
	b.Runs = append(b.Runs, changelog.Run{Table: got.table.table, Txn: len(b.Txns) - 1, From: to - got.rows, To: to, Pos: end.pos, File: file, Time: got.clock})
}

// table holds the definition of a chunk's table until the end of the transaction, and checks that the table still has the key
// that the chunk goes by.
func (r *reader) table(c capture.Chunk) (*scanTable, int64, error) {
	name := tableName{c.Table.Schema, c.Table.Name}
	clock, create, err := r.hold(name)
	if err != nil {
		return nil, 0, err
	}
	micros, err := parseClock(clock)
	if err != nil {
		return nil, 0, err
	}
	t := r.tables[name]
	if t == nil || t.create != create {
		if t, err = r.newScanTable(name, create); err != nil {
			return nil, 0, err
		}
		r.tables[name] = t
	}
	if !t.key.has(c.Table.Key) {
		return nil, 0, capture.ErrKeyChanged
	}
	return t, micros, nil
}

// has reports whether these are the columns of the key.
func (k *scanKey) has(columns []string) bool {
	if len(columns) != len(k.parts) {
		return false
	}
	for i, p := range k.parts {
		if p.name != columns[i] {
			return false
		}
	}
	return true
}

// engineAllows refuses rows that may be visible before they are logged, unless they can be locked.
func (r *reader) engineAllows(t *scanTable, locked bool) error {
	switch {
	case t.snapshots() || locked && !strings.EqualFold(t.engine, "ndbcluster"):
		return nil
	case r.src.cfg.SnapshotLock && !locked:
		return errNeedsLock
	}
	return fault.NewFinal(fault.SourceSettings, "reading "+t.name.String(), fmt.Errorf("its engine is %s, whose rows are visible before they are logged", t.engine),
		"Run ALTER TABLE … ENGINE=InnoDB; or set snapshot_lock: true, which locks the table against writing while a chunk of it is read; or leave it out of the snapshot.")
}
