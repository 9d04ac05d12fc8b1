package mysqlsource

import (
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// TestTablesOfMariaDB refuses tables whose rows the log has in a form of their own, and does what it says about them.
func TestTablesOfMariaDB(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"maria1011", "maria118"} {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v, Extra: durable})
			b.exec("CREATE TABLE plain (id INT PRIMARY KEY, a DATETIME(3))", "CREATE TABLE versioned (id INT PRIMARY KEY) WITH SYSTEM VERSIONING", "CREATE SEQUENCE numbers",
				"SET GLOBAL mysql56_temporal_format=OFF", "CREATE TABLE old (id INT PRIMARY KEY, a DATETIME(3), b TIMESTAMP(6) NULL, c TIME(1))", "SET GLOBAL mysql56_temporal_format=ON",
				"INSERT INTO old VALUES (1, '2024-05-06 07:08:09.123', NULL, '-12:34:56.7')")
			for _, table := range []string{"versioned", "old"} {
				cfg := b.config()
				cfg.Tables = []string{"shop." + table, "shop.plain"}
				problem(t, check(t, cfg), "table shop."+table, fault.SourceSettings)
				f := openFault(t, cfg, "", fault.SourceSettings)
				if !f.Final || strings.Contains(f.Error(), "plain") {
					t.Error(f)
				}
				b.exec(statements(f.Hint)...)
				if f := finding(t, cfg, "table shop."+table); f.Severity != capture.OK {
					t.Errorf("%+v", f)
				}
				if _, _, err := open(t, cfg, ""); err != nil {
					t.Error(err)
				}
			}
			if f := finding(t, b.config(), "table shop.numbers"); f.Severity != capture.OK { // its numbers are no rows
				t.Errorf("%+v", f)
			}
			// A history that begins while the stream runs.
			cfg := b.config()
			cfg.Start = "latest"
			src, _, err := open(t, cfg, "")
			if err != nil {
				t.Fatal(err)
			}
			b.exec("SELECT NEXTVAL(numbers)", "INSERT INTO plain VALUES (1, NULL)", "ALTER TABLE plain ADD SYSTEM VERSIONING", "UPDATE plain SET a=NOW()")
			got, err := run(t, src, func(*seen) bool { return false })
			if f := wantFault(t, err, fault.SourceSettings); !f.Final || !strings.Contains(f.Error(), "shop.plain") || len(got.changes) > 1 {
				t.Error(f, got.changes)
			}
		})
	}
}

// TestFilteredLogs has the server log only some databases: tables of the others are refused, those that are logged are not.
func TestFilteredLogs(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"97", "57", "maria118"} {
		b := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{"--binlog-do-db=logged", "--binlog-do-db=logged2"}})
		b.exec("CREATE TABLE t (id INT PRIMARY KEY)", "CREATE DATABASE logged", "CREATE TABLE logged.t (id INT PRIMARY KEY)")
		cfg := b.config()
		if f := openFault(t, cfg, "", fault.SourceSettings); !f.Final || !strings.Contains(f.Error(), "shop.t") {
			t.Error(f)
		}
		problem(t, check(t, cfg), "table shop.t", fault.SourceSettings)
		cfg.Tables = []string{"logged.*"}
		if _, _, err := open(t, cfg, ""); err != nil {
			t.Error(err)
		}
		if f := finding(t, cfg, "binlog_do_db, binlog_ignore_db"); f.Severity != capture.Warning || !strings.Contains(f.Detail, "logged,logged2") {
			t.Errorf("%+v", f)
		}
	}
}

// TestUnloggedForeignKeys refuses every rule that changes child rows, on servers that do not log them, and none that does not.
func TestUnloggedForeignKeys(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]servers.MySQLOptions{
		"57": {Version: "57"}, "80": {Version: "80"}, "97 with native foreign keys": {Extra: []string{"--innodb-native-foreign-keys=ON"}},
		"maria1011": {Version: "maria1011"}, "maria118": {Version: "maria118"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, o)
			b.exec("CREATE TABLE parent (id INT PRIMARY KEY)", "CREATE TABLE tree (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES tree (id) ON DELETE RESTRICT)")
			for _, c := range []struct {
				rule    string
				refused bool
			}{
				{"ON DELETE CASCADE", true}, {"ON UPDATE CASCADE", true}, {"ON DELETE SET NULL", true}, {"ON UPDATE SET NULL", true},
				{"ON DELETE NO ACTION ON UPDATE SET NULL", true}, {"", false}, {"ON DELETE RESTRICT ON UPDATE NO ACTION", false},
			} {
				b.exec("CREATE TABLE child (id INT PRIMARY KEY, p INT, CONSTRAINT named FOREIGN KEY (p) REFERENCES parent (id) " + c.rule + ")")
				cfg := b.config()
				if c.refused {
					if f := openFault(t, cfg, "", fault.FKCascade); !f.Final || !strings.Contains(f.Error(), "shop.child: named") || strings.Contains(f.Error(), "tree") {
						t.Errorf("%s: %v", c.rule, f)
					}
					problem(t, check(t, cfg), "table shop.child", fault.FKCascade)
					if f := finding(t, cfg, "table shop.child"); strings.Contains(f.Remedy, "MariaDB") != b.m.MariaDB() {
						t.Errorf("%+v", f)
					}
					cfg.AcceptFKCascade = []string{"shop.child"}
				}
				if _, _, err := open(t, cfg, ""); err != nil {
					t.Errorf("%q: %v", c.rule, err)
				}
				cfg = b.config()
				cfg.ExcludeTables = []string{"shop.child"}
				if _, _, err := open(t, cfg, ""); err != nil {
					t.Errorf("%q, not captured: %v", c.rule, err)
				}
				b.exec("DROP TABLE child")
			}
			// A rule that comes while the stream runs.
			b.exec("CREATE TABLE child (id INT PRIMARY KEY, p INT)", "INSERT INTO child VALUES (1, NULL)")
			cfg := b.config()
			cfg.Start = "latest"
			src, _, err := open(t, cfg, "")
			if err != nil {
				t.Fatal(err)
			}
			b.exec("ALTER TABLE child ADD CONSTRAINT late FOREIGN KEY (p) REFERENCES parent (id) ON DELETE SET NULL")
			_, err = run(t, src, func(*seen) bool { return false })
			if f := wantFault(t, err, fault.FKCascade); !f.Final || !strings.Contains(f.Error(), "late") {
				t.Error(f)
			}
		})
	}
}
