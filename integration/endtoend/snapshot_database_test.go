package endtoend

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"cdcbridge/integration/servers"
)

// shelf is a database for tests of snapshots: tables of the same simple shape on any server, and what differs between servers.
type shelf struct {
	label   string // tells shelves apart
	db      *sql.DB
	source  string // the beginning of the source section
	schema  string // of all tables
	fill    func(table string, rows int) []string
	session string // of a writer's connection
	slow    string // a condition that is true, and takes a millisecond a row

	// hold keeps transactions that are in the log from being visible, for a moment, again and again, until ctx ends.
	hold        func(ctx context.Context) error
	rekey       func(table string) string // makes id and v the primary key
	killReaders func(t *testing.T) int    // kills connections that read tables now
	// oldest is the age of the oldest transaction of a reader. Not to be asked again within 150 ms: MySQL would show its last answer.
	oldest     func(ctx context.Context) (time.Duration, error)
	poor       []string // makes a user that may replicate and not read
	poorSource string   // source for that user

	// lose makes the server forget the log that a stopped pipeline would go on from; forget gives up what it keeps for the pipeline.
	lose, forget func(t *testing.T, pipeline string)
}

func (s *shelf) name(table string) string { return s.schema + "." + table }

// lostRace reports what random writers do to each other: a key that is there already, a deadlock.
func lostRace(err error) bool {
	var my *mysql.MySQLError
	var pg *pgconn.PgError
	return errors.As(err, &my) && (my.Number == 1062 || my.Number == 1213 || my.Number == 1205) || errors.As(err, &pg) && (pg.Code == "23505" || pg.Code == "40P01")
}

