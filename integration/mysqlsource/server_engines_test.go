package mysqlsource

import (
	"strings"
	"testing"

	"cdcbridge/integration/harness"
)

// mixedLogs are the servers that let a transaction change tables of engines with and without transactions: where MySQL has GTIDs it
// forbids that.
var mixedLogs = harness.Longer([]string{"97 without GTIDs", "57 without GTIDs", "maria118"},
	[]string{"97 without GTIDs", "80 without GTIDs", "57 without GTIDs", "maria1011", "maria118"})

// TestRolledBackInTheLog is about rows that the log shows and then takes back, which happens when a table without
// transactions takes part.
func TestRolledBackInTheLog(t *testing.T) {
	t.Parallel()
	for _, name := range mixedLogs {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, everyLog[name])
			for _, engine := range enginesWithoutTransactions(b) {
				rolledBack(t, b, engine)
			}
		})
	}
}

func enginesWithoutTransactions(b *bench) []string {
	if b.m.MariaDB() {
		return []string{"MyISAM", "Aria"}
	}
	return []string{"MyISAM"}
}

func rolledBack(t *testing.T, b *bench, engine string) {
	b.exec("DROP TABLE IF EXISTS i, m", "CREATE TABLE i (id INT PRIMARY KEY)", "CREATE TABLE m (id INT PRIMARY KEY) ENGINE="+engine)
	cfg := b.config()
	cfg.Start = "latest"
	src, at, err := open(t, cfg, "")
	if err != nil {
		t.Fatal(err)
	}
	_ = src.Close()
	b.session("BEGIN", "INSERT INTO i VALUES (1)", "INSERT INTO m VALUES (1)", "ROLLBACK")
	b.session("BEGIN", "INSERT INTO i VALUES (2)", "SAVEPOINT s", "INSERT INTO i VALUES (3)", "INSERT INTO m VALUES (3)", "ROLLBACK TO s", "INSERT INTO i VALUES (4)", "COMMIT")
	b.session("BEGIN", "INSERT INTO i VALUES (5)", "CREATE TEMPORARY TABLE tmp (a INT)", "INSERT INTO i VALUES (6)", "ROLLBACK")
	b.session("BEGIN", "INSERT INTO i VALUES (7)", "SAVEPOINT s", "CREATE TEMPORARY TABLE tmp (a INT)", "INSERT INTO i VALUES (8)", "ROLLBACK TO s", "COMMIT")
	b.session("SET binlog_direct_non_transactional_updates=ON", "BEGIN", "INSERT INTO m VALUES (9)", "INSERT INTO i VALUES (9)", "ROLLBACK")
	b.session("BEGIN", "INSERT INTO i VALUES (10)", "INSERT INTO m SELECT id+100 FROM i", "ROLLBACK")
	if engine != "Aria" { // which has no savepoints
		b.session("BEGIN", "INSERT INTO m VALUES (11)", "SAVEPOINT `ä``s`", "INSERT INTO i VALUES (11)", "SAVEPOINT s", "INSERT INTO i VALUES (12)", "INSERT INTO m VALUES (12)", "ROLLBACK TO S", "RELEASE SAVEPOINT s",
			"INSERT INTO i VALUES (13)", "ROLLBACK TO `ä``s`", "INSERT INTO i VALUES (14)", "COMMIT")
	}
	b.exec("INSERT INTO i VALUES (99)")
	got, err := collect(t, cfg, at, func(s *seen) bool { return has(s, "i/", "99") })
	if err != nil {
		t.Fatal(err)
	}
	checkOrdinals(t, got)
	sameRows(t, got.fold("i"), b.selectAll("i"))
	sameRows(t, got.fold("m"), b.selectAll("m"))
	for _, p := range got.positions[:len(got.positions)-1] {
		if _, err := collect(t, cfg, p, func(s *seen) bool { return has(s, "i/", "99") }); err != nil {
			t.Fatalf("from %s: %v", p, err)
		}
	}
}

// TestNonTransactional reads what engines without transactions do: statements that fail in the middle keep what they did, and each
// statement is a transaction of its own.
func TestNonTransactional(t *testing.T) {
	t.Parallel()
	for _, name := range kindsOfLog {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, everyLog[name])
			for _, engine := range enginesWithoutTransactions(b) {
				b.exec("DROP TABLE IF EXISTS m, mm", "CREATE TABLE m (id INT PRIMARY KEY, v INT) ENGINE="+engine, "CREATE TABLE mm (id INT PRIMARY KEY, v INT) ENGINE="+engine)
				cfg := b.config()
				cfg.Start = "latest"
				src, at, err := open(t, cfg, "")
				if err != nil {
					t.Fatal(err)
				}
				_ = src.Close()
				b.exec("INSERT INTO m VALUES (1,1),(2,2),(3,3)")
				for _, s := range []string{"INSERT INTO m VALUES (4,4),(5,5),(1,9),(6,6)", "UPDATE m SET id = id - 1 WHERE id > 1 ORDER BY id DESC", "INSERT INTO mm SELECT id, v FROM m ORDER BY id", "INSERT INTO mm VALUES (7,7),(1,1)"} {
					if _, err := b.db.ExecContext(t.Context(), s); err != nil && !strings.Contains(err.Error(), "Duplicate entry") {
						t.Fatalf("%s: %v", s, err)
					}
				}
				b.session("SET autocommit=0", "UPDATE mm SET v = v + 1", "DELETE FROM m WHERE id = 2", "ROLLBACK")
				b.exec("REPLACE INTO m VALUES (99,99)")
				got, err := collect(t, cfg, at, func(s *seen) bool { return has(s, "m/", "99,99") })
				if err != nil {
					t.Fatal(err)
				}
				checkOrdinals(t, got)
				sameRows(t, got.fold("m"), b.selectAll("m"))
				sameRows(t, got.fold("mm"), b.selectAll("mm"))
			}
		})
	}
}
