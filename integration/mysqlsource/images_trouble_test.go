package mysqlsource

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

const minimalImage = "SET binlog_row_image=MINIMAL"

// heldServers are servers that can be made to hold transactions between their log and everybody's eyes until a replica has
// them, of which there is none.
var heldServers = harness.Longer([]string{"97", "maria118"}, []string{"97", "maria1011", "maria118"})

// heldBy makes a server hold all transactions from now on. The function that it returns lets them go.
func heldBy(b *bench, version string) (release func()) {
	b.t.Helper()
	if !strings.HasPrefix(version, "maria") {
		return b.semisync()
	}
	b.exec("SET GLOBAL rpl_semi_sync_master_timeout=600000", "SET GLOBAL rpl_semi_sync_master_wait_point=AFTER_SYNC", "SET GLOBAL rpl_semi_sync_master_enabled=ON")
	release = sync.OnceFunc(func() { _, _ = b.db.Exec("SET GLOBAL rpl_semi_sync_master_enabled=OFF") })
	b.t.Cleanup(release)
	return release
}

// TestImagesHeld completes rows of transactions that are in the log and that nobody sees: a semi-synchronous replica has not
// answered. A read at once would give the values before, or no row at all, or one that is gone.
func TestImagesHeld(t *testing.T) {
	t.Parallel()
	for _, v := range heldServers {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v})
			doc := `{"a": "` + strings.Repeat("x", 100) + `", "b": %d}`
			b.exec("CREATE TABLE t (id INT PRIMARY KEY, v INT DEFAULT 5, j JSON)", "INSERT INTO t VALUES (1,1,'"+fmt.Sprintf(doc, 1)+"'),(4,1,NULL),(5,1,NULL)")
			l := goLive(t, b.config())
			l.await("insert 0 5,1,NULL")
			release := heldBy(b, v)
			partial := "SET binlog_row_image=MINIMAL"
			if v == "97" {
				partial += ", binlog_row_value_options=PARTIAL_JSON"
			}
			held := []chan error{
				b.background(partial, "UPDATE t SET j=JSON_SET(j,'$.b',2) WHERE id=1"),
				b.background(minimalImage, "INSERT INTO t (id) VALUES (2)"),
				b.background(minimalImage, "UPDATE t SET id=6 WHERE id=4"),
				b.background(minimalImage, "BEGIN", "UPDATE t SET v=2 WHERE id=5", "DELETE FROM t WHERE id=5", "COMMIT"),
				b.background(minimalImage, "XA START 'x'", "INSERT INTO t (id) VALUES (3)", "XA END 'x'", "XA PREPARE 'x'", "XA COMMIT 'x'"),
			}
			for _, c := range held {
				pending(t, c)
			}
			l.still(3, 700*time.Millisecond)
			release()
			for _, c := range held {
				if err := <-c; err != nil {
					t.Fatal(err)
				}
			}
			until(t, "six more changes", func() bool { return len(l.all()) == 9 })
			got := strings.Join(l.all(), "\n")
			for _, want := range []string{"update 1 1,1," + fmt.Sprintf(doc, 2), "insert 1 2,5,NULL", "update 1 6,1,NULL", "update 2 5,2,?", "insert 1 3,5,NULL"} {
				if !strings.Contains(got, want) {
					t.Errorf("%q is not in\n%s", want, got)
				}
			}
			l.stop()
		})
	}
}

