package upsert

import (
	"fmt"
	"slices"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

func TestTargets(t *testing.T) {
	only, err := capture.NewFilter([]string{"shop.orders"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	outputs := []Output{
		{Name: "rows", Mode: Upsert, Topic: "{pipeline}.{table}", Format: textFormat{}},
		{Name: "log", Mode: Changelog, Topic: "log.{schema}", Format: textFormat{}, Tables: only},
	}
	other, keyless := testTable(), testTable()
	other.Name, keyless.Name, keyless.Key = "ö", "keyless", nil
	rules := []TableRule{{Name: "shop.ö", Key: []string{"note", "id"}}}
	targets, err := Targets("p", outputs, rules, []*changelog.Table{testTable(), other})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range targets {
		got = append(got, fmt.Sprintf("%s %s %s %v %v", x.Output.Name, x.Table.Name, x.Options.Topic, x.Options.Key, x.Options.Upsert))
	}
	if want := []string{"rows orders p.orders [0] true", "rows ö p._ [1 0] true", "log orders log.shop [0] false"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := Targets("p", outputs, nil, []*changelog.Table{keyless}); !fault.Is(err, fault.NoKey) {
		t.Errorf("a table without key: %v", err)
	}
}
