package mysqlsource

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cdcbridge/capture/mysql"
	"cdcbridge/changelog"
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

// TestResumeEverywhere opens the stream again at every position that it gave and compares what follows with what followed.
func TestResumeEverywhere(t *testing.T) {
	for _, v := range versions {
		for _, mode := range []string{"gtid_mode=ON", "gtid_mode=OFF", "compressed"} {
			t.Run(v+" "+mode, func(t *testing.T) {
				o := servers.MySQLOptions{Version: v}
				switch mode {
				case "gtid_mode=OFF":
					o.Extra = []string{"--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"}
				case "compressed":
					o.Extra = []string{"--binlog-transaction-compression=ON"}
				}
				b := newBench(t, o)
				b.digits()
				b.exec("CREATE TABLE a (id INT PRIMARY KEY, v TEXT)", "CREATE TABLE b (id INT PRIMARY KEY, v TEXT)", "CREATE TABLE done (id INT PRIMARY KEY)", "CREATE DATABASE other", "CREATE TABLE other.a LIKE a")
				b.exec("INSERT INTO a VALUES (-1,'x')", "INSERT INTO b VALUES (-1,'y')")
				// Large, over two captured tables and one that is not, with updates of rows that it wrote itself.
				b.session("BEGIN", b.fill("a", 0, 400, 60), b.fill("b", 0, 300, 80), b.fill("other.a", 0, 200, 50), "UPDATE a SET v=CONCAT(v,'!') WHERE id < 200",
					"SAVEPOINT s", "DELETE FROM b WHERE id < 50", b.fill("b", 1000, 100, 40), "COMMIT")
				b.exec("INSERT INTO a VALUES (-2,'x')", "FLUSH BINARY LOGS", "INSERT INTO other.a VALUES (5000,'z')", "INSERT INTO b VALUES (-2,'y')", "INSERT INTO done VALUES (1)")
				cfg := b.config()
				cfg.BatchBytes = 32 << 10
				cfg.ExcludeTables = []string{"shop.digits"}
				ref, err := collect(t, cfg, "", finished(1))
				if err != nil {
					t.Fatal(err)
				}
				checkOrdinals(t, ref)
				sameRows(t, ref.fold("a"), b.selectAll("a"))
				sameRows(t, ref.fold("b"), b.selectAll("b"))
				if ref.parts < 5 || ref.batches < ref.parts+3 {
					t.Fatalf("%d parts in %d batches: the large transaction was not split", ref.parts, ref.batches)
				}
				for i, p := range ref.positions[:len(ref.positions)-1] {
					got, err := collect(t, cfg, p, finished(1))
					if err != nil {
						t.Fatalf("resuming at %s: %v", p, err)
					}
					if want := ref.changes[ref.after[i]:]; !slices.Equal(got.changes, want) {
						t.Fatalf("resuming at %s:\ngot  %d changes, first %q\nwant %d changes, first %q", p, len(got.changes), got.changes[0], len(want), want[0])
					}
				}
				// The same within the same transaction under another cut: positions do not depend on batch sizes.
				cfg.BatchBytes = 9 << 10
				mid := ref.positions[slices.IndexFunc(ref.positions, func(p changelog.Position) bool { return strings.Contains(string(p), `"txn"`) })+2]
				got, err := collect(t, cfg, mid, finished(1))
				if err != nil || !slices.Equal(got.changes, ref.changes[ref.after[slices.Index(ref.positions, mid)]:]) {
					t.Fatalf("with smaller batches: %v", err)
				}
				wantDigestsCompared(t, cfg, mid)
			})
		}
	}
}

// wantDigestsCompared changes what the position says about the rows that are done.
func wantDigestsCompared(t *testing.T, cfg *mysql.Config, mid changelog.Position) {
	t.Helper()
	at := strings.Index(string(mid), `"sum":"`) + len(`"sum":"`)
	for _, bad := range []string{
		string(mid[:at]) + "0123456789abcdef" + string(mid[at+16:]),
		strings.Replace(string(mid), `"rows":`, `"rows":9`, 1), // more rows than the transaction has
	} {
		_, err := collect(t, cfg, changelog.Position(bad), finished(1))
		wantFault(t, err, fault.ReplayDiffers)
	}
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