func (s *shelf) exec(t *testing.T, statements ...string) {
	t.Helper()
	for _, text := range statements {
		if _, err := s.db.ExecContext(t.Context(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

// table makes a table of so many rows, the first with the id 0.
func (s *shelf) table(t *testing.T, name string, rows int) {
	t.Helper()
	s.exec(t, fmt.Sprintf("CREATE TABLE %s (id bigint PRIMARY KEY, v bigint NOT NULL, pad varchar(400))", s.name(name)))
	if rows > 0 {
		s.exec(t, s.fill(s.name(name), rows)...)
	}
}

// shelves are the databases of the ordinary tier.
func shelves(t *testing.T, test func(t *testing.T, s *shelf)) {
	t.Run("mysql", func(t *testing.T) { test(t, mysqlShelf(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, postgresShelf(t)) })
}

func mysqlShelf(t *testing.T) *shelf { return mysqlShelfOn(t, servers.MySQLOptions{}) }

func mysqlShelfOn(t *testing.T, o servers.MySQLOptions) *shelf {
	t.Helper()
	my := servers.MySQLFor(t, o)
	db, err := my.DB("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s := &shelf{label: "mysql" + o.Version, db: db, schema: "shelf", session: "SET time_zone = '+00:00'", slow: "SLEEP(0.001) = 0"}
	s.source = fmt.Sprintf("type: mysql, host: %s, port: %d, user: %s, password: %s", my.Host(), my.Port(), my.User(), my.Password())
	s.exec(t, "CREATE DATABASE shelf")
	on, off := []string{"SET GLOBAL rpl_semi_sync_source_timeout = 120", "SET GLOBAL rpl_semi_sync_source_enabled = ON"}, "SET GLOBAL rpl_semi_sync_source_enabled = OFF"
	switch {
	case my.MariaDB():
		on, off = []string{"SET GLOBAL rpl_semi_sync_master_timeout = 120", "SET GLOBAL rpl_semi_sync_master_wait_point = AFTER_SYNC", "SET GLOBAL rpl_semi_sync_master_enabled = ON"}, "SET GLOBAL rpl_semi_sync_master_enabled = OFF"
	case o.Version == "57": // which has no plugin here, and waits for more transactions instead
		on, off = []string{"SET GLOBAL binlog_group_commit_sync_delay = 120000"}, "SET GLOBAL binlog_group_commit_sync_delay = 0"
	default:
		s.exec(t, "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'")
	}
	s.fill = func(table string, rows int) []string {
		out := []string{"INSERT INTO " + table + " VALUES (0, 0, REPEAT('a', 60))"}
		for n := 1; n < rows; n *= 2 {
			out = append(out, fmt.Sprintf("INSERT INTO %s SELECT id + %d, 0, REPEAT('a', 60) FROM %s WHERE id < %d", table, n, table, min(n, rows-n)))
		}
		return out
	}
	// AFTER_SYNC: a transaction waits in the log, unseen, for a replica that nobody has.
	s.hold = func(ctx context.Context) error {
		for ctx.Err() == nil {
			for _, text := range on {
				if _, err := db.ExecContext(ctx, text); err != nil && ctx.Err() == nil {
					return err
				}
			}
			pause(ctx, 250*time.Millisecond)
			if _, err := db.ExecContext(context.WithoutCancel(ctx), off); err != nil {
				return err
			}
			pause(ctx, 100*time.Millisecond)
		}
		return nil
	}
	s.rekey = func(table string) string {
		return "ALTER TABLE " + table + " DROP PRIMARY KEY, ADD PRIMARY KEY (id, v)"
	}
	s.killReaders = func(t *testing.T) (n int) {
		rows, err := db.QueryContext(t.Context(), "SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT%shelf%killed%' AND id <> CONNECTION_ID()")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var id int64
			if err := rows.Scan(&id); err != nil {
				t.Fatal(err)
			}
			if _, err := db.ExecContext(t.Context(), fmt.Sprintf("KILL %d", id)); err == nil {
				n++
			}
		}
		return n
	}
	s.oldest = func(ctx context.Context) (time.Duration, error) {
		var seconds float64
		err := db.QueryRowContext(ctx, "SELECT COALESCE(MAX(TIMESTAMPDIFF(MICROSECOND, trx_started, SYSDATE(6))), 0) / 1e6 FROM information_schema.innodb_trx").Scan(&seconds)
		return time.Duration(seconds * float64(time.Second)), err
	}
	s.poor = []string{"CREATE USER poor IDENTIFIED BY 'secret'", "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO poor", "GRANT INSERT ON shelf.* TO poor"}
	s.poorSource = fmt.Sprintf("type: mysql, host: %s, port: %d, user: poor, password: secret", my.Host(), my.Port())
	s.forget = func(*testing.T, string) {}
	s.lose = func(t *testing.T, _ string) {
		s.exec(t, "FLUSH BINARY LOGS", "PURGE BINARY LOGS BEFORE DATE_ADD(NOW(), INTERVAL 1 DAY)")
	}
	return s
}

func postgresShelf(t *testing.T) *shelf {
	t.Helper()
	return shelfOf(t, servers.PostgresFor(t, servers.PostgresOptions{Settings: map[string]string{"max_replication_slots": "30", "max_wal_senders": "30", "synchronous_commit": "local"}}))
}

func shelfOf(t *testing.T, pg *servers.Postgres) *shelf {
	t.Helper()
	db, err := pg.DB("shelf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s := &shelf{label: "postgres", db: db, schema: "public", session: "SET synchronous_commit = local", slow: "pg_sleep(0.001) IS NOT NULL"}
	s.source = fmt.Sprintf("type: postgres, host: %s, port: %d, database: shelf, user: %s, password: %s", pg.Host(), pg.Port(), pg.User(), pg.Password())
	s.fill = func(table string, rows int) []string {
		return []string{fmt.Sprintf("INSERT INTO %s SELECT n, 0, repeat('a', 60) FROM generate_series(0, %d) n", table, rows-1), "ANALYZE " + table}
	}
	// Transactions that ask for it wait in the log, unseen, for a standby that nobody has, while those of others go past them.
	s.hold = func(ctx context.Context) error {
		for ctx.Err() == nil {
			for i, names := range []string{"'nobody'", "''"} {
				for _, text := range []string{"ALTER SYSTEM SET synchronous_standby_names = " + names, "SELECT pg_reload_conf()"} {
					if _, err := db.ExecContext(context.WithoutCancel(ctx), text); err != nil {
						return err
					}
				}
				pause(ctx, []time.Duration{250, 100}[i]*time.Millisecond)
			}
		}
		_, err := db.ExecContext(context.WithoutCancel(ctx), "ALTER SYSTEM RESET synchronous_standby_names")
		if err == nil {
			_, err = db.ExecContext(context.WithoutCancel(ctx), "SELECT pg_reload_conf()")
		}
		return err
	}
	s.rekey = func(table string) string {
		return "ALTER TABLE " + table + " DROP CONSTRAINT rekeyed_pkey, ADD PRIMARY KEY (id, v)"
	}
	s.killReaders = func(t *testing.T) (n int) {
		err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%FETCH %' AND state = 'active' AND application_name LIKE 'cdcbridge%' AND backend_type = 'client backend' AND pid <> pg_backend_pid()) k").Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	s.oldest = func(ctx context.Context) (time.Duration, error) {
		var seconds float64
		err := db.QueryRowContext(ctx, "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND query LIKE '%big%'").Scan(&seconds)
		return time.Duration(seconds * float64(time.Second)), err
	}
	s.poor = []string{"CREATE ROLE poor LOGIN REPLICATION PASSWORD 'secret'", "CREATE PUBLICATION poor FOR TABLE a WITH (publish_via_partition_root = true)", "SELECT pg_create_logical_replication_slot('poor', 'pgoutput')"}
	s.poorSource = fmt.Sprintf("type: postgres, host: %s, port: %d, database: shelf, user: poor, password: secret, create: none, publication: poor, slot: poor", pg.Host(), pg.Port())
	s.lose = func(t *testing.T, pipeline string) {
		b := &bench{database: &postgresDatabase{pg, db, "shelf"}, conn: db}
		dropSlot(t, b, "cdcbridge_"+strings.ReplaceAll(pipeline, "-", "_"))
	}
	s.forget = s.lose
	return s
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
