package debezium

import (
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
)

func TestLocate(t *testing.T) {
	rd := newReader().(formats.Locator)
	mysql := func(more string) string {
		return `{"before":null,"after":{"id":1},"source":{"connector":"mysql","db":"d","table":"t",` + more + `"ts_ms":7},"op":"c"}`
	}
	for value, want := range map[string]formats.Place{
		mysql(`"snapshot":"false","file":"binlog.000012","pos":345,"row":2,`): {Log: "binlog.", Major: 12, Minor: 345, Row: 2, Time: 7000},
		mysql(`"snapshot":null,"file":"binlog.1000000","pos":4,"row":0,`):     {Log: "binlog.", Major: 1000000, Minor: 4, Time: 7000},
		mysql(`"snapshot":"true","file":"binlog.000012","pos":345,"row":0,`):  {},
		mysql(`"file":"binlog","pos":345,"row":0,`):                           {},
		mysql(`"sequence":"[\"100\",\"90\"]","lsn":90,`):                      {Log: "commits", Major: 100, Minor: 90, Time: 7000},
		mysql(`"sequence":"[null,\"90\"]","lsn":90,`):                         {},
		`{"before":null,"after":{"id":1},"op":"c"}`:                           {},
		`{"ts_ms":1}`: {},
		`x`:           {},
	} {
		if got := rd.Locate(record("", value)); got != want {
			t.Errorf("%s: %+v", value, got)
		}
	}
	if got := rd.Locate(record(`{"id":1}`, "")); got != (formats.Place{}) {
		t.Errorf("a tombstone: %+v", got)
	}
}

// TestLastDeleteIsOfItsPartition: a delete in one partition says nothing about the records of another.
func TestLastDeleteIsOfItsPartition(t *testing.T) {
	rd := newReader()
	var b changelog.Batch
	read := func(partition int32, key, value string) int {
		t.Helper()
		before := len(b.Changes)
		rec := record(key, value)
		rec.Partition = partition
		if err := rd.Read(&b, rec); err != nil {
			t.Fatal(err)
		}
		return len(b.Changes) - before
	}
	const del, ins = `{"before":{"id":1},"after":null,"op":"d"}`, `{"before":null,"after":{"id":2},"op":"c"}`
	read(0, `{"id":1}`, del)
	read(1, `{"id":2}`, ins)
	if n := read(0, `{"id":1}`, ""); n != 0 {
		t.Error("the tombstone of a delete is a delete again, because another partition was read between them")
	}
	read(0, `{"id":1}`, del)
	if n := read(1, `{"id":1}`, ""); n != 1 {
		t.Error("a tombstone was taken for that of a delete in another partition")
	}
}

// TestInferredTables: what nobody describes is marked, has a form without schemas, and none with them.
func TestInferredTables(t *testing.T) {
	var b changelog.Batch
	if err := newReader().Read(&b, record(`{"id":1}`, `{"before":null,"after":{"id":1,"x":"y"},"op":"c"}`)); err != nil {
		t.Fatal(err)
	}
	table := b.Runs[0].Table
	if !table.Inferred {
		t.Error("the table is not marked")
	}
	cfg := NewConfig()
	enc, err := cfg.Format(formats.Env{Server: "s"}).Compile(table, formats.Options{Key: table.Key})
	if err != nil {
		t.Fatal(err)
	}
	value, err := enc.AppendValue(nil, newContext(table), &b.Changes[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := newReader().Read(&b, record(`{"id":1}`, string(value))); err != nil {
		t.Errorf("reading %s: %v", value, err)
	}
	for _, set := range []func(*Config){func(c *Config) { c.Schemas.SchemasEnable = true }, func(c *Config) { c.Schemas.KeySchemasEnable = true }} {
		cfg := NewConfig()
		set(cfg)
		if _, err := cfg.Format(formats.Env{}).Compile(table, formats.Options{Key: table.Key}); !fault.Is(err, fault.SchemaUnknown) {
			t.Errorf("with schemas: %v", err)
		}
	}
}
