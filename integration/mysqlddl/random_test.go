package mysqlddl

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// TestRandomDDL runs statements that nobody has thought of: tables of random columns and indexes, altered by random clauses.
// Most are accepted; after each, all tables are compared. A failure names the seed; MYSQLDDL_SEED runs it again. The short tier
// runs the same statements each time.
func TestRandomDDL(t *testing.T) {
	began := time.Now()
	want := 40
	if harness.Long {
		want = 300
	}
	seed := uint64(1)
	if harness.Long {
		seed = uint64(began.UnixNano())
	}
	if s := os.Getenv("MYSQLDDL_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	facts := map[string]any{"seed": seed}
	for _, v := range versions() {
		t.Run(v, func(t *testing.T) {
			b, err := newBench(t.Context(), servers.MySQLFor(t, servers.MySQLOptions{Version: v}))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = b.close() })
			b.random = true
			g := &generator{rnd: rand.New(rand.NewPCG(seed, 0)), maria: b.maria, number: b.number}
			tried, accepted := 0, 0
			for accepted < want && !t.Failed() {
				if tried%50 == 0 {
					if err := b.reset(t.Context()); err != nil {
						t.Fatal(err)
					}
					g.tables = map[string][]string{}
				}
				sql := g.statement()
				tried++
				if b.run(t.Context(), t, sql) {
					accepted++
				}
				g.look(b)
				if tried > 30*want {
					t.Fatalf("of %d statements %d were accepted", tried, accepted)
				}
			}
			if b.asked > accepted/10+2 {
				t.Errorf("of %d statements %d did not tell what they do", accepted, b.asked)
			}
			facts[v] = map[string]any{"tried": tried, "accepted": accepted, "asked": b.asked}
			if t.Failed() {
				t.Logf("seed %d", seed)
			}
		})
	}
	harness.Evidence(t, began, facts)
}

// generator makes statements about tables that are there.
type generator struct {
	rnd    *rand.Rand
	maria  bool
	number int
	tables map[string][]string // columns, by table
	last   int
}

// look sees which tables and columns there are now.
func (g *generator) look(b *bench) {
	g.tables = map[string][]string{}
	for _, n := range b.catalog.Names() {
		for _, c := range b.catalog.Table(n).Columns {
			if !c.Hidden {
				g.tables[n.Table] = append(g.tables[n.Table], c.Name)
			}
		}
	}
}

func (g *generator) one(of ...string) string { return of[g.rnd.IntN(len(of))] }

func (g *generator) chance(percent int) bool { return g.rnd.IntN(100) < percent }

// some gives a text in some of a hundred cases.
func (g *generator) some(percent int, s string) string {
	if g.chance(percent) {
		return s
	}
	return ""
}

func (g *generator) fresh(prefix string) string {
	g.last++
	return prefix + strconv.Itoa(g.last)
}

// table gives the name of a table that is there, in an order that the seed decides.
func (g *generator) table() string {
	names := make([]string, 0, len(g.tables))
	for i := range g.last + 1 {
		if n := "t" + strconv.Itoa(i); g.tables[n] != nil {
			names = append(names, n)
		}
	}
	return g.one(names...)
}

func (g *generator) statement() string {
	if len(g.tables) == 0 || g.chance(12) {
		return g.create()
	}
	t := g.table()
	switch g.rnd.IntN(20) {
	case 0:
		return fmt.Sprintf("RENAME TABLE %s TO %s", t, g.fresh("t"))
	case 1:
		return fmt.Sprintf("CREATE TABLE %s LIKE %s", g.fresh("t"), t)
	case 2:
		return fmt.Sprintf("CREATE %sINDEX %s ON %s (%s)", g.some(70, "UNIQUE "), g.fresh("k"), t, g.parts(g.tables[t]))
	case 3:
		if len(g.tables) > 3 {
			return "DROP TABLE " + t
		}
	}
	clauses := make([]string, 1+g.rnd.IntN(4))
	for i := range clauses {
		clauses[i] = g.clause(g.tables[t])
	}
	return "ALTER TABLE " + t + " " + strings.Join(clauses, ", ")
}

func (g *generator) create() string {
	var columns, items []string
	for range 2 + g.rnd.IntN(6) {
		c := g.fresh("c")
		columns = append(columns, c)
		items = append(items, c+" "+g.column())
	}
	for range g.rnd.IntN(4) {
		items = append(items, g.key(columns))
	}
	g.rnd.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	return fmt.Sprintf("CREATE TABLE %s (%s)%s%s", g.fresh("t"), strings.Join(items, ", "), g.some(40, " "+g.charset()), g.some(5, " ENGINE=MyISAM"))
}

