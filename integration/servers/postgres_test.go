package servers

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// everyDay are the versions that provision.sh installs without being asked.
var everyDay = []string{"18", "15"}

func TestPostgresIsSetUpForCapture(t *testing.T) {
	t.Parallel()
	for _, version := range everyDay {
		t.Run(version, func(t *testing.T) {
			p := PostgresFor(t, PostgresOptions{Version: version, Settings: map[string]string{"wal_sender_timeout": "7s", "application_name": "it's"}})
			settings := map[string]string{
				"server_version": version + ".", "wal_level": "logical", "max_wal_senders": "20", "max_replication_slots": "20", "fsync": "off",
				"server_encoding": "UTF8", "TimeZone": "UTC", "lc_monetary": "C.UTF-8", "wal_segment_size": "16MB",
				"wal_sender_timeout": "7s", // ours is 60s, the caller's wins
			}
			for name, want := range settings {
				got := ask(t, p, "", "SELECT current_setting($1)", name)
				if ok := got == want || name == "server_version" && strings.HasPrefix(got, want); !ok {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			db, err := p.DB(`sh"op`)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)"); err != nil {
				t.Fatal(err)
			}
			if got := ask(t, p, `sh"op`, "SELECT count(*) FROM t"); got != "2" {
				t.Errorf("the table has %s rows, want 2", got)
			}
			// The output plugin and the extensions that the tests need are there.
			run(t, p, "", "CREATE EXTENSION hstore", "CREATE EXTENSION ltree", "CREATE EXTENSION citext")
			run(t, p, "", "SELECT pg_create_logical_replication_slot('s', 'pgoutput')")
		})
	}
}

func TestPostgresClusters(t *testing.T) {
	t.Parallel()
	const identifier = "SELECT system_identifier FROM pg_control_system()"
	a, b := PostgresFor(t, PostgresOptions{}), PostgresFor(t, PostgresOptions{FreshCluster: true, WALSegmentMB: 1})
	if x, y := ask(t, a, "", identifier), ask(t, b, "", identifier); x == y {
		t.Errorf("a fresh cluster has the system identifier %s of the others", x)
	}
	if got := ask(t, b, "", "SHOW wal_segment_size"); got != "1MB" {
		t.Errorf("segments have %s, want 1MB", got)
	}
}

