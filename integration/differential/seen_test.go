package differential

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// withoutOurs takes out what cdcbridge itself writes into the log of PostgreSQL, at moments of its own: messages by which it moves the log, which tell
// nobody anything, and the transactions that have nothing else.
func withoutOurs(all records) records {
	ours := map[string]bool{}
	out := records{}
	keep := func(topic string, drop func(value []member) bool) {
		for _, r := range all[topic] {
			if !drop(membersOf(payload(r.value))) {
				out[topic] = append(out[topic], r)
			}
		}
	}
	for topic := range all {
		if strings.HasSuffix(topic, ".message") {
			keep(topic, func(value []member) bool {
				mine := get(membersOf(get(value, "message")), "prefix") == `"cdcbridge"`
				if mine {
					ours[get(membersOf(get(value, "source")), "txId")] = true
				}
				return mine
			})
		}
	}
	for topic := range all {
		if !strings.HasSuffix(topic, ".message") {
			keep(topic, func(value []member) bool { return get(value, "status") != "" && ours[transactionOf(value)] })
		}
	}
	return out
}

// seeLog puts into the schema seen what the server says of its log, for the questions of the lists: of MySQL and MariaDB the table log, in the order of n, with
// the numbers of the sessions that ran the script, and the table of the script that is gone at its end, as it was made; of PostgreSQL the table wal, and the function
// moment, which reads a time in our form.
func (d *database) seeLog(ctx context.Context, t *testing.T) {
	t.Helper()
	exec := func(statement string, args ...any) {
		if _, err := d.db.ExecContext(ctx, statement, args...); err != nil {
			t.Fatalf("running %.200s: %v", statement, err)
		}
	}
	if d.version != "" {
		exec("CREATE EXTENSION IF NOT EXISTS pg_walinspect")
		exec("CREATE SCHEMA seen")
		exec("CREATE FUNCTION seen.moment(text) RETURNS timestamp LANGUAGE sql AS $$ SELECT CASE WHEN $1 ~ '^-[0-9]' " + // ISO 8601: the year -43 is 44 BC
			"THEN (LPAD((SUBSTR($1, 2, 4)::int + 1)::text, 4, '0') || SUBSTR($1, 6) || ' BC')::timestamp ELSE $1::timestamp END $$")
		exec(fmt.Sprintf("CREATE TABLE seen.wal AS SELECT start_lsn - '0/0' AS lsn, end_lsn - '0/0' AS after, xid::text AS xid, resource_manager AS manager, record_type AS type "+
			"FROM pg_get_wal_records_info('%s', pg_current_wal_flush_lsn())", d.began))
		return
	}
	events := d.logEvents(ctx, t)
	exec("CREATE DATABASE seen")
	exec("CREATE TABLE seen.log (n INT PRIMARY KEY, file VARCHAR(60), pos BIGINT, type VARCHAR(40), info TEXT)")
	for part := range slices.Chunk(events, 200) {
		var values []any
		for _, e := range part {
			values = append(values, e.n, e.file, e.pos, e.kind, e.info)
		}
		exec("INSERT INTO seen.log VALUES "+strings.Repeat("(?,?,?,?,?),", len(part)-1)+"(?,?,?,?,?)", values...)
	}
	exec("CREATE TABLE seen.sessions (id BIGINT)")
	for _, id := range d.sessions {
		exec("INSERT INTO seen.sessions VALUES (?)", id)
	}
	for _, s := range slices.Concat(d.script.stream...) {
		if columns, ok := strings.CutPrefix(s, "CREATE TABLE created "); ok {
			exec("CREATE TABLE seen.created " + columns)
		}
	}
}

// logEvent is a line of SHOW BINLOG EVENTS.
type logEvent struct {
	n                int
	file, kind, info string
	pos              int64
}

// logEvents reads the whole log.
func (d *database) logEvents(ctx context.Context, t *testing.T) (all []logEvent) {
	t.Helper()
	for _, file := range d.logFiles(ctx, t) {
		rows, err := d.db.QueryContext(ctx, "SHOW BINLOG EVENTS IN '"+file+"'")
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var e logEvent
			var server, after int64
			if err := rows.Scan(&e.file, &e.pos, &e.kind, &server, &after, &e.info); err != nil {
				t.Fatal(err)
			}
			e.n = len(all)
			all = append(all, e)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func (d *database) logFiles(ctx context.Context, t *testing.T) (all []string) {
	t.Helper()
	rows, err := d.db.QueryContext(ctx, "SHOW BINARY LOGS")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns() // the name comes first, the rest depends on the server
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		row := make([]sql.RawBytes, len(columns))
		into := make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		all = append(all, string(row[0]))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
