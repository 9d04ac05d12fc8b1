package mysqlsource

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// undescribing makes a server that describes its tables as little as it can.
func undescribing(v string, flags ...string) servers.MySQLOptions {
	o := servers.MySQLOptions{Version: v, Metadata: "MINIMAL", Extra: flags}
	if v == "57" {
		o.Metadata = ""
	}
	return o
}

// compressing are the flags with which a release compresses what it logs, nil where it cannot.
func compressing(v string) []string {
	switch {
	case v == "57":
		return nil
	case strings.HasPrefix(v, "maria"):
		return []string{"--log-bin-compress=ON", "--log-bin-compress-min-len=10"}
	}
	return []string{"--binlog-transaction-compression=ON"}
}

// here is the position at the end of the log.
func (b *bench) here() changelog.Position {
	b.t.Helper()
	cfg := b.config()
	cfg.Start = "latest"
	src, now, err := open(b.t, cfg, "")
	if err != nil {
		b.t.Fatal(err)
	}
	_ = src.Close()
	return now
}

// TestProbe begins in the log of a server that has DDL after it: tables that no statement has changed since their rows were
// logged are known, and the others are not, whatever they look like now.
func TestProbe(t *testing.T) {
	t.Parallel()
	for _, v := range everyServer {
		for _, flags := range [][]string{nil, compressing(v)} {
			t.Run(v+strings.Join(flags, ""), func(t *testing.T) {
				b := newBench(t, undescribing(v, flags...))
				b.exec("CREATE TABLE calm (id INT PRIMARY KEY, name VARCHAR(20), e ENUM('a','b'))", "CREATE TABLE wild (id INT PRIMARY KEY, old INT, was INT)",
					"CREATE TABLE indexed (id INT PRIMARY KEY, v INT)", "CREATE TABLE gone (id INT PRIMARY KEY)")
				from := b.here()
				b.exec("INSERT INTO calm VALUES (1,'one','b')", "INSERT INTO wild VALUES (1,2,3)", "INSERT INTO indexed VALUES (1,1)", "INSERT INTO gone VALUES (1)",
					"ALTER TABLE wild CHANGE old was INT, CHANGE was old INT /* "+strings.Repeat("long ", 100)+"*/", "CREATE UNIQUE INDEX u ON indexed (v)", "DROP TABLE gone",
					"FLUSH BINARY LOGS", "CREATE TABLE IF NOT EXISTS calm (x INT)", "ALTER TABLE calm COMMENT='still', FORCE", "INSERT INTO wild VALUES (2,2,3)", "INSERT INTO calm VALUES (2,'two','a')")
				for table, want := range map[string]string{"calm": "", "wild": "CHANGE old was", "indexed": "CREATE UNIQUE INDEX", "gone": "DROP TABLE"} {
					cfg := b.config()
					cfg.Tables = []string{"shop." + table}
					got, err := collect(t, cfg, from, changesAtLeast(2))
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
}

// TestProbeWhileTablesChange begins again and again on a server where a statement swaps the names of two columns all the time. It
// may be that nothing is known of the table then, but never that one column is taken for the other.
func TestProbeWhileTablesChange(t *testing.T) {
	t.Parallel()
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, undescribing(v))
			b.exec("CREATE TABLE w (id INT PRIMARY KEY AUTO_INCREMENT, a INT, b INT)")
			stop := make(chan struct{})
			var wg sync.WaitGroup
			var pause atomic.Int64 // rows from one statement to the next: more when there was no room to look between them
			pause.Store(40)
			wg.Go(func() {
				for n := int64(0); ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					sql := "INSERT INTO w (a,b) VALUES (1,2)"
					if n >= pause.Load() {
						n = 0
						sql = "ALTER TABLE w CHANGE a b INT, CHANGE b a INT"
					}
					if _, err := b.db.ExecContext(t.Context(), sql); err != nil {
						t.Errorf("%s: %v", sql, err)
						return
					}
				}
			})
			known, unknown := 0, 0
			for range 25 {
				cfg := b.config()
				cfg.Start, cfg.OnTruncate = "latest", "note"
				rows := 0
				err := each(t, cfg, resumable{}, func(batch *changelog.Batch) bool {
					for _, r := range batch.Runs {
						for _, c := range batch.Changes[r.From:r.To] {
							rows++
							if a, two := c.After[r.Table.ColumnIndex("a")].Int(), c.After[r.Table.ColumnIndex("b")].Int(); a != 1 || two != 2 {
								t.Fatalf("a is %d and b %d", a, two)
							}
						}
					}
					return rows >= 100
				})
				switch {
				case err == nil:
					known++
					pause.Store(max(40, pause.Load()/2))
				case fault.Is(err, fault.SchemaUnknown):
					unknown++
					pause.Store(min(1<<15, pause.Load()*2))
				default:
					t.Fatal(err)
				}
			}
			close(stop)
			wg.Wait()
			t.Logf("known %d times, unknown %d times", known, unknown)
			if known == 0 {
				t.Error("the table was never known")
			}
		})
	}
}

