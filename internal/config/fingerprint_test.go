package config

import (
	"strings"
	"testing"
)

const twoOutputs = `
kafka: {brokers: [a:1]}
pipelines:
  - name: shop
    source: {type: mysql, host: h, password: "${P}", tables: [a.b, a.c]}
    outputs:
      - {name: x, format: debezium-json, topic: "x.{table}"}
      - {name: y, format: canal-json, topic: "y.{table}"}
    tables: [{name: a.b, key: [one, two]}, {name: a.c, key: [one]}]
`

// TestFingerprints: each change of what a pipeline depends on is seen, and none of what it does not depend on.
func TestFingerprints(t *testing.T) {
	of := func(text, password string) string {
		t.Helper()
		cfg, err := LoadText("it", text, registry, func(string) (string, bool) { return password, true })
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range cfg.Pipelines {
			if p.Spec.Name == "shop" {
				return p.Fingerprint
			}
		}
		t.Fatal("there is no shop")
		return ""
	}
	seen := map[string]string{of(twoOutputs, "hunter2"): "the first"}
	edit := func(from, to string) string {
		t.Helper()
		if !strings.Contains(twoOutputs, from) {
			t.Fatalf("there is no %q", from)
		}
		return strings.Replace(twoOutputs, from, to, 1)
	}
	for name, text := range map[string]string{
		"the same with another pipeline before it": edit("pipelines:", "pipelines:\n  - {name: other, source: {type: mysql, host: h, tables: [a.b]}, format: canal-json}"),
		"with defaults written out":                edit("host: h", "host: h, port: 3306, heartbeat: 5s"),
		"another log level":                        twoOutputs + "log: {level: debug}\n",
		"another time to drain":                    twoOutputs + "shutdown_timeout: 1m\n",
	} {
		if before := seen[of(text, "hunter2")]; before != "the first" {
			t.Errorf("%s: differs", name)
		}
	}
	differ := func(name, text, password string) {
		t.Helper()
		found := of(text, password)
		if before, twice := seen[found]; twice {
			t.Errorf("%s: equals %s", name, before)
		}
		seen[found] = name
	}
	differ("another password", twoOutputs, "hunter3")
	for name, change := range map[string][2]string{
		"another broker":         {"[a:1]", "[a:1, b:1]"},
		"another state topic":    {"{brokers: [a:1]}", "{brokers: [a:1], state_topic: s}"},
		"topics with other keys": {"{brokers: [a:1]}", "{brokers: [a:1], topics: {partitions: 3}}"},
		"another host":           {"host: h", "host: i"},
		"one more table":         {"[a.b, a.c]", "[a.b, a.c, a.d]"},
		"fewer tables":           {"[a.b, a.c]", "[a.b]"},
		"tables in one text":     {"[a.b, a.c]", `["a.b, a.c"]`},
		"an option of a format":  {"debezium-json,", "debezium-json, options: {decimal: string},"},
		"a preset":               {"debezium-json,", "debezium-json, preset: flink,"},
		"another topic":          {`"y.{table}"`, `"z.{table}"`},
		"rules in another order": {"{name: a.b, key: [one, two]}, {name: a.c, key: [one]}", "{name: a.c, key: [one]}, {name: a.b, key: [one, two]}"},
		"keys in another order":  {"[one, two]", "[two, one]"},
		"more memory":            {"name: shop", "name: shop\n    memory: 96MiB"},
		"other snapshots":        {"name: shop", "name: shop\n    snapshot: {mode: never}"},
		"another delivery":       {"name: shop", "name: shop\n    delivery: at_least_once"},
		"on failure":             {"name: shop", "name: shop\n    on_failure: exit"},
	} {
		differ(name, edit(change[0], change[1]), "hunter2")
	}
}
