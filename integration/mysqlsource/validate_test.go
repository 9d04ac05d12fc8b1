package mysqlsource

import (
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/capture/mysql"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// finding looks for what the preflight says about a subject.
func finding(t *testing.T, cfg *mysql.Config, subject string) capture.Finding {
	t.Helper()
	for _, f := range check(t, cfg) {
		if f.Subject == subject {
			return f
		}
	}
	return capture.Finding{Severity: capture.OK}
}

// TestWarnings makes settings that lose nothing today and may tomorrow. The preflight warns of each with a remedy, and the
// source opens all the same.
func TestWarnings(t *testing.T) {
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{"--sync-binlog=1"}})
			b.exec("CREATE TABLE good (id INT PRIMARY KEY)")
			for _, f := range check(t, b.config()) {
				if f.Severity != capture.OK {
					t.Errorf("on a good server: %+v", f)
				}
			}
			for _, c := range []struct{ subject, remedy, bad, good string }{
				{"sync_binlog", "SET PERSIST sync_binlog = 1", "SET GLOBAL sync_binlog=0", "SET GLOBAL sync_binlog=1"},
				{"sync_binlog", "SET PERSIST sync_binlog = 1", "SET GLOBAL sync_binlog=100", "SET GLOBAL sync_binlog=1"},
				{"binlog_checksum", "CRC32", "SET GLOBAL binlog_checksum=NONE", "SET GLOBAL binlog_checksum=CRC32"},
				{"binlog_expire_logs_seconds", "binlog_expire_logs_seconds", "SET GLOBAL binlog_expire_logs_seconds=3600", "SET GLOBAL binlog_expire_logs_seconds=0"},
				{"gtid_mode", "gtid_mode=ON", "SET GLOBAL gtid_mode=ON_PERMISSIVE", "SET GLOBAL gtid_mode=ON"},
				{"table shop.bad", "InnoDB", "CREATE TABLE bad (id INT PRIMARY KEY) ENGINE=MyISAM", "DROP TABLE bad"},
				{"table shop.bad", "InnoDB", "CREATE TABLE bad (id INT PRIMARY KEY) ENGINE=MEMORY", "DROP TABLE bad"},
				{"table shop.bad", "primary key", "CREATE TABLE bad (id INT, UNIQUE (id))", "DROP TABLE bad"},
				{"tables", "patterns", "DROP TABLE good", "CREATE TABLE good (id INT PRIMARY KEY)"},
			} {
				b.exec(c.bad)
				f := finding(t, b.config(), c.subject)
				if f.Severity != capture.Warning || !strings.Contains(f.Remedy, c.remedy) {
					t.Errorf("%s: %+v", c.bad, f)
				}
				if _, _, err := open(t, b.config(), ""); err != nil {
					t.Errorf("%s: %v", c.bad, err)
				}
				b.exec(c.good)
				if f := finding(t, b.config(), c.subject); f.Severity != capture.OK {
					t.Errorf("%s: %+v", c.good, f)
				}
			}
		})
	}
}

// TestFilteredLogs has the server log only some databases: tables of the others are refused, those that are logged are not.
func TestFilteredLogs(t *testing.T) {
	b := newBench(t, servers.MySQLOptions{Extra: []string{"--binlog-do-db=logged", "--binlog-do-db=logged2"}})
	b.exec("CREATE TABLE t (id INT PRIMARY KEY)", "CREATE DATABASE logged", "CREATE TABLE logged.t (id INT PRIMARY KEY)")
	cfg := b.config()
	if f := openFault(t, cfg, "", fault.SourceSettings); !f.Final || !strings.Contains(f.Error(), "shop.t") {
		t.Error(f)
	}
	problem(t, check(t, cfg), "table shop.t", fault.SourceSettings)
	cfg.Tables = []string{"logged.*"}
	if _, _, err := open(t, cfg, ""); err != nil {
		t.Error(err)
	}
	if f := finding(t, cfg, "binlog_do_db, binlog_ignore_db"); f.Severity != capture.Warning || !strings.Contains(f.Detail, "logged,logged2") {
		t.Errorf("%+v", f)
	}
}

