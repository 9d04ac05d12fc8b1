package mysql

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

var updateGolden = flag.Bool("update", false, "rewrite the golden files")

// badServers have every setting as it should not be, each in its own product.
func badServers() map[string]*serverFacts {
	bad := map[string]string{
		"log_bin": "OFF", "binlog_format": "MIXED", "binlog_row_image": "MINIMAL", "sync_binlog": "0", "innodb_flush_log_at_trx_commit": "2",
		"binlog_checksum": "NONE", "log_slave_updates": "OFF",
	}
	eight := map[string]string{
		"binlog_row_metadata": "MINIMAL", "binlog_row_value_options": "PARTIAL_JSON", "gtid_mode": "OFF", "log_replica_updates": "OFF", "binlog_expire_logs_seconds": "600",
	}
	maria := map[string]string{
		"binlog_row_metadata": "NO_LOG", "gtid_strict_mode": "OFF", "mysql56_temporal_format": "OFF", "expire_logs_days": "0.041667", "max_binlog_total_size": "1048576", "binlog_space_limit": "1048576",
	}
	server := func(version string, mariadb bool, more ...map[string]string) *serverFacts {
		f := &serverFacts{version: version, mariadb: mariadb, number: versionNumber(version), replica: true, vars: maps.Clone(bad)}
		for _, m := range more {
			maps.Copy(f.vars, m)
		}
		return f
	}
	return map[string]*serverFacts{
		"MySQL 5.6":            server("5.6.51-log", false, map[string]string{"gtid_mode": "OFF", "expire_logs_days": "0"}),
		"MySQL 5.7":            server("5.7.22-log", false, map[string]string{"gtid_mode": "OFF", "expire_logs_days": "0"}),
		"MySQL 8.0":            server("8.0.31", false, eight),
		"MySQL 9.7":            server("9.7.4", false, eight),
		"MariaDB 10.4":         server("5.5.5-10.4.34-MariaDB", true, maria),
		"MariaDB 10.5":         server("5.5.5-10.5.29-MariaDB", true, maria),
		"MariaDB 11.8":         server("11.8.6-MariaDB-log", true, maria, map[string]string{"binlog_expire_logs_seconds": "3600"}),
		"RDS, MySQL 5.7":       server("5.7.44-log", false, map[string]string{"basedir": "/rdsdbbin/mysql/", "gtid_mode": "OFF_PERMISSIVE", "expire_logs_days": "0"}),
		"RDS, MariaDB 10.11":   server("10.11.8-MariaDB-log", true, maria, map[string]string{"basedir": "/rdsdbbin/mariadb/"}),
		"Aurora":               server("8.0.32", false, eight, map[string]string{"basedir": "/rdsdbbin/oscar/", "aurora_version": "3.05.2"}),
		"Cloud SQL":            server("8.0.31-google", false, eight, map[string]string{"version_comment": "(Google)"}),
		"Azure":                server("8.0.37-azure", false, eight),
		"Galera, MariaDB 11.4": {version: "11.4.5-MariaDB-log", mariadb: true, number: 110405, vars: map[string]string{"log_bin": "ON", "binlog_format": "ROW", "binlog_row_image": "FULL", "wsrep_on": "ON", "log_slave_updates": "OFF"}},
	}
}