// TestProbeInCompany: rows of a table that is held by somebody, and statements that wait for it, are no obstacle for long.
func TestProbeInCompany(t *testing.T) {
	t.Parallel()
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, undescribing(v))
			b.exec("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "CREATE TABLE done (id INT PRIMARY KEY)")
			from := b.here()
			b.exec("INSERT INTO t VALUES (1,1)")
			conn, err := b.db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, sql := range []string{"BEGIN", "INSERT INTO t VALUES (2,2)"} {
				if _, err := conn.ExecContext(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			altered := make(chan error, 1)
			go func() {
				_, err := b.db.ExecContext(t.Context(), "ALTER TABLE t ADD COLUMN w INT")
				altered <- err
			}()
			for b.query("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table metadata lock'") == "0" {
				time.Sleep(time.Millisecond)
			}
			go func() {
				_, _ = conn.ExecContext(t.Context(), "COMMIT")
				_ = conn.Close()
			}()
			if err := <-altered; err != nil {
				t.Fatal(err)
			}
			b.exec("INSERT INTO t VALUES (3,3,3)", "INSERT INTO done VALUES (1)")
			_, err = tell(t, b.config(), resumable{pos: from})
			f := wantFault(t, err, fault.SchemaUnknown)
			if !strings.Contains(f.Error(), "ADD COLUMN w") {
				t.Error(f)
			}
		})
	}
}

// TestSwaps: a table that a tool swaps with its shadow has the shadow's shape from then on. What the tool did to the values
// is judged as an ALTER TABLE would be.
func TestSwaps(t *testing.T) {
	t.Parallel()
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, undescribing(v))
			n := 0
			for shadow, fails := range map[string]bool{"ADD COLUMN extra INT NULL, DROP COLUMN gone": false, "ADD COLUMN extra INT NOT NULL DEFAULT 5": true, "MODIFY v BIGINT": false, "MODIFY v SMALLINT": true, "ADD INDEX (v)": false} {
				b.exec("DROP TABLE IF EXISTS t, done, _t_gho, _t_del", "CREATE TABLE t (id INT PRIMARY KEY, v INT, pad TEXT, gone INT)", "CREATE TABLE done (id INT)")
				from := b.here()
				b.exec("INSERT INTO t (id,v,pad) VALUES (1,1,REPEAT('p',5000))", "CREATE TABLE _t_gho LIKE t", "ALTER TABLE _t_gho "+shadow, "INSERT INTO _t_gho (id,v) SELECT id,v FROM t", "RENAME TABLE t TO _t_del, _t_gho TO t", "DROP TABLE _t_del")
				n++
				b.exec(fmt.Sprintf("INSERT INTO t (id,v) VALUES (2,%d)", n), "INSERT INTO done VALUES (1)")
				cfg := b.config()
				cfg.Tables, cfg.BatchBytes = []string{"shop.t", "shop.done"}, 4096
				// t itself was swapped since, so what it looked like before must be told by a statement.
				_, err := tell(t, cfg, resumable{pos: from})
				wantFault(t, err, fault.SchemaUnknown)
				cfg.Start = "earliest"
				cfg.OnTruncate = "ignore"
				whole, err := tell(t, cfg, resumable{})
				if err != nil {
					t.Fatal(err)
				}
				last := whole.lines[len(whole.lines)-2]
				if !strings.Contains(last, fmt.Sprintf("id=2 v=%d", n)) || strings.Contains(shadow, "extra") != strings.Contains(last, "extra=") || strings.Contains(shadow, "DROP") == strings.Contains(last, "gone=") {
					t.Errorf("%s: %s", shadow, last)
				}
				// From where t is known, with the default policy.
				at := len(whole.points) - 1
				for i, p := range whole.points {
					if p.lines > 0 && strings.Contains(whole.lines[p.lines-1], "id=1 v=1 ") {
						at = i
					}
				}
				if at == len(whole.points)-1 {
					t.Fatalf("no position after the first row: %q", whole.lines)
				}
				cfg.OnTruncate = "fail"
				_, err = tell(t, cfg, whole.points[at])
				if fails {
					wantFault(t, err, fault.Diverged)
				} else if err != nil {
					t.Errorf("%s: %v", shadow, err)
				}
			}
		})
	}
}

