package mysqlsource

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/capture/mysql"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// everyServer are the products and releases whose preflight differs.
var everyServer = []string{"57", "80", "97", "maria1011", "maria118"}

func isMariaDB(version string) bool { return strings.HasPrefix(version, "maria") }

// durable are flags that the test servers do without.
var durable = []string{"--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1"}

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

var (
	setting   = regexp.MustCompile(`SET (?:PERSIST|GLOBAL) (\w+) = ('\w*'|\w+)`)
	furtherOn = regexp.MustCompile(`(SET (?:PERSIST|GLOBAL) gtid_mode) = OFF_PERMISSIVE, = ON_PERMISSIVE and = ON\b`)
	option    = regexp.MustCompile(`\b[Pp]ut (\w+) = (\S+) (?:under|there)`)
	statement = regexp.MustCompile(`(?:[Rr]un|then|;) ((?:GRANT|ALTER TABLE) [^;]*?)(?:, and GRANT SELECT on|, which|;|\.$)`)
)

// statements gives what the remedy tells to run.
func statements(remedy string) []string {
	remedy = furtherOn.ReplaceAllString(remedy, "$1 = OFF_PERMISSIVE, $1 = ON_PERMISSIVE, $1 = ON")
	var out []string
	for _, m := range setting.FindAllStringSubmatch(remedy, -1) {
		out = append(out, m[0])
	}
	for _, m := range statement.FindAllStringSubmatch(remedy, -1) {
		out = append(out, m[1])
	}
	return out
}

// TestRemedies makes one setting after the other as it should not be, does what the preflight says, and looks again: every
// statement works on the server that it was said of, and mends what it was said for. What loses nothing today is a warning, and
// the source opens all the same; what would stop it is a problem.
func TestRemedies(t *testing.T) {
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v, Extra: durable})
			b.exec("CREATE TABLE good (id INT PRIMARY KEY)")
			for _, f := range check(t, b.config()) {
				if f.Severity != capture.OK || f.Remedy != "" {
					t.Errorf("on a good server: %+v", f)
				}
			}
			for _, c := range badSettings(v) {
				b.exec("SET GLOBAL " + c.bad)
				f := finding(t, b.config(), c.subject)
				if f.Severity != c.severity || c.severity == capture.Problem && f.Code != string(fault.SourceSettings) {
					t.Errorf("%s: %+v", c.bad, f)
				}
				if c.severity == capture.Problem {
					openFault(t, b.config(), "", fault.SourceSettings)
				} else if _, _, err := open(t, b.config(), ""); err != nil {
					t.Errorf("%s: %v", c.bad, err)
				}
				remedy := statements(f.Remedy)
				if len(remedy) == 0 || isMariaDB(v) && !strings.Contains(f.Remedy, "option file") {
					t.Errorf("%s: %q says nothing to run that lasts", c.bad, f.Remedy)
				}
				b.exec(remedy...)
				if f := finding(t, b.config(), c.subject); f.Severity != capture.OK {
					t.Errorf("%s, after %q: %+v", c.bad, remedy, f)
				}
			}
			for _, c := range []struct{ remedy, bad, good string }{
				{"InnoDB", "CREATE TABLE bad (id INT PRIMARY KEY) ENGINE=MyISAM", "DROP TABLE bad"},
				{"InnoDB", "CREATE TABLE bad (id INT PRIMARY KEY) ENGINE=MEMORY", "DROP TABLE bad"},
				{"primary key", "CREATE TABLE bad (id INT, UNIQUE (id))", "DROP TABLE bad"},
			} {
				b.exec(c.bad)
				if f := finding(t, b.config(), "table shop.bad"); f.Severity != capture.Warning || !strings.Contains(f.Remedy, c.remedy) {
					t.Errorf("%s: %+v", c.bad, f)
				}
				b.exec(c.good)
			}
			b.exec("DROP TABLE good")
			if f := finding(t, b.config(), "tables"); f.Severity != capture.Warning || !strings.Contains(f.Remedy, "patterns") {
				t.Errorf("%+v", f)
			}
		})
	}
}

