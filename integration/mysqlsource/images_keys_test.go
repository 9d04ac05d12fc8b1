package mysqlsource

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"cdcbridge/integration/servers"
)

// TestImagesFindRowsByTheirKeys: the statements that read rows go by the index, whatever the type of the key.
func TestImagesFindRowsByTheirKeys(t *testing.T) {
	t.Parallel()
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v})
			b.exec("SET GLOBAL log_output='TABLE'", "SET GLOBAL general_log=ON")
			for _, k := range keyTypes {
				b.session("SET sql_mode=''", "CREATE TABLE "+k.name+" ("+k.columns+", n INT, o INT)")
				for i, value := range k.values {
					columns := "k,n,o"
					if k.name == "pairs" {
						columns, value = "k,l,n,o", value+",'a'"
					}
					b.session("SET sql_mode=''", fmt.Sprintf("INSERT IGNORE INTO %s (%s) VALUES (%s,%d,5)", k.name, columns, value, i))
				}
				b.session(minimalImage, "UPDATE "+k.name+" SET n=n+1")
			}
			b.exec("CREATE TABLE done (id INT PRIMARY KEY)", "INSERT INTO done VALUES (1)")
			f := newFolded(t)
			if err := f.stream(b.config(), func() bool { return f.has("done", 1) }); err != nil {
				t.Fatal(err)
			}
			b.exec("SET GLOBAL general_log=OFF")
			f.equalsTables(b.config())
			rows, err := b.db.QueryContext(t.Context(), "SELECT CONVERT(argument USING utf8mb4) FROM mysql.general_log WHERE command_type='Query' AND argument LIKE 'SELECT%FORCE INDEX%WHERE%' AND argument NOT LIKE '%general_log%'")
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			seen := map[string]bool{}
			for rows.Next() {
				var statement string
				if err := rows.Scan(&statement); err != nil {
					t.Fatal(err)
				}
				table, by := planOf(b, v, statement)
				if by != "range" && by != "const" && by != "eq_ref" && by != "ref" {
					t.Errorf("%s: %s", statement, by)
				}
				seen[table] = true
			}
			if len(seen) != len(keyTypes) {
				t.Errorf("rows of %v were read, of %d tables", seen, len(keyTypes))
			}
		})
	}
}

// planOf says how the server finds the rows of a table.
func planOf(b *bench, version, statement string) (table, by string) {
	b.t.Helper()
	c, err := b.db.Conn(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.ExecContext(b.t.Context(), "SET SESSION sql_mode='ALLOW_INVALID_DATES'"); err != nil {
		b.t.Fatal(err)
	}
	if !strings.HasPrefix(version, "maria") {
		plan, err := explain(b.t, c, statement)
		if err != nil {
			b.t.Fatalf("%s: %v", statement, err)
		}
		return plan["table"], plan["type"]
	}
	var id, kind, keys, key, length, ref, rows, extra sql.NullString
	if err := c.QueryRowContext(b.t.Context(), "EXPLAIN "+statement).Scan(&id, &kind, &table, &by, &keys, &key, &length, &ref, &rows, &extra); err != nil {
		b.t.Fatalf("%s: %v", statement, err)
	}
	return table, by
}