// TestUnknownShapes: a shape that no statement tells is looked up where the rows are; one that a statement changed behind the
// log's back is noticed, and is looked up too; and where the catalogue shows another table than the log, nothing is read.
func TestUnknownShapes(t *testing.T) {
	t.Parallel()
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, undescribing(v))
			b.exec("CREATE DATABASE elsewhere", "CREATE TABLE elsewhere.x (id INT PRIMARY KEY, hidden INT, v INT)", "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1,1)")
			before := b.here()
			b.exec("INSERT INTO t VALUES (2,2)", "RENAME TABLE elsewhere.x TO shop.y", "INSERT INTO y VALUES (1,2,3)")
			b.session("SET sql_log_bin=0", "ALTER TABLE t ADD COLUMN w INT FIRST")
			b.exec("INSERT INTO t VALUES (3,3,3)", "CREATE TABLE done (id INT)", "INSERT INTO done VALUES (1)")
			cfg := b.config()
			cfg.Start, cfg.OnTruncate = "earliest", "note"
			got, err := tell(t, cfg, resumable{})
			if err != nil {
				t.Fatal(err)
			}
			all := strings.Join(got.lines, "\n")
			for _, want := range []string{"(id=1 v=1)", "(id=2 v=2)", "(id=1 hidden=2 v=3)", "(w=3 id=3 v=3)"} {
				if !strings.Contains(all, want) {
					t.Errorf("no %s in\n%s", want, all)
				}
			}
			_, err = tell(t, cfg, resumable{pos: before})
			if f := wantFault(t, err, fault.SchemaUnknown); !f.Final || !strings.Contains(f.Error(), "3 are known") {
				t.Error(f)
			}
			last := got.points[len(got.points)-1]
			if len(last.state) == 0 || !strings.Contains(string(last.pos), `"shapes":true`) {
				t.Fatalf("%s with %d records", last.pos, len(last.state))
			}
			for value, want := range map[string]fault.Code{`{"v":2,"min_reader":2}`: fault.StateNewer, `{"v":`: fault.Decode} {
				_, err := tell(t, cfg, resumable{pos: last.pos, state: map[string][]byte{"mysql/schema/shop.t": []byte(value)}})
				wantFault(t, err, want)
			}
			// A release that does not know them has moved the position on: the records are of no use, and go.
			b.exec("ALTER TABLE t CHANGE v renamed INT", "INSERT INTO t VALUES (4,4,4)", "INSERT INTO done VALUES (2)")
			after := b.here()
			b.exec("INSERT INTO t VALUES (5,5,5)", "INSERT INTO done VALUES (3)")
			old := changelog.Position(strings.Replace(string(after), `,"shapes":true`, "", 1))
			got, err = tell(t, cfg, resumable{pos: old, state: last.state})
			if err != nil || !strings.Contains(got.lines[0], "(w=5 id=5 renamed=5)") {
				t.Fatalf("%v %q", err, got.lines)
			}
			if n := len(got.points[len(got.points)-1].state); n == 0 || n > 4 {
				t.Errorf("%d records are left", n)
			}
		})
	}
}
