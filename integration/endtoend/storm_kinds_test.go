package endtoend

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// stormKind is a kind of statement, with what must go before and after it.
type stormKind struct {
	name    string
	servers string // that have it: "" all, "mysql" all of MySQL, "mysql8" MySQL from 8.0, "maria" MariaDB, "not57" all but MySQL 5.7
	keeps   bool   // the table is there all the time, and its columns keep name and type
	run     func(b *bolt)
}

// bolt is one run of a kind.
type bolt struct {
	*storm
	ctx   context.Context
	conn  *sql.Conn
	table string // bare name
	ref   string // how statements name it
	now   shape
	count int // statements that were run
	err   error
}

// do runs statements while none has failed.
func (b *bolt) do(statements ...string) {
	for _, s := range statements {
		if b.err != nil {
			return
		}
		if _, err := b.conn.ExecContext(b.ctx, s); err != nil {
			b.err = fmt.Errorf("%s: %w", s, err)
			return
		}
		b.count++
	}
}

func (b *bolt) dof(format string, args ...any) { b.do(fmt.Sprintf(format, args...)) }

// alter runs ALTER TABLE.
func (b *bolt) alter(format string, args ...any) {
	b.do("ALTER TABLE " + b.ref + " " + fmt.Sprintf(format, args...))
}

// emptied runs statements on a table that nobody else can write to, after its rows, or those that a condition names, were deleted
// so that the log shows it.
func (b *bolt) emptied(condition string, statements ...string) {
	b.dof("LOCK TABLES %s WRITE", b.ref)
	b.dof("DELETE FROM %s%s", b.ref, condition)
	b.do(statements...)
	_, err := b.conn.ExecContext(b.ctx, "UNLOCK TABLES")
	if b.err == nil {
		b.err = err
	}
}

// mend makes the table again if a kind was refused on the way.
func (b *bolt) mend() error {
	b.err = nil
	b.do("UNLOCK TABLES")
	var n int
	if err := b.conn.QueryRowContext(b.ctx, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'storm' AND table_name = ?", b.table).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		b.do(b.create("storm." + b.table))
	}
	return b.err
}

// fresh is a name and a kind for a new column, unless the table has many.
func (b *bolt) fresh() (name, kind string, number int) {
	kind = oneOf("i", "s", "b", "e", "t", "j")(b.r)
	name, number = b.column(kind)
	return quoted(name), kind, number
}

// place is where a column goes.
func (b *bolt) place() string {
	if b.r.IntN(3) == 0 {
		return " FIRST"
	}
	return " AFTER " + quoted(b.now[b.r.IntN(len(b.now))].name)
}

// kinds are those that the server has, and that may meet logs of the kind at hand.
func (s *storm) kinds() []stormKind {
	maria, old := s.my.MariaDB(), s.my.Version() == "57"
	all := slices.Concat(columnKinds, tableKinds, otherKinds, toolKinds)
	return slices.DeleteFunc(all, func(k stormKind) bool {
		return k.servers == "mysql" && maria || k.servers == "mysql8" && (maria || old) || k.servers == "maria" && !maria || k.servers == "not57" && old || s.partial && !k.keeps
	})
}

// roomy leaves tables that have many columns alone.
func roomy(run func(b *bolt)) func(b *bolt) {
	return func(b *bolt) {
		if len(b.now) < 16 {
			run(b)
		}
	}
}

// each runs with a column of the kinds, if the table has one.
func each(kinds string, run func(b *bolt, c *stormColumn)) func(b *bolt) {
	return func(b *bolt) {
		if c := b.now.one(b.r, kinds); c != nil {
			run(b, c)
		}
	}
}

