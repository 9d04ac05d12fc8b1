// Package mysqlsource tests the MySQL source against real servers: what the log means, where it can be resumed, and which
// servers are refused.
package mysqlsource

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/capture/mysql"
	"cdcbridge/changelog"
	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

const patience = 60 * time.Second

// versions are the servers that every claim about the log is tested on.
var versions = []string{"97", "80"}

// everyServer are the products and releases that differ: in the ordinary tier the oldest and the newest of MySQL and the newest of MariaDB.
var everyServer = harness.Longer([]string{"57", "97", "maria118"}, servers.MySQLVersions)

// TestMain lets more tests run at once than there are processors. Those that hold a server to a time, or measure memory, do not call Parallel.
func TestMain(m *testing.M) {
	harness.SideBySide(4)
	os.Exit(m.Run())
}

// bench is one server with a database and a configuration that captures it.
type bench struct {
	t  testing.TB
	m  *servers.MySQL
	db *sql.DB
}

func newBench(t testing.TB, o servers.MySQLOptions) *bench {
	t.Helper()
	m := servers.MySQLFor(t, o)
	db, err := m.DB("shop")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &bench{t, m, db}
}

func (b *bench) exec(statements ...string) {
	b.t.Helper()
	for _, s := range statements {
		if _, err := b.db.ExecContext(b.t.Context(), s); err != nil {
			b.t.Fatalf("%s: %v", s, err)
		}
	}
}

// session runs statements on one connection.
func (b *bench) session(statements ...string) {
	b.t.Helper()
	c, err := b.db.Conn(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := c.ExecContext(b.t.Context(), s); err != nil {
			b.t.Fatalf("%s: %v", s, err)
		}
	}
	// The session's settings must not come back from the pool.
	_ = c.Raw(func(any) error { return driver.ErrBadConn })
	_ = c.Close()
}

func (b *bench) query(q string) string {
	b.t.Helper()
	var s string
	if err := b.db.QueryRowContext(b.t.Context(), q).Scan(&s); err != nil {
		b.t.Fatalf("%s: %v", q, err)
	}
	return s
}

func (b *bench) config() *mysql.Config {
	c := mysql.NewConfig().(*mysql.Config)
	c.Host, c.Port, c.User, c.Password = b.m.Host(), b.m.Port(), b.m.User(), capture.Secret(b.m.Password())
	c.Tables = []string{"shop.*"}
	c.HeartbeatInterval = 500 * time.Millisecond
	return c
}

