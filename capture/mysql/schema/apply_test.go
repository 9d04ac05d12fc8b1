package schema

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func mysql80() Server {
	return Server{
		Version: 80031, Collation: "utf8mb4_0900_ai_ci",
		Collations: map[string]string{
			"utf8mb4_0900_ai_ci": "utf8mb4", "utf8mb4_bin": "utf8mb4", "latin1_swedish_ci": "latin1", "latin1_bin": "latin1",
			"utf8mb3_general_ci": "utf8mb3", "utf8mb3_bin": "utf8mb3", "binary": "binary", "ucs2_general_ci": "ucs2",
		},
		Defaults: map[string]string{
			"utf8mb4": "utf8mb4_0900_ai_ci", "latin1": "latin1_swedish_ci", "utf8mb3": "utf8mb3_general_ci", "binary": "binary", "ucs2": "ucs2_general_ci",
		},
	}
}

func mysql57() Server {
	s := mysql80()
	s.Version, s.Collation, s.ImplicitTimestamps = 50722, "latin1_swedish_ci", true
	return s
}

func maria118() Server {
	s := mysql80()
	s.MariaDB, s.Version, s.Collation = true, 110806, "utf8mb4_uca1400_ai_ci"
	s.Collations["utf8mb4_uca1400_ai_ci"], s.Defaults["utf8mb4"] = "utf8mb4", "utf8mb4_uca1400_ai_ci"
	return s
}

// book is a catalogue with the database d.
func book(s Server) *Catalog {
	c := NewCatalog(s)
	c.PutDatabase("d", s.Collation)
	return c
}

func inD(n Name) bool { return n.Database == "d" }

// short writes a table on one line: what differs in tests.
func short(t *Table) string {
	if t == nil {
		return "unknown"
	}
	var b strings.Builder
	for i, c := range t.Columns {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %s", c.Name, c.ColumnType)
		if c.Collation != "" && c.Collation != t.Collation {
			b.WriteString(" " + c.Collation)
		}
		if !c.Nullable {
			b.WriteString(" not null")
		}
		if c.Generated {
			b.WriteString(" generated")
		}
		if c.Invisible {
			b.WriteString(" invisible")
		}
	}
	for _, k := range t.Unique {
		fmt.Fprintf(&b, "; %s", k.Name)
		for _, p := range k.Parts {
			fmt.Fprintf(&b, " %s", p.Column)
			if p.Prefix > 0 {
				fmt.Fprintf(&b, "(%d)", p.Prefix)
			}
		}
	}
	return b.String()
}

