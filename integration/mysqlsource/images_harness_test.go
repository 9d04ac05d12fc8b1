package mysqlsource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/capture/mysql"
	"cdcbridge/changelog"
)

// folded is what an upsert target would hold: the rows of each table by their keys, both as bytes that say all of them.
type folded struct {
	t      testing.TB
	pos    changelog.Position
	rows   map[string]map[string]string
	fills  map[changelog.Fill]int
	ops    map[changelog.Op]int
	stops  int
	tables map[string]*changelog.Table
}

func newFolded(t testing.TB) *folded {
	return &folded{t: t, rows: map[string]map[string]string{}, fills: map[changelog.Fill]int{}, ops: map[changelog.Op]int{}, tables: map[string]*changelog.Table{}}
}

func identityOf(row changelog.Row, columns []int) string {
	var id []byte
	for _, i := range columns {
		id = row[i].AppendIdentity(id)
	}
	return string(id)
}

func wholeIdentity(row changelog.Row) string {
	var id []byte
	for i := range row {
		id = row[i].AppendIdentity(id)
	}
	return string(id)
}

// add applies a batch. Every new row must be whole, unless it was gone before it could be completed.
func (f *folded) add(b *changelog.Batch) {
	f.t.Helper()
	for _, r := range b.Runs {
		name := r.Table.Name
		f.tables[name] = r.Table
		rows := f.rows[name]
		if rows == nil {
			rows = map[string]string{}
			f.rows[name] = rows
		}
		for _, c := range b.Changes[r.From:r.To] {
			f.fills[c.Fill]++
			f.ops[c.Op]++
			for _, k := range r.Table.Key {
				if c.Before != nil && c.Before[k].IsUnchanged() || c.After != nil && c.After[k].IsUnchanged() {
					f.t.Fatalf("%s of %s: the key is not there: %v -> %v", c.Op, name, render(c.Before), render(c.After))
				}
			}
			key, old := "", ""
			if c.After != nil {
				key = identityOf(c.After, r.Table.Key)
			}
			if c.Before != nil {
				old = identityOf(c.Before, r.Table.Key)
			}
			if old != "" && old != key {
				delete(rows, old)
			}
			if c.After == nil || c.Fill == changelog.Gone {
				continue
			}
			if i := slices.IndexFunc(c.After, changelog.Value.IsUnchanged); i >= 0 {
				f.t.Fatalf("%s of %s: the column %s is not there", c.Op, name, r.Table.Columns[i].Name)
			}
			rows[key] = wholeIdentity(c.After)
		}
	}
	f.pos = changelog.Position(strings.Clone(string(b.Next.Pos)))
}

// stream applies what comes until enough says so. It may be called again, and goes on where it stopped.
func (f *folded) stream(cfg *mysql.Config, enough func() bool) error {
	f.t.Helper()
	src := cfg.New(capture.Env{Pipeline: "test", Log: slog.New(slog.DiscardHandler)})
	defer src.Close()
	cp, err := src.Open(f.t.Context(), changelog.Checkpoint{Pos: f.pos})
	if err != nil {
		return err
	}
	f.pos = cp.Pos
	ctx, cancel := context.WithTimeout(f.t.Context(), 3*patience)
	defer cancel()
	out, failed := make(chan *changelog.Batch), make(chan error, 1)
	go func() { failed <- src.Stream(ctx, out) }()
	for {
		select {
		case b := <-out:
			f.add(b)
			b.Release()
			if !enough() {
				continue
			}
			cancel()
			f.stops++
			if err := <-failed; !errors.Is(err, context.Canceled) {
				return fmt.Errorf("a cancelled stream ended with %w", err)
			}
			return nil
		case err := <-failed:
			return err
		}
	}
}

// has reports whether a row came whose first column is an integer.
func (f *folded) has(table string, id int64) bool {
	_, ok := f.rows[table][string(changelog.Int(id).AppendIdentity(nil))]
	return ok
}

// equalsTables compares with what the tables hold, as a snapshot reads them.
func (f *folded) equalsTables(cfg *mysql.Config) {
	f.t.Helper()
	s := scanFrom(f.t, cfg, f.pos, false)
	r := s.reader()
	tables, err := s.src.Scannable(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	for _, table := range tables {
		want := map[string]string{}
		p := s.read(r, s.chunk(table))
		for i, row := range p.rows {
			want[identityOf(row, p.tables[i].Key)] = wholeIdentity(row)
			if then := f.tables[table.Name]; then != p.tables[i] && then != nil && fmt.Sprint(then.Columns) != fmt.Sprint(p.tables[i].Columns) {
				f.t.Errorf("%s: the log's columns are\n%+v, the table's\n%+v", table.Name, then.Columns, p.tables[i].Columns)
			}
		}
		got := f.rows[table.Name]
		if maps.Equal(got, want) {
			continue
		}
		for _, k := range slices.Sorted(maps.Keys(want)) {
			if got[k] != want[k] {
				f.t.Errorf("%s, key %q:\ngot  %q\nwant %q", table.Name, k, abbreviated(got[k]), abbreviated(want[k]))
				break
			}
		}
		f.t.Fatalf("%s: %d rows, want %d", table.Name, len(got), len(want))
	}
	s.stop()
}

func abbreviated(s string) string { return s[:min(len(s), 400)] }

// deadline is a condition of time.
func deadline(d time.Duration) func() bool {
	at := time.Now().Add(d)
	return func() bool { return time.Now().After(at) }
}