// TestRemediesAreThoseOfTheServer pins what is said of servers on which nothing is as it should be. Whether the statements work
// is tried on real servers.
func TestRemediesAreThoseOfTheServer(t *testing.T) {
	var out strings.Builder
	servers := badServers()
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		f := servers[name]
		fmt.Fprintf(&out, "# %s: %s\n", name, f.title())
		found := settings(f)
		found.images(f, NewConfig().(*Config))
		for _, x := range found {
			fmt.Fprintf(&out, "%s\t%s\t%q\t%s\n", x.Severity, x.Subject, x.Detail, x.Remedy)
			if managed := f.product().hosting != selfRun; managed && (strings.Contains(x.Remedy, "SET GLOBAL") || strings.Contains(x.Remedy, "SET PERSIST") || strings.Contains(x.Remedy, "option file")) {
				t.Errorf("%s cannot do this: %s", name, x.Remedy)
			}
			if strings.Contains(x.Remedy, "SET PERSIST") && (f.mariadb || f.number < 80000) {
				t.Errorf("%s has no SET PERSIST: %s", name, x.Remedy)
			}
			if (x.Severity == capture.OK) != (x.Remedy == "") || (x.Severity == capture.Problem) != (x.Code != "") {
				t.Errorf("%s: %+v", name, x)
			}
		}
		fmt.Fprintf(&out, "\t\t\t%s\n", f.product().grants("'cdc'@'%'"))
	}
	path := filepath.Join("testdata", "settings.golden")
	if *updateGolden {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	g, w := strings.Split(out.String(), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			t.Fatalf("%s line %d: got %q, want %q", path, i+1, g[min(i, len(g)-1)], w[min(i, len(w)-1)])
		}
	}
}

// TestGoodServersAreFine has nothing to say of servers that are as they should be.
func TestGoodServersAreFine(t *testing.T) {
	good := map[string]string{
		"log_bin": "ON", "binlog_format": "ROW", "binlog_row_image": "FULL", "sync_binlog": "1", "innodb_flush_log_at_trx_commit": "1", "binlog_checksum": "CRC32",
	}
	for name, more := range map[string]map[string]string{
		"5.7.22-log":          {"gtid_mode": "ON", "expire_logs_days": "7"},
		"8.0.31":              {"gtid_mode": "ON", "binlog_row_metadata": "FULL", "binlog_row_value_options": "", "binlog_expire_logs_seconds": "2592000", "expire_logs_days": "0"},
		"9.7.4-2":             {"gtid_mode": "ON", "binlog_row_metadata": "FULL", "binlog_row_value_options": "", "binlog_expire_logs_seconds": "60", "binlog_expire_logs_auto_purge": "OFF"},
		"10.11.18-MariaDB":    {"gtid_strict_mode": "ON", "binlog_row_metadata": "FULL", "mysql56_temporal_format": "ON", "binlog_expire_logs_seconds": "0", "expire_logs_days": "0.000000"},
		"11.8.9-MariaDB-log":  {"gtid_strict_mode": "ON", "binlog_row_metadata": "FULL", "mysql56_temporal_format": "ON", "binlog_row_image": "FULL_NODUP", "max_binlog_total_size": "0", "wsrep_on": "OFF"},
		"10.11.18-MariaDB-07": {"gtid_strict_mode": "ON", "binlog_row_metadata": "FULL", "wsrep_on": "ON", "log_slave_updates": "ON"},
	} {
		f := &serverFacts{version: name, mariadb: strings.Contains(name, "MariaDB"), number: versionNumber(name), vars: maps.Clone(good)}
		maps.Copy(f.vars, more)
		found := settings(f)
		found.images(f, NewConfig().(*Config))
		for _, x := range found {
			if x.Severity != capture.OK {
				t.Errorf("%s: %+v", name, x)
			}
		}
	}
}

func TestHostingIsToldByVariables(t *testing.T) {
	for _, c := range []struct {
		version string
		vars    map[string]string
		want    hosting
	}{
		{"8.0.31", map[string]string{"basedir": "/usr/", "version_comment": "MySQL Community Server - GPL"}, selfRun},
		{"8.0.36-28", map[string]string{"version_comment": "Percona Server (GPL), Release 28, Revision 47601f19"}, selfRun},
		{"8.0.35", map[string]string{"basedir": "/rdsdbbin/mysql-8.0.35.R2/"}, rds},
		{"8.0.32", map[string]string{"basedir": "/rdsdbbin/oscar-8.0/", "aurora_version": "3.05.2"}, aurora},
		{"8.0.31-google", nil, cloudSQL},
		{"8.4.4", map[string]string{"cloudsql_iam_authentication": "OFF"}, cloudSQL},
		{"8.0.40-azure", nil, azure},
		{"8.0.42", map[string]string{"azure_server_name": "shop"}, azure},
	} {
		f := &serverFacts{version: c.version, vars: c.vars}
		if got := f.hosting(); got != c.want {
			t.Errorf("%s %v: %s, want %s", c.version, c.vars, hostings[got], hostings[c.want])
		}
	}
}

