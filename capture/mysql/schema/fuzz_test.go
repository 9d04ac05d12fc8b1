package schema

import (
	"strings"
	"testing"
)

// FuzzApply feeds statements to a catalogue that knows two tables. Whatever comes, it ends without a panic, an error leaves the
// catalogue as it was, and what a statement makes has columns.
func FuzzApply(f *testing.F) {
	for _, sql := range []string{
		"CREATE TABLE t (a INT, b VARCHAR(10) CHARACTER SET latin1 NOT NULL DEFAULT 'x', UNIQUE KEY k (b(3), a DESC))",
		"ALTER TABLE t ADD c INT FIRST, DROP a, CHANGE b d TEXT AFTER c, ADD PRIMARY KEY (c), RENAME TO u",
		"ALTER TABLE t MODIFY COLUMN IF EXISTS a ENUM('a', x'62', 0x63) /*!50100 AFTER b */, CONVERT TO CHARACTER SET utf8mb4",
		"RENAME TABLE t TO x, u TO t, x TO u", "DROP TABLE IF EXISTS t, u", "DROP DATABASE d", "CREATE OR REPLACE TABLE t LIKE u",
		"CREATE TABLE t (a INT AS (((((1)))))) PARTITION BY RANGE (a) (PARTITION p VALUES LESS THAN (1))", "CREATE UNIQUE INDEX i ON t ((a + 1))",
		"SET STATEMENT x=1 FOR ALTER TABLE t WAIT 3 ADD PERIOD FOR p (a, b)", "CREATE TABLE x (a TEXT UNIQUE) WITH SYSTEM VERSIONING",
		"CREATE TABLE x AS SELECT 1", "ALTER TABLE t CONVERT PARTITION p TO TABLE u", "/*M!100000 ALTER TABLE t ADD z UUID */", "CREATE TABLE t (a INT DEFAULT (", "ALTER DATABASE d COLLATE utf8mb4_bin",
		strings.Repeat("(", 10000), "CREATE TABLE t (a INT CHECK " + strings.Repeat("(", 5000) + strings.Repeat(")", 5000) + ")", "/*!" + strings.Repeat("/*", 5000),
	} {
		f.Add(sql, uint64(0), false)
		f.Add(sql, uint64(modeAnsiQuotes|modeNoBackslashEscape), true)
	}
	servers := []Server{mysql80(), maria118()}
	f.Fuzz(func(t *testing.T, sql string, mode uint64, maria bool) {
		server := servers[0]
		if maria {
			server = servers[1]
		}
		cat := book(server)
		for _, setup := range []string{"CREATE TABLE t (a INT NOT NULL, b VARCHAR(10), UNIQUE (a), KEY (b))", "CREATE TABLE u (a TEXT, PRIMARY KEY (a(5)))"} {
			if _, err := cat.Apply(setup, Session{Database: "d"}, inD); err != nil {
				t.Fatal(err)
			}
		}
		tables := [2]*Table{cat.Table(Name{"d", "t"}), cat.Table(Name{"d", "u"})}
		e, err := cat.Apply(sql, Session{Database: "d", SQLMode: mode}, inD)
		if err != nil && tables != [2]*Table{cat.Table(Name{"d", "t"}), cat.Table(Name{"d", "u"})} {
			t.Errorf("%q: %v, and the catalogue has changed", sql, err)
		}
		for _, n := range e.Changed {
			if table := cat.Table(n); table == nil || table.Name != n {
				t.Errorf("%q: %s is said to have changed and is %+v", sql, n, table)
			}
		}
		for _, n := range append(e.Gone, e.Unknown...) {
			if cat.Table(n) != nil {
				t.Errorf("%q: %s is said to be gone or not known, and is there", sql, n)
			}
		}
	})
}
