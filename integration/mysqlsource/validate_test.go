package mysqlsource

import (
	"regexp"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/capture/mysql"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

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
	t.Parallel()
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
	t.Parallel()
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

// TestIncompleteRowsNeedGTIDs wants what the source needs to complete rows.
func TestIncompleteRowsNeedGTIDs(t *testing.T) {
	t.Parallel()
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