func TestRetention(t *testing.T) {
	for _, c := range []struct {
		vars    map[string]string
		subject string
		kept    time.Duration
	}{
		{map[string]string{"binlog_expire_logs_seconds": "3600", "expire_logs_days": "0"}, "binlog_expire_logs_seconds", time.Hour},
		{map[string]string{"binlog_expire_logs_seconds": "0", "expire_logs_days": "0.5"}, "expire_logs_days", 12 * time.Hour},
		{map[string]string{"binlog_expire_logs_seconds": "0", "expire_logs_days": "0"}, "binlog_expire_logs_seconds", 0},
		{map[string]string{"expire_logs_days": "0"}, "expire_logs_days", 0},
		{map[string]string{"expire_logs_days": "99"}, "expire_logs_days", 99 * 24 * time.Hour},
		{map[string]string{"binlog_expire_logs_seconds": "60", "binlog_expire_logs_auto_purge": "OFF"}, "binlog_expire_logs_auto_purge", 0},
	} {
		f := &serverFacts{vars: c.vars}
		if subject, kept, _ := f.retention(); subject != c.subject || kept != c.kept {
			t.Errorf("%v: %s %v", c.vars, subject, kept)
		}
	}
}

func TestOldFractions(t *testing.T) {
	for text, want := range map[string]bool{
		"datetime(3) /* mariadb-5.3 */": true, "timestamp(6) /* mariadb-5.3 */": true, "time(2) /* mariadb-5.3 */": true,
		"datetime /* mariadb-5.3 */": false, "datetime(3)": false, "varchar(50) /*M!100301 COMPRESSED*/": false,
		"enum('a /* mariadb-5.3 */','b')": false, "timestamp /* 5.5 binary format */": false,
	} {
		if got := oldFraction(text); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestRetentionOfRDS(t *testing.T) {
	for _, c := range []struct {
		hours string
		seen  bool
		want  capture.Severity
	}{{"168", true, capture.OK}, {"", true, capture.Warning}, {"", false, capture.Warning}} {
		var found findings
		found.managedRetention(product{number: 80035, hosting: rds}, c.hours, c.seen)
		if len(found) != 1 || found[0].Severity != c.want || c.want == capture.Warning && !strings.Contains(found[0].Remedy, "CALL mysql.rds_set_configuration('binlog retention hours', 168)") {
			t.Errorf("%+v: %+v", c, found)
		}
	}
}

// TestUnknownPlugins are final: nothing heals an account that logs in by what we do not know.
func TestUnknownPlugins(t *testing.T) {
	err := loginFault("connecting", errors.New("handleAuthResult: auth plugin 'parsec' is not supported"))
	if f := fault.As(err); f == nil || f.Code != fault.Auth || !f.Final || !strings.Contains(f.Hint, "ed25519") {
		t.Error(err)
	}
	for err, want := range map[error]fault.Code{
		io.ErrUnexpectedEOF: fault.Unreachable, &gomysql.MyError{Code: 1045}: fault.Auth, &gomysql.MyError{Code: 1040}: fault.Unreachable, &gomysql.MyError{Code: 1105}: fault.Source,
	} {
		if got := loginFault("connecting", err); !fault.Is(got, want) || fault.IsFinal(got) != (want == fault.Auth) {
			t.Errorf("%v: %v", err, got)
		}
	}
}
