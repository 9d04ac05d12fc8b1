package mysqlsource

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/capture/mysql"
	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// check runs the preflight.
func check(t *testing.T, cfg *mysql.Config) []capture.Finding {
	t.Helper()
	found, err := cfg.Checker(capture.Env{Pipeline: "test"}).Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// problem finds the preflight's problem with that subject.
func problem(t *testing.T, found []capture.Finding, subject string, code fault.Code) {
	t.Helper()
	for _, f := range found {
		if f.Subject == subject && f.Severity == capture.Problem {
			if f.Code != string(code) || f.Remedy == "" {
				t.Errorf("%+v", f)
			}
			return
		}
	}
	t.Errorf("no problem with %s in %+v", subject, found)
}

// TestAccounts refuses accounts without the grants that a dump needs.
func TestAccounts(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v})
			b.exec("CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE child (id INT PRIMARY KEY, t INT, FOREIGN KEY (t) REFERENCES t (id) ON DELETE CASCADE)")
			for name, grants := range map[string][]string{
				"nothing": nil, "client": {"REPLICATION CLIENT ON *.*", "SELECT ON shop.*"}, "slave": {"REPLICATION SLAVE ON *.*", "SELECT ON shop.*"},
				"enough": {"REPLICATION SLAVE ON *.*", "REPLICATION CLIENT ON *.*", "SELECT ON shop.*"},
			} {
				if err := b.m.CreateUser(t.Context(), name, "pw", grants...); err != nil {
					t.Fatal(err)
				}
			}
			cfg := b.config()
			cfg.Password = "pw"
			for _, user := range []string{"nothing", "client", "slave"} {
				cfg.User = user
				openFault(t, cfg, "", fault.Permission)
				problem(t, check(t, cfg), "grants", fault.Permission)
			}
			// The least grants suffice, for the check of foreign keys too.
			cfg.User = "enough"
			if v == "80" {
				openFault(t, cfg, "", fault.FKCascade)
				problem(t, check(t, cfg), "table shop.child", fault.FKCascade)
				cfg.AcceptFKCascade = []string{"shop.child"}
			}
			b.exec("INSERT INTO t VALUES (1)")
			if _, err := collect(t, cfg, "", changesAtLeast(1)); err != nil {
				t.Fatal(err)
			}
			for _, f := range check(t, cfg) {
				if f.Severity == capture.Problem {
					t.Errorf("%+v", f)
				}
			}
			cfg.Port = 1
			openFault(t, cfg, "", fault.Unreachable)
		})
	}
}

// TestCascades lets 9.7 log what a foreign key does, and refuses what it does not log.
func TestCascades(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.MySQLOptions{})
	b.exec("CREATE TABLE parent (id INT PRIMARY KEY)", "CREATE TABLE child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE)",
		"INSERT INTO parent VALUES (1),(2)", "INSERT INTO child VALUES (1,1),(2,1),(3,2)", "DELETE FROM parent WHERE id=1")
	got, err := collect(t, b.config(), "", changesAtLeast(8))
	if err != nil {
		t.Fatal(err)
	}
	sameRows(t, got.fold("child"), b.selectAll("child"))

	old := newBench(t, servers.MySQLOptions{Version: "80"})
	old.exec("CREATE TABLE parent (id INT PRIMARY KEY)", "INSERT INTO parent VALUES (1)")
	src, _, err := open(t, old.config(), "")
	if err != nil {
		t.Fatal(err)
	}
	old.exec("CREATE TABLE child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id) ON UPDATE CASCADE)")
	_, err = run(t, src, func(*seen) bool { return false })
	if f := wantFault(t, err, fault.FKCascade); !strings.Contains(f.Error(), "shop.child") {
		t.Error(f)
	}
}

