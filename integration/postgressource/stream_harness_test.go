package postgressource

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/capture/postgres"
	"cdcbridge/changelog"
)

const patience = 60 * time.Second

// transaction runs statements in one transaction.
func (b *bench) transaction(statements ...string) {
	b.t.Helper()
	b.exec("BEGIN; " + strings.Join(statements, "; ") + "; COMMIT")
}

// begin makes slot and publication and gives the position before everything that comes.
func (b *bench) begin(cfg *postgres.Config) changelog.Position { return opened(b.t, cfg, "") }

// seen is what came out of a stream, in a form that outlives the batches.
type seen struct {
	changes   []string // "txn #index table/tableindex op before -> after"
	plain     []string // "table op before -> after"
	order     []change
	notes     []string
	positions []changelog.Position // after each batch
	after     []int                // number of changes before each of positions
	drained   bool
	soon      int // batches that asked for a commit
	ends      int // transactions whose Last came
	parts     int // batches that ended within a transaction
	txns      []changelog.Txn
	tables    map[string]*changelog.Table // newest version
}

type change struct {
	table  string
	before string // key of the row before
	key    string // key of the row after
	op     changelog.Op
	after  string
	fill   changelog.Fill
}

func (s *seen) add(t testing.TB, b *changelog.Batch) {
	t.Helper()
	covered := 0
	for _, r := range b.Runs {
		if r.From != covered || r.To <= r.From {
			t.Fatalf("run %d-%d after change %d", r.From, r.To, covered)
		}
		covered = r.To
		if s.tables == nil {
			s.tables = map[string]*changelog.Table{}
		}
		s.tables[r.Table.Name] = r.Table
		for _, c := range b.Changes[r.From:r.To] {
			what := fmt.Sprintf("%s %s -> %s", c.Op, render(c.Before), render(c.After))
			s.plain = append(s.plain, r.Table.Name+" "+what)
			s.changes = append(s.changes, fmt.Sprintf("%s #%d %s/%d %s", strings.Clone(b.Txns[r.Txn].ID), c.Index, r.Table.Name, c.TableIndex, what))
			s.order = append(s.order, change{r.Table.Name, key(c.Before), key(c.After), c.Op, render(c.After), c.Fill})
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
		s.notes = append(s.notes, strings.TrimSpace(fmt.Sprintf("%d %s %s %s", n.Kind, name, n.Prefix, n.Text)))
	}
	for i, x := range b.Txns {
		x.ID, x.Origin.Replica = strings.Clone(x.ID), strings.Clone(x.Origin.Replica)
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
	if b.Soon {
		s.soon++
	}
	s.positions = append(s.positions, b.Next.Pos)
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
		case changelog.KindUnchanged:
			parts[i] = "?"
		case changelog.KindInt:
			parts[i] = fmt.Sprint(v.Int())
		default:
			p := v.Bytes()
			if parts[i] = string(p); len(p) > 200 {
				parts[i] = fmt.Sprintf("%s…(%d)", p[:10], len(p))
			}
		}
	}
	return strings.Join(parts, ",")
}

// collect streams from a position until enough says so, and closes the source.
func collect(t testing.TB, cfg *postgres.Config, at changelog.Position, enough func(*seen) bool) (*seen, error) {
	t.Helper()
	src, _, err := open(t, cfg, at)
	if err != nil {
		return nil, err
	}
	got, err := run(t, src, &seen{}, false, enough)
	if closed := src.Close(); closed != nil && err == nil {
		t.Fatal(closed)
	}
	return got, err
}

// run adds to got what a stream gives until enough says so. With ack it does what a pipeline does: what has rows, and what
// the source asks for, is durable at once.
func run(t testing.TB, src capture.Source, got *seen, ack bool, enough func(*seen) bool) (*seen, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out := make(chan *changelog.Batch)
	failed := make(chan error, 1)
	go func() { failed <- src.Stream(ctx, out) }()
	for {
		select {
		case b := <-out:
			got.add(t, b)
			if ack && (!b.Empty() || b.Soon) {
				src.Ack(b.Next.Pos)
			}
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
				t.Fatalf("not enough came in %v: %d changes, %d batches; the last: %q", patience, len(got.changes), len(got.positions), tail(got.changes))
			}
			return got, err
		}
	}
}

// key is the first column, which is the primary key of most tables here.
func key(r changelog.Row) string {
	if r == nil {
		return ""
	}
	return render(r[:1])
}

func tail(s []string) []string { return s[max(0, len(s)-3):] }

// changesAtLeast is enough after n changes and the end of their transaction.
func changesAtLeast(n int) func(*seen) bool {
	return func(s *seen) bool { return len(s.changes) >= n && (n == 0 || s.txns[len(s.txns)-1].Last) }
}

func never(*seen) bool { return false }

// last is the position after everything that came.
func (s *seen) last() changelog.Position { return s.positions[len(s.positions)-1] }

// fold applies the changes to an empty table: key → row.
func (s *seen) fold(table string) map[string]string {
	rows := map[string]string{}
	for _, c := range s.order {
		if c.table != table {
			continue
		}
		if c.before != "" {
			delete(rows, c.before)
		}
		if c.op != changelog.Delete && c.fill != changelog.Gone {
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
			switch parts[i] = v.String; {
			case !v.Valid:
				parts[i] = "NULL"
			case len(v.String) > 200:
				parts[i] = fmt.Sprintf("%s…(%d)", v.String[:10], len(v.String))
			}
		}
		out[parts[0]] = strings.Join(parts, ",")
	}
	if err := rows.Err(); err != nil {
		b.t.Fatal(err)
	}
	return out
}

func sameRows(t testing.TB, got, want map[string]string) {
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

func sameList(t testing.TB, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}