type badSetting struct {
	bad      string // after SET GLOBAL
	subject  string
	severity capture.Severity
}

func badSettings(version string) []badSetting {
	all := []badSetting{
		{"sync_binlog=0", "sync_binlog", capture.Warning},
		{"sync_binlog=100", "sync_binlog", capture.Warning},
		{"innodb_flush_log_at_trx_commit=0", "innodb_flush_log_at_trx_commit", capture.Warning},
		{"binlog_checksum=NONE", "binlog_checksum", capture.Warning},
		{"binlog_row_image=MINIMAL", "binlog_row_image", capture.Warning},
		{"binlog_row_image=NOBLOB", "binlog_row_image", capture.Warning},
		{"binlog_format=MIXED", "binlog_format", capture.Problem},
		{"binlog_format=STATEMENT", "binlog_format", capture.Problem},
	}
	if version != "57" {
		all = append(all, badSetting{"binlog_row_metadata=MINIMAL", "binlog_row_metadata", capture.Warning},
			badSetting{"binlog_expire_logs_seconds=3600", "binlog_expire_logs_seconds", capture.Warning})
	}
	switch {
	case isMariaDB(version):
		all = append(all, badSetting{"binlog_row_metadata=NO_LOG", "binlog_row_metadata", capture.Warning},
			badSetting{"gtid_strict_mode=OFF", "gtid_strict_mode", capture.Warning},
			badSetting{"mysql56_temporal_format=OFF", "mysql56_temporal_format", capture.Warning})
	default:
		all = append(all, badSetting{"gtid_mode=ON_PERMISSIVE", "gtid_mode", capture.Warning})
	}
	if version == "80" || version == "97" {
		all = append(all, badSetting{"binlog_row_value_options=PARTIAL_JSON", "binlog_row_value_options", capture.Warning})
	}
	if version == "maria118" {
		all = append(all, badSetting{"max_binlog_total_size=1048576", "max_binlog_total_size", capture.Warning})
	}
	return all
}

// TestUnloggedServers refuses servers without a log, and replicas that do not log what they apply, which takes a restart with
// the option that the remedy names.
func TestUnloggedServers(t *testing.T) {
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			off := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{"--skip-log-bin"}})
			openFault(t, off.config(), "", fault.SourceSettings)
			problem(t, check(t, off.config()), "log_bin", fault.SourceSettings)
			restart(t, off, finding(t, off.config(), "log_bin").Remedy)
			if f := finding(t, off.config(), "log_bin"); f.Severity != capture.OK {
				t.Errorf("%+v", f)
			}

			b := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{"--log-slave-updates=OFF"}})
			b.exec("CREATE TABLE t (id INT PRIMARY KEY)")
			if f := finding(t, b.config(), "log_replica_updates"); f.Severity != capture.OK { // a primary needs it not
				t.Errorf("%+v", f)
			}
			switch {
			case isMariaDB(v):
				b.exec("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=1, MASTER_USER='x', MASTER_USE_GTID=slave_pos")
			case v == "57":
				b.exec("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=1, MASTER_USER='x', MASTER_AUTO_POSITION=1")
			default:
				b.exec("CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=1, SOURCE_USER='x', SOURCE_AUTO_POSITION=1")
			}
			f := openFault(t, b.config(), "", fault.SourceSettings)
			if !f.Final {
				t.Error(f)
			}
			problem(t, check(t, b.config()), "log_replica_updates", fault.SourceSettings)
			restart(t, b, f.Hint)
			if _, _, err := open(t, b.config(), ""); err != nil {
				t.Error(err)
			}
			if f := finding(t, b.config(), "log_replica_updates"); f.Severity != capture.OK {
				t.Errorf("%+v", f)
			}
		})
	}
}

