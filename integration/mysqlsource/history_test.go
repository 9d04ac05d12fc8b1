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

	"cdcbridge/capture"
	"cdcbridge/capture/mysql"
	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// told is what came out of a stream, with the names of columns, and where it can be resumed with which state.
type told struct {
	lines  []string // changes and notes
	points []resumable
	faults error
}

type resumable struct {
	pos   changelog.Position
	state map[string][]byte
	lines int // before it
}

func (s *told) add(b *changelog.Batch, state map[string][]byte) {
	note := 0
	notes := func(at int) {
		for ; note < len(b.Notes) && b.Notes[note].At <= at; note++ {
			n, name := b.Notes[note], ""
			if n.Table != nil {
				name = n.Table.Name
			}
			s.lines = append(s.lines, fmt.Sprintf("note %d %s %s", n.Kind, name, n.Text))
		}
	}
	for _, r := range b.Runs {
		for i, c := range b.Changes[r.From:r.To] {
			notes(r.From + i)
			s.lines = append(s.lines, fmt.Sprintf("%s #%d %s %s -> %s", r.Table.FullName(), c.Index, c.Op, named(r.Table, c.Before), named(r.Table, c.After)))
		}
	}
	notes(len(b.Changes))
	for _, e := range b.Next.State {
		if e.Value == nil {
			delete(state, e.Key)
		} else {
			state[e.Key] = slices.Clone(e.Value)
		}
	}
	s.points = append(s.points, resumable{changelog.Position(strings.Clone(string(b.Next.Pos))), maps.Clone(state), len(s.lines)})
}

func named(t *changelog.Table, r changelog.Row) string {
	if r == nil {
		return "-"
	}
	parts := make([]string, len(r))
	for i := range r {
		text := render(r[i : i+1])
		parts[i] = t.Columns[i].Name + "=" + text[:min(len(text), 30)]
	}
	key := ""
	for _, k := range t.Key {
		key += " " + t.Columns[k].Name
	}
	return "(" + strings.Join(parts, " ") + ") by" + key
}

// tell streams from a point up to the row of the table done.
func tell(t testing.TB, cfg *mysql.Config, from resumable) (*told, error) {
	t.Helper()
	got, state := &told{}, maps.Clone(from.state)
	if state == nil {
		state = map[string][]byte{}
	}
	err := each(t, cfg, from, func(b *changelog.Batch) bool {
		got.add(b, state)
		n := len(got.lines)
		return n > 0 && strings.HasPrefix(got.lines[n-1], "shop.done ")
	})
	return got, err
}

// each streams from a point until f has seen enough.
func each(t testing.TB, cfg *mysql.Config, from resumable, f func(*changelog.Batch) bool) error {
	t.Helper()
	src := cfg.New(capture.Env{Pipeline: "test", Log: slog.New(slog.DiscardHandler)})
	defer src.Close()
	cp := changelog.Checkpoint{Pos: from.pos}
	for _, key := range slices.Sorted(maps.Keys(from.state)) {
		cp.State = append(cp.State, changelog.State{Key: key, Value: from.state[key]})
	}
	if _, err := src.Open(t.Context(), cp); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, failed := make(chan *changelog.Batch), make(chan error, 1)
	go func() { failed <- src.Stream(ctx, out) }()
	for {
		select {
		case b := <-out:
			enough := f(b)
			b.Release()
			if enough {
				cancel()
				if err := <-failed; !errors.Is(err, context.Canceled) {
					t.Fatalf("a cancelled stream ended with %v", err)
				}
				return nil
			}
		case err := <-failed:
			if ctx.Err() != nil {
				t.Fatalf("not enough came in %v", patience)
			}
			return err
		}
	}
}

// TestProbe begins with the oldest log of a server that has DDL in its past: tables that no statement has changed since their
// rows were logged are known, and the others are not, whatever they look like now.
func TestProbe(t *testing.T) {
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v, Metadata: "MINIMAL"})
			b.exec("CREATE TABLE calm (id INT PRIMARY KEY, name VARCHAR(20), e ENUM('a','b'))", "CREATE TABLE wild (id INT PRIMARY KEY, old INT, was INT)",
				"CREATE TABLE indexed (id INT PRIMARY KEY, v INT)", "CREATE TABLE gone (id INT PRIMARY KEY)", "FLUSH BINARY LOGS")
			from := b.query("SELECT @@GLOBAL.gtid_executed")
			b.exec("INSERT INTO calm VALUES (1,'one','b')", "INSERT INTO wild VALUES (1,2,3)", "INSERT INTO indexed VALUES (1,1)", "INSERT INTO gone VALUES (1)",
				"ALTER TABLE wild RENAME COLUMN old TO was2, RENAME COLUMN was TO old", "CREATE UNIQUE INDEX u ON indexed (v)", "DROP TABLE gone", "INSERT INTO wild VALUES (2,2,3)", "INSERT INTO calm VALUES (2,'two','a')")
			for table, want := range map[string]string{"calm": "", "wild": "RENAME COLUMN", "indexed": "CREATE UNIQUE INDEX", "gone": "DROP TABLE"} {
				cfg := b.config()
				cfg.Start, cfg.Tables = from, []string{"shop." + table}
				got, err := collect(t, cfg, "", changesAtLeast(2))
				if want == "" {
					if err != nil || !strings.HasSuffix(got.changes[0], "1,one,b") || !strings.HasSuffix(got.changes[1], "2,two,a") {
						t.Errorf("%s: %v %+v", table, err, got)
					}
					continue
				}
				if f := wantFault(t, err, fault.SchemaUnknown); !f.Final || !strings.Contains(f.Error(), want) || !strings.Contains(f.Error(), "shop."+table) {
					t.Errorf("%s: %v", table, err)
				}
			}
		})
	}
}
