package mysqlsource

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// finished is enough when the row with that id has been inserted into table done.
func finished(id int) func(*seen) bool {
	return func(s *seen) bool { return has(s, "done/", fmt.Sprint(id)) && s.txns[len(s.txns)-1].Last }
}

// fill writes n rows of text into a table in one statement.
func (b *bench) fill(table string, from, n, width int) string {
	return fmt.Sprintf("INSERT INTO %s (id, v) SELECT s.n+%d, REPEAT(CHAR(97 + s.n %% 26), %d) FROM (SELECT a.d + 10*b.d + 100*c.d + 1000*e.d AS n FROM digits a, digits b, digits c, digits e) s WHERE s.n < %d",
		table, from, width, n)
}

func (b *bench) digits() {
	b.exec("CREATE TABLE digits (d INT PRIMARY KEY)", "INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)")
}

// TestXA keeps the rows of a prepared transaction until it is committed, over every restart.
func TestXA(t *testing.T) {
	for _, v := range versions {
		for _, gtid := range []string{"ON", "OFF"} {
			t.Run(v+" gtid_mode="+gtid, func(t *testing.T) {
				b := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{"--gtid-mode=" + gtid, "--enforce-gtid-consistency=" + gtid}})
				b.digits()
				b.exec("CREATE TABLE a (id INT PRIMARY KEY, v TEXT)", "CREATE TABLE b (id INT PRIMARY KEY, v TEXT)", "CREATE TABLE done (id INT PRIMARY KEY)")
				b.session("XA START 'p1','b',3", "INSERT INTO a VALUES (1,'p1')", b.fill("a", 1000, 500, 60), "XA END 'p1','b',3", "XA PREPARE 'p1','b',3")
				b.exec("INSERT INTO a VALUES (2,'between')")
				b.session("XA START 'p2'", "INSERT INTO a VALUES (3,'p2')", "XA END 'p2'", "XA PREPARE 'p2'")
				b.exec("INSERT INTO a VALUES (4,'between')", "FLUSH BINARY LOGS")
				b.session("XA ROLLBACK 'p2'")
				b.exec("INSERT INTO b VALUES (5,'between')")
				b.session("XA COMMIT 'p1','b',3")
				b.exec("INSERT INTO a VALUES (6,'after')", "INSERT INTO done VALUES (1)")
				b.session("XA START 'p3'", "INSERT INTO a VALUES (7,'p3')", "XA END 'p3'", "XA PREPARE 'p3'")
				b.exec("INSERT INTO done VALUES (2)")
				cfg := b.config()
				cfg.BatchBytes, cfg.ExcludeTables = 16<<10, []string{"shop.digits"}
				ref, err := collect(t, cfg, "", finished(2))
				if err != nil {
					t.Fatal(err)
				}
				checkOrdinals(t, ref)
				sameRows(t, ref.fold("a"), b.selectAll("a"))
				if ref.parts < 2 {
					t.Fatalf("%d parts", ref.parts)
				}
				for i, p := range ref.positions[:len(ref.positions)-1] {
					got, err := collect(t, cfg, p, finished(2))
					if err != nil {
						t.Fatalf("resuming at %s: %v", p, err)
					}
					if want := ref.changes[ref.after[i]:]; !slices.Equal(got.changes, want) {
						t.Fatalf("resuming at %s:\ngot  %q\nwant %q", p, got.changes, want)
					}
				}
				b.session("XA COMMIT 'p3'")
				b.exec("INSERT INTO done VALUES (3)")
				got, err := collect(t, cfg, ref.positions[len(ref.positions)-1], finished(3))
				if err != nil || len(got.changes) != 2 || !strings.HasSuffix(got.changes[0], "-> 7,p3") {
					t.Fatalf("%v, %q", err, got.changes)
				}
				// A commit of what was prepared before the start is never passed over.
				b.session("XA START 'p4'", "INSERT INTO a VALUES (8,'p4')", "XA END 'p4'", "XA PREPARE 'p4'")
				late := b.config()
				late.Start = "latest"
				src, _, err := open(t, late, "")
				if err != nil {
					t.Fatal(err)
				}
				b.session("XA COMMIT 'p4'")
				_, err = run(t, src, func(*seen) bool { return false })
				wantFault(t, err, fault.Diverged)
			})
		}
	}
}