// TestSilentReplica refuses a replica that does not log what it applies, and takes one that does.
func TestSilentReplica(t *testing.T) {
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			const replicate = "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=1, SOURCE_USER='x', SOURCE_AUTO_POSITION=1"
			b := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{"--log-replica-updates=OFF"}})
			b.exec("CREATE TABLE t (id INT PRIMARY KEY)")
			if f := finding(t, b.config(), "log_replica_updates"); f.Severity != capture.OK { // a primary needs it not
				t.Errorf("%+v", f)
			}
			b.exec(replicate)
			if f := openFault(t, b.config(), "", fault.SourceSettings); !f.Final || !strings.Contains(f.Hint, "log_replica_updates=ON") {
				t.Error(f)
			}
			problem(t, check(t, b.config()), "log_replica_updates", fault.SourceSettings)
			good := newBench(t, servers.MySQLOptions{Version: v})
			good.exec("CREATE TABLE t (id INT PRIMARY KEY)", replicate)
			if _, _, err := open(t, good.config(), ""); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestUnloggedForeignKeys refuses every rule that changes child rows, on servers that do not log them, and none that does not.
func TestUnloggedForeignKeys(t *testing.T) {
	for name, o := range map[string]servers.MySQLOptions{"80": {Version: "80"}, "97 with native foreign keys": {Extra: []string{"--innodb-native-foreign-keys=ON"}}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, o)
			b.exec("CREATE TABLE parent (id INT PRIMARY KEY)", "CREATE TABLE tree (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES tree (id) ON DELETE RESTRICT)")
			for _, c := range []struct {
				rule    string
				refused bool
			}{
				{"ON DELETE CASCADE", true}, {"ON UPDATE CASCADE", true}, {"ON DELETE SET NULL", true}, {"ON UPDATE SET NULL", true},
				{"ON DELETE NO ACTION ON UPDATE SET NULL", true}, {"", false}, {"ON DELETE RESTRICT ON UPDATE NO ACTION", false},
			} {
				b.exec("CREATE TABLE child (id INT PRIMARY KEY, p INT, CONSTRAINT named FOREIGN KEY (p) REFERENCES parent (id) " + c.rule + ")")
				cfg := b.config()
				if c.refused {
					if f := openFault(t, cfg, "", fault.FKCascade); !f.Final || !strings.Contains(f.Error(), "shop.child: named") || strings.Contains(f.Error(), "tree") {
						t.Errorf("%s: %v", c.rule, f)
					}
					problem(t, check(t, cfg), "table shop.child", fault.FKCascade)
					cfg.AcceptFKCascade = []string{"shop.child"}
				}
				if _, _, err := open(t, cfg, ""); err != nil {
					t.Errorf("%q: %v", c.rule, err)
				}
				cfg = b.config()
				cfg.ExcludeTables = []string{"shop.child"}
				if _, _, err := open(t, cfg, ""); err != nil {
					t.Errorf("%q, not captured: %v", c.rule, err)
				}
				b.exec("DROP TABLE child")
			}
			// A rule that comes while the stream runs.
			b.exec("CREATE TABLE child (id INT PRIMARY KEY, p INT)", "INSERT INTO child VALUES (1, NULL)")
			cfg := b.config()
			cfg.Start = "latest"
			src, _, err := open(t, cfg, "")
			if err != nil {
				t.Fatal(err)
			}
			b.exec("ALTER TABLE child ADD CONSTRAINT late FOREIGN KEY (p) REFERENCES parent (id) ON DELETE SET NULL")
			_, err = run(t, src, func(*seen) bool { return false })
			if f := wantFault(t, err, fault.FKCascade); !f.Final || !strings.Contains(f.Error(), "late") {
				t.Error(f)
			}
		})
	}
}
