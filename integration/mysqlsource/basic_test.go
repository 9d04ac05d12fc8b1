package mysqlsource

import (
	"fmt"
	"strings"
	"testing"

	"cdcbridge/integration/servers"
)

// TestTransactions runs what this log alone can say about transactions, and compares the folded changes with the tables.
func TestTransactions(t *testing.T) {
	for _, v := range versions {
		for _, gtid := range []string{"ON", "OFF"} {
			t.Run(v+" gtid_mode="+gtid, func(t *testing.T) {
				b := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{"--gtid-mode=" + gtid, "--enforce-gtid-consistency=" + gtid}})
				b.exec("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1,1),(2,2),(3,3)")
				b.exec("CREATE TABLE c (PRIMARY KEY (id)) AS SELECT * FROM t", "CREATE DATABASE other", "CREATE TABLE other.x LIKE t", "INSERT INTO other.x SELECT * FROM t")
				b.session("XA START 'one'", "INSERT INTO t VALUES (10,10)", "XA END 'one'", "XA COMMIT 'one' ONE PHASE")
				b.session("SET SESSION binlog_transaction_compression=ON", "INSERT INTO t SELECT id+100, v FROM t", "UPDATE t SET v=v+1 WHERE id>100")
				b.exec("FLUSH BINARY LOGS", "INSERT INTO t VALUES (20,20)")
				got, err := collect(t, b.config(), "", func(s *seen) bool { return s.drained && has(s, "t/", "20,20") })
				if err != nil {
					t.Fatal(err)
				}
				for _, table := range []string{"t", "c"} {
					sameRows(t, got.fold(table), b.selectAll(table))
				}
				checkOrdinals(t, got)
				for _, x := range got.txns {
					if gtid == "ON" && (x.ID != x.Origin.GTID || !strings.Contains(x.ID, ":")) || gtid == "OFF" && x.ID != fmt.Sprintf("file=%s,pos=%d", x.Origin.File, x.Origin.Pos) {
						t.Errorf("id %q, origin %+v", x.ID, x.Origin)
					}
					if x.Commit < 1.7e15 || x.Origin.Thread == 0 || x.Origin.ServerID == 0 {
						t.Errorf("%+v", x)
					}
				}
			})
		}
	}
}

func has(s *seen, table, text string) bool {
	for _, c := range s.changes {
		if strings.Contains(c, " "+table) && strings.HasSuffix(c, "-> "+text) {
			return true
		}
	}
	return false
}

// checkOrdinals checks that changes are numbered from 0 without a gap, in each transaction and in each table of it.
func checkOrdinals(t *testing.T, s *seen) {
	t.Helper()
	next := map[string]uint64{}
	for _, c := range s.order {
		for key, got := range map[string]uint64{c.txn: c.index, c.txn + " " + c.table: c.tableIndex} {
			if got != next[key] {
				t.Fatalf("%s has ordinal %d after %d", key, got, next[key])
			}
			next[key] = got + 1
		}
	}
}