// TestSettings refuses servers that do not log what is needed, names all that is wrong, and gives the statement that mends it.
func TestSettings(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v})
			for _, c := range []struct{ variable, bad string }{
				{"binlog_format", "MIXED"}, {"binlog_format", "STATEMENT"},
			} {
				good := b.query("SELECT @@GLOBAL." + c.variable)
				b.exec("SET GLOBAL " + c.variable + "='" + c.bad + "'")
				f := openFault(t, b.config(), "", fault.SourceSettings)
				if !f.Final || !strings.Contains(f.Hint, "SET PERSIST "+c.variable) {
					t.Error(f)
				}
				problem(t, check(t, b.config()), c.variable, fault.SourceSettings)
				b.exec("SET GLOBAL " + c.variable + "='" + good + "'")
			}
			if _, _, err := open(t, b.config(), ""); err != nil {
				t.Fatal(err)
			}
			off := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{"--skip-log-bin"}})
			openFault(t, off.config(), "", fault.SourceSettings)
			problem(t, check(t, off.config()), "log_bin", fault.SourceSettings)
			filtered := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{"--binlog-ignore-db=shop"}})
			filtered.exec("CREATE TABLE t (id INT PRIMARY KEY)")
			openFault(t, filtered.config(), "", fault.SourceSettings)
			problem(t, check(t, filtered.config()), "table shop.t", fault.SourceSettings)
		})
	}
}

// TestSessionFormat refuses what a session logged as statements, whatever the server's settings say.
func TestSessionFormat(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.MySQLOptions{})
	b.exec("CREATE TABLE t (id INT PRIMARY KEY, v INT, j JSON)", "INSERT INTO t VALUES (1,1,'{\"a\":1}')")
	if _, _, err := open(t, b.config(), ""); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		code       fault.Code
		statements []string
	}{
		{fault.StatementDML, []string{"SET SESSION binlog_format=STATEMENT", "UPDATE t SET v=v+1"}},
		{fault.StatementDML, []string{"SET SESSION binlog_format=STATEMENT", "DELETE a FROM shop.t a JOIN shop.t b ON a.id=b.id+1"}},
	} {
		before := changelog.Position(fmt.Sprintf(`{"v":1,"server":%q,"gtids":%q}`, b.query("SELECT @@server_uuid"), b.query("SELECT @@GLOBAL.gtid_executed")))
		b.session(c.statements...)
		_, err := collect(t, b.config(), before, func(*seen) bool { return false })
		if f := wantFault(t, err, c.code); !f.Final {
			t.Error(f)
		}
	}
	// Of a table that is not captured it does not matter.
	before := changelog.Position(fmt.Sprintf(`{"v":1,"server":%q,"gtids":%q}`, b.query("SELECT @@server_uuid"), b.query("SELECT @@GLOBAL.gtid_executed")))
	b.exec("CREATE DATABASE other", "CREATE TABLE other.t LIKE t")
	b.session("SET SESSION binlog_format=STATEMENT", "INSERT INTO other.t VALUES (1,1,NULL)")
	b.exec("INSERT INTO t VALUES (9,9,NULL)")
	if _, err := collect(t, b.config(), before, changesAtLeast(1)); err != nil {
		t.Fatal(err)
	}
}

