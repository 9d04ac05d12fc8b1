package upsert

import (
	"slices"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

func TestKeyRules(t *testing.T) {
	rules, err := ParseKeyRules(" shop.orders:tenant,ID ; (.*).events : id;crm\\.e.*:at; ")
	if err != nil {
		t.Fatal(err)
	}
	table := func(database, name string, columns ...string) *changelog.Table {
		out := &changelog.Table{Database: database, Name: name}
		for _, c := range columns {
			out.Columns = append(out.Columns, changelog.Column{Name: c})
		}
		return out
	}
	for _, tc := range []struct {
		table *changelog.Table
		want  []int
		code  fault.Code
	}{
		{table("shop", "orders", "id", "tenant"), []int{1, 0}, ""},
		{table("SHOP", "Orders", "id", "tenant"), []int{1, 0}, ""},
		{table("shop", "orders2", "id"), nil, ""},
		{table("crm", "events", "at", "id"), []int{1, 0}, ""},
		{table("shop", "orders", "id"), nil, fault.Config},
		{table("shop", "orders", "iD", "Id", "tenant"), nil, fault.Config},
		{table("shop", "orders", "iD", "ID", "tenant"), []int{2, 1}, ""},
	} {
		got, err := keyByRule(rules, tc.table)
		if !slices.Equal(got, tc.want) || fault.CodeOf(err) != tc.code || err != nil && !fault.IsFinal(err) {
			t.Errorf("%s %v: got %v %v, want %v", tc.table.FullName(), tc.table.Columns, got, err, tc.want)
		}
	}
	twice, err := ParseKeyRules("t.t:a;t.t:a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keyByRule(twice, table("t", "t", "a")); !fault.Is(err, fault.Config) {
		t.Errorf("a column named twice: %v", err)
	}
	for _, bad := range []string{"orders", "a.b:", ":a", "a.b:c,,d", "a.b:c:d", "a.(b:c"} {
		if _, err := ParseKeyRules(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// TestKeyRulesAreAskedInOrder: what is said of one table wins over the output's rules, and these over the primary key.
func TestKeyRulesAreAskedInOrder(t *testing.T) {
	rules, err := ParseKeyRules("shop.*:note")
	if err != nil {
		t.Fatal(err)
	}
	outputs := []Output{{Name: "o", Mode: Upsert, Topic: "{table}", Format: textFormat{}, Keys: rules}, {Name: "p", Mode: Upsert, Topic: "p.{table}", Format: textFormat{}}}
	for want, special := range map[string][]TableRule{"[1] [0]": nil, "[0 1] [0 1]": {{Name: "shop.orders", Key: []string{"id", "note"}}}} {
		open, _ := openAll(1)
		plans, err := NewPlanner("p", outputs, special, open).Plans(t.Context(), testTable())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range plans {
			s := ""
			for _, k := range p.Key {
				s += " " + string('0'+rune(k))
			}
			got = append(got, "["+strings.TrimPrefix(s, " ")+"]")
		}
		if strings.Join(got, " ") != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

// TestWithoutTombstones: deletes and key changes have their records and no tombstones.
func TestWithoutTombstones(t *testing.T) {
	topic := &Topic{Name: "p.shop.orders", Partitions: 1, MaxBatch: 1 << 20}
	plan := testPlan(t, Upsert, topic)
	plan.Output.NoTombstones = true
	b, plans := testBatch(plan, func(b *changelog.Batch) {
		b.Changes = append(b.Changes,
			changelog.Change{Op: changelog.Delete, Before: row(b, 1, "a")},
			changelog.Change{Op: changelog.Update, Before: row(b, 2, "b"), After: row(b, 3, "b")})
	})
	c, err := NewMaterializer(kafkawire.None).Chunk(9_000_000, Planned{b, Plans{Runs: plans}, 1})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range records(t, c.Parts[0]) {
		key, rest, _ := strings.Cut(r, " = ")
		op, _, _ := strings.Cut(rest, " ")
		got = append(got, key+op)
	}
	if want := []string{"1;delete", "2;delete", "3;insert"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	plan.Output.Format = bareFormat{}
	open, _ := openAll(1)
	if _, err := NewPlanner("p", []Output{*plan.Output}, nil, open).Plans(t.Context(), testTable()); !fault.Is(err, fault.Config) {
		t.Errorf("a format whose deletes are tombstones: %v", err)
	}
}