func TestApply(t *testing.T) {
	for _, c := range []struct {
		name, sql, want string // statements, and d.t after them
	}{
		{"create", "CREATE TABLE d.t (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, a VARCHAR(10) NOT NULL DEFAULT 'x', b TEXT CHARACTER SET latin1, UNIQUE KEY (a, id))",
			"id int unsigned not null, a varchar(10) not null, b text latin1_swedish_ci; PRIMARY id; a a id"},
		{"current database", "CREATE TABLE t (a BIT, b BOOL, c DEC(5), d REAL, e FLOAT(30), f YEAR, g TIMESTAMP(3), h JSON, i ENUM('x ', 'it''s'))",
			"a bit(1), b tinyint(1), c decimal(5,0), d double, e double, f year, g timestamp(3), h json, i enum('x','it''s')"},
		{"sizes", "CREATE TABLE t (a TEXT(63), b TEXT(64), c BLOB(70000), d NCHAR(3), e CHAR BYTE, f VARCHAR(5) BINARY, g LONG VARBINARY)",
			"a tinytext, b text, c mediumblob, d char(3) utf8mb3_general_ci, e binary(1), f varchar(5) utf8mb4_bin, g mediumblob"},
		{"order of unique", "CREATE TABLE t (a INT UNIQUE, b INT NOT NULL, c VARCHAR(9) NOT NULL, UNIQUE x (c(3)), UNIQUE (b), PRIMARY KEY (b))",
			"a int, b int not null, c varchar(9) not null; PRIMARY b; b b; x c(3); a a"},
		{"alter", "CREATE TABLE t (a INT, b INT, c INT); ALTER TABLE t DROP b, ADD d INT FIRST, CHANGE c e BIGINT AFTER d, ADD (f INT, g INT), MODIFY a SMALLINT NOT NULL, ADD PRIMARY KEY (e)",
			"d int, e bigint not null, a smallint not null, f int, g int; PRIMARY e"},
		{"rename column", "CREATE TABLE t (a INT, b INT, UNIQUE (a, b)); ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a",
			"b int, a int; a b a"},
		{"drop column of key", "CREATE TABLE t (a INT, b INT, UNIQUE k (a, b), UNIQUE l (b)); ALTER TABLE t DROP COLUMN b", "a int; k a"},
		{"convert", "CREATE TABLE t (a TEXT, b VARCHAR(5), c BLOB, d TINYTEXT) CHARSET latin1; ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4",
			"a mediumtext, b varchar(5), c blob, d text"},
		{"rename", "CREATE TABLE u (a INT); RENAME TABLE u TO t", "a int"},
		{"swap", "CREATE TABLE t (a INT); CREATE TABLE u (b INT); RENAME TABLE t TO v, u TO t, v TO u", "b int"},
		{"drop", "CREATE TABLE t (a INT); DROP TABLE IF EXISTS x, t", "unknown"},
		{"drop temporary", "CREATE TABLE t (a INT); DROP TEMPORARY TABLE t; CREATE TEMPORARY TABLE t (b INT)", "a int"},
		{"drop database", "CREATE TABLE t (a INT); DROP DATABASE d", "unknown"},
		{"like", "CREATE TABLE u (a INT PRIMARY KEY INVISIBLE, b INT AS (a+1)); CREATE TABLE t LIKE u", "a int not null invisible, b int generated; PRIMARY a"},
		{"index", "CREATE TABLE t (a INT, b INT NOT NULL); CREATE UNIQUE INDEX x ON t (a DESC); CREATE UNIQUE INDEX y USING BTREE ON t (b) ALGORITHM=INPLACE; DROP INDEX x ON t", "a int, b int not null; y b"},
		{"not exists", "CREATE TABLE t (a INT); CREATE TABLE IF NOT EXISTS t (b INT); DROP TABLE t; CREATE TABLE IF NOT EXISTS t (c INT)", "c int"},
		{"perhaps exists", "CREATE TABLE IF NOT EXISTS t (a INT)", "unknown"},
		{"as select", "CREATE TABLE t (a INT); DROP TABLE t; CREATE TABLE t (b INT) ENGINE=InnoDB AS SELECT 1 AS c", "unknown"},
		{"as select logged", "CREATE TABLE `t` (`a` int DEFAULT NULL) START TRANSACTION", "a int"},
		{"comments", "CREATE /* x */ TABLE t (a INT -- y\n, b INT /*!50100 , c INT */ /*!99999 , d INT */ /*M! , e INT */) # z", "a int, b int, c int"},
		{"partitions", "CREATE TABLE t (a INT) PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN (1), PARTITION p1 VALUES LESS THAN MAXVALUE); ALTER TABLE t DROP PARTITION p0; ALTER TABLE t REMOVE PARTITIONING", "a int"},
		{"truncate", "CREATE TABLE t (a INT); TRUNCATE TABLE t; TRUNCATE t", "a int"},
		{"visible", "CREATE TABLE t (a INT, b INT INVISIBLE); ALTER TABLE t ALTER a SET INVISIBLE, ALTER COLUMN b SET VISIBLE, ALTER a SET DEFAULT 3", "a int invisible, b int"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cat := book(mysql80())
			for sql := range strings.SplitSeq(c.sql, "; ") {
				if _, err := cat.Apply(sql, Session{Database: "d"}, inD); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
			if got := short(cat.Table(Name{"d", "t"})); got != c.want {
				t.Errorf("%s\n got %s\nwant %s", c.sql, got, c.want)
			}
		})
	}
}

func TestEffects(t *testing.T) {
	cat := book(mysql80())
	follow := func(n Name) bool { return n.Database == "d" && (n.Table == "t" || n.Table == "u") }
	for _, c := range []struct{ sql, want string }{
		{"CREATE TABLE t (a INT)", "{[d.t] [] []}"},
		{"CREATE TABLE other (a INT)", "{[] [] []}"},
		{"CREATE TABLE shadow LIKE t", "{[d.shadow] [] []}"},
		{"ALTER TABLE shadow ADD b INT", "{[d.shadow] [] []}"},
		{"RENAME TABLE t TO t_old, shadow TO t", "{[d.t] [d.shadow] []}"},
		{"ALTER TABLE t RENAME u", "{[d.u] [d.t] []}"},
		{"RENAME TABLE other TO t", "{[] [] [d.t]}"},
		{"ALTER TABLE t ADD b INT", "{[] [] [d.t]}"},
		{"CREATE TABLE u2 LIKE other", "{[] [] []}"},
		{"DROP TABLE u, other", "{[] [d.u] []}"},
		{"INSERT INTO t VALUES (1)", "{[] [] []}"},
		{"CREATE VIEW t AS SELECT 1", "{[] [] []}"},
	} {
		e, err := cat.Apply(c.sql, Session{Database: "d"}, follow)
		if err != nil {
			t.Fatalf("%s: %v", c.sql, err)
		}
		if got := fmt.Sprint(e); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.sql, got, c.want)
		}
	}
}