// TestImagesHeldForLong: the log says what a stream waits for, and it can be stopped.
func TestImagesHeldForLong(t *testing.T) {
	for v, why := range map[string]string{"97": "does not show", "maria118": "is not through"} {
		t.Run(v, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, servers.MySQLOptions{Version: v})
			b.exec("CREATE TABLE t (id INT PRIMARY KEY, v INT DEFAULT 5)")
			l := goLive(t, b.config())
			release := heldBy(b, v)
			insert := b.background(minimalImage, "INSERT INTO t (id) VALUES (2)")
			pending(t, insert)
			until(t, "warning", func() bool {
				log := l.log.String()
				return strings.Contains(log, "level=WARN") && strings.Contains(log, "table=shop.t") && strings.Contains(log, why)
			})
			l.still(0, 10*time.Millisecond)
			l.stop()
			release()
			if err := <-insert; err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestImagesHeldBriefly is the same on a server that waits for a while between its log and everybody's eyes.
func TestImagesHeldBriefly(t *testing.T) {
	b := newBench(t, servers.MySQLOptions{Version: "80"})
	b.exec("CREATE TABLE t (id INT PRIMARY KEY, v INT DEFAULT 5)", "SET GLOBAL binlog_group_commit_sync_delay=500000")
	l := goLive(t, b.config())
	var want []string
	for i := range 3 {
		done := b.background(minimalImage, fmt.Sprintf("INSERT INTO t (id) VALUES (%d)", i))
		want = append(want, fmt.Sprintf("insert 1 %d,5", i))
		l.await(want...)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	b.session(minimalImage, "XA START 'x'", "INSERT INTO t (id) VALUES (9)", "XA END 'x'", "XA PREPARE 'x'")
	b.session(minimalImage, "UPDATE t SET v=6 WHERE id=0")
	l.await("update 0 0,6")
	b.exec("XA COMMIT 'x'")
	l.await("update 0 0,6", "insert 1 9,5")
	l.stop()
}

// TestImagesWithoutGTIDs: only a lock tells that a read shows a transaction.
func TestImagesWithoutGTIDs(t *testing.T) {
	t.Parallel()
	for _, v := range harness.Longer([]string{"97", "57"}, []string{"97", "80", "57"}) {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{"--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"}})
			b.exec("CREATE TABLE t (id INT PRIMARY KEY, v INT DEFAULT 5, w INT DEFAULT 6)")
			b.session(minimalImage, "INSERT INTO t (id) VALUES (1)")
			cfg := b.config()
			if f := goLive(t, cfg).end(fault.SourceSettings); !f.Final || !strings.Contains(f.Hint, "snapshot_lock: true") {
				t.Error(f)
			}
			cfg.SnapshotLock = true
			l := goLive(t, cfg)
			l.await("insert 1 1,5,6")
			writer, err := b.db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer writer.Close()
			for _, s := range []string{"BEGIN", "INSERT INTO t VALUES (7,7,7)"} {
				if _, err := writer.ExecContext(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
			b.session(minimalImage, "UPDATE t SET v=8 WHERE id=1")
			l.still(1, 300*time.Millisecond)
			if _, err := writer.ExecContext(t.Context(), "COMMIT"); err != nil {
				t.Fatal(err)
			}
			l.await("update 1 1,8,6", "insert 0 7,7,7")
			b.session(minimalImage, "DELETE FROM t") // nothing is locked any more
			l.stop()
		})
	}
}

// TestImagesOfChangedTables changes a table after the log has left values of its rows out, and before they are read.
func TestImagesOfChangedTables(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"97", "80", "maria118"} { // 5.7 does not describe its rows: a change is schema_unknown anyway
		b := newBench(t, servers.MySQLOptions{Version: v})
		for _, c := range []struct {
			name, change string
			want         string // the change, or a code
		}{
			{"there is a new column", "ALTER TABLE t ADD COLUMN y INT FIRST", "update 1 1,2,abc,0"},
			{"text is longer", "ALTER TABLE t MODIFY s VARCHAR(300)", "update 1 1,2,abc,0"},
			{"columns in another order", "ALTER TABLE t MODIFY s VARCHAR(20) FIRST", "update 1 1,2,abc,0"},
			{"another column is the key too", "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (id,v)", string(fault.SchemaUnknown)},
			{"the column is gone", "ALTER TABLE t DROP COLUMN s", string(fault.SchemaUnknown)},
			{"the column has another name", "ALTER TABLE t CHANGE s z VARCHAR(20)", string(fault.SchemaUnknown)},
			{"the column has another type", "ALTER TABLE t MODIFY s TEXT CHARACTER SET latin1, MODIFY x DECIMAL(5,1)", string(fault.SchemaUnknown)},
			{"the table is gone", "DROP TABLE t", string(fault.SchemaUnknown)},
			{"the table has another name", "RENAME TABLE t TO t2", string(fault.SchemaUnknown)},
		} {
			t.Run(v+" "+c.name, func(t *testing.T) {
				b.exec("DROP TABLE IF EXISTS t, t2", "CREATE TABLE t (id INT PRIMARY KEY, v INT, s VARCHAR(20), x INT DEFAULT 0)", "INSERT INTO t (id,v,s) VALUES (1,1,'abc')")
				cfg := b.config()
				state := "gtid_executed"
				if v == "maria118" {
					state = "gtid_binlog_pos"
				}
				cfg.Start, cfg.OnTruncate = b.query("SELECT @@GLOBAL."+state), "note"
				cfg.Tables = []string{"shop.t"}
				b.session(minimalImage, "UPDATE t SET v=2 WHERE id=1")
				b.exec(c.change)
				l := goLive(t, cfg)
				if c.want == string(fault.SchemaUnknown) {
					if f := l.end(fault.SchemaUnknown); !f.Final {
						t.Error(f)
					}
					return
				}
				l.await(c.want)
				l.stop()
			})
		}
	}
}

