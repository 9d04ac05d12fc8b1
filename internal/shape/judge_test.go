package shape

import (
	"fmt"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// judge tells in one word what becomes of a change of a table (id, v, note) under "v > 5": its operation and images, "nothing", or
// "refused".
func judge(t *testing.T, upsert bool, ch changelog.Change) string {
	t.Helper()
	f, err := ParseFilter("v > 5")
	if err != nil {
		t.Fatal(err)
	}
	number := changelog.Type{Kind: changelog.KindInt, Bits: 64}
	table := &changelog.Table{Database: "a", Name: "b", Key: []int{0}, Columns: []changelog.Column{{Name: "id", Type: number}, {Name: "v", Type: number}, {Name: "note", Type: number}}}
	s, err := Compile(table, Want{Key: table.Key, Rules: &Rules{Filter: f}, Upsert: upsert})
	if err != nil {
		t.Fatal(err)
	}
	var sh Shaper
	if err := sh.Begin(s, Source{Txn: &changelog.Txn{}}); err != nil {
		t.Fatal(err)
	}
	was := fmt.Sprint(ch)
	got, err := sh.Judge(&ch)
	if fmt.Sprint(ch) != was {
		t.Errorf("the change itself became %v", ch)
	}
	switch {
	case err != nil:
		if !fault.Is(err, fault.SourceSettings) || !fault.IsFinal(err) || !strings.Contains(err.Error(), `column "v"`) {
			t.Errorf("%v", err)
		}
		return "refused"
	case got == nil:
		return "nothing"
	}
	images := func(r changelog.Row) string {
		if r == nil {
			return "-"
		}
		return strings.Join(texts(r), ",")
	}
	return fmt.Sprintf("%s %s %s", got.Op, images(got.Before), images(got.After))
}

// TestChangesUnderAFilter is the whole table of what a filter makes of a change, for both modes.
func TestChangesUnderAFilter(t *testing.T) {
	in, out := changelog.Row{changelog.Int(1), changelog.Int(9), changelog.Int(0)}, changelog.Row{changelog.Int(1), changelog.Int(3), changelog.Int(0)}
	null, key := changelog.Row{changelog.Int(1), changelog.Null(), changelog.Int(0)}, changelog.Row{changelog.Int(1)}
	lacks := changelog.Row{changelog.Int(1), changelog.Unchanged(), changelog.Int(0)}
	moved := changelog.Row{changelog.Int(2), changelog.Int(3), changelog.Int(0)}
	for _, c := range []struct {
		name          string
		ch            changelog.Change
		upsert, every string // in mode upsert, and in mode changelog
	}{
		{"insert in", changelog.Change{Op: changelog.Insert, After: in}, "insert - 1,9,0", ""},
		{"insert out", changelog.Change{Op: changelog.Insert, After: out}, "nothing", ""},
		{"insert null", changelog.Change{Op: changelog.Insert, After: null}, "nothing", ""},
		{"insert lacking", changelog.Change{Op: changelog.Insert, After: lacks}, "refused", ""},
		{"insert gone", changelog.Change{Op: changelog.Insert, Fill: changelog.Gone, After: lacks}, "insert - 1,?,0", "refused"},
		{"read in", changelog.Change{Op: changelog.Read, After: in}, "read - 1,9,0", ""},
		{"read out", changelog.Change{Op: changelog.Read, After: out}, "nothing", ""},
		{"upsert in", changelog.Change{Op: changelog.Upsert, After: in}, "upsert - 1,9,0", ""},
		{"upsert out", changelog.Change{Op: changelog.Upsert, After: out}, "delete 1,?,? -", "refused"},
		{"stays", changelog.Change{Op: changelog.Update, Before: in, After: in}, "update 1,9,0 1,9,0", ""},
		{"leaves", changelog.Change{Op: changelog.Update, Before: in, After: out}, "delete 1,9,0 -", ""},
		{"leaves and moves", changelog.Change{Op: changelog.Update, Before: in, After: moved}, "delete 1,9,0 -", ""},
		{"leaves to null", changelog.Change{Op: changelog.Update, Before: in, After: null}, "delete 1,9,0 -", ""},
		{"enters", changelog.Change{Op: changelog.Update, Before: out, After: in}, "insert - 1,9,0", ""},
		{"enters from null", changelog.Change{Op: changelog.Update, Before: null, After: in}, "insert - 1,9,0", ""},
		{"stays out", changelog.Change{Op: changelog.Update, Before: out, After: moved}, "nothing", ""},
		{"stays or enters", changelog.Change{Op: changelog.Update, After: in}, "update - 1,9,0", "refused"},
		{"stays or enters, key known", changelog.Change{Op: changelog.Update, Before: key, After: in}, "update 1 1,9,0", "refused"},
		{"leaves or stays out", changelog.Change{Op: changelog.Update, After: out}, "delete 1,?,? -", "refused"},
		{"leaves or stays out, key known", changelog.Change{Op: changelog.Update, Before: key, After: moved}, "delete 1 -", "refused"},
		{"update lacking", changelog.Change{Op: changelog.Update, Before: in, After: lacks}, "refused", ""},
		{"update reread", changelog.Change{Op: changelog.Update, Fill: changelog.Reread, Before: in, After: out}, "delete 1,9,0 -", ""},
		{"update gone", changelog.Change{Op: changelog.Update, Fill: changelog.Gone, Before: in, After: lacks}, "delete 1,9,0 -", "refused"},
		{"update gone, out", changelog.Change{Op: changelog.Update, Fill: changelog.Gone, Before: out, After: lacks}, "nothing", "refused"},
		{"update gone, unknown", changelog.Change{Op: changelog.Update, Fill: changelog.Gone, After: lacks}, "delete 1,?,? -", "refused"},
		{"update gone, in", changelog.Change{Op: changelog.Update, Fill: changelog.Gone, Before: in, After: in}, "update 1,9,0 1,9,0", ""},
		{"delete in", changelog.Change{Op: changelog.Delete, Before: in}, "delete 1,9,0 -", ""},
		{"delete out", changelog.Change{Op: changelog.Delete, Before: out}, "nothing", ""},
		{"delete, key known", changelog.Change{Op: changelog.Delete, Before: key}, "delete 1 -", "refused"},
	} {
		if c.every == "" {
			c.every = c.upsert
		}
		if got := judge(t, true, c.ch); got != c.upsert {
			t.Errorf("%s, mode upsert: %s, want %s", c.name, got, c.upsert)
		}
		if got := judge(t, false, c.ch); got != c.every {
			t.Errorf("%s, mode changelog: %s, want %s", c.name, got, c.every)
		}
	}
}

// TestMessagesThatTellTheKeyAlone: a tombstone says nothing of the columns that rules name, and ends the key that it has.
func TestMessagesThatTellTheKeyAlone(t *testing.T) {
	f, err := ParseFilter("v > 5")
	if err != nil {
		t.Fatal(err)
	}
	rules := &Rules{Filter: f, Exclude: []string{"note"}, Renames: []Rename{{"id", "nr"}, {"v", "w"}}, Masks: []Mask{{Columns: []string{"v"}, With: WithNull}}}
	table := &changelog.Table{Database: "a", Name: "b", Key: []int{0}, Inferred: true, Columns: []changelog.Column{{Name: "id"}}}
	s, err := Compile(table, Want{Key: table.Key, Rules: rules, Upsert: true})
	if err != nil {
		t.Fatal(err)
	}
	var sh Shaper
	if err := sh.Begin(s, Source{Txn: &changelog.Txn{}}); err != nil {
		t.Fatal(err)
	}
	row := changelog.Row{changelog.Int(1)}
	if got, err := sh.Judge(&changelog.Change{Op: changelog.Delete, Before: row}); err != nil || got == nil || got.Op != changelog.Delete || columnsOf(s.Table) != "nr " {
		t.Errorf("%+v, %v, of the columns %s", got, err, columnsOf(s.Table))
	}
	if _, err := sh.Judge(&changelog.Change{Op: changelog.Upsert, After: row}); !fault.Is(err, fault.SourceSettings) {
		t.Errorf("a row without the columns of the filter: %v", err)
	}
	described := *table
	described.Inferred = false
	for _, not := range []*changelog.Table{&described, {Database: "a", Name: "b", Key: []int{0}, Inferred: true, Columns: []changelog.Column{{Name: "id"}, {Name: "note"}}}} {
		if _, err := Compile(not, Want{Key: not.Key, Rules: rules, Upsert: true}); !fault.Is(err, fault.Config) {
			t.Errorf("a table with other columns: %v", err)
		}
	}
}
