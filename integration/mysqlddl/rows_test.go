package mysqlddl

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cdcbridge/capture/mysql/schema"
	"cdcbridge/integration/servers"
)

// TestRowsHaveTheColumnsOfTheCatalogue: rows in the log have columns that no catalogue shows, the period of a system-versioned
// table and hashes of wide unique indexes. What is made of the statements has them too, in the places where rows have them.
func TestRowsHaveTheColumnsOfTheCatalogue(t *testing.T) {
	for _, v := range versions() {
		t.Run(v, func(t *testing.T) {
			m := servers.MySQLFor(t, servers.MySQLOptions{Version: v})
			b, err := newBench(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = b.close() })
			if err := b.reset(t.Context()); err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, sql := range rowStatements(b.maria) {
				b.run(t.Context(), t, sql)
				for _, name := range b.catalog.Names() {
					if _, err := b.conn.ExecContext(t.Context(), "INSERT IGNORE INTO "+name.Table+" (a) VALUES ('1')"); err != nil {
						continue // a second row of one value
					}
					if table, got := b.catalog.Table(name), lastMap(t, m); rowShape(table) != got {
						t.Errorf("%s: after %s: a row of %s\n is      %s\n in the log %s", v, sql, name, rowShape(table), got)
					}
					n++
				}
			}
			if n < 6 {
				t.Errorf("%d rows only", n)
			}
		})
	}
}

func rowStatements(maria bool) []string {
	common := []string{
		"SET SESSION sql_mode=''", // a row is inserted with one value
		"CREATE TABLE t (a VARCHAR(10), b INT AS (1), c INT AS (2) STORED, d TIMESTAMP(3) NULL, e ENUM('a'), f SET('a'), g BLOB NOT NULL)",
		"ALTER TABLE t ADD x BIT(5) FIRST, DROP b, MODIFY e DECIMAL(5,2) AFTER a",
		"ALTER TABLE t ADD y JSON, MODIFY d YEAR NOT NULL",
		"ALTER TABLE t ADD z TINYTEXT, ADD w FLOAT, ADD v DOUBLE, ADD u POINT, ADD UNIQUE (a)",
		"ALTER TABLE t DROP INDEX a, MODIFY a TEXT, ADD s DATETIME(6), ADD r TIME(2), ADD q BIGINT UNSIGNED",
	}
	more := []string{"ALTER TABLE t ADD inv INT INVISIBLE", "CREATE TABLE k (a INT, b INT, UNIQUE ((a + b)))", "ALTER TABLE k ADD c INT"}
	if maria {
		more = []string{
			"ALTER TABLE t ADD inv INT INVISIBLE, ADD c1 VARCHAR(50) COMPRESSED, ADD i6 INET6, ADD uu UUID", "ALTER TABLE t ADD UNIQUE k1 (a)",
			"SET SESSION system_versioning_alter_history=KEEP",
			"ALTER TABLE t ADD SYSTEM VERSIONING", "ALTER TABLE t ADD UNIQUE k2 (c1, a), ADD late INT, ADD later INT AFTER a", "ALTER TABLE t DROP INDEX k1", "CREATE TABLE l LIKE t",
			"ALTER TABLE t DROP SYSTEM VERSIONING", "CREATE TABLE k (a INT, b INT, UNIQUE (b) USING HASH) WITH SYSTEM VERSIONING", "ALTER TABLE k ADD c INT",
			"CREATE TABLE p (a INT WITH SYSTEM VERSIONING, b TEXT UNIQUE)", "ALTER TABLE p MODIFY b VARCHAR(10)",
			"CREATE TABLE s (a INT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START, e TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING",
			"ALTER TABLE s ADD b INT",
		}
	}
	return append(common, more...)
}

// lastMap reads what the log says of the last row in it: how many columns, of which type, and whether they can be NULL.
func lastMap(t *testing.T, m *servers.MySQL) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(m.DataDir(), "binlog."+strings.Repeat("[0-9]", 6)))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	log, err := os.ReadFile(files[len(files)-1])
	if err != nil {
		t.Fatal(err)
	}
	var last []byte
	for log = log[4:]; len(log) >= 19; {
		size := int(binary.LittleEndian.Uint32(log[9:]))
		if size < 19 || size > len(log) {
			break
		}
		if log[4] == 19 { // TABLE_MAP
			last = log[19:size]
		}
		log = log[size:]
	}
	if last == nil {
		return ""
	}
	last = last[8:]
	for range 2 { // database and table
		last = last[1+int(last[0])+1:]
	}
	n := int(last[0])
	types, rest := last[1:1+n], last[1+n:]
	nulls := rest[1+int(rest[0]):]
	var b strings.Builder
	for i, c := range types {
		fmt.Fprintf(&b, " %d%s", c, map[bool]string{true: "?"}[nulls[i/8]>>(i%8)&1 == 1])
	}
	return b.String()
}

// rowShape writes the same of a table.
func rowShape(t *schema.Table) string {
	var b strings.Builder
	for _, c := range t.Columns {
		fmt.Fprintf(&b, " %d%s", rowType(c), map[bool]string{true: "?"}[c.Nullable])
	}
	return b.String()
}

func rowType(c schema.Column) byte {
	switch c.DataType {
	case "text", "tinytext", "mediumtext", "longtext", "tinyblob", "blob", "mediumblob", "longblob":
		return 252
	case "varchar":
		if c.Compressed {
			return 141
		}
		return 15
	}
	return map[string]byte{
		"tinyint": 1, "int": 3, "bigint": 8, "float": 4, "double": 5, "bit": 16, "decimal": 246, "year": 13, "json": 245, "point": 255,
		"enum": 254, "set": 254, "char": 254, "binary": 254, "uuid": 254, "inet6": 254, "timestamp": 17, "datetime": 18, "time": 19,
	}[c.DataType]
}
