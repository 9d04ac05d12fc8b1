package servers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

func TestMySQLIsSetUpForCapture(t *testing.T) {
	t.Parallel()
	prefixes := map[string]string{"57": "5.7.", "80": "8.0.", "97": "9.", "maria1011": "10.11.", "maria118": "11.8."}
	for _, version := range MySQLVersions {
		t.Run(version, func(t *testing.T) {
			m := MySQLFor(t, MySQLOptions{Version: version, ServerID: 77, Image: "MINIMAL", Metadata: "MINIMAL", Extra: []string{"--loose-binlog-row-metadata=FULL"}})
			db := open(t, m, "")
			settings := map[string]string{
				"log_bin": "1", "binlog_format": "ROW", "server_id": "77", "binlog_row_image": "MINIMAL", "log_slave_updates": "1", "character_set_server": "utf8mb4",
			}
			if version != "57" {
				settings["binlog_row_metadata"] = "FULL" // the caller's flag wins
			}
			executed := "gtid_executed"
			if m.MariaDB() {
				executed, settings["gtid_strict_mode"] = "gtid_binlog_pos", "1"
			} else {
				settings["gtid_mode"] = "ON"
			}
			settings[executed] = ""
			for name, want := range settings {
				if got := one(t, db, "SELECT @@GLOBAL."+name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if got := one(t, db, "SELECT VERSION()"); !strings.HasPrefix(got, prefixes[version]) || strings.Contains(got, "MariaDB") != m.MariaDB() {
				t.Errorf("the server calls itself %s", got)
			}
			shop := open(t, m, "shop")
			if _, err := shop.Exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1), (2)"); err != nil {
				t.Fatal(err)
			}
			if got := one(t, shop, "SELECT COUNT(*) FROM t"); got != "2" {
				t.Errorf("the table has %s rows, want 2", got)
			}
			before := one(t, db, "SELECT @@GLOBAL."+executed)
			if before == "" {
				t.Error("nothing is in the binary log")
			}
			open(t, m, "shop")
			if after := one(t, db, "SELECT @@GLOBAL."+executed); after != before {
				t.Errorf("opening a database that exists wrote to the binary log: %s, then %s", before, after)
			}
			if err := m.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := m.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			if after := one(t, db, "SELECT @@GLOBAL."+executed); after != before {
				t.Errorf("after a kill the position is %s, before it was %s", after, before)
			}
		})
	}
}

func TestMySQLServersAreDifferent(t *testing.T) {
	t.Parallel()
	a, b := MySQLFor(t, MySQLOptions{}), MySQLFor(t, MySQLOptions{})
	for _, name := range []string{"server_uuid", "server_id", "port"} {
		x, y := one(t, open(t, a, ""), "SELECT @@"+name), one(t, open(t, b, ""), "SELECT @@"+name)
		if x == y {
			t.Errorf("both servers have %s %s", name, x)
		}
	}
}

func TestMySQLSurvivesKillAndRestart(t *testing.T) {
	t.Parallel()
	m := MySQLFor(t, MySQLOptions{})
	db := open(t, m, "shop")
	if _, err := db.Exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	uuid := one(t, db, "SELECT @@server_uuid")
	if err := m.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(); err == nil {
		t.Fatal("a killed server answers")
	}
	if err := m.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Restart(t.Context(), "--read-only=ON"); err != nil {
		t.Fatal(err)
	}
	if got := one(t, db, "SELECT CONCAT(@@server_uuid, ' ', @@read_only, ' ', (SELECT COUNT(*) FROM t))"); got != uuid+" 1 1" {
		t.Errorf("after two restarts: %s, want %s 1 1", got, uuid)
	}
}

func TestMySQLPauses(t *testing.T) {
	t.Parallel()
	m := MySQLFor(t, MySQLOptions{})
	db := open(t, m, "")
	if err := m.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := db.PingContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a frozen server answered: %v", err)
	}
	if err := m.Continue(); err != nil {
		t.Fatal(err)
	}
	if err := db.PingContext(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMySQLCertificates(t *testing.T) {
	t.Parallel()
	// The server's own certificate names no host: the chain can be verified, the name cannot.
	own, named := MySQLFor(t, MySQLOptions{}), MySQLFor(t, MySQLOptions{NamedCert: true})
	maria, old := MySQLFor(t, MySQLOptions{Version: "maria1011", NamedCert: true}), MySQLFor(t, MySQLOptions{Version: "57", NamedCert: true})
	for _, c := range []struct {
		name    string
		server  *MySQL
		ca      string
		refused string // in the error; "": it connects
	}{
		{"own certificate", own, own.CAFile(), "certificate"},
		{"named certificate", named, named.CAFile(), ""},
		{"another server's CA", named, own.CAFile(), "unknown authority"},
		{"MariaDB", maria, maria.CAFile(), ""},
		{"MySQL 5.7", old, old.CAFile(), ""},
	} {
		pem, err := os.ReadFile(c.ca)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			t.Fatalf("%s: no certificate in %s", c.name, c.ca)
		}
		config := &tls.Config{RootCAs: pool, ServerName: "localhost"}
		if c.server == old { // see newCA
			config.MinVersion, config.CipherSuites = tls.VersionTLS10, []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
		}
		err = tlsPing(t, c.server, config)
		if c.refused == "" && err != nil || c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.refused)
		}
	}
}

