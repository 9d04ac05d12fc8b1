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

// TestGrants begins with an account that may do nothing and does what the preflight says, until it has nothing more to say. Then
// the account reads the log; and without any one of the rights it is told so.
func TestGrants(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
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