// TestImagesWithoutKey: rows of a table without key are updated and deleted with their whole old row, and what an insert left to
// its default cannot be read. So it is with a key that was left to its default.
func TestImagesWithoutKey(t *testing.T) {
	t.Parallel()
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v})
			b.exec("CREATE TABLE t (a INT, v INT DEFAULT 5, s TEXT)")
			b.session(minimalImage, "INSERT INTO t VALUES (1,1,'x'),(2,2,'y')", "UPDATE t SET v=8", "DELETE FROM t WHERE a=1")
			l := goLive(t, b.config())
			l.await("insert 0 1,1,x", "insert 0 2,2,y", "update 0 1,8,x", "update 0 2,8,y", "delete 0 ")
			b.session(minimalImage, "INSERT INTO t (a) VALUES (3)")
			if strings.HasPrefix(v, "maria") {
				l.await("delete 0 ", "insert 0 3,5,NULL") // it logs such rows whole
				l.stop()
				return
			}
			if f := l.end(fault.NoKey); !f.Final || !strings.Contains(f.Hint, "primary key") {
				t.Error(f)
			}
			cfg := b.config()
			cfg.UnchangedValues = "leave"
			l = goLive(t, cfg)
			l.await("delete 0 ", "insert 0 3,?,?")
			b.exec("CREATE TABLE d (id INT DEFAULT 5 PRIMARY KEY, v INT)")
			b.session(minimalImage, "INSERT INTO d (v) VALUES (1)")
			l.await("insert 0 ?,1")
			l.stop()
			cfg = b.config()
			cfg.Tables = []string{"shop.d"}
			if f := goLive(t, cfg).end(fault.NoKey); !f.Final || !strings.Contains(f.Error(), `"id"`) {
				t.Error(f)
			}
			b.exec("CREATE TABLE e (id INT AUTO_INCREMENT PRIMARY KEY, v INT)", "CREATE TABLE n (v INT DEFAULT 1)")
			b.session(minimalImage, "INSERT INTO e () VALUES ()")
			cfg.Tables = []string{"shop.e"}
			l = goLive(t, cfg)
			l.await("insert 1 1,NULL")
			l.stop()
			b.session(minimalImage, "INSERT INTO n () VALUES ()")
			cfg.Tables = []string{"shop.n"}
			if f := goLive(t, cfg).end(fault.SourceSettings); !f.Final {
				t.Error(f)
			}
			if v == "57" {
				return
			}
			b.exec("CREATE TABLE j (a INT, j JSON)", `INSERT INTO j VALUES (1,CONCAT('{"a": "', REPEAT('x',100), '", "b": 1}'))`)
			b.session("SET binlog_row_value_options=PARTIAL_JSON", "UPDATE j SET j=JSON_SET(j,'$.b',2)")
			cfg.Tables = []string{"shop.j"}
			if f := goLive(t, cfg).end(fault.NoKey); !f.Final || !strings.Contains(f.Hint, "primary key") {
				t.Error(f)
			}
		})
	}
}