func tlsPing(t *testing.T, m *MySQL, config *tls.Config) error {
	t.Helper()
	c, err := mysql.ParseDSN(m.DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	c.TLS = config
	connector, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	return db.PingContext(t.Context())
}

func TestMySQLAccountWithFewPrivileges(t *testing.T) {
	t.Parallel()
	m := MySQLFor(t, MySQLOptions{})
	open(t, m, "shop")
	if err := m.CreateUser(t.Context(), "poor", "p'w", "SELECT ON shop.*"); err != nil {
		t.Fatal(err)
	}
	c, err := mysql.ParseDSN(m.DSN("shop"))
	if err != nil {
		t.Fatal(err)
	}
	c.User, c.Passwd = "poor", "p'w"
	db, err := sql.Open("mysql", c.FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Ping(); err != nil {
		t.Fatal(err)
	}
	var refused *mysql.MySQLError
	if _, err := db.Exec("SHOW BINARY LOG STATUS"); !errors.As(err, &refused) || refused.Number != 1227 {
		t.Errorf("an account without REPLICATION CLIENT was told the position: %v", err)
	}
}

func TestMySQLSaysWhyItDoesNotStart(t *testing.T) {
	_, err := StartMySQL(t.Context(), MySQLOptions{Extra: []string{"--no-such-flag"}})
	if err == nil || !strings.Contains(err.Error(), "unknown option '--no-such-flag'") {
		t.Errorf("got %v, want the server's own words", err)
	}
}

func TestMySQLKeepsTheCallersDirectory(t *testing.T) {
	dir := callersDir(t)
	for i, want := range []string{"0", "1"} {
		m, err := StartMySQL(t.Context(), MySQLOptions{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		db := open(t, m, "shop")
		if _, err := db.Exec("CREATE TABLE IF NOT EXISTS t (id INT PRIMARY KEY)"); err != nil {
			t.Fatal(err)
		}
		if got := one(t, db, "SELECT COUNT(*) FROM t"); got != want {
			t.Errorf("start %d: %s rows, want %s", i, got, want)
		}
		if _, err := db.Exec("INSERT INTO t VALUES (?)", i); err != nil {
			t.Fatal(err)
		}
		if err := m.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMySQLTakesTheWantedPort(t *testing.T) {
	port, err := ReservePort(0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := StartMySQL(t.Context(), MySQLOptions{Port: port}); err == nil {
		t.Fatal("two servers got one port")
	}
	if err := ReleasePort(port); err != nil {
		t.Fatal(err)
	}
	m := MySQLFor(t, MySQLOptions{Port: port})
	if m.Port() != port {
		t.Errorf("the server is on port %d, want %d", m.Port(), port)
	}
	if _, err := net.Dial("tcp", m.Addr()); err != nil {
		t.Error(err)
	}
}

// callersDir is not t.TempDir(): the server may run as nobody, who cannot enter that one.
func callersDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "cdcbridge-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func open(t *testing.T, m *MySQL, name string) *sql.DB {
	t.Helper()
	db, err := m.DB(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func one(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	var s string
	// A connection that broke with a restart is replaced by the pool when it is noticed, which a query may be the first to do.
	for range 3 {
		err := db.QueryRowContext(t.Context(), query).Scan(&s)
		if err == nil {
			return s
		}
		if !errors.Is(err, mysql.ErrInvalidConn) {
			t.Fatalf("%s: %v", query, err)
		}
	}
	t.Fatalf("%s: no connection", query)
	return ""
}

// TestMySQLReplicates has a replica follow its primary over both servers' restarts and go on alone.
func TestMySQLReplicates(t *testing.T) {
	t.Parallel()
	for _, version := range MySQLVersions {
		t.Run(version, func(t *testing.T) {
			primary, replica := MySQLFor(t, MySQLOptions{Version: version}), MySQLFor(t, MySQLOptions{Version: version})
			db := open(t, primary, "shop")
			if _, err := db.Exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)"); err != nil {
				t.Fatal(err)
			}
			check := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			check(replica.Replicate(t.Context(), primary))
			check(replica.CatchUp(t.Context(), primary))
			check(replica.Kill())
			_, err := db.Exec("INSERT INTO t VALUES (2)")
			check(err)
			check(replica.Restart(t.Context()))
			check(replica.CatchUp(t.Context(), primary))
			check(replica.StopReplicating(t.Context()))
			check(primary.Kill())
			copied := open(t, replica, "shop")
			_, err = copied.Exec("INSERT INTO t VALUES (3)")
			check(err)
			if got := one(t, copied, "SELECT COUNT(*) FROM t"); got != "3" {
				t.Errorf("the replica has %s rows, want 3", got)
			}
		})
	}
}