// TestIdentity refuses checkpoints of other servers and positions that the server no longer has.
func TestIdentity(t *testing.T) {
	t.Parallel()
	for _, gtid := range []string{"ON", "OFF"} {
		t.Run("gtid_mode="+gtid, func(t *testing.T) {
			o := servers.MySQLOptions{Extra: []string{"--gtid-mode=" + gtid, "--enforce-gtid-consistency=" + gtid}}
			b, stranger := newBench(t, o), newBench(t, o)
			for _, x := range []*bench{b, stranger} {
				x.exec("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
			}
			got, err := collect(t, b.config(), "", changesAtLeast(1))
			if err != nil {
				t.Fatal(err)
			}
			at := got.positions[len(got.positions)-1]
			openFault(t, stranger.config(), at, fault.WrongServer)
			openFault(t, b.config(), `{"shard":0,"lsn":12}`, fault.WrongServer)
			openFault(t, b.config(), `{"v":2,"server":"x","file":"f"}`, fault.StateNewer)
			b.exec("INSERT INTO t VALUES (2)", "FLUSH BINARY LOGS", "INSERT INTO t VALUES (3)", "FLUSH BINARY LOGS")
			logs := "PURGE BINARY LOGS TO 'binlog.000003'"
			if gtid == "OFF" {
				// A file of which nothing is missing may go, the one of the position may not.
				b.exec("INSERT INTO t VALUES (4)")
			}
			b.exec(logs)
			openFault(t, b.config(), at, fault.BinlogPurged)
			cfg := b.config()
			cfg.Start = "earliest"
			b.exec("INSERT INTO t VALUES (5)")
			got, err = collect(t, cfg, "", func(s *seen) bool { return has(s, "t/", "5") })
			if err != nil || has(got, "t/", "2") {
				t.Fatalf("%v %q", err, got.changes)
			}
			if gtid == "OFF" {
				cfg.Start = "97e59da4-e909-11f1-8a1b-02fc00000001:1-29"
				openFault(t, cfg, "", fault.Config)
				return
			}
			cfg.Start = b.query("SELECT @@GLOBAL.gtid_executed")
			b.exec("INSERT INTO t VALUES (6)")
			if got, err = collect(t, cfg, "", changesAtLeast(1)); err != nil || len(got.changes) != 1 {
				t.Fatalf("%v %q", err, got.changes)
			}
			cfg.Start = "97e59da4-e909-11f1-8a1b-02fc00000001:1-29"
			openFault(t, cfg, "", fault.WrongServer)
		})
	}
}

// TestAnonymous refuses transactions without GTID once positions are GTID sets.
func TestAnonymous(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.MySQLOptions{Extra: []string{"--gtid-mode=OFF_PERMISSIVE", "--enforce-gtid-consistency=ON"}})
	b.exec("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
	got, err := collect(t, b.config(), "", changesAtLeast(1))
	if err != nil || !strings.HasPrefix(got.txns[0].ID, "file=") {
		t.Fatal(err, got)
	}
	b.exec("SET GLOBAL gtid_mode=ON_PERMISSIVE", "SET GLOBAL gtid_mode=ON", "INSERT INTO t VALUES (2)")
	_, err = collect(t, b.config(), "", func(*seen) bool { return false })
	if f := wantFault(t, err, fault.SourceSettings); !f.Final {
		t.Error(f)
	}
	// A file position goes on over the switch.
	got, err = collect(t, b.config(), got.positions[len(got.positions)-1], changesAtLeast(1))
	if err != nil || len(got.changes) != 1 || strings.HasPrefix(got.txns[0].ID, "file=") {
		t.Fatal(err, got)
	}
}

// TestDamagedLog finds a flipped bit by its checksum, also in the rows of a table that is not captured.
func TestDamagedLog(t *testing.T) {
	t.Parallel()
	for _, table := range []string{"shop.t", "other.t"} {
		b := newBench(t, servers.MySQLOptions{})
		b.exec("CREATE DATABASE other", "CREATE TABLE other.t (id INT PRIMARY KEY, v TEXT)", "CREATE TABLE t (id INT PRIMARY KEY, v TEXT)", "FLUSH BINARY LOGS",
			"INSERT INTO "+table+" VALUES (1,'needle-in-the-log')", "FLUSH BINARY LOGS")
		path := filepath.Join(b.m.DataDir(), "binlog.000002")
		log, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at := strings.Index(string(log), "needle")
		log[at]++
		if err := os.WriteFile(path, log, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err = collect(t, b.config(), "", func(*seen) bool { return false })
		if f := wantFault(t, err, fault.Corrupt); f.Final || !strings.Contains(err.Error(), "binlog.000002") {
			t.Error(err)
		}
	}
}

// TestSilence gives a frozen server up after three heartbeats.
func TestSilence(t *testing.T) {
	b := newBench(t, servers.MySQLOptions{})
	b.exec("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
	cfg := b.config()
	cfg.HeartbeatInterval = 300 * time.Millisecond
	src, _, err := open(t, cfg, "")
	if err != nil {
		t.Fatal(err)
	}
	var start time.Time
	_, err = run(t, src, func(*seen) bool {
		if start.IsZero() {
			if err := b.m.Pause(); err != nil {
				t.Error(err)
			}
			start = time.Now()
		}
		return false
	})
	if err2 := b.m.Continue(); err2 != nil {
		t.Fatal(err2)
	}
	if f := wantFault(t, err, fault.Unreachable); f.Final || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %v", f, time.Since(start))
	}
}
