package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

// writers remembers of each table the transactions that had written to it when it was first looked at, after it was in the
// publication. What such a transaction wrote before the table was published is in no stream, so nothing of the table is read before
// all of them have ended and the read sees what they wrote.
//
// A transaction keeps the lock under which it writes until it ends, prepared or not. One that holds the lock and has no number
// has not written anything yet: the stream will have all of it.
type writers struct {
	mu     sync.Mutex
	tables map[uint32][]uint64 // by oid
}

// writersSQL finds them for table $1. The locks are listed once, so that lock and number of a transaction are of one time, also
// when it is being prepared, which moves both. VACUUM, ANALYZE and CREATE INDEX CONCURRENTLY write no rows.
const writersSQL = `WITH RECURSIVE held AS MATERIALIZED (SELECT * FROM pg_locks WHERE granted),
 tree(oid) AS (SELECT to_regclass($1)::oid UNION SELECT i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid JOIN pg_class p ON p.oid = i.inhrelid AND p.relispartition)
SELECT c.oid, pg_current_snapshot(), ` + timelineSQL + `, coalesce((SELECT string_agg(DISTINCT t.transactionid::text, ',') FROM held l JOIN held t ON t.virtualtransaction = l.virtualtransaction
 WHERE l.locktype = 'relation' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
 AND l.relation IN (SELECT oid FROM tree) AND t.locktype = 'transactionid' AND t.mode = 'ExclusiveLock'), '')
FROM pg_class c WHERE c.oid = to_regclass($1)`

// look makes sure that the writers of the table with that SQL name are known, and gives the table's oid. c must lead to that server.
func (w *writers) look(ctx context.Context, c *conn, server *serverFacts, table string, oid uint32) (uint32, error) {
	w.mu.Lock()
	_, known := w.tables[oid]
	w.mu.Unlock()
	if known {
		return oid, nil
	}
	rows, err := c.query(ctx, writersSQL, table)
	if err != nil {
		return 0, err
	}
	if len(rows) == 0 {
		return 0, capture.ErrTableGone
	}
	if oid, err = parseOID(rows[0][0]); err != nil {
		return 0, err
	}
	if err := server.sameTimeline(rows[0][2]); err != nil {
		return 0, err
	}
	snap, err := parseSnapshot(rows[0][1])
	if err != nil {
		return 0, err
	}
	var xids []uint64
	for _, text := range strings.FieldsFunc(rows[0][3], func(r rune) bool { return r == ',' }) {
		xid, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return 0, fault.New(fault.Source, "reading the writers of a table", fmt.Errorf("%q is no transaction", text), "")
		}
		xids = append(xids, snap.full(uint32(xid)))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.tables[oid]; known {
		return oid, nil // another Reader was faster
	}
	if w.tables == nil {
		w.tables = map[uint32][]uint64{}
	}
	w.tables[oid] = xids
	return oid, nil
}

// running gives those writers of a table that a read does not see as ended.
func (w *writers) running(oid uint32, snap snapshot) (xids []uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, xid := range w.tables[oid] {
		if !snap.ended(xid) {
			xids = append(xids, xid)
		}
	}
	return xids
}
