package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
)

// moment is a transaction that sees the database as it was at one moment, and a table that nobody alters until it ends. The
// table is locked before the moment: a rewriting ALTER TABLE between the two would leave no row to be seen.
type moment struct {
	snap     snapshot
	end      pglogrepl.LSN // everything that the transaction sees is in the log before it, if not yet on the disk
	clock    int64         // the server's, microseconds since the Unix epoch
	timeline string        // that the server writes on
	oid      uint32        // of the table
	kind     byte          // pg_class.relkind
	mark     string        // of all that the catalogue says of the table's rows and of how they are published: it is equal while that is
}

// momentSQL takes the moment of table $1; the publication is $2. The snapshot is the statement's, so the end of the log, which is
// asked for within it, is a later one. A server in recovery refuses to say it.
const momentSQL = `SELECT pg_current_snapshot(), pg_current_wal_insert_lsn(), (extract(epoch FROM statement_timestamp()) * 1000000)::bigint,
 ` + timelineSQL + `, c.oid, c.relkind, md5(ROW(c.oid, c.relkind, c.relpersistence, c.relreplident, c.relnamespace,
 (SELECT array_agg(ROW(a.attnum, a.attname, a.atttypid, a.atttypmod, a.attcollation, a.attnotnull, a.attgenerated)::text ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
 (SELECT array_agg(ROW(i.indexrelid, i.indisprimary, i.indisunique, i.indimmediate, i.indisvalid, i.indisreplident, i.indkey, i.indclass, i.indcollation, i.indoption, i.indpred IS NULL, i.indexprs IS NULL)::text ORDER BY i.indexrelid)
  FROM pg_index i WHERE i.indrelid = c.oid),
 (SELECT ROW(p, (SELECT array_agg(r::text ORDER BY r.oid) FROM pg_publication_rel r WHERE r.prpubid = p.oid AND (r.prrelid = c.oid OR r.prrelid IN (SELECT relid FROM pg_partition_ancestors(c.oid)))),
  (SELECT array_agg(s::text ORDER BY s.oid) FROM pg_publication_namespace s WHERE s.pnpubid = p.oid))::text FROM pg_publication p WHERE p.pubname = $2),
 CASE WHEN c.relkind = 'p' THEN (SELECT array_agg(relid::oid ORDER BY relid::oid) FROM pg_partition_tree(c.oid)) END)::text)
FROM pg_class c WHERE c.oid = $1::regclass`

// timelineSQL is the timeline that the server writes on now. A server in recovery refuses.
const timelineSQL = "left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)"

// momentName is the prepared statement of momentSQL.
const momentName = "cdcbridge_moment"

// lockTarget is a table as LOCK and SELECT name it: with its partitions when it has some, and never with those that inherit from it,
// whose rows the stream gives by their own names.
func lockTarget(sqlName string, kind byte) string {
	if kind == 'p' {
		return sqlName
	}
	return "ONLY " + sqlName
}

// beginMoment begins a transaction: table is the SQL name. It is to be ended by commitUpTo, or by abandon, also after an error.
func (c *conn) beginMoment(ctx context.Context, table string, kind byte, publication string, patience time.Duration) (moment, error) {
	if !c.prepared {
		if _, err := c.pg.Prepare(ctx, momentName, momentSQL, nil); err != nil {
			return moment{}, err
		}
		c.prepared = true
	}
	var batch pgconn.Batch
	for _, sql := range []string{"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", fmt.Sprintf("SET LOCAL lock_timeout = %d", max(patience.Milliseconds(), 1)),
		"LOCK TABLE " + lockTarget(table, kind) + " IN ACCESS SHARE MODE"} {
		batch.ExecParams(sql, nil, nil, nil, nil)
	}
	batch.ExecPrepared(momentName, [][]byte{[]byte(table), []byte(publication)}, nil, nil)
	res, err := c.pg.ExecBatch(ctx, &batch).ReadAll()
	if err != nil {
		return moment{}, err
	}
	return parseMoment(res[len(res)-1].Rows)
}

func parseMoment(rows [][][]byte) (m moment, err error) {
	if len(rows) != 1 || len(rows[0]) != 7 || len(rows[0][5]) != 1 {
		return m, errors.New("no snapshot came")
	}
	r := rows[0]
	m.timeline, m.kind, m.mark = string(r[3]), r[5][0], string(r[6])
	if m.snap, err = parseSnapshot(string(r[0])); err != nil {
		return m, err
	}
	if m.end, err = pglogrepl.ParseLSN(string(r[1])); err != nil {
		return m, err
	}
	if m.clock, err = strconv.ParseInt(string(r[2]), 10, 64); err != nil {
		return m, err
	}
	m.oid, err = parseOID(string(r[4]))
	return m, err
}

// abandon ends the transaction of a moment, so that the session can be used again.
func (c *conn) abandon(ctx context.Context) error {
	_, err := c.pg.Exec(ctx, "ROLLBACK").ReadAll()
	return err
}

// SQLSTATEs that another attempt may cure: somebody holds the table exclusively, or has just renamed it.
const (
	lockNotAvailable = "55P03"
	undefinedTable   = "42P01"
)

// commitUpTo ends the transaction and reports whether the server's log is durable up to end. It has it made so when need be.
func (c *conn) commitUpTo(ctx context.Context, end pglogrepl.LSN) (bool, error) {
	flushed, err := c.flushed(ctx, "COMMIT; SELECT pg_current_wal_flush_lsn()")
	if err != nil || flushed >= end {
		return err == nil, err
	}
	return c.flushUpTo(ctx, end)
}

// flushUpTo has the log made durable when nothing is due to be written for seconds: a commit of our own takes the log before it along.
func (c *conn) flushUpTo(ctx context.Context, end pglogrepl.LSN) (bool, error) {
	flushed, err := c.flushed(ctx, "BEGIN; SET LOCAL synchronous_commit = local; SELECT pg_logical_emit_message(true, 'cdcbridge', ''); COMMIT; SELECT pg_current_wal_flush_lsn()")
	return err == nil && flushed >= end, err
}

func (c *conn) flushed(ctx context.Context, sql string) (pglogrepl.LSN, error) {
	res, err := c.pg.Exec(ctx, sql).ReadAll()
	if err != nil {
		return 0, err
	}
	if last := res[len(res)-1].Rows; len(last) == 1 {
		return pglogrepl.ParseLSN(string(last[0][0]))
	}
	return 0, errors.New("the server does not say how far its log is durable")
}
