package mysqlsource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/capture/mysql"
	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// hostile is a session that cuts results, shifts times, reads statements and names in other ways and waits for nobody. The
// server gives it to every account without administrative rights.
const hostile = "SET SESSION sql_select_limit=1, time_zone='+05:30', sql_mode='PAD_CHAR_TO_FULL_LENGTH,ANSI_QUOTES,NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES,NO_ZERO_DATE', " +
	"autocommit=0, max_execution_time=1, group_concat_max_len=4, transaction_isolation='SERIALIZABLE', character_set_results=latin1, character_set_connection=latin1, " +
	"character_set_client=latin1, net_write_timeout=1, net_read_timeout=1, wait_timeout=2, sql_safe_updates=1, sql_big_selects=0, max_join_size=1"

// described streams n changes and returns them with everything that is said of their tables.
func described(t *testing.T, cfg *mysql.Config, n int) (all []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	src, _, err := open(t, cfg, "")
	if err != nil {
		t.Fatal(err)
	}
	out, failed := make(chan *changelog.Batch), make(chan error, 1)
	go func() { failed <- src.Stream(ctx, out) }()
	for seen := 0; seen < n; {
		select {
		case b := <-out:
			for _, r := range b.Runs {
				for _, c := range b.Changes[r.From:r.To] {
					all = append(all, fmt.Sprintf("%s %v %s -> %s", r.Table.FullName(), r.Table.Key, render(c.Before), render(c.After)))
					seen++
				}
				for i := range r.Table.Columns {
					all = append(all, fmt.Sprintf("%s %+v", r.Table.FullName(), r.Table.Columns[i]))
				}
			}
			b.Release()
		case err := <-failed:
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Fatalf("a cancelled stream ended with %v", err)
	}
	return all
}

// TestHostileSessions gives our connections a session that changes what statements return. Changes, tables, findings and
// refusals are the same as without it.
func TestHostileSessions(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{"--performance-schema=ON"}})
			if err := b.m.CreateUser(t.Context(), "least", "pw", "REPLICATION SLAVE ON *.*", "REPLICATION CLIENT ON *.*", "SELECT ON shop.*"); err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, table := range []string{"aaa", "`b☃ß`", "ccc"} {
				b.exec("CREATE TABLE "+table+" (id INT, kind CHAR(10), flag TINYINT(1), at TIMESTAMP(3) NULL, d DATE, `ä☃` VARCHAR(10), n DECIMAL(10,2), z INT(5) ZEROFILL, e ENUM('x','☃'), PRIMARY KEY (id, kind))",
					"SET SESSION sql_mode='', time_zone='+00:00'", "INSERT INTO "+table+" VALUES (1,'k',1,'2024-05-06 07:08:09.123','2024-05-06','ä',12.30,7,'☃')", "UPDATE "+table+" SET flag=0", "DELETE FROM "+table)
				n += 3
			}
			b.exec("CREATE TABLE heap (id INT) ENGINE=MyISAM")
			cfg := b.config()
			cfg.User, cfg.Password = "least", "pw"
			said := func() string {
				t.Helper()
				tables, err := cfg.Checker(capture.Env{Pipeline: "test"}).(capture.TableLister).Tables(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return fmt.Sprintf("%+v\n%+v", check(t, cfg), tables)
			}
			changes, findings := described(t, cfg, n), said()
			b.exec("SET GLOBAL init_connect=\"" + hostile + "\"")
			if got := described(t, cfg, n); !slices.Equal(got, changes) {
				for i := range min(len(got), len(changes)) {
					if got[i] != changes[i] {
						t.Errorf("got  %s\nwant %s", got[i], changes[i])
					}
				}
				t.Errorf("%d lines, want %d", len(got), len(changes))
			}
			if got := said(); got != findings {
				t.Errorf("findings\n%s\nwant\n%s", got, findings)
			}
			pinned(t, b, cfg)
			if v != "80" {
				return
			}
			// The third of three foreign keys, of a table whose name latin1 does not have.
			b.exec("CREATE TABLE p (id INT PRIMARY KEY)", "CREATE TABLE c1 (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES p (id) ON DELETE CASCADE)",
				"CREATE TABLE c2 (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES p (id) ON DELETE CASCADE)", "CREATE TABLE `z☃` (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES p (id) ON DELETE CASCADE)")
			cfg.Tables, cfg.AcceptFKCascade = []string{"shop.c*", "shop.z☃"}, []string{"shop.c*"}
			if f := openFault(t, cfg, "", fault.FKCascade); !strings.Contains(f.Error(), "shop.z☃") {
				t.Error(f)
			}
		})
	}
}