var columnKinds = []stormKind{
	{"add a column", "", true, roomy(func(b *bolt) { c, k, n := b.fresh(); b.alter("ADD COLUMN %s %s", c, definition(b.r, k, n)) })},
	{"add a column somewhere", "", true, roomy(func(b *bolt) { c, k, n := b.fresh(); b.alter("ADD %s %s%s", c, definition(b.r, k, n), b.place()) })},
	{"add columns", "", true, roomy(func(b *bolt) {
		c, k, n := b.fresh()
		d, l, m := b.fresh()
		b.alter("ADD (%s %s, %s %s)", c, definition(b.r, k, n), d, definition(b.r, l, m))
	})},
	{"add a filled column", "", true, roomy(func(b *bolt) { c, k, n := b.fresh(); b.alter("ADD COLUMN %s %s%s", c, filled(b.r, k, n), b.place()) })},
	{"add a generated column", "mysql", true, roomy( // MariaDB leaves it out of rows in which it does not change; such a column must not be dropped before they are read
		func(b *bolt) {
			name, number := b.column("g")
			b.alter("ADD COLUMN %s BIGINT GENERATED ALWAYS AS (n * 100 + %d) %s", quoted(name), number%100, oneOf("VIRTUAL", "STORED")(b.r))
		})},
	{"add and drop at once", "", false, each("isbetj", func(b *bolt, c *stormColumn) {
		d, k, n := b.fresh()
		b.alter("DROP COLUMN %s, ADD COLUMN %s %s FIRST, ADD INDEX (n), COMMENT='(, '", quoted(c.name), d, definition(b.r, k, n))
	})},
	{"add a column at once", "not57", true, roomy(func(b *bolt) {
		c, k, n := b.fresh()
		b.alter("ADD COLUMN %s %s, ALGORITHM=INSTANT", c, definition(b.r, k, n))
	})},
	{"add a column with other quotes", "", true, roomy(func(b *bolt) {
		b.numbers++
		b.do("SET SESSION sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES'")
		b.dof(`ALTER TABLE "storm"."%s" ADD COLUMN "ansi%d_i" INT COMMENT 'back\' AFTER "n"`, b.table, b.numbers)
	})},
	{"add a column in a version's comment", "", true, roomy(func(b *bolt) {
		c, k, n := b.fresh()
		b.alter("/*!40000 ADD COLUMN %s */ /* no */ %s NULL # end", c, typeOf(b.r, k, n))
	})},
	{"add a column in a procedure", "", true, roomy(func(b *bolt) {
		c, k, n := b.fresh()
		b.dof("CREATE PROCEDURE storm.grow() ALTER TABLE %s ADD COLUMN %s %s NULL", b.table, c, typeOf(b.r, k, n))
		b.do("CALL storm.grow()", "DROP PROCEDURE storm.grow")
	})},
	{"drop a column", "", false, each("isbetjg", func(b *bolt, c *stormColumn) {
		if len(b.now) > 5 {
			b.alter("DROP COLUMN %s", quoted(c.name))
		}
	})},
	{"drop a column at once", "not57", false, each("isbetj", func(b *bolt, c *stormColumn) {
		if len(b.now) > 5 {
			b.alter("DROP %s, ALGORITHM=INSTANT", quoted(c.name))
		}
	})},
	{"drop columns", "", false, each("isbetj", func(b *bolt, c *stormColumn) {
		if d := b.now.one(b.r, "isbetj"); len(b.now) > 8 && d.name != c.name {
			b.alter("DROP %s, DROP COLUMN %s", quoted(c.name), quoted(d.name))
		}
	})},
	{"rename a column", "not57", false, each("isbetjg", func(b *bolt, c *stormColumn) {
		b.alter("RENAME COLUMN %s TO %s", quoted(c.name), quoted(fmt.Sprintf("r%d_%d_%s", b.r.IntN(100), c.number, c.kind)))
	})},
	{"change a column", "", false, each("isbetj", func(b *bolt, c *stormColumn) {
		b.alter("CHANGE COLUMN %s %s %s", quoted(c.name), quoted(fmt.Sprintf("c_%d_%s", c.number, c.kind)), definition(b.r, c.kind, c.number))
	})},
	{"modify a column", "", false, each("isbetj", func(b *bolt, c *stormColumn) {
		b.alter("MODIFY COLUMN %s %s", quoted(c.name), definition(b.r, c.kind, c.number))
	})},
	{"modify and move a column", "", false, each("isbetj", func(b *bolt, c *stormColumn) {
		b.alter("MODIFY %s %s FIRST", quoted(c.name), definition(b.r, c.kind, c.number))
	})},
	{"move a column", "", true, each("isbetj", func(b *bolt, c *stormColumn) {
		if !strings.Contains(c.extra, "INVISIBLE") && c.kind == "e" {
			b.alter("MODIFY %s %s FIRST", quoted(c.name), c.full)
		}
	})},
	{"modify two columns", "", false, each("isbetj", func(b *bolt, c *stormColumn) {
		d := b.now.one(b.r, "isbetj")
		if d.name != c.name {
			b.alter("MODIFY %s %s AFTER %s, CHANGE %s %s %s", quoted(c.name), definition(b.r, c.kind, c.number), quoted(d.name), quoted(d.name), quoted(d.name), definition(b.r, d.kind, d.number))
		}
	})},
	{"set a default", "", true, each("i", func(b *bolt, c *stormColumn) {
		b.alter("ALTER COLUMN %s SET DEFAULT %d", quoted(c.name), c.number%100)
		b.alter("ALTER %s DROP DEFAULT", quoted(c.name))
	})},
	{"hide a column", "mysql8", true, each("isb", func(b *bolt, c *stormColumn) {
		if b.my.Version() == "97" {
			b.alter("ALTER COLUMN %s SET INVISIBLE", quoted(c.name))
		}
	})},
	{"hide and show a column", "maria", false, each("i", func(b *bolt, c *stormColumn) {
		b.alter("MODIFY %s BIGINT %s", quoted(c.name), oneOf("INVISIBLE", "")(b.r))
	})},
}

