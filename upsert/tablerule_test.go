package upsert

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
	"cdcbridge/internal/shape"
)

func filterOf(t *testing.T, text string) *shape.Filter {
	t.Helper()
	f, err := shape.ParseFilter(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestFirstRuleCounts: the first rule that fits a table and an output counts, and only that one.
func TestFirstRuleCounts(t *testing.T) {
	outputs := []Output{{Name: "a", Mode: Upsert, Topic: "{table}-a", Format: textFormat{}}, {Name: "b", Mode: Upsert, Topic: "{table}-b", Format: textFormat{}}}
	rename := func(to string) shape.Rules { return shape.Rules{Renames: []shape.Rename{{Column: "note", To: to}}} }
	rules := []TableRule{
		{Name: "shop.orders", Outputs: []string{"b"}, Shape: rename("first")}, {Name: "shop.o*", Key: []string{"note"}}, {Name: "*.*", Outputs: []string{"a"}, Shape: rename("last")},
	}
	orders, items := sideTables()
	targets, err := Targets("p", outputs, rules, []*changelog.Table{orders, items})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range targets {
		got = append(got, fmt.Sprintf("%s %s %v", w.Options.Topic, w.Table.Columns[1].Name, w.Options.Key))
	}
	if want := []string{"orders-a note [1]", "items-a last [0]", "orders-b first [0]", "items-b note [0]"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestUnwritableByRules: what a rule says and a table does not have is found before any row comes.
func TestUnwritableByRules(t *testing.T) {
	outputs := []Output{{Name: "a", Mode: Upsert, Topic: "{table}", Format: textFormat{}}}
	for want, rules := range map[string]shape.Rules{
		`the table has no column "gone"`: {Exclude: []string{"gone"}}, `is a part of the key`: {Exclude: []string{"id"}}, "at character 1: the table has no column": {Filter: filterOf(t, "gone = 1")},
	} {
		found := Unwritable("p", outputs, []TableRule{{Name: "shop.*", Shape: rules}}, []changelog.Table{*testTable()})
		if len(found) != 1 || found[0].Code != string(fault.Config) || !strings.Contains(found[0].Detail, want) || found[0].Remedy == "" {
			t.Errorf("%s: %+v", want, found)
		}
	}
}

// shapedChanges writes a few changes by one rule and gives the records.
func shapedChanges(t *testing.T, o Output, rule TableRule, fill func(b *changelog.Batch)) []string {
	t.Helper()
	open, _ := openAll(1)
	o.Name, o.Topic = "out", "{table}"
	p := NewPlanner("p", []Output{o}, []TableRule{rule}, open)
	table := testTable()
	table.Columns[1].SourceType = "varchar(9)"
	plans, err := p.Plans(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := testBatch(&Plan{Table: table}, fill)
	b.Runs[0].Query = "UPDATE orders SET note = 'secret'"
	c, err := NewMaterializer(kafkawire.None).Chunk(9_000_000, Planned{b, Plans{Runs: [][]*Plan{plans}}, 1})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, part := range c.Parts {
		for _, r := range records(t, part) {
			text, _, _ := strings.Cut(r, " @5000 ")
			_, op, _ := strings.Cut(r, " op=")
			all = append(all, text+" "+op)
		}
	}
	return all
}

// TestChangesBetweenAFilterAndTheKey: a row that leaves is a delete and a tombstone of the key that it had, one that enters an insert.
func TestChangesBetweenAFilterAndTheKey(t *testing.T) {
	rule := TableRule{Name: "shop.orders", Shape: shape.Rules{Filter: filterOf(t, "note <> 'draft'")}}
	got := shapedChanges(t, Output{Mode: Upsert, Format: textFormat{}}, rule, func(b *changelog.Batch) {
		update := func(before, after changelog.Row) {
			b.Changes = append(b.Changes, changelog.Change{Op: changelog.Update, Before: before, After: after})
		}
		b.Changes = append(b.Changes, changelog.Change{Op: changelog.Insert, After: row(b, 1, "draft")}, changelog.Change{Op: changelog.Insert, After: row(b, 2, "a")})
		update(row(b, 1, "draft"), row(b, 1, "b")) // enters
		update(row(b, 2, "a"), row(b, 3, "draft")) // leaves, and would have moved
		update(row(b, 1, "b"), row(b, 4, "c"))     // moves
		update(row(b, 3, "draft"), row(b, 5, "d")) // enters, and would have moved
		update(nil, row(b, 6, "draft"))            // may leave
		update(row(b, 7, "draft"), row(b, 8, "draft"))
		b.Changes = append(b.Changes, changelog.Change{Op: changelog.Delete, Before: row(b, 8, "draft")}, changelog.Change{Op: changelog.Delete, Before: row(b, 4, "c")})
	})
	want := []string{
		"2; = insert - 2,a split=false c", "1; = insert - 1,b split=false c", "2; = delete 2,a - split=false d", "2; = null x",
		"1; = delete 1,b - split=true d new=4;", "1; = null x new=4;", "4; = insert - 4,c split=true c old=1;", "5; = insert - 5,d split=false c",
		"6; = delete 6,0 - split=false d", "6; = null x", "4; = delete 4,c - split=false d", "4; = null x",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// queryFormat writes the statement of a change.
type queryFormat struct{}

func (queryFormat) Compile(_ *changelog.Table, o formats.Options) (formats.Encoder, error) {
	return queryEncoder{textEncoder{o.Key}}, nil
}

type queryEncoder struct{ textEncoder }

func (queryEncoder) AppendValue(dst []byte, c *formats.Context, ch *changelog.Change) ([]byte, error) {
	return fmt.Appendf(dst, "%s [%s]", rowText(ch.After), c.Run.Query), nil
}

// TestStatementsAreHiddenToo: what is hidden in the rows must not stand in the statement that wrote them.
func TestStatementsAreHiddenToo(t *testing.T) {
	fill := func(b *changelog.Batch) {
		b.Changes = append(b.Changes, changelog.Change{Op: changelog.Insert, After: row(b, 1, "secret")})
	}
	for want, rule := range map[string]TableRule{
		"1; = 1,*** [] c":    {Name: "shop.*", Shape: shape.Rules{Masks: []shape.Mask{{Columns: []string{"note"}, With: shape.WithStars}}}},
		"1; = 1 [] c":        {Name: "shop.*", Shape: shape.Rules{Exclude: []string{"note"}}},
		"1; = 1,secret [] c": {Name: "other.*", Shape: shape.Rules{Exclude: []string{"note"}}},
		"1; = 1,secret [UPDATE orders SET note = 'secret'] c": {Name: "shop.*", Outputs: []string{"another"}, Shape: shape.Rules{Exclude: []string{"note"}}},
	} {
		if got := shapedChanges(t, Output{Mode: Changelog, Format: queryFormat{}}, rule, fill); !slices.Equal(got, []string{want}) {
			t.Errorf("got %q, want %s", got, want)
		}
	}
}

// TestNumbersUnderAFilter: the numbers of what is left have no gaps in their table, wherever the pipeline was started anew, and the end
// of the transaction counts what is there.
func TestNumbersUnderAFilter(t *testing.T) {
	rules := []TableRule{{Name: "shop.orders", Shape: shape.Rules{Filter: filterOf(t, "id <> 1 and id < 7")}}, {Name: "shop.items", Shape: shape.Rules{Filter: filterOf(t, "id > 100")}}}
	sameNumbers(t, numbered(t, rules), map[string][]string{
		// 1→2 enters, 3 and 4 stay, 5→6 moves, 7→8 is not there; no item is
		"orders": {"insert 0 0", "update 1 1", "update 2 2", "delete 3 3", "insert 4 4"},
		"items":  nil,
		"p_end":  {"k = end [{shop.orders 5}]", "k = end []"},

		"log-orders": {"insert 0 0", "update 1 1", "update 2 2", "update 3 3"},
	})
}
