package upsert

import (
	"slices"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/changelog"
)

func TestUses(t *testing.T) {
	only, err := capture.NewFilter([]string{"shop.orders"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	outputs := []Output{{Name: "a", Topic: "{pipeline}.{schema}.{table}"}, {Name: "b", Topic: "{table}", Tables: only}, {Name: "c", Topic: "all"}}
	tables := []changelog.Table{{Database: "shop", Name: "orders"}, {Database: "shop", Name: "items"}, {Database: "db", Schema: "s", Name: "x y"}}
	var got []string
	for _, u := range Uses("p", outputs, tables) {
		got = append(got, u.Output.Name+":"+u.Topic)
	}
	want := []string{"a:p.shop.orders", "a:p.shop.items", "a:p.s.x_y", "b:orders", "c:all"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
