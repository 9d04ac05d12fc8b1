package debezium

import (
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
	"cdcbridge/internal/fault"
)

// FuzzRead: whatever comes, the reader answers with a fault and an untouched batch, or with rows of their table.
func FuzzRead(f *testing.F) {
	table, rows := formatstest.EveryPostgresValue()
	for _, cfg := range []*Config{NewConfig(), mode(func(c *Config) { c.Preset("flink") }), mode(func(c *Config) { c.Schemas.SchemasEnable = true })} {
		enc := compile(f, cfg, table, formats.Options{Key: table.Key})
		for _, row := range rows[:2] {
			key, _ := enc.AppendKey(nil, row)
			if value, err := enc.AppendValue(nil, newContext(table), &changelog.Change{Op: changelog.Update, Before: row, After: row}); err == nil {
				f.Add(key, value, true)
				f.Add(key, value, false)
			}
		}
	}
	f.Add([]byte(`{"id":1}`), []byte(`{"schema":`+schemaOf+`,"payload":{"op":"c","after":{"id":7,"amount":"BNI="},"source":{"connector":"mysql","db":"app","table":"orders"}}}`), false)
	f.Add([]byte(`{"id":1}`), []byte(`{"op":"m","source":{},"message":{"prefix":"x","content":"aGk="}}`), true)
	f.Add([]byte(`{}`), []byte(`{"status":"END","id":"x","ts_ms":1}`), true)
	f.Add([]byte(`{"a":1}`), []byte(nil), false)
	f.Fuzz(func(t *testing.T, key, value []byte, known bool) {
		rd := newReader()
		if known {
			rd = newReader(table)
		}
		b := new(changelog.Batch)
		for range 2 { // the second time with what the first has taught it
			changes, runs := len(b.Changes), len(b.Runs)
			rec := &formats.Record{Topic: "s.public.wide", Key: key, Value: value}
			place := rd.(formats.Locator).Locate(rec)
			if again := rd.(formats.Locator).Locate(rec); again != place || place.Log == "" && place != (formats.Place{}) {
				t.Fatalf("located at %+v, then at %+v", place, again)
			}
			if err := rd.Read(b, rec); err != nil {
				if !fault.Is(err, fault.Decode) || len(b.Changes) != changes || len(b.Runs) != runs {
					t.Fatalf("%v, %d changes", err, len(b.Changes)-changes)
				}
			}
		}
		for _, run := range b.Runs {
			for _, ch := range b.Changes[run.From:run.To] {
				checkRow(t, run.Table, ch.Before)
				checkRow(t, run.Table, ch.After)
			}
		}
	})
}

func checkRow(t *testing.T, table *changelog.Table, row changelog.Row) {
	if row != nil && len(row) != len(table.Columns) {
		t.Fatalf("%d values in %d columns", len(row), len(table.Columns))
	}
	for i, v := range row {
		if !v.IsNull() && !v.IsUnchanged() && v.Kind() != table.Columns[i].Type.Kind {
			t.Fatalf("column %s of kind %d has %s", table.Columns[i].Name, table.Columns[i].Type.Kind, text(v))
		}
	}
}