// open opens a source at a position.
func open(t testing.TB, cfg *mysql.Config, at changelog.Position) (capture.Source, changelog.Position, error) {
	t.Helper()
	if errs := cfg.Validate(); len(errs) > 0 {
		t.Fatal(errs)
	}
	src := cfg.New(capture.Env{Pipeline: "test", Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() { _ = src.Close() })
	cp, err := src.Open(t.Context(), changelog.Checkpoint{Pos: at})
	return src, cp.Pos, err
}

// openFault opens a source that must be refused.
func openFault(t *testing.T, cfg *mysql.Config, at changelog.Position, want fault.Code) *fault.Fault {
	t.Helper()
	_, _, err := open(t, cfg, at)
	return wantFault(t, err, want)
}

func wantFault(t *testing.T, err error, want fault.Code) *fault.Fault {
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

// seen is what came out of a stream, in a form that outlives the batches.
type seen struct {
	changes   []string // "txn #index table/tableindex op before -> after"
	order     []change
	notes     []string
	positions []changelog.Position // after each batch
	after     []int                // number of changes before each of positions
	drained   bool
	batches   int
	ends      int // transactions whose Last came
	parts     int // batches that ended within a transaction
	txns      []changelog.Txn
	maxSize   int
}

type change struct {
	table      string
	before     string // key of the row before
	key        string // key of the row after
	txn        string
	index      uint64
	tableIndex uint64
	op         changelog.Op
	after      string
}

func (s *seen) add(t testing.TB, b *changelog.Batch) {
	t.Helper()
	s.batches++
	s.maxSize = max(s.maxSize, b.Size())
	covered := 0
	for _, r := range b.Runs {
		if r.From != covered || r.To <= r.From {
			t.Fatalf("run %d-%d after change %d", r.From, r.To, covered)
		}
		covered = r.To
		for _, c := range b.Changes[r.From:r.To] {
			txn := strings.Clone(b.Txns[r.Txn].ID)
			s.changes = append(s.changes, fmt.Sprintf("%s #%d %s/%d %s %s -> %s", txn, c.Index, r.Table.Name, c.TableIndex, c.Op, render(c.Before), render(c.After)))
			s.order = append(s.order, change{r.Table.Name, key(c.Before), key(c.After), txn, c.Index, c.TableIndex, c.Op, render(c.After)})
		}
	}
	if covered != len(b.Changes) {
		t.Fatalf("runs cover %d of %d changes", covered, len(b.Changes))
	}
	for _, n := range b.Notes {
		name := ""
		if n.Table != nil {
			name = n.Table.Name
		}
		s.notes = append(s.notes, fmt.Sprintf("%d %s %s", n.Kind, name, n.Text))
	}
	for i, x := range b.Txns {
		x.ID, x.Origin.File, x.Origin.GTID = strings.Clone(x.ID), strings.Clone(x.Origin.File), strings.Clone(x.Origin.GTID)
		s.txns = append(s.txns, x)
		if x.Last {
			s.ends++
		} else if i != len(b.Txns)-1 {
			t.Fatal("a transaction that is not the batch's last has no end")
		}
		if (!x.First || !x.Last) && len(b.Txns) > 1 {
			t.Fatal("a part shares its batch")
		}
	}
	if b.InTxn() {
		s.parts++
	}
	if b.Next.Pos == "" {
		t.Fatal("a batch has no position")
	}
	s.positions = append(s.positions, changelog.Position(strings.Clone(string(b.Next.Pos))))
	s.after = append(s.after, len(s.changes))
	s.drained = b.Drained
}

func render(r changelog.Row) string {
	if r == nil {
		return "-"
	}
	parts := make([]string, len(r))
	for i, v := range r {
		switch v.Kind() {
		case changelog.KindNull:
			parts[i] = "NULL"
		case changelog.KindInt, changelog.KindDateTime, changelog.KindTimestamp:
			parts[i] = fmt.Sprint(v.Int())
		case changelog.KindUint:
			parts[i] = fmt.Sprint(v.Uint())
		default:
			p := v.Bytes()
			if parts[i] = string(p[:min(len(p), 10)]); len(p) > 200 {
				parts[i] += fmt.Sprintf("…(%d)", len(p))
			} else {
				parts[i] = string(p)
			}
		}
	}
	return strings.Join(parts, ",")
}

// collect streams from a position until enough says so, and closes the source.
func collect(t testing.TB, cfg *mysql.Config, at changelog.Position, enough func(*seen) bool) (*seen, error) {
	t.Helper()
	src, _, err := open(t, cfg, at)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	return run(t, src, enough)
}

func run(t testing.TB, src capture.Source, enough func(*seen) bool) (*seen, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out := make(chan *changelog.Batch)
	failed := make(chan error, 1)
	go func() { failed <- src.Stream(ctx, out) }()
	got := &seen{}
	for {
		select {
		case b := <-out:
			got.add(t, b)
			b.Release()
			if enough(got) {
				cancel()
				if err := <-failed; !errors.Is(err, context.Canceled) {
					t.Fatalf("a cancelled stream ended with %v", err)
				}
				return got, nil
			}
		case err := <-failed:
			if ctx.Err() != nil {
				t.Fatalf("not enough came in %v: %d changes, %d batches; the last: %q", patience, len(got.changes), got.batches, tail(got.changes))
			}
			return got, err
		}
	}
}

// key is the first column, which is the primary key of all tables here.
func key(r changelog.Row) string {
	if r == nil {
		return ""
	}
	return render(r[:1])
}

func tail(s []string) []string { return s[max(0, len(s)-3):] }

// changesAtLeast is enough after n changes and the end of their transaction.
func changesAtLeast(n int) func(*seen) bool {
	return func(s *seen) bool { return len(s.changes) >= n && s.txns[len(s.txns)-1].Last }
}

// fold applies the changes to an empty table: key → row.
func (s *seen) fold(table string) map[string]string {
	rows := map[string]string{}
	for _, c := range s.order {
		if c.table != table {
			continue
		}
		delete(rows, c.before)
		if c.op != changelog.Delete {
			rows[c.key] = c.after
		}
	}
	return rows
}

// selectAll is the same of the table itself. Columns must be ones that render and SQL print alike.
func (b *bench) selectAll(table string) map[string]string {
	b.t.Helper()
	rows, err := b.db.QueryContext(b.t.Context(), "SELECT * FROM "+table)
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	cols, _ := rows.Columns()
	out := map[string]string{}
	for rows.Next() {
		vals, ptrs := make([]sql.NullString, len(cols)), make([]any, len(cols))
		for i := range vals {
			ptrs[i] = &vals[i]
		}
		if err := rows.Scan(ptrs...); err != nil {
			b.t.Fatal(err)
		}
		parts := make([]string, len(cols))
		for i, v := range vals {
			parts[i] = v.String
			if !v.Valid {
				parts[i] = "NULL"
			}
		}
		out[parts[0]] = strings.Join(parts, ",")
	}
	return out
}

func sameRows(t *testing.T, got, want map[string]string) {
	t.Helper()
	if maps.Equal(got, want) {
		return
	}
	all := maps.Clone(want)
	maps.Copy(all, got)
	wrong := 0
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if got[k] != want[k] {
			if wrong++; wrong <= 3 {
				t.Errorf("key %s: got %q, want %q", k, got[k], want[k])
			}
		}
	}
	t.Fatalf("%d rows differ", wrong)
}

// eachBatch streams until f says that it has seen enough.
func eachBatch(t testing.TB, src capture.Source, f func(*changelog.Batch) bool) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out := make(chan *changelog.Batch)
	failed := make(chan error, 1)
	go func() { failed <- src.Stream(ctx, out) }()
	for {
		select {
		case b := <-out:
			done := f(b)
			b.Release()
			if done {
				cancel()
				if err := <-failed; !errors.Is(err, context.Canceled) {
					return err
				}
				return nil
			}
		case err := <-failed:
			return err
		}
	}
}

// column gives the first column of a result.
func (b *bench) column(q string) []string {
	b.t.Helper()
	rows, err := b.db.QueryContext(b.t.Context(), q)
	if err != nil {
		b.t.Fatalf("%s: %v", q, err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			b.t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		b.t.Fatal(err)
	}
	return out
}

func position(text string) changelog.Position { return changelog.Position(text) }

// withConfig is another bench's configuration at this server.
func (b *bench) withConfig(of *mysql.Config) *mysql.Config {
	c := *of
	c.Host, c.Port = b.m.Host(), b.m.Port()
	return &c
}
