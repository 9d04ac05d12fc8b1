package mysqlsource

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"cdcbridge/capture/mysql"
	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
)

// ownTypes are what MariaDB has beyond the matrix.
const ownTypes = "CREATE TABLE own (id INT PRIMARY KEY, u UUID, v6 INET6, v4 INET4, vc VARCHAR(100) COMPRESSED, vb VARBINARY(300) COMPRESSED, bc BLOB COMPRESSED, tc TINYTEXT COMPRESSED, lc LONGTEXT COMPRESSED, b16 BINARY(16), j JSON);\n" +
	"INSERT INTO own VALUES (1,'123e4567-e89b-12d3-a456-426655440000','2001:db8::ff00:42:8329','10.0.0.1',REPEAT('a',90),REPEAT('b',300),REPEAT('c',60000),'short',REPEAT('ü',1000),'x','{\"a\": 1}'),(2,NULL,NULL,NULL,'','','','','','',NULL);\n" +
	"CREATE TABLE vectors (id INT PRIMARY KEY, v VECTOR(3) NOT NULL);\nINSERT INTO vectors VALUES (1,x'0000803f0000004000004040');\n"

// run executes a script, one statement after the other. Of releases that lack a type the statements about it may fail.
func (b *bench) run(script string, mayFail bool) {
	b.t.Helper()
	c, err := b.db.Conn(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	defer c.Close()
	for _, sql := range append([]string{"SET NAMES utf8mb4, time_zone='+03:00', sql_mode=''"}, strings.Split(script, ";\n")...) {
		if _, err := c.ExecContext(b.t.Context(), sql); err != nil && !mayFail {
			b.t.Fatalf("%.200s: %v", sql, err)
		}
	}
}

// TestHistoryTypes: a table of every column type is what its TABLE_MAP says, whether the catalogue or the statement that made it
// described it, and both describe the very same table.
func TestHistoryTypes(t *testing.T) {
	t.Parallel()
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			o := servers.MySQLOptions{Version: v, Metadata: "MINIMAL", Extra: []string{"--max-allowed-packet=64M"}}
			if v == "57" {
				o.Metadata = ""
			}
			b := newBench(t, o)
			version := b.query("SELECT VERSION()")
			b.run(typeScript(t, "types", version)+";\n"+typeScript(t, "tables", version)+";\n"+moreTypes+charsetTables(t, b)+ownTypes, true)
			cfg := b.config()
			cfg.Tables, cfg.ExcludeTables, cfg.OnTruncate = []string{"*.*"}, []string{"shop.never", "mysql.*"}, "ignore"
			latest := *cfg
			latest.Start = "latest"
			src, now, err := open(t, &latest, "")
			if err != nil {
				t.Fatal(err)
			}
			_ = src.Close()
			deleted := 0
			for _, name := range b.tables() {
				b.exec("DELETE FROM " + name)
				deleted++
			}
			b.exec("CREATE TABLE shop.done (id INT PRIMARY KEY)", "INSERT INTO shop.done VALUES (1)")
			cfg.Start = "earliest"
			told, looked := shapesOf(t, cfg, ""), shapesOf(t, cfg, now)
			for name, want := range looked {
				got := told[name]
				if got == nil {
					t.Errorf("%s: no statement tells what it looks like", name)
					continue
				}
				got.ID, got.Version, want.ID, want.Version = 0, 0, 0, 0
				doubtful := name == "shop.emoji" || v == "57" && name == "shop.quoted" // whose labels the catalogue shows with question marks, and without NUL
				if !reflect.DeepEqual(got, want) && !doubtful {
					t.Errorf("%s:\nby statements %+v\nby catalogue  %+v", name, *got, *want)
				}
			}
			t.Logf("%d tables, of %d", len(looked), deleted)
			if len(looked) < 60 {
				t.Errorf("only %d tables had rows", len(looked))
			}
		})
	}
}

// tables lists all tables with their database.
func (b *bench) tables() []string {
	b.t.Helper()
	rows, err := b.db.QueryContext(b.t.Context(), "SELECT CONCAT('`',TABLE_SCHEMA,'`.`',TABLE_NAME,'`') FROM information_schema.TABLES WHERE TABLE_TYPE='BASE TABLE' AND TABLE_SCHEMA NOT IN ('mysql','sys','performance_schema','information_schema') ORDER BY 1")
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			b.t.Fatal(err)
		}
		out = append(out, name)
	}
	return out
}

// shapesOf streams up to the row of the table done and gives the last version of each table of which rows were deleted.
func shapesOf(t *testing.T, cfg *mysql.Config, at changelog.Position) map[string]*changelog.Table {
	t.Helper()
	out := map[string]*changelog.Table{}
	err := each(t, cfg, resumable{pos: at}, func(b *changelog.Batch) bool {
		for _, r := range b.Runs {
			if slices.ContainsFunc(b.Changes[r.From:r.To], func(c changelog.Change) bool { return c.Op == changelog.Delete }) {
				c := *r.Table
				out[r.Table.FullName()] = &c
			}
			if r.Table.Name == "done" {
				return true
			}
		}
		return false
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