// restart does what a remedy says about the option file.
func restart(t *testing.T, b *bench, remedy string) {
	t.Helper()
	var flags []string
	for _, m := range option.FindAllStringSubmatch(remedy, -1) {
		flags = append(flags, "--"+strings.ReplaceAll(m[1], "_", "-")+"="+strings.TrimSuffix(m[2], ","))
	}
	if m := regexp.MustCompile(`[Pp]ut (log_bin) = (\w+),`).FindStringSubmatch(remedy); m != nil && len(flags) == 0 {
		flags = append(flags, "--log-bin="+m[2])
	}
	if len(flags) != 1 {
		t.Fatalf("%q says to set %q", remedy, flags)
	}
	if err := b.m.Restart(t.Context(), flags...); err != nil {
		t.Fatal(err)
	}
}

// TestGrants begins with an account that may do nothing and does what the preflight says, until it has nothing more to say. Then
// the account reads the log; and without any one of the rights it is told so.
func TestGrants(t *testing.T) {
	for _, v := range everyServer {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v, Extra: durable})
			b.exec("CREATE TABLE t (id INT PRIMARY KEY)", "CREATE DATABASE other", "CREATE TABLE other.t (id INT PRIMARY KEY)")
			if err := b.m.CreateUser(t.Context(), "it's", "pw"); err != nil {
				t.Fatal(err)
			}
			cfg := b.config()
			cfg.User, cfg.Password = "it's", "pw"
			f := openFault(t, cfg, "", fault.Permission)
			problem(t, check(t, cfg), "grants", fault.Permission)
			if told := finding(t, cfg, "grants").Remedy; told != f.Hint {
				t.Errorf("the source says %q, the preflight %q", f.Hint, told)
			}
			grant := statements(f.Hint)
			if len(grant) != 1 || !strings.Contains(grant[0], ` TO 'it\'s'@'%'`) {
				t.Fatalf("%q: %q", f.Hint, grant)
			}
			b.exec(grant...)
			if f := finding(t, cfg, "grants"); f.Severity != capture.OK {
				t.Errorf("after %q: %+v", grant, f)
			}
			if f := finding(t, cfg, "tables"); f.Severity != capture.Warning || !strings.Contains(f.Remedy, "GRANT SELECT") {
				t.Errorf("%+v", f)
			}
			// It may see the table and not read all of it.
			b.exec(`GRANT INSERT ON shop.t TO 'it\'s'@'%'`, `GRANT SELECT (id) ON other.t TO 'it\'s'@'%'`)
			if found := readProblem(t, cfg); !strings.Contains(found.Detail, "shop.t") || found.Code != string(fault.Permission) {
				t.Errorf("%+v", found)
			} else {
				b.exec(statements(found.Remedy)...)
			}
			if found := readProblem(t, cfg); found.Severity != capture.OK {
				t.Errorf("%+v", found)
			}
			// That is enough for a log that tells as little as it can: definitions and values are read from the tables.
			b.exec("CREATE TABLE u (id INT PRIMARY KEY, a INT, b INT, c INT DEFAULT 7)")
			if v != "57" {
				b.exec("SET GLOBAL binlog_row_metadata=MINIMAL")
			}
			b.session("SET SESSION binlog_row_image=MINIMAL", "INSERT INTO u (id, a, b) VALUES (1,2,3)", "UPDATE u SET a=4")
			got, err := collect(t, cfg, "", changesAtLeast(2))
			if err != nil || !strings.HasSuffix(got.changes[1], "-> 1,4,3,7") {
				t.Fatal(err, got)
			}
			rights := regexp.MustCompile(`GRANT (.*) ON \*\.\*`).FindStringSubmatch(grant[0])[1]
			for _, right := range strings.Split(rights, ", ") {
				b.exec("REVOKE " + right + ` ON *.* FROM 'it\'s'@'%'`)
				problem(t, check(t, cfg), "grants", fault.Permission)
				b.exec(grant...)
			}
		})
	}
}

