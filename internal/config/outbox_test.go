package config

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"cdcbridge/upsert"
)

// loadPipeline loads a file whose only pipeline has these lines.
func loadPipeline(t *testing.T, lines string) (*Config, Problems) {
	t.Helper()
	text := "kafka: {brokers: [k:9092]}\npipelines:\n  - name: shop\n    source: {type: mysql, host: db, tables: [shop.*]}\n    " + strings.ReplaceAll(strings.TrimSpace(lines), "\n", "\n    ") + "\n"
	cfg, err := LoadText("test", text, registry, func(string) (string, bool) { return "", false })
	var problems Problems
	if err != nil && !errors.As(err, &problems) {
		t.Fatal(err)
	}
	return cfg, problems
}

// TestOutboxHasTheDefaultsOfDebezium: an empty group is an outbox as Debezium's event router expects it, and takes the place of a format.
func TestOutboxHasTheDefaultsOfDebezium(t *testing.T) {
	cfg, problems := loadPipeline(t, "outbox: {}")
	if problems != nil {
		t.Fatal(problems)
	}
	p := cfg.Pipelines[0]
	o := p.Spec.Outputs[0]
	want := &upsert.Outbox{Key: "aggregateid", Payload: "payload", Headers: []upsert.OutboxHeader{{Column: "id", Name: "id"}}, OnUpdate: upsert.FailOnUpdate}
	if !reflect.DeepEqual(o.Outbox, want) || o.Mode != upsert.Changelog || o.Topic != "outbox.event.{aggregatetype}" || o.Name != "outbox" || o.Format != nil {
		t.Errorf("got %+v, %+v", o, o.Outbox)
	}
	if len(p.Formats) != 1 || p.Formats[0] != nil {
		t.Errorf("formats %v", p.Formats)
	}
	if !p.Spec.Snapshot.Skips("shop", "outbox") {
		t.Error("a table of messages is read by a snapshot")
	}
	found := map[string]string{}
	for _, s := range cfg.Settings {
		found[s.Path] = s.Value
	}
	if found["pipelines[shop].topic"] != "outbox.event.{aggregatetype}" || found["pipelines[shop].outbox.key"] != "aggregateid" {
		t.Errorf("settings %v", found)
	}
}

// TestOutboxBesideRows: every key arrives, and only tables that no other output takes are left out of snapshots.
func TestOutboxBesideRows(t *testing.T) {
	cfg, problems := loadPipeline(t, `outputs:
  - {format: debezium-json, tables: [shop.orders, shop.both]}
  - name: events
    topic: "{pipeline}.{kind}"
    adopt: true
    tables: [shop.outbox, shop.both]
    outbox: {key: "", payload: body, timestamp: made, headers: [{column: id}, {column: type, name: eventType}], on_update: ignore}`)
	if problems != nil {
		t.Fatal(problems)
	}
	p := cfg.Pipelines[0]
	o := p.Spec.Outputs[1]
	want := &upsert.Outbox{Payload: "body", Timestamp: "made", Headers: []upsert.OutboxHeader{{Column: "id", Name: "id"}, {Column: "type", Name: "eventType"}}, OnUpdate: upsert.IgnoreOnUpdate}
	if !reflect.DeepEqual(o.Outbox, want) || o.Topic != "{pipeline}.{kind}" || o.Name != "events" || !o.Adopt || !o.Tables.Match("shop", "outbox") || o.Tables.Match("shop", "orders") {
		t.Errorf("got %+v, %+v", o, o.Outbox)
	}
	for table, skipped := range map[string]bool{"orders": false, "both": false, "outbox": true, "other": false} {
		if p.Spec.Snapshot.Skips("shop", table) != skipped {
			t.Errorf("%s is skipped: %v", table, !skipped)
		}
	}
	if cfg, problems = loadPipeline(t, "format: debezium-json"); problems != nil || cfg.Pipelines[0].Spec.Snapshot.Skips != nil {
		t.Errorf("without an outbox: %v", problems)
	}
}

// TestOutboxProblems: what cannot go together with an outbox is said, with its place.
func TestOutboxProblems(t *testing.T) {
	for lines, want := range map[string]string{
		"outbox: {}\nformat: debezium-json":                          "pipelines[0].format is about rows",
		"outbox: {}\nmode: upsert":                                   "pipelines[0].mode is about rows",
		"outbox: {}\nkey_prefix: a":                                  "pipelines[0].key_prefix is about rows",
		"outbox: {colour: red}":                                      "pipelines[0].outbox.colour unknown key",
		"outbox: {on_update: warn}":                                  "pipelines[0].outbox.on_update must be fail or ignore",
		`outbox: {payload: ""}`:                                      "pipelines[0].outbox.payload is required",
		"outbox: {headers: [{name: a}]}":                             "pipelines[0].outbox.headers[0].column is required",
		"outbox: {}\ntopic: \"a{\"":                                  "pipelines[0].topic \"a{\" has a brace",
		"outbox: {}\ntopic: \"a{}\"":                                 "pipelines[0].topic {} is not a placeholder",
		"outbox: {}\nsnapshot: {mode: when_needed}":                  "pipelines[0].outbox does not go together with snapshot.mode when_needed",
		"outputs: [{outbox: {}}]\nsnapshot: {mode: only}":            "pipelines[0].outputs[0].outbox does not go together with snapshot.mode only",
		"outputs: [{outbox: {}}]\noutbox: {}":                        "pipelines[0].outbox belongs into each of outputs",
		"outputs: [{outbox: {}}, {outbox: {}}]":                      "pipelines[0].outputs[1].name \"outbox\" is the name of another output",
		"outputs: [{outbox: {}, tables: [a]}]":                       "pipelines[0].outputs[0].tables",
		"format: debezium-json\ntopic: \"{pipeline}.{kind}\"":        "pipelines[0].topic {kind} is not a placeholder",
		"outputs: [{outbox: {}, metadata: [{name: a, from: op}]}]":   "pipelines[0].outputs[0].metadata is about rows",
		"outputs: [{outbox: {}, options: {decimal: precise}}]":       "pipelines[0].outputs[0].options is about rows",
		"outputs: [{outbox: {}, tombstones_on_delete: false}]":       "pipelines[0].outputs[0].tombstones_on_delete is about rows",
		"outputs: [{outbox: {headers: [{column: a, name: cdc.x}]}}]": "pipelines[0].outputs[0].outbox.headers[0].name",
	} {
		_, problems := loadPipeline(t, lines)
		found := false
		for _, p := range problems {
			found = found || strings.HasPrefix(p.Path+" "+p.Text, want)
		}
		if !found || len(problems) != 1 {
			t.Errorf("%s: %v, want %s", lines, problems, want)
		}
	}
}

// TestExampleHoldsEveryKeyOfAnOutbox is TestExampleHoldsEveryKey for the group that it cannot look into.
func TestExampleHoldsEveryKeyOfAnOutbox(t *testing.T) {
	b, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	var raw struct{ Pipelines []map[string]any }
	if err := yaml.Unmarshal(b, &raw); err != nil {
		t.Fatal(err)
	}
	var found []any
	for _, p := range raw.Pipelines {
		if x, ok := p["outbox"]; ok {
			found = append(found, x)
		}
	}
	var defaults outboxSection
	defaults.setDefaults()
	m := manual{t: t, d: newDecoder(nil)}
	m.group("outbox", found, reflect.ValueOf(&defaults).Elem())
	if len(found) == 0 || m.keys < 5 || len(m.d.problems) > 0 {
		t.Errorf("%d groups, %d keys, %v", len(found), m.keys, m.d.problems)
	}
}
