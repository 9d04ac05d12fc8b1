package mysqlsource

import (
	"slices"
	"strings"
	"testing"

	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// TestDDL stops at statements that change rows without row events, or notes them, and follows all others.
func TestDDL(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v})
			b.exec("CREATE DATABASE other", "CREATE TABLE done (id INT PRIMARY KEY)", "CREATE TABLE other.swap (id INT, k INT, v INT)", "INSERT INTO other.swap VALUES (5,5,5)")
			n := 0
			for _, c := range []struct {
				name, statement string
				diverges        bool
			}{
				{"truncate", "TRUNCATE shop.p", true},
				{"truncate with comment", "/* a */ TRUNCATE -- b\n TABLE `p`", true},
				{"partition", "ALTER TABLE p TRUNCATE PARTITION p0", true},
				{"drop partition", "ALTER TABLE p DROP PARTITION p0", true},
				{"exchange", "ALTER TABLE p EXCHANGE PARTITION p0 WITH TABLE other.swap", true},
				{"default", "ALTER TABLE p ADD COLUMN x INT DEFAULT 5", true},
				{"not null", "ALTER TABLE p ADD INDEX (v), ADD COLUMN x INT NOT NULL", true},
				{"generated", "ALTER TABLE p ADD COLUMN x INT AS (v+1) STORED", true},
				{"modify", "ALTER TABLE p MODIFY v SMALLINT", true},
				{"rename", "RENAME TABLE p TO other.p", true},
				{"alter rename", "ALTER TABLE p RENAME TO other.p", true},
				{"drop", "DROP TABLE IF EXISTS p", true},
				{"null column", "ALTER TABLE p ADD COLUMN x INT NULL COMMENT 'DEFAULT 5', ADD (y INT, z VARCHAR(3) DEFAULT NULL)", false},
				{"drop column", "ALTER TABLE p DROP COLUMN v", false},
				{"rename column", "ALTER TABLE p RENAME COLUMN v TO w, ADD INDEX (w)", false},
				{"default only", "ALTER TABLE p ALTER COLUMN v SET DEFAULT 9", false},
				{"add partition", "ALTER TABLE p ADD PARTITION (PARTITION p2 VALUES LESS THAN (300))", false},
				{"engine", "ALTER TABLE p ENGINE=InnoDB", false},
				{"elsewhere", "TRUNCATE other.swap", false},
				{"accounts", "CREATE USER IF NOT EXISTS u1@localhost", false},
				{"routine", "CREATE PROCEDURE shop.r" + v + "() TRUNCATE p", false},
				{"view", "CREATE OR REPLACE VIEW vw AS SELECT * FROM done", false},
				{"analyze", "ANALYZE TABLE p", false},
			} {
				n++
				b.exec("DROP TABLE IF EXISTS p, other.p", "CREATE TABLE p (id INT PRIMARY KEY, k INT, v INT) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (100), PARTITION p1 VALUES LESS THAN (200))",
					"DROP TABLE IF EXISTS other.swap", "CREATE TABLE other.swap (id INT PRIMARY KEY, k INT, v INT)")
				cfg := b.config()
				cfg.Start = b.query("SELECT @@GLOBAL.gtid_executed")
				b.exec("INSERT INTO p VALUES (1,1,1),(150,1,1)", c.statement)
				b.session("USE shop", "INSERT INTO done VALUES ("+string(rune('0'+n/10))+string(rune('0'+n%10))+")")
				_, err := collect(t, cfg, "", finished(n))
				switch {
				case !c.diverges && err != nil:
					t.Errorf("%s: %v", c.name, err)
				case c.diverges:
					if f := fault.As(err); f == nil || f.Code != fault.Diverged || !f.Final || !strings.Contains(f.Error(), "shop.p") {
						t.Errorf("%s: %v", c.name, err)
					}
					cfg.OnTruncate = "note"
					if got, err := collect(t, cfg, "", finished(n)); err != nil || !slices.ContainsFunc(got.notes, func(s string) bool { return strings.Contains(s, " p ") }) {
						t.Errorf("%s noted: %v %+v", c.name, err, got)
					}
				}
			}
		})
	}
}

// TestHarmlessDrop passes removals of rows that this stream has never shown.
func TestHarmlessDrop(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.MySQLOptions{})
	b.exec("DROP TABLE IF EXISTS t", "CREATE TABLE t (id INT PRIMARY KEY)", "TRUNCATE t", "DROP DATABASE IF EXISTS nothing", "INSERT INTO t VALUES (1)")
	got, err := collect(t, b.config(), "", changesAtLeast(1))
	if err != nil {
		t.Fatal(err)
	}
	b.exec("DROP DATABASE shop")
	// After a restart it cannot know, and with rows it does.
	for _, at := range got.positions[len(got.positions)-1:] {
		_, err = collect(t, b.config(), at, func(*seen) bool { return false })
		wantFault(t, err, fault.Diverged)
	}
	_, err = collect(t, b.config(), "", func(*seen) bool { return false })
	wantFault(t, err, fault.Diverged)
}

// TestRetypedColumns goes on where columns are defined anew and keep their values, and stops where they do not.
func TestRetypedColumns(t *testing.T) {
	t.Parallel()
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v})
			from := b.here()
			b.exec("CREATE TABLE t (id INT PRIMARY KEY, v INT, s VARCHAR(10)) CHARACTER SET utf8mb4", "INSERT INTO t VALUES (1,1,'a')", "ALTER TABLE t CHANGE v w INT FIRST", "INSERT INTO t VALUES (2,2,'b')",
				"ALTER TABLE t MODIFY w BIGINT, MODIFY s VARCHAR(20) NULL", "INSERT INTO t VALUES (3000000000,3,'c')")
			got, err := collect(t, b.config(), from, changesAtLeast(3))
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range []string{"-> 1,1,a", "-> 2,2,b", "-> 3000000000,3,c"} {
				if !strings.HasSuffix(got.changes[i], want) {
					t.Errorf("change %d is %q, want %q", i, got.changes[i], want)
				}
			}
			b.exec("DELETE FROM t WHERE id = 3", "ALTER TABLE t MODIFY w SMALLINT")
			_, err = collect(t, b.config(), from, changesAtLeast(100))
			wantFault(t, err, fault.Diverged)
		})
	}
}