// TestImagesLoseTheirConnection: the connection that reads missing values is opened again; without a grant there is a remedy, and
// SELECT is enough.
func TestImagesLoseTheirConnection(t *testing.T) {
	t.Parallel()
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v})
			b.exec("CREATE TABLE t (id INT PRIMARY KEY, v INT DEFAULT 5, g INT AS (v+1) VIRTUAL)")
			replication := []string{"REPLICATION SLAVE ON *.*", "REPLICATION CLIENT ON *.*"}
			if strings.HasPrefix(v, "maria") {
				replication = append(replication, "SLAVE MONITOR ON *.*")
			}
			for name, more := range map[string]string{"least": "SELECT ON shop.*", "fewer": "SELECT (id, v) ON shop.t"} {
				if err := b.m.CreateUser(t.Context(), name, "pw", append(replication, more)...); err != nil {
					t.Fatal(err)
				}
			}
			cfg := b.config()
			cfg.User, cfg.Password = "least", "pw"
			l := goLive(t, cfg)
			update := "update 0 %d,7,8" // MySQL logs what the column is generated from, and the column
			if strings.HasPrefix(v, "maria") {
				update = "update 1 %d,7,8"
			}
			for i := range 5 {
				b.session(minimalImage, fmt.Sprintf("INSERT INTO t (id) VALUES (%d)", i), fmt.Sprintf("UPDATE t SET v=7 WHERE id=%d", i))
				l.await(fmt.Sprintf(update, i))
				kill := ""
				for end := time.Now().Add(patience); kill == "" && time.Now().Before(end); time.Sleep(10 * time.Millisecond) { // it sleeps when it has answered
					kill = b.query("SELECT COALESCE(GROUP_CONCAT('KILL ', id SEPARATOR ';'), '') FROM information_schema.processlist WHERE command='Sleep' AND user='least'")
				}
				b.exec(kill)
			}
			l.stop()
			cfg.User = "fewer"
			if f := goLive(t, cfg).end(fault.Permission); !f.Final || !strings.Contains(f.Hint, "GRANT SELECT ON `shop`.`t`") {
				t.Error(f)
			}
		})
	}
}

// TestImagesAndFailover: a value that was read can be that of a transaction which has not been streamed. A server that lacks the
// transaction cannot take the place of the one that had it.
func TestImagesAndFailover(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.MySQLOptions{})
	b.exec("CREATE TABLE t (id INT PRIMARY KEY, v INT DEFAULT 5, w INT DEFAULT 6)", "INSERT INTO t VALUES (1,1,1)")
	b.session(minimalImage, "UPDATE t SET v=2 WHERE id=1")
	next, uuid := nextGTID(b), b.query("SELECT @@server_uuid")
	b.session(minimalImage, "UPDATE t SET w=9 WHERE id=1")
	cfg := b.config()
	cfg.BatchBytes = 4 << 10 // the values of one row are taken to need more, so that the batch ends with the row
	f := newFolded(t)
	for f.ops[changelog.Update] == 0 {
		if err := f.stream(cfg, func() bool { return true }); err != nil {
			t.Fatal(err)
		}
	}
	if want := fmt.Sprintf(`"seen":"%s:%d-%d"`, uuid, next-1, next); !strings.Contains(string(f.pos), want) || f.ops[changelog.Update] != 1 {
		t.Fatalf("%s after %v, want %s in it", f.pos, f.ops, want)
	}
	for last, code := range map[int]fault.Code{next - 1: fault.WrongServer, next: fault.BinlogPurged} {
		other := newBench(t, servers.MySQLOptions{})
		other.exec("RESET BINARY LOGS AND GTIDS", fmt.Sprintf("SET GLOBAL gtid_purged='%s:1-%d'", uuid, last))
		openFault(t, other.config(), f.pos, code)
	}
	passed := func() bool { return f.ops[changelog.Update] == 2 && !strings.Contains(string(f.pos), "seen") }
	if err := f.stream(cfg, passed); err != nil {
		t.Fatal(err)
	}
	f.equalsTables(cfg)
}
