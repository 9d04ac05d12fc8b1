package mysqlsource

import (
	"strings"
	"testing"

	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// minimal makes the server describe its tables as little as it can.
func minimal(o servers.MySQLOptions) servers.MySQLOptions {
	if o.Version == "97" || o.Version == "80" || strings.HasPrefix(o.Version, "maria") {
		o.Extra = append(o.Extra, "--binlog-row-metadata=MINIMAL")
	}
	return o
}

// TestProbe begins with the oldest log of a server that has DDL in its past: tables that no statement has changed since their
// rows were logged are known, and the others are not, whatever they look like now.
func TestProbe(t *testing.T) {
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, minimal(servers.MySQLOptions{Version: v}))
			b.exec("CREATE TABLE calm (id INT PRIMARY KEY, name VARCHAR(20), e ENUM('a','b'))", "CREATE TABLE wild (id INT PRIMARY KEY, old INT, was INT)",
				"CREATE TABLE indexed (id INT PRIMARY KEY, v INT)", "CREATE TABLE gone (id INT PRIMARY KEY)", "FLUSH BINARY LOGS")
			from := b.query("SELECT @@GLOBAL.gtid_executed")
			b.exec("INSERT INTO calm VALUES (1,'one','b')", "INSERT INTO wild VALUES (1,2,3)", "INSERT INTO indexed VALUES (1,1)", "INSERT INTO gone VALUES (1)",
				"ALTER TABLE wild RENAME COLUMN old TO was2, RENAME COLUMN was TO old", "CREATE UNIQUE INDEX u ON indexed (v)", "DROP TABLE gone", "INSERT INTO wild VALUES (2,2,3)", "INSERT INTO calm VALUES (2,'two','a')")
			for table, want := range map[string]string{"calm": "", "wild": "RENAME COLUMN", "indexed": "CREATE UNIQUE INDEX", "gone": "DROP TABLE"} {
				cfg := b.config()
				cfg.Start, cfg.Tables = from, []string{"shop." + table}
				got, err := collect(t, cfg, "", changesAtLeast(2))
				if want == "" {
					if err != nil || !strings.HasSuffix(got.changes[0], "1,one,b") || !strings.HasSuffix(got.changes[1], "2,two,a") {
						t.Errorf("%s: %v %+v", table, err, got)
					}
					continue
				}
				if f := wantFault(t, err, fault.SchemaUnknown); !f.Final || !strings.Contains(f.Error(), want) || !strings.Contains(f.Error(), "shop."+table) {
					t.Errorf("%s: %v", table, err)
				}
			}
		})
	}
}
