package mysqlsource

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// everyLog is a server of each kind of log.
var everyLog = map[string]servers.MySQLOptions{
	"97": {Version: "97"}, "97 without GTIDs": {Version: "97", Extra: withoutGTIDs},
	"80": {Version: "80"}, "80 without GTIDs": {Version: "80", Extra: withoutGTIDs},
	"57": {Version: "57"}, "57 without GTIDs": {Version: "57", Extra: withoutGTIDs},
	"maria1011": {Version: "maria1011"}, "maria118": {Version: "maria118"},
}

// kindsOfLog are the names of them that a test goes through: in the ordinary tier one of each kind.
var kindsOfLog = harness.Longer([]string{"57", "97", "97 without GTIDs", "maria118"}, slices.Sorted(maps.Keys(everyLog)))

var withoutGTIDs = []string{"--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"}

// TestXA keeps the rows of a prepared transaction until it is committed, over every restart of ours and one of the server.
func TestXA(t *testing.T) {
	t.Parallel()
	for _, name := range kindsOfLog {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			preparedTransactions(t, newBench(t, everyLog[name]))
		})
	}
}

func preparedTransactions(t *testing.T, b *bench) {
	b.digits()
	b.exec("CREATE TABLE a (id INT PRIMARY KEY, v TEXT)", "CREATE TABLE b (id INT PRIMARY KEY, v TEXT)", "CREATE TABLE done (id INT PRIMARY KEY)", "CREATE DATABASE other", "CREATE TABLE other.t (id INT PRIMARY KEY)")
	b.session("XA START 'p1','b',3", "INSERT INTO a VALUES (1,'p1')", b.fill("a", 1000, 500, 60), "XA END 'p1','b',3", "XA PREPARE 'p1','b',3")
	b.exec("INSERT INTO a VALUES (2,'between')")
	b.session("XA START 'p2'", "INSERT INTO a VALUES (3,'p2')", "XA END 'p2'", "XA PREPARE 'p2'")
	b.exec("INSERT INTO a VALUES (4,'between')", "FLUSH BINARY LOGS")
	b.session("XA START 'foreign'", "INSERT INTO other.t VALUES (3)", "XA END 'foreign'", "XA PREPARE 'foreign'")
	b.session("XA ROLLBACK 'p2'")
	b.exec("INSERT INTO b VALUES (5,'between')")
	b.session("XA START 'one'", "INSERT INTO b VALUES (50,'one phase')", "SAVEPOINT s", "INSERT INTO b VALUES (51,'taken back')", "ROLLBACK TO s", "XA END 'one'", "XA COMMIT 'one' ONE PHASE")
	b.session("XA START 'none'", "INSERT INTO b VALUES (52,'never')", "XA END 'none'", "XA ROLLBACK 'none'")
	b.session("XA COMMIT 'p1','b',3")
	b.session("XA COMMIT 'foreign'")
	b.exec("INSERT INTO a VALUES (6,'after')", "INSERT INTO done VALUES (1)")
	b.session("XA START 'p3'", "INSERT INTO a VALUES (7,'p3')", "XA END 'p3'", "XA PREPARE 'p3'")
	b.session("XA START X'00ff27','',9", "INSERT INTO a VALUES (8,'rolled back')", "XA END X'00ff27','',9", "XA PREPARE X'00ff27','',9")
	b.exec("INSERT INTO done VALUES (2)")
	cfg := b.config()
	cfg.BatchBytes, cfg.ExcludeTables = 16<<10, []string{"shop.digits"}
	ref, err := collect(t, cfg, "", finished(2))
	if err != nil {
		t.Fatal(err)
	}
	checkOrdinals(t, ref)
	sameRows(t, ref.fold("a"), b.selectAll("a"))
	sameRows(t, ref.fold("b"), b.selectAll("b"))
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
	if err := b.m.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.session("XA COMMIT 'p3'")
	b.session("XA ROLLBACK X'00ff27','',9")
	b.exec("INSERT INTO done VALUES (3)")
	got, err := collect(t, cfg, ref.positions[len(ref.positions)-1], finished(3))
	if err != nil || len(got.changes) != 2 || !strings.HasSuffix(got.changes[0], "-> 7,p3") {
		t.Fatalf("%v, %q", err, got.changes)
	}
	// A commit of what was prepared before the start is never passed over.
	b.session("XA START 'p4'", "INSERT INTO a VALUES (9,'p4')", "XA END 'p4'", "XA PREPARE 'p4'")
	late := b.config()
	late.Start = "latest"
	src, _, err := open(t, late, "")
	if err != nil {
		t.Fatal(err)
	}
	b.session("XA COMMIT 'p4'")
	_, err = run(t, src, func(*seen) bool { return false })
	wantFault(t, err, fault.Diverged)
}