// readProblem is what the preflight of a pipeline with snapshots says of SELECT.
func readProblem(t *testing.T, cfg *mysql.Config) capture.Finding {
	t.Helper()
	found, err := cfg.Checker(capture.Env{Pipeline: "test", Snapshot: true}).Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(found, func(f capture.Finding) bool { return f.Subject == "SELECT" })
	if i < 0 {
		t.Fatalf("nothing about SELECT in %+v", found)
	}
	return found[i]
}

// TestLogins logs in by every plugin that the test servers have, encrypted and not.
func TestLogins(t *testing.T) {
	for v, plugins := range map[string][]string{
		"57": {"mysql_native_password"}, "80": {"mysql_native_password", "sha256_password", "caching_sha2_password"}, "97": {"sha256_password", "caching_sha2_password"},
		"maria118": {"mysql_native_password"},
	} {
		b := newBench(t, servers.MySQLOptions{Version: v})
		b.exec("CREATE TABLE t (id INT PRIMARY KEY)")
		for _, plugin := range plugins {
			user := "by_" + plugin[:5]
			if isMariaDB(v) {
				b.exec("CREATE USER " + user + "@'%' IDENTIFIED VIA " + plugin + " USING PASSWORD('pw')")
			} else {
				b.exec("CREATE USER " + user + "@'%' IDENTIFIED WITH " + plugin + " BY 'pw'")
			}
			b.exec("GRANT ALL ON *.* TO " + user + "@'%'")
			for _, mode := range []string{capture.TLSDisabled, capture.TLSPreferred} {
				cfg := b.config()
				cfg.User, cfg.Password, cfg.TLS.Mode = user, "pw", mode
				f := finding(t, cfg, "account")
				encrypted := mode == capture.TLSPreferred && v != "57" // whose library is too old
				if !strings.Contains(f.Detail, "'"+user+"'@'%', "+plugin) || strings.Contains(f.Detail, " over TLSv1.") != encrypted {
					t.Errorf("%s, tls %s: %+v", v, mode, f)
				}
				cfg.Password = "wrong"
				problem(t, check(t, cfg), "connection", fault.Auth)
			}
		}
	}
}

// TestLockTables wants the right of snapshot_lock.
func TestLockTables(t *testing.T) {
	for _, v := range []string{"57", "97", "maria118"} {
		b := newBench(t, servers.MySQLOptions{Version: v})
		b.exec("CREATE TABLE t (id INT PRIMARY KEY)")
		if err := b.m.CreateUser(t.Context(), "poor", "pw", "REPLICATION SLAVE ON *.*", "REPLICATION CLIENT ON *.*", "SELECT ON shop.*"); err != nil {
			t.Fatal(err)
		}
		if isMariaDB(v) {
			b.exec("GRANT REPLICA MONITOR ON *.* TO poor@'%'")
		}
		cfg := b.config()
		cfg.User, cfg.Password, cfg.SnapshotLock = "poor", "pw", true
		if f := finding(t, cfg, "LOCK TABLES"); f.Severity != capture.Warning || !strings.Contains(f.Remedy, "TO 'poor'@'%'") {
			t.Errorf("%s: %+v", v, f)
		}
		b.exec("GRANT LOCK TABLES ON shop.* TO poor@'%'")
		if f := finding(t, cfg, "LOCK TABLES"); f.Severity != capture.OK {
			t.Errorf("%s: %+v", v, f)
		}
	}
}

