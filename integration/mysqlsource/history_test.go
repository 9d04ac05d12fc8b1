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
)

// told is what came out of a stream, with the names of columns, and where it can be resumed with which state.
type told struct {
	lines  []string // changes and notes
	points []resumable
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