func TestPostgresShutdowns(t *testing.T) {
	t.Parallel()
	p := PostgresFor(t, PostgresOptions{})
	run(t, p, "", "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
	for how, want := range map[Shutdown]string{Fast: "fast", Immediate: "immediate", Smart: "smart"} {
		if err := p.Shutdown(t.Context(), how); err != nil {
			t.Fatal(err)
		}
		if _, err := p.One(t.Context(), "", "SELECT 1"); err == nil {
			t.Fatalf("after a %s shutdown the server answers", want)
		}
		if log := logTail(p.Log()); !strings.Contains(log, "received "+want+" shutdown request") {
			t.Errorf("the server was not shut down %s:%s", want, log)
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Restart(t.Context(), map[string]string{"wal_level": "replica"}); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, p, "", "SELECT current_setting('wal_level') || count(*) FROM t"); got != "replica1" {
		t.Errorf("after the restarts: %s, want replica1", got)
	}
}

func TestPostgresSurvivesKill(t *testing.T) {
	t.Parallel()
	p := PostgresFor(t, PostgresOptions{})
	run(t, p, "", "CREATE TABLE t (id int PRIMARY KEY)")
	for i, kill := range []func() error{p.Kill, p.KillPostmaster, p.Kill} {
		run(t, p, "", "INSERT INTO t SELECT count(*) FROM t")
		db, err := p.DB("")
		if err != nil {
			t.Fatal(err)
		}
		sleeping := make(chan error, 1)
		go func() { _, err := db.ExecContext(t.Context(), "SELECT pg_sleep(60)"); sleeping <- err }()
		waitFor(t, p, "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
		if err := kill(); err != nil {
			t.Fatal(err)
		}
		if err := <-sleeping; err == nil {
			t.Error("a session of a killed server finished")
		}
		_ = db.Close() // its connections are broken
		if err := p.Start(t.Context()); err != nil {
			t.Fatalf("after kill %d: %v", i, err)
		}
		if got := ask(t, p, "", "SELECT count(*) FROM t"); got != string(rune('1'+i)) {
			t.Errorf("after kill %d there are %s rows, want %d", i, got, i+1)
		}
	}
}

func TestPostgresPauses(t *testing.T) {
	t.Parallel()
	p := PostgresFor(t, PostgresOptions{})
	db, err := p.DB("")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Ping(); err != nil {
		t.Fatal(err)
	}
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := db.PingContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a frozen server answered: %v", err)
	}
	if err := p.Continue(); err != nil {
		t.Fatal(err)
	}
	if err := db.PingContext(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPostgresPasswordsAndRights(t *testing.T) {
	t.Parallel()
	p := PostgresFor(t, PostgresOptions{HBA: []string{"host all nobody 127.0.0.1/32 reject"}})
	run(t, p, "", "CREATE TABLE t (id int); CREATE TABLE u (id int)")
	for _, name := range []string{"poor", "nobody"} {
		if err := p.CreateUser(t.Context(), "", name, "p'w", "REPLICATION", "SELECT ON t"); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		user, password, query string
		code                  string // SQLSTATE; "": it works
	}{
		{"poor", "p'w", "SELECT FROM t", ""},
		{"poor", "p'w", "SELECT pg_create_logical_replication_slot('x', 'pgoutput')", ""},
		{"poor", "p'w", "SELECT FROM u", "42501"},
		{"poor", "wrong", "SELECT 1", "28P01"},
		{User, "wrong", "SELECT 1", "28P01"},
		{"nobody", "p'w", "SELECT 1", "28000"},
	} {
		config, err := pgx.ParseConfig(p.DSN(""))
		if err != nil {
			t.Fatal(err)
		}
		config.User, config.Password = c.user, c.password
		if code := sqlState(t, config, c.query); code != c.code {
			t.Errorf("%s with %s: %s gives %q, want %q", c.user, c.password, c.query, code, c.code)
		}
	}
}

// sqlState connects, asks, and returns the code that either failed with.
func sqlState(t *testing.T, config *pgx.ConnConfig, query string) string {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err == nil {
		defer conn.Close(t.Context())
		_, err = conn.Exec(t.Context(), query)
	}
	var refused *pgconn.PgError
	if err != nil && !errors.As(err, &refused) {
		t.Fatal(err)
	}
	if refused == nil {
		return ""
	}
	return refused.Code
}

func TestPostgresCertificates(t *testing.T) {
	t.Parallel()
	p := PostgresFor(t, PostgresOptions{TLS: true, HBA: []string{"hostssl all it 127.0.0.1/32 scram-sha-256 clientcert=verify-ca", "hostssl all cert 127.0.0.1/32 cert"}})
	plain := PostgresFor(t, PostgresOptions{})
	other, err := NewCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.CreateUser(t.Context(), "", "cert", ""); err != nil {
		t.Fatal(err)
	}
	pair, err := p.CA().Issue("cert")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		ca      *CA
		pair    *Pair
		user    string
		to      *Postgres
		refused string // in the error; "": it connects
	}{
		{"by certificate alone", p.CA(), &pair, "cert", p, ""},
		{"certificate and password", p.CA(), &pair, User, p, ""},
		{"no certificate", p.CA(), nil, User, p, "valid client certificate"},
		{"another server's CA", other, &pair, User, p, "unknown authority"},
		{"a server without TLS", p.CA(), nil, User, plain, "refused TLS"},
	} {
		config, err := pgx.ParseConfig(c.to.DSN(""))
		if err != nil {
			t.Fatal(err)
		}
		if config.TLSConfig, err = c.ca.ClientTLS(c.pair); err != nil {
			t.Fatal(err)
		}
		config.TLSConfig.ServerName, config.User = "localhost", c.user
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if err == nil {
			_ = conn.Close(t.Context())
		}
		if c.refused == "" && err != nil || c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.refused)
		}
	}
}

func TestPostgresSaysWhyItDoesNotStart(t *testing.T) {
	_, err := StartPostgres(t.Context(), PostgresOptions{Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), `unrecognized configuration parameter "no_such_setting"`) {
		t.Errorf("got %v, want the server's own words", err)
	}
}

func TestPostgresKeepsTheCallersDirectory(t *testing.T) {
	dir := callersDir(t)
	for i, want := range []string{"0", "1"} {
		p, err := StartPostgres(t.Context(), PostgresOptions{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		run(t, p, "", "CREATE TABLE IF NOT EXISTS t (id int PRIMARY KEY)")
		if got := ask(t, p, "", "SELECT count(*) FROM t"); got != want {
			t.Errorf("start %d: %s rows, want %s", i, got, want)
		}
		run(t, p, "", "INSERT INTO t SELECT count(*) FROM t")
		if err := p.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func ask(t *testing.T, p *Postgres, db, query string, args ...any) string {
	t.Helper()
	s, err := p.One(t.Context(), db, query, args...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func run(t *testing.T, p *Postgres, db string, statements ...string) {
	t.Helper()
	if err := p.Exec(t.Context(), db, statements...); err != nil {
		t.Fatal(err)
	}
}

// waitFor waits until the query says true.
func waitFor(t *testing.T, p *Postgres, query string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ask(t, p, "", query) != "true"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never true: %s", query)
		}
	}
}
