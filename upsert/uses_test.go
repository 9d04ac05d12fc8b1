package upsert

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/changelog"
)

func TestUses(t *testing.T) {
	only, err := capture.NewFilter([]string{"shop.orders"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	outputs := []Output{{Name: "a", Topic: "{pipeline}.{schema}.{table}"}, {Name: "b", Topic: "{table}", Tables: only}, {Name: "c", Mode: Upsert, Topic: "all", Format: sideFormat{prefix: "é"}}}
	tables := []changelog.Table{{Database: "shop", Name: "orders"}, {Database: "shop", Name: "items"}, {Database: "db", Schema: "s", Name: "x y"}}
	var got []string
	for _, u := range Uses("p", outputs, tables) {
		got = append(got, u.Output.Name+":"+u.Topic)
		if u.Topic == "__begin" && u.Output.Mode != Changelog {
			t.Error("a topic of records beside the rows would be compacted")
		}
	}
	want := []string{"a:p.shop.orders", "a:p.shop.items", "a:p.s.x_y", "b:orders", "c:all", "c:__begin", "c:__end", "c:__ddl", "c:__message", "c:__heartbeat"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestUndecided(t *testing.T) {
	outputs := []Output{
		{Name: "rows", Topic: "{table}"}, {Name: "one", Topic: "{pipeline}.events", Outbox: &Outbox{}}, {Name: "many", Topic: "{pipeline}.{kind}", Outbox: &Outbox{}},
	}
	found := Undecided(outputs)
	if len(found) != 1 || found[0].Area != "output many" || found[0].Severity != capture.OK || !strings.Contains(found[0].Detail, "must be there") {
		t.Errorf("%+v", found)
	}
	outputs[2].Settings.Create = true
	if found = Undecided(outputs); len(found) != 1 || strings.Contains(found[0].Detail, "must be there") {
		t.Errorf("%+v", found)
	}
}

func TestUnwritable(t *testing.T) {
	outputs := []Output{{Name: "a", Mode: Upsert, Topic: "{table}"}, {Name: "b", Mode: Changelog, Topic: "all"}}
	columns := []changelog.Column{{Name: "id"}}
	tables := []changelog.Table{
		{Database: "shop", Name: "good", Columns: columns, Key: []int{0}}, {Database: "crm", Name: "good", Columns: columns, Key: []int{0}},
		{Database: "shop", Name: "keyless", Columns: columns}, {Database: "shop", Name: "ruled", Columns: columns}, {Database: "shop", Name: "misruled", Columns: columns},
	}
	rules := []TableRule{{Name: "shop.ruled", Key: []string{"id"}}, {Name: "shop.misruled", Key: []string{"nope"}}}
	want := map[string]string{
		"output a table crm.good": "config", "output a table shop.keyless": "no_key", "output a table shop.misruled": "config", "output b table shop.misruled": "config",
	}
	got := map[string]string{}
	for _, f := range Unwritable("p", outputs, rules, tables) {
		got[f.Area+" "+f.Subject] = f.Code
		if f.Severity != capture.Problem || f.Remedy == "" || f.Detail == "" {
			t.Errorf("%+v", f)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
