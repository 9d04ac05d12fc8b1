package upsert

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/kafkawire"
	"cdcbridge/internal/shape"
)

// modelTable is a table that is changed at random, and what its log says of the old rows.
type modelTable struct {
	r    *rand.Rand
	rows map[int64]string
	b    *changelog.Batch
}

// before is the old row as the log has it: whole, the key alone, or nothing where the key stays.
func (m *modelTable) before(id int64, moves, whole bool) changelog.Row {
	old := row(m.b, id, m.rows[id])
	switch how := m.r.IntN(3); {
	case whole || how == 0:
		return old
	case how == 1 || moves:
		old[1] = changelog.Unchanged()
		return old
	}
	return nil
}

// change makes one change of the table.
func (m *modelTable) change(whole bool) changelog.Change {
	id, note := 1+m.r.Int64N(6), []string{"draft", "a", "b"}[m.r.IntN(3)]
	if _, there := m.rows[id]; !there {
		m.rows[id] = note
		return changelog.Change{Op: changelog.Insert, After: row(m.b, id, note)}
	}
	if m.r.IntN(4) == 0 {
		ch := changelog.Change{Op: changelog.Delete, Before: m.before(id, true, whole)}
		delete(m.rows, id)
		return ch
	}
	to := id
	if free := 1 + m.r.Int64N(6); m.rows[free] == "" && m.r.IntN(2) == 0 {
		to = free
	}
	ch := changelog.Change{Op: changelog.Update, Before: m.before(id, to != id, whole), After: row(m.b, to, note)}
	delete(m.rows, id)
	m.rows[to] = note
	return ch
}

// written is the table behind the filter, as keys and notes.
func (m *modelTable) written() map[string]string {
	want := map[string]string{}
	for id, note := range m.rows {
		if note != "draft" {
			want[fmt.Sprintf("%d;", id)] = note
		}
	}
	return want
}

// TestFilteredTopicIsTheFilteredTable folds what random changes become, whatever the log says of old rows; of a log that has all of them
// it also believes each record of a topic of changes.
func TestFilteredTopicIsTheFilteredTable(t *testing.T) {
	for seed := range uint64(300) {
		whole := seed%2 == 0
		outputs := []Output{{Name: "tab", Mode: Upsert, Topic: "tab", Format: textFormat{}}}
		if whole {
			outputs = append(outputs, Output{Name: "log", Mode: Changelog, Topic: "log", Format: textFormat{}})
		}
		open, _ := openAll(1)
		p := NewPlanner("p", outputs, []TableRule{{Name: "*.*", Shape: shape.Rules{Filter: filterOf(t, "note <> 'draft'")}}}, open)
		table := testTable()
		table.Columns[1].SourceType = "varchar(9)"
		plans, err := p.Plans(t.Context(), table)
		if err != nil {
			t.Fatal(err)
		}
		m := &modelTable{r: rand.New(rand.NewPCG(seed, 1)), rows: map[int64]string{}}
		b, _ := testBatch(&Plan{Table: table}, func(b *changelog.Batch) {
			m.b = b
			for range 60 {
				b.Changes = append(b.Changes, m.change(whole))
			}
		})
		c, err := NewMaterializer(kafkawire.None).Chunk(9_000_000, Planned{b, Plans{Runs: [][]*Plan{plans}}, 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range c.Parts {
			var got map[string]string
			if part.Topic.Name == "tab" {
				got = foldTexts(records(t, part))
			} else if got, err = replayTexts(records(t, part)); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if want := m.written(); !maps.Equal(got, want) {
				t.Fatalf("seed %d, %s: got %v, want %v", seed, part.Topic.Name, got, want)
			}
		}
	}
}

// foldTexts keeps the last note of each key that has not ended.
func foldTexts(records []string) map[string]string {
	rows := map[string]string{}
	for _, r := range records {
		key, rest, _ := strings.Cut(r, " = ")
		if strings.HasPrefix(rest, "null") {
			delete(rows, key)
			continue
		}
		var op, before, after string
		_, _ = fmt.Sscan(rest, &op, &before, &after)
		if _, note, ok := strings.Cut(after, ","); ok {
			rows[key] = note
		}
	}
	return rows
}

// replayTexts takes away what each record says was there, and adds what it says is there.
func replayTexts(records []string) (map[string]string, error) {
	rows := map[string]string{}
	for _, r := range records {
		_, rest, _ := strings.Cut(r, " = ")
		var op, before, after string
		if _, err := fmt.Sscan(rest, &op, &before, &after); err != nil {
			return nil, err
		}
		if id, note, ok := strings.Cut(before, ","); ok {
			if was, there := rows[id+";"]; !there || was != note {
				return nil, fmt.Errorf("%s, but there was %q", r, was)
			}
			delete(rows, id+";")
		}
		if id, note, ok := strings.Cut(after, ","); ok {
			if _, there := rows[id+";"]; there {
				return nil, fmt.Errorf("%s, which was there", r)
			}
			rows[id+";"] = note
		}
	}
	return rows, nil
}