// TestXAInMemory ends where prepared transactions hold more rows than memory is meant for.
func TestXAInMemory(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.MySQLOptions{Extra: []string{"--innodb-redo-log-capacity=512M"}})
	b.digits()
	b.exec("CREATE TABLE a (id INT PRIMARY KEY, v LONGTEXT)", "CREATE TABLE done (id INT PRIMARY KEY)")
	cfg := b.config()
	cfg.Start, cfg.ExcludeTables = "latest", []string{"shop.digits"}
	src, at, err := open(t, cfg, "")
	if err != nil {
		t.Fatal(err)
	}
	_ = src.Close()
	for i := range 3 { // 3 × 30 MB
		x := fmt.Sprintf("'large%d'", i)
		b.session("XA START "+x, b.fill("a", 1000*i, 300, 100_000), "XA END "+x, "XA PREPARE "+x)
	}
	b.exec("INSERT INTO done VALUES (1)")
	got, err := collect(t, cfg, at, finished(1))
	if f := wantFault(t, err, fault.Source); !f.Final || !strings.Contains(f.Hint, "XA RECOVER") || len(got.changes) > 0 {
		t.Errorf("%v %q", f, got.changes)
	}
	for i := range 3 {
		b.session(fmt.Sprintf("XA ROLLBACK 'large%d'", i))
	}
}

// TestXAIsOfItsCommit holds the time and the name of an XA transaction to what the server says: those of XA COMMIT, not of XA PREPARE.
func TestXAIsOfItsCommit(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]servers.MySQLOptions{"97": {Version: "97"}, "maria118": {Version: "maria118"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, o)
			b.exec("CREATE TABLE a (id INT PRIMARY KEY)")
			cfg := b.config()
			b.session("XA START 'late'", "INSERT INTO a VALUES (1)", "XA END 'late'", "XA PREPARE 'late'", "DO SLEEP(2)") // longer than the resolution of MariaDB
			prepared, clock := b.gtid(name), "SELECT CAST(FLOOR(UNIX_TIMESTAMP(NOW(6))) * 1000000 AS SIGNED)"
			before := b.query(clock)
			b.settle("XA COMMIT 'late'")
			committed := b.gtid(name)
			s, err := collect(t, cfg, "", changesAtLeast(1))
			if err != nil {
				t.Fatal(err)
			}
			x := s.txns[len(s.txns)-1]
			if at := strconv.FormatInt(x.Commit, 10); at < before || x.Origin.GTID == prepared || !strings.HasSuffix(committed, "-"+x.Origin.GTID[strings.LastIndexAny(x.Origin.GTID, ":-")+1:]) {
				t.Errorf("%+v; prepared before %s as %s, committed as %s", x, before, prepared, committed)
			}
		})
	}
}

// settle ends a transaction that another session has prepared: MariaDB does not know it before it has seen that session go.
func (b *bench) settle(statement string) {
	b.t.Helper()
	var err error
	for range 100 {
		if _, err = b.db.ExecContext(b.t.Context(), statement); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.t.Fatalf("%s: %v", statement, err)
}

// gtid is the newest one of the server, or all of them, which end with it.
func (b *bench) gtid(server string) string {
	b.t.Helper()
	if strings.HasPrefix(server, "maria") {
		return b.query("SELECT @@gtid_binlog_pos")
	}
	return b.query("SELECT @@gtid_executed")
}