// pinned asks the server what the session of an open source is.
func pinned(t *testing.T, b *bench, cfg *mysql.Config) {
	t.Helper()
	if _, _, err := open(t, cfg, ""); err != nil {
		t.Fatal(err)
	}
	rows, err := b.db.QueryContext(t.Context(), `SELECT v.VARIABLE_NAME, v.VARIABLE_VALUE FROM performance_schema.variables_by_thread v
		JOIN performance_schema.threads t USING (THREAD_ID) JOIN performance_schema.session_connect_attrs a USING (PROCESSLIST_ID)
		WHERE a.ATTR_NAME='program_name' AND a.ATTR_VALUE='cdcbridge'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	have := map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			t.Fatal(err)
		}
		have[name] = value
	}
	for name, want := range map[string]string{
		"autocommit": "ON", "transaction_isolation": "READ-COMMITTED", "time_zone": "+00:00", "sql_mode": "", "sql_select_limit": "18446744073709551615",
		"max_execution_time": "0", "group_concat_max_len": "65536", "sql_big_selects": "ON", "character_set_results": "utf8mb4", "character_set_client": "utf8mb4",
		"character_set_connection": "utf8mb4", "wait_timeout": "28800", "net_read_timeout": "28800", "net_write_timeout": "28800",
	} {
		if have[name] != want {
			t.Errorf("%s is %q, want %q", name, have[name], want)
		}
	}
}

// TestSettingsThatChange makes the server log less while a stream runs. The events show it: what can be told of their rows all the
// same is, whole, and nothing else is delivered, whatever the settings were when the source was opened.
func TestSettingsThatChange(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.MySQLOptions{})
	for _, c := range []struct {
		variable, bad, good string
		code                fault.Code // "": the row comes
		statement, want     string
	}{
		{"binlog_row_metadata", "MINIMAL", "FULL", "", "INSERT INTO t VALUES (2,2,2,NULL)", "insert - -> 2,2,2,NULL"},
		{"binlog_row_image", "MINIMAL", "FULL", "", "UPDATE t SET v=9 WHERE id=1", "-> 1,9,1,NULL"},
		{"binlog_format", "STATEMENT", "ROW", fault.StatementDML, "UPDATE t SET v=9 WHERE id=1", ""},
	} {
		b.exec("DROP TABLE IF EXISTS t", "CREATE TABLE t (id INT PRIMARY KEY, v INT, w INT, x BLOB)", "INSERT INTO t (id, v, w) VALUES (1,1,1)")
		cfg := b.config()
		cfg.Start = b.query("SELECT @@GLOBAL.gtid_executed")
		src, _, err := open(t, cfg, "")
		if err != nil {
			t.Fatal(err)
		}
		b.exec("SET GLOBAL " + c.variable + "=" + c.bad)
		b.db.SetMaxIdleConns(0) // a new session has the new settings
		b.session(c.statement)
		got, err := run(t, src, func(s *seen) bool { return c.code == "" && len(s.changes) > 0 })
		switch c.code {
		case "":
			if err != nil || !strings.HasSuffix(got.changes[0], c.want) {
				t.Errorf("%s=%s: %v with the changes %q, want %s", c.variable, c.bad, err, got.changes, c.want)
			}
		default:
			if f := wantFault(t, err, c.code); !f.Final || len(got.changes) > 0 {
				t.Errorf("%s=%s: %v with the changes %q", c.variable, c.bad, f, got.changes)
			}
		}
		b.exec("SET GLOBAL " + c.variable + "=" + c.good)
	}
}