// TestTablesOfMariaDB refuses tables whose rows the log has in a form of their own, and does what it says about them.
func TestTablesOfMariaDB(t *testing.T) {
	for _, v := range []string{"maria1011", "maria118"} {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v, Extra: durable})
			b.exec("CREATE TABLE plain (id INT PRIMARY KEY, a DATETIME(3))", "CREATE TABLE versioned (id INT PRIMARY KEY) WITH SYSTEM VERSIONING", "CREATE SEQUENCE numbers",
				"SET GLOBAL mysql56_temporal_format=OFF", "CREATE TABLE old (id INT PRIMARY KEY, a DATETIME(3), b TIMESTAMP(6) NULL, c TIME(1))", "SET GLOBAL mysql56_temporal_format=ON",
				"INSERT INTO old VALUES (1, '2024-05-06 07:08:09.123', NULL, '-12:34:56.7')")
			for _, table := range []string{"versioned", "old"} {
				cfg := b.config()
				cfg.Tables = []string{"shop." + table, "shop.plain"}
				problem(t, check(t, cfg), "table shop."+table, fault.SourceSettings)
				f := openFault(t, cfg, "", fault.SourceSettings)
				if !f.Final || strings.Contains(f.Error(), "plain") {
					t.Error(f)
				}
				b.exec(statements(f.Hint)...)
				if f := finding(t, cfg, "table shop."+table); f.Severity != capture.OK {
					t.Errorf("%+v", f)
				}
				if _, _, err := open(t, cfg, ""); err != nil {
					t.Error(err)
				}
			}
			if f := finding(t, b.config(), "table shop.numbers"); f.Severity != capture.OK { // its numbers are no rows
				t.Errorf("%+v", f)
			}
			// A history that begins while the stream runs.
			cfg := b.config()
			cfg.Start = "latest"
			src, _, err := open(t, cfg, "")
			if err != nil {
				t.Fatal(err)
			}
			b.exec("SELECT NEXTVAL(numbers)", "INSERT INTO plain VALUES (1, NULL)", "ALTER TABLE plain ADD SYSTEM VERSIONING", "UPDATE plain SET a=NOW()")
			got, err := run(t, src, func(*seen) bool { return false })
			if f := wantFault(t, err, fault.SourceSettings); !f.Final || !strings.Contains(f.Error(), "shop.plain") || len(got.changes) > 1 {
				t.Error(f, got.changes)
			}
		})
	}
}

// TestIncompleteRowsNeedGTIDs wants what the source needs to complete rows.
func TestIncompleteRowsNeedGTIDs(t *testing.T) {
	b := newBench(t, servers.MySQLOptions{Version: "57", Image: "MINIMAL", Extra: []string{"--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"}})
	problem(t, check(t, b.config()), "incomplete rows", fault.SourceSettings)
	for _, allow := range []func(*mysql.Config){func(c *mysql.Config) { c.SnapshotLock = true }, func(c *mysql.Config) { c.UnchangedValues = "leave" }} {
		cfg := b.config()
		allow(cfg)
		if f := finding(t, cfg, "incomplete rows"); f.Severity != capture.OK {
			t.Errorf("%+v", f)
		}
	}
}

// TestFilteredLogs has the server log only some databases: tables of the others are refused, those that are logged are not.
func TestFilteredLogs(t *testing.T) {
	for _, v := range []string{"97", "57", "maria118"} {
		b := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{"--binlog-do-db=logged", "--binlog-do-db=logged2"}})
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
}

// TestUnloggedForeignKeys refuses every rule that changes child rows, on servers that do not log them, and none that does not.
func TestUnloggedForeignKeys(t *testing.T) {
	for name, o := range map[string]servers.MySQLOptions{
		"57": {Version: "57"}, "80": {Version: "80"}, "97 with native foreign keys": {Extra: []string{"--innodb-native-foreign-keys=ON"}},
		"maria1011": {Version: "maria1011"}, "maria118": {Version: "maria118"},
	} {
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
					if f := finding(t, cfg, "table shop.child"); strings.Contains(f.Remedy, "MariaDB") != b.m.MariaDB() {
						t.Errorf("%+v", f)
					}
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
