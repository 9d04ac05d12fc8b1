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
	for version, want := range map[string]string{"97": "9.", "80": "8.0."} {
		t.Run(version, func(t *testing.T) {
			m := MySQLFor(t, MySQLOptions{Version: version, ServerID: 77, Extra: []string{"--binlog-row-image=MINIMAL"}})
			db := open(t, m, "")
			settings := map[string]string{
				"version": want, "log_bin": "1", "binlog_format": "ROW", "binlog_row_metadata": "FULL", "gtid_mode": "ON",
				"server_id": "77", "gtid_executed": "",
				"binlog_row_image": "MINIMAL", // ours is FULL, the caller's flag wins
			}
			for name, want := range settings {
				got := one(t, db, "SELECT @@"+name)
				if ok := got == want || name == "version" && strings.HasPrefix(got, want); !ok {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			shop := open(t, m, "shop")
			if _, err := shop.Exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1), (2)"); err != nil {
				t.Fatal(err)
			}
			if got := one(t, shop, "SELECT COUNT(*) FROM t"); got != "2" {
				t.Errorf("the table has %s rows, want 2", got)
			}
			before := one(t, db, "SELECT @@gtid_executed")
			open(t, m, "shop")
			if after := one(t, db, "SELECT @@gtid_executed"); after != before {
				t.Errorf("opening a database that exists wrote to the binary log: %s, then %s", before, after)
			}
		})
	}
}

func TestMySQLServersAreDifferent(t *testing.T) {
	a, b := MySQLFor(t, MySQLOptions{}), MySQLFor(t, MySQLOptions{})
	for _, name := range []string{"server_uuid", "server_id", "port"} {
		x, y := one(t, open(t, a, ""), "SELECT @@"+name), one(t, open(t, b, ""), "SELECT @@"+name)
		if x == y {
			t.Errorf("both servers have %s %s", name, x)
		}
	}
}

func TestMySQLSurvivesKillAndRestart(t *testing.T) {
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
	// The server's own certificate names no host: the chain can be verified, the name cannot.
	own, named := MySQLFor(t, MySQLOptions{}), MySQLFor(t, MySQLOptions{NamedCert: true})
	for _, c := range []struct {
		name    string
		server  *MySQL
		ca      string
		refused string // in the error; "": it connects
	}{
		{"own certificate", own, own.CAFile(), "certificate"},
		{"named certificate", named, named.CAFile(), ""},
		{"another server's CA", named, own.CAFile(), "unknown authority"},
	} {
		pem, err := os.ReadFile(c.ca)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			t.Fatalf("%s: no certificate in %s", c.name, c.ca)
		}
		err = tlsPing(t, c.server, &tls.Config{RootCAs: pool, ServerName: "localhost"})
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
	port, err := reservePort(0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := StartMySQL(t.Context(), MySQLOptions{Port: port}); err == nil {
		t.Fatal("two servers got one port")
	}
	if err := releasePort(port); err != nil {
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
