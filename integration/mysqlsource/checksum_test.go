package mysqlsource

import (
	"testing"

	"cdcbridge/integration/servers"
)

// TestNoChecksums reads a log that changes between events with and without checksums, from its start and from every position.
func TestNoChecksums(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]servers.MySQLOptions{"97": {Version: "97"}, "80 without GTIDs": {Version: "80", Extra: withoutGTIDs}, "57": {Version: "57"}, "maria1011": {Version: "maria1011"}, "maria118": {Version: "maria118"}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, o)
			b.exec("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)", "SET GLOBAL binlog_checksum=NONE", "INSERT INTO t VALUES (2)", "FLUSH BINARY LOGS",
				"INSERT INTO t VALUES (3)", "SET GLOBAL binlog_checksum=CRC32", "INSERT INTO t VALUES (4)", "SET GLOBAL binlog_checksum=NONE", "INSERT INTO t VALUES (5)")
			cfg := b.config()
			cfg.BatchBytes = 4 << 10
			got, err := collect(t, cfg, "", changesAtLeast(5))
			if err != nil {
				t.Fatal(err)
			}
			sameRows(t, got.fold("t"), b.selectAll("t"))
			b.exec("INSERT INTO t VALUES (6)")
			for i, p := range got.positions {
				again, err := collect(t, cfg, p, changesAtLeast(6-got.after[i]))
				if err != nil || len(again.changes) != 6-got.after[i] {
					t.Errorf("from %s: %v, %d changes", p, err, len(again.changes))
				}
			}
		})
	}
}
