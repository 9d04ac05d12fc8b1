package cli

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestDiffOfRules: what rules for tables say differently has its effect told, their order too, and no salt is shown.
func TestDiffOfRules(t *testing.T) {
	file := func(rules string) string {
		return writeConfig(t, fmt.Sprintf("kafka: {brokers: ['127.0.0.1:1']}\npipelines: [{name: p, source: {type: fake}, format: lines, tables: [%s]}]\n", rules))
	}
	orders := func(filter, salt string) string {
		return fmt.Sprintf(`{name: a.orders, filter: "%s", mask: [{columns: [x], with: hash, salt: "%s"}]}`, filter, salt)
	}
	old := file(orders("id > 1", "pepper") + ", {name: a.o*, outputs: [lines], key: [id]}, {name: a.*, rename: [{column: a, to: b}]}")
	is := file("{name: a.o*, outputs: [lines], key: [nr]}, " + orders("id > 2", "paprika") + ", {name: a.*, rename: [{column: a, to: c}]}")
	code, out, errs := call(registry(nil, nil), "validate", "-c", is, "--diff", old, "--offline", "-o", "json")
	if code != exitOK || strings.Contains(out, "pepper") || strings.Contains(out, "paprika") {
		t.Fatalf("%d %s%s", code, out, errs)
	}
	var c comparison
	mustJSON(t, out, &c)
	var got []string
	for _, d := range c.Differences {
		words := strings.Fields(d.Effect)
		got = append(got, fmt.Sprintf("%s: %s -> %s: %s", d.Setting, d.Before, d.After, strings.Join(words[:min(4, len(words))], " ")))
	}
	want := []string{
		"tables: [a.orders, a.o*, a.*] -> [a.o*, a.orders, a.*]: of the rules that", "tables[a.*].rename[0].to: b -> c: new records have the",
		"tables[a.o*].key: [id] -> [nr]: new records have other", "tables[a.orders].filter: id > 1 -> id > 2: new changes are judged", "tables[a.orders].mask[0].salt: *** -> ***: new records have the",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
