// Package postgressource tests the PostgreSQL source against real servers: what the log means, where it can be resumed, what
// the server is told, and which servers are refused.
package postgressource

import (
	"database/sql"
	"log/slog"
	"os"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/capture/postgres"
	"cdcbridge/changelog"
	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// What the source makes on the server when it is told nothing else.
const (
	slot        = "cdcbridge_test"
	publication = "cdcbridge_test"
)

// versions are the servers that every claim about the log is tested on.
var versions = []string{"18", "15"}

// TestMain lets more tests run at once than there are processors. Those that hold a server to a time, or look at the whole process, do not call Parallel.
func TestMain(m *testing.M) {
	harness.SideBySide(4)
	os.Exit(m.Run())
}

// bench is one server with a database and a configuration that captures its schema public.
type bench struct {
	t  testing.TB
	p  *servers.Postgres
	db *sql.DB
}

func newBench(t testing.TB, o servers.PostgresOptions) *bench {
	t.Helper()
	p := servers.PostgresFor(t, o)
	db, err := p.DB("shop")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &bench{t, p, db}
}

func (b *bench) exec(statements ...string) {
	b.t.Helper()
	for _, s := range statements {
		if _, err := b.db.ExecContext(b.t.Context(), s); err != nil {
			b.t.Fatalf("%s: %v", s, err)
		}
	}
}

func (b *bench) query(q string) string {
	b.t.Helper()
	var s sql.NullString
	if err := b.db.QueryRowContext(b.t.Context(), q).Scan(&s); err != nil {
		b.t.Fatalf("%s: %v", q, err)
	}
	return s.String
}

func (b *bench) config() *postgres.Config {
	c := postgres.NewConfig().(*postgres.Config)
	c.Host, c.Port, c.Database, c.User, c.Password = b.p.Host(), b.p.Port(), "shop", b.p.User(), capture.Secret(b.p.Password())
	c.Tables = []string{"public.*"}
	c.HeartbeatInterval = 500 * time.Millisecond
	return c
}

// open opens a source at a position. A slot that another walsender is about to leave is waited for.
func open(t testing.TB, cfg *postgres.Config, at changelog.Position) (capture.Source, changelog.Position, error) {
	t.Helper()
	if errs := cfg.Validate(); len(errs) > 0 {
		t.Fatal(errs)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		src := cfg.New(capture.Env{Pipeline: "test", Log: slog.New(slog.DiscardHandler)})
		cp, err := src.Open(t.Context(), changelog.Checkpoint{Pos: at})
		if fault.Is(err, fault.SlotInUse) && time.Now().Before(end) {
			continue
		}
		if err == nil {
			src.Ack(cp.Pos)
		}
		return src, cp.Pos, err
	}
}

func wantFault(t testing.TB, err error, want fault.Code) *fault.Fault {
	t.Helper()
	f := fault.As(err)
	if f == nil || f.Code != want {
		t.Fatalf("got %v, want a fault with the code %s", err, want)
	}
	if f.Hint == "" {
		t.Errorf("%v has no hint", err)
	}
	return f
}

// opened opens a source that must be let in, and closes it.
func opened(t testing.TB, cfg *postgres.Config, at changelog.Position) changelog.Position {
	t.Helper()
	src, pos, err := open(t, cfg, at)
	if err != nil {
		t.Fatal(err)
	}
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	return pos
}

// openFault opens a source that must be refused.
func openFault(t testing.TB, cfg *postgres.Config, at changelog.Position, want fault.Code) *fault.Fault {
	t.Helper()
	_, _, err := open(t, cfg, at)
	return wantFault(t, err, want)
}