func TestWhatCannotBeReadIsAnError(t *testing.T) {
	for _, sql := range []string{
		"CREATE TABLE t (a NOSUCHTYPE)", "CREATE TABLE t (a INT", "ALTER TABLE t FROBNICATE", "CREATE TABLE t (a INT) 'x'", "ALTER TABLE t ADD",
		"CREATE TABLE t (a UUID)", "CREATE TABLE t (a INT) /* x", "CREATE TABLE t (a INT) COMMENT 'x", "CREATE WHATEVER x", "ALTER TABLE t ADD UNIQUE (nosuch)",
		"CREATE TABLE t (a CHAR(1) CHARACTER SET nosuch)", "CREATE TABLE t (a CHAR(1) COLLATE nosuch)", "ALTER TABLE t MODIFY nosuch INT", "ALTER TABLE t ADD b INT AFTER nosuch",
	} {
		cat := book(mysql80())
		if _, err := cat.Apply("CREATE TABLE t (x INT)", Session{Database: "d"}, inD); err != nil {
			t.Fatal(err)
		}
		if e, err := cat.Apply(sql, Session{Database: "d"}, inD); err == nil {
			t.Errorf("%s: got %v", sql, e)
		}
		if got := short(cat.Table(Name{"d", "t"})); got != "x int" {
			t.Errorf("%s: the table is %s now", sql, got)
		}
	}
}

func TestQuotes(t *testing.T) {
	for _, c := range []struct {
		sql  string
		mode uint64
		want string
	}{
		{"CREATE TABLE `t` (`a``b` INT, `ENUM` ENUM(\"x\\'\", 'y'))", 0, "a`b int, ENUM enum('x''','y')"},
		{`CREATE TABLE "d"."t" ("a" INT, b ENUM('x\\'))`, modeAnsiQuotes, `a int, b enum('x\\')`},
		{`CREATE TABLE t (b ENUM('x\', 'y'))`, modeNoBackslashEscape, `b enum('x\\','y')`},
		{"CREATE TABLE t (r REAL)", modeRealAsFloat, "r float"},
		{"CREATE TABLE t (größe INT, `日本` INT)", 0, "größe int, 日本 int"},
	} {
		cat := book(mysql80())
		if _, err := cat.Apply(c.sql, Session{Database: "d", SQLMode: c.mode}, inD); err != nil {
			t.Errorf("%s: %v", c.sql, err)
		} else if got := short(cat.Table(Name{"d", "t"})); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.sql, got, c.want)
		}
	}
}

func TestReleases(t *testing.T) {
	const sql = "CREATE TABLE t (a INT, b TINYINT UNSIGNED, c YEAR, d TIMESTAMP, e INT(5) ZEROFILL, f BOOL)"
	for _, c := range []struct {
		server Server
		want   string
	}{
		{mysql57(), "a int(11), b tinyint(3) unsigned, c year(4), d timestamp not null, e int(5) unsigned zerofill, f tinyint(1)"},
		{mysql80(), "a int, b tinyint unsigned, c year, d timestamp, e int(5) unsigned zerofill, f tinyint(1)"},
		{maria118(), "a int(11), b tinyint(3) unsigned, c year(4), d timestamp, e int(5) unsigned zerofill, f tinyint(1)"},
	} {
		cat := book(c.server)
		if _, err := cat.Apply(sql, Session{Database: "d"}, inD); err != nil {
			t.Fatal(err)
		}
		if got := short(cat.Table(Name{"d", "t"})); got != c.want {
			t.Errorf("%d\n got %s\nwant %s", c.server.Version, got, c.want)
		}
	}
}

func TestTableAsJSON(t *testing.T) {
	cat := book(mysql80())
	if _, err := cat.Apply("CREATE TABLE t (a INT PRIMARY KEY, b ENUM('x', 'y') NOT NULL, c DECIMAL(5,2) INVISIBLE, UNIQUE u (b, c DESC), KEY (c)) ENGINE=innodb", Session{Database: "d"}, inD); err != nil {
		t.Fatal(err)
	}
	const want = `{"database":"d","table":"t","engine":"InnoDB","collation":"utf8mb4_0900_ai_ci","columns":[` +
		`{"name":"a","type":"int","column_type":"int"},` +
		`{"name":"b","type":"enum","column_type":"enum('x','y')","collation":"utf8mb4_0900_ai_ci","labels":["x","y"]},` +
		`{"name":"c","type":"decimal","column_type":"decimal(5,2)","precision":5,"scale":2,"nullable":true,"invisible":true}],` +
		`"unique":[{"name":"PRIMARY","parts":[{"column":"a"}]},{"name":"u","parts":[{"column":"b"},{"column":"c","descending":true}]}],` +
		`"other":[{"name":"c","parts":[{"column":"c"}],"made":true}]}`
	table := cat.Table(Name{"d", "t"})
	got, err := json.Marshal(table)
	if err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
	var back Table
	if err := json.Unmarshal(got, &back); err != nil || !reflect.DeepEqual(&back, table) {
		t.Errorf("%v: read back %+v, want %+v", err, back, *table)
	}
}