// again is the definition of a table that is made again.
func (b *bolt) again() string { return b.create(b.ref) }

var tableKinds = []stormKind{
	{"truncate", "", false, func(b *bolt) { b.emptied("", "TRUNCATE TABLE "+b.ref) }},
	{"drop and create", "", false, func(b *bolt) { b.emptied("", "DROP TABLE "+b.ref); b.do(b.again()) }},
	{"drop and create if there", "", false, func(b *bolt) {
		b.emptied("", "DROP TABLE IF EXISTS "+b.ref)
		b.do(strings.Replace(b.again(), "CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1))
		b.do(strings.Replace(b.again(), "CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1)) // which changes nothing
	}},
	{"create or replace", "maria", false, func(b *bolt) { b.emptied("", strings.Replace(b.again(), "CREATE", "CREATE OR REPLACE", 1)) }},
	{"create like", "", true, func(b *bolt) { b.do("CREATE TABLE storm.copied LIKE "+b.ref, "DROP TABLE storm.copied") }},
	{"drop and create like", "", false, func(b *bolt) {
		b.do("DROP TABLE IF EXISTS storm.model", "CREATE TABLE storm.model LIKE "+b.ref, "ALTER TABLE storm.model ADD COLUMN "+strings.Join([]string{"`x", fmt.Sprint(b.numbers + 1), "_i` INT FIRST"}, ""))
		b.numbers++
		b.emptied("", "DROP TABLE "+b.ref)
		b.do("CREATE TABLE "+b.ref+" LIKE storm.model", "DROP TABLE storm.model")
	}},
	{"create as select", "not57", false, func(b *bolt) {
		text := "'" + shape{{name: "id"}, {name: "n"}, {name: "shape"}, {name: "made1000_i"}}.text() + "'"
		b.emptied("", "DROP TABLE "+b.ref)
		b.dof("CREATE TABLE %s (PRIMARY KEY (id)) AS SELECT id, v AS n, %s AS shape, id * 0 + 200 AS made1000_i FROM storm.uncaptured", b.ref, text)
		b.alter("MODIFY shape TEXT CHARACTER SET utf8mb4")
	}},
	{"rename and back", "", false, func(b *bolt) {
		b.dof("RENAME TABLE %s TO storm.away", b.ref)
		b.dof("RENAME TABLE storm.away TO %s", b.ref)
	}},
	{"rename by alter and back", "", false, func(b *bolt) {
		c, k, n := b.fresh()
		b.alter("RENAME TO storm.away, ADD COLUMN %s %s", c, definition(b.r, k, n))
		b.dof("ALTER TABLE storm.away RENAME AS %s", b.ref)
	}},
	{"indexes", "", true, func(b *bolt) {
		b.dof("CREATE INDEX plain ON %s (n)", b.ref)
		b.alter("ADD UNIQUE KEY both_ (id, n), ALGORITHM=INPLACE, LOCK=NONE")
		b.dof("DROP INDEX plain ON %s", b.ref)
		b.alter("DROP KEY both_")
	}},
	{"primary key", "", true, func(b *bolt) { b.alter("DROP PRIMARY KEY, ADD PRIMARY KEY USING BTREE (id)") }},
	{"options", "", true, func(b *bolt) {
		b.alter("COMMENT = 'a, ''b'' (c', ROW_FORMAT=%s", oneOf("DYNAMIC", "COMPACT")(b.r))
		b.alter("ENGINE=InnoDB")
		b.alter("FORCE")
	}},
	{"default charset", "", true, func(b *bolt) {
		b.alter("DEFAULT CHARACTER SET %s", oneOf("latin1", "utf8mb4", "utf8mb4 COLLATE utf8mb4_unicode_ci")(b.r))
	}},
	{"convert", "", false, func(b *bolt) {
		b.alter("CONVERT TO CHARACTER SET %s", oneOf("utf8mb4", "utf8mb4 COLLATE utf8mb4_bin")(b.r))
	}},
	{"database charset", "", true, func(b *bolt) { b.dof("ALTER DATABASE storm CHARACTER SET %s", oneOf("latin1", "utf8mb4")(b.r)) }},
	{"checks", "not57", true, func(b *bolt) { b.alter("ADD CONSTRAINT positive CHECK (id > -1)"); b.alter("DROP CONSTRAINT positive") }},
	{"partitions", "", true, func(b *bolt) {
		b.alter("PARTITION BY HASH (id) PARTITIONS 3")
		b.alter("ADD PARTITION PARTITIONS 2")
		b.alter("COALESCE PARTITION 1")
		b.alter("REMOVE PARTITIONING")
	}},
	{"partitions that go", "", false, func(b *bolt) {
		b.alter("PARTITION BY RANGE (id) (PARTITION low VALUES LESS THAN (10), PARTITION mid VALUES LESS THAN (20), PARTITION high VALUES LESS THAN MAXVALUE)")
		b.emptied(" WHERE id < 20", "ALTER TABLE "+b.ref+" DROP PARTITION low", "ALTER TABLE "+b.ref+" TRUNCATE PARTITION mid")
		b.alter("REORGANIZE PARTITION mid, high INTO (PARTITION rest VALUES LESS THAN MAXVALUE)")
		b.alter("REMOVE PARTITIONING")
	}},
}

var otherKinds = []stormKind{
	{"temporary table of the same name", "", true, func(b *bolt) {
		b.dof("CREATE TEMPORARY TABLE %s (id INT PRIMARY KEY, other VARCHAR(10))", b.ref)
		b.dof("INSERT INTO %s VALUES (1, 'x')", b.ref)
		b.alter("ADD COLUMN more INT FIRST")
		b.dof("TRUNCATE TABLE %s", b.ref)
		b.dof("DROP TEMPORARY TABLE %s", b.ref)
	}},
	{"table of the same name elsewhere", "", true, func(b *bolt) {
		b.do("USE elsewhere", "CREATE TABLE "+b.table+" (other TEXT)", "ALTER TABLE "+b.table+" ADD more INT FIRST", "INSERT INTO "+b.table+" VALUES (1, 'x')", "TRUNCATE "+b.table, "DROP TABLE "+b.table)
	}},
	{"view", "", true, func(b *bolt) {
		b.dof("CREATE VIEW storm.seen AS SELECT id FROM %s", b.ref)
		b.dof("ALTER VIEW storm.seen AS SELECT n FROM %s", b.ref)
		b.do("DROP VIEW storm.seen")
	}},
	{"trigger", "", true, func(b *bolt) {
		b.dof("CREATE TRIGGER storm.watch BEFORE INSERT ON %s FOR EACH ROW SET NEW.n = NEW.n", b.ref)
		b.do("DROP TRIGGER storm.watch")
	}},
	{"upkeep", "", true, func(b *bolt) { b.do("ANALYZE TABLE "+b.ref, "OPTIMIZE TABLE "+b.ref, "FLUSH TABLES "+b.ref) }},
	{"database", "", true, func(b *bolt) {
		b.dof("CREATE DATABASE passing")
		b.do("CREATE TABLE passing."+b.table+" (a INT)", "INSERT INTO passing."+b.table+" VALUES (1)", "DROP DATABASE passing")
	}},
	{"if exists", "maria", true, func(b *bolt) {
		c, k, n := b.fresh()
		b.alter("WAIT 5 ADD COLUMN IF NOT EXISTS %s %s, ADD COLUMN IF NOT EXISTS n TEXT, DROP COLUMN IF EXISTS nothing, MODIFY COLUMN IF EXISTS nothing INT", c, definition(b.r, k, n))
	}},
	{"wait", "maria", true, func(b *bolt) { b.dof("ALTER ONLINE TABLE %s NOWAIT COMMENT 'now'", b.ref) }},
}
