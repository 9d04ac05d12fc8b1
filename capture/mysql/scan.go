package mysql

import (
	"context"
	"errors"
	"strconv"

	"cdcbridge/capture"
	"cdcbridge/capture/mysql/schema"
	"cdcbridge/internal/fault"
)

// This file lets tables be read while the stream flows. What that needs:
//
//	a read shows all that the stream has given away   scan_visible.go: WAIT_FOR_EXECUTED_GTID_SET, or a lock without GTIDs
//	where in the log everything is that it can show    scan_visible.go: SHOW BINARY LOG STATUS after the last row
//	the stream says when it has passed that place      watch.go
//	rows in the order of the key, a range at a time    scan_key.go, scan_cursor.go
//	the same values and tables as from the log         describe.go, layout.go, scan_table.go, scan_rows.go, scan_value_*.go

var _ capture.Scanner = (*source)(nil)
var _ capture.Reader = (*reader)(nil)

// scanPins makes the session of a reader. Strings come as they are stored; dates that no calendar has can be constants; a
// transaction begins with the first statement that touches a table; who waits for the definition of a table gives up soon.
const scanPins = "SET SESSION character_set_results=NULL, sql_mode='ALLOW_INVALID_DATES', autocommit=0, lock_wait_timeout=1, completion_type=0 " +
	"/*!80000 , information_schema_stats_expiry=0 */ /*!80030 , show_gipk_in_create_table_and_information_schema=ON */"

// scanConn opens a connection to the stream's server for reading tables.
func (s *source) scanConn(ctx context.Context) (*conn, error) {
	c, err := connect(ctx, s.cfg)
	if err != nil {
		return nil, err
	}
	err = c.during(ctx, func() error {
		if _, err := c.query(scanPins); err != nil {
			return err
		}
		return s.sameServer(c)
	})
	if err != nil {
		_ = c.raw.Close()
		return nil, err
	}
	return c, nil
}

func (s *source) sameServer(c *conn) error {
	id, err := c.identity()
	if err != nil {
		return err
	}
	return s.isServer(id)
}

// isServer compares a server_uuid with that of the stream's server.
func (s *source) isServer(uuid string) error {
	if uuid != s.facts.uuid() {
		return fault.New(fault.WrongServer, "reading tables", errors.New("this connection leads to the server "+uuid+", the stream comes from "+s.facts.uuid()),
			"The address leads to several servers: connect to one of them.")
	}
	return nil
}

// Scannable implements capture.Scanner.
func (s *source) Scannable(ctx context.Context) ([]capture.ScanTable, error) {
	c, err := s.scanConn(ctx)
	if err != nil {
		return nil, err
	}
	defer c.leave()
	var out []capture.ScanTable
	err = c.during(ctx, func() error {
		out, err = s.scanTables(c)
		return err
	})
	return out, err
}

func (s *source) scanTables(c *conn) ([]capture.ScanTable, error) {
	tables, err := c.query("SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_ROWS, DATA_LENGTH FROM information_schema.TABLES WHERE TABLE_TYPE='BASE TABLE' AND TABLE_SCHEMA NOT IN " + systemSchemas)
	if err != nil {
		return nil, err
	}
	parts, err := c.query("SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, COLLATION, SUB_PART, NULLABLE FROM information_schema.STATISTICS " +
		"WHERE NON_UNIQUE=0 AND TABLE_SCHEMA NOT IN " + systemSchemas + " ORDER BY TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX")
	if err != nil {
		return nil, err
	}
	keys, columns := map[tableName][]uniquePart{}, map[tableName][]schema.Column{}
	for _, p := range parts {
		name := tableName{p[0], p[1]}
		keys[name] = append(keys[name], uniquePart{index: p[2], column: p[4], direction: p[5], prefix: p[6]})
		columns[name] = append(columns[name], schema.Column{Name: p[4], Nullable: p[7] == "YES"})
	}
	var out []capture.ScanTable
	for _, f := range tables {
		name := tableName{f[0], f[1]}
		if !s.filter.Match(name.database, name.name) {
			continue
		}
		t := &schema.Table{Unique: uniqueIndexes(keys[name]), Columns: columns[name]}
		if ambiguous(t) {
			if err = c.order(name, t.Unique); errorCode(err) == 1146 {
				continue // gone since
			} else if err != nil {
				return nil, err
			}
		}
		out = append(out, capture.ScanTable{Schema: name.database, Name: name.name, Key: readableKey(t), Rows: estimate(f[2]), Bytes: estimate(f[3])})
	}
	return out, nil
}

func estimate(text string) int64 {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	return -1 // NULL
}

// Reader implements capture.Scanner.
func (s *source) Reader(ctx context.Context) (capture.Reader, error) {
	if s.from.gtids == nil && !s.facts.mariadb && !s.cfg.SnapshotLock {
		return nil, noGTIDs()
	}
	c, err := s.scanConn(ctx)
	if err != nil {
		return nil, err
	}
	r := &reader{src: s, conn: c, collations: s.history.ids, tables: map[tableName]*scanTable{}, paces: map[tableName]*pace{}}
	if c.mariadb {
		if err := c.during(ctx, r.openMaria); err != nil {
			_ = c.raw.Close()
			return nil, err
		}
	}
	c.timeout = max(c.timeout, rowPatience) // a statement may look at many rows before it says a word
	return r, nil
}

// noGTIDs refuses to read tables of a server on which nothing tells whether a read shows what the log has shown.
func noGTIDs() error {
	return fault.NewFinal(fault.SourceSettings, "reading tables", errors.New("the positions of this pipeline have no GTIDs, without which nothing tells whether a read shows all that was streamed"),
		"Set the server to gtid_mode=ON and start the pipeline anew; or set snapshot_lock: true, which locks a table against writing for some milliseconds a chunk; or set snapshot.mode: never.")
}

// StartOver implements capture.Scanner. A server keeps nothing for those who read its log.
func (s *source) StartOver(context.Context) error { return nil }

// leave ends an idle connection in good order.
func (c *conn) leave() {
	_ = c.raw.SetDeadline(soon())
	_ = c.Quit()
	_ = c.raw.Close()
}