func (g *generator) charset() string {
	return g.one("CHARSET latin1", "CHARACTER SET utf8mb4", "CHARSET utf8", "COLLATE utf8mb4_bin", "CHARSET latin1 COLLATE latin1_bin", "CHARSET ucs2")
}

func (g *generator) column() string {
	n := strconv.Itoa(1 + g.rnd.IntN(60))
	var t string
	switch g.rnd.IntN(6) {
	case 0, 1:
		t = g.one("TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT", "INT(5)", "TINYINT(1)", "DECIMAL(10,3)", "DECIMAL", "FLOAT", "DOUBLE", "DOUBLE(10,2)") + g.some(30, " UNSIGNED") + g.some(10, " ZEROFILL")
	case 2, 3:
		t = g.one("CHAR("+n+")", "VARCHAR("+n+")", "TEXT", "TINYTEXT", "MEDIUMTEXT", "TEXT("+n+"0)", "VARCHAR("+n+"0)", "ENUM('a','b"+n+"')", "SET('x','y')", "NCHAR("+n+")") +
			g.some(20, " CHARACTER SET "+g.one("latin1", "utf8mb4", "binary", "utf8")) + g.some(10, " BINARY")
	case 4:
		t = g.one("DATE", "TIME", "DATETIME", "TIMESTAMP NULL", "YEAR", "TIME(3)", "DATETIME(6)", "TIMESTAMP(2) NULL", "BIT("+n+")", "BOOL", "BINARY("+n+")", "VARBINARY("+n+")", "BLOB", "BLOB("+n+"00)")
	default:
		t = g.one("JSON", "POINT", "GEOMETRY", "LONGTEXT", "LONGBLOB", "NUMERIC(7)", "REAL")
		if g.maria && g.chance(50) {
			t = g.one("INET6", "UUID", "VARCHAR(30) COMPRESSED", "TEXT COMPRESSED")
		}
	}
	if (g.maria || g.number >= 80023) && g.chance(10) {
		t += " INVISIBLE"
	}
	return t + g.some(30, " NOT NULL") + g.some(12, " UNIQUE") + g.some(5, " PRIMARY KEY") + g.some(10, " COMMENT 'x, (y'")
}

func (g *generator) parts(columns []string) string {
	parts := make([]string, 0, 3)
	for range 1 + g.rnd.IntN(3) {
		parts = append(parts, g.one(columns...)+g.some(20, "("+strconv.Itoa(1+g.rnd.IntN(12))+")")+g.some(10, " DESC"))
	}
	return strings.Join(parts, ", ")
}

func (g *generator) key(columns []string) string {
	return g.one("UNIQUE", "UNIQUE KEY", "KEY", "PRIMARY KEY", "CONSTRAINT "+g.fresh("s")+" UNIQUE", "UNIQUE "+g.fresh("k"), "INDEX "+g.fresh("k")) + " (" + g.parts(columns) + ")"
}

func (g *generator) position(columns []string) string {
	switch g.rnd.IntN(4) {
	case 0:
		return " FIRST"
	case 1:
		return " AFTER " + g.one(columns...)
	}
	return ""
}

func (g *generator) clause(columns []string) string {
	c := g.one(columns...)
	switch g.rnd.IntN(16) {
	case 0, 1, 2:
		return "ADD " + g.fresh("c") + " " + g.column() + g.position(columns)
	case 3:
		return "DROP COLUMN " + c
	case 4, 5, 6:
		return "MODIFY " + c + " " + g.column() + g.position(columns)
	case 7, 8:
		return "CHANGE " + c + " " + g.one(g.fresh("c"), c) + " " + g.column() + g.position(columns)
	case 9, 10:
		return "ADD " + g.key(columns)
	case 11:
		return "DROP INDEX " + g.one(c, c+"_2", "k"+strconv.Itoa(g.rnd.IntN(g.last+1)))
	case 12:
		return "DROP PRIMARY KEY"
	case 13:
		return "CONVERT TO " + g.one("CHARACTER SET utf8mb4", "CHARACTER SET latin1", "CHARACTER SET utf8 COLLATE utf8_bin")
	case 14:
		return "RENAME COLUMN " + c + " TO " + g.fresh("c")
	}
	return g.charset()
}
