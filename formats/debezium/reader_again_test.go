package debezium

import (
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
	"cdcbridge/formats/internal/jsonx"
)

// TestReadAndWriteAgain reads rows by their schemas alone and writes them again under the same options: every column has the
// same value as before, whatever type the schema was taken for.
func TestReadAndWriteAgain(t *testing.T) {
	for name, every := range map[string]func() (*changelog.Table, []changelog.Row){
		"mysql": formatstest.EveryValue, "mariadb": formatstest.EveryMariaDBValue, "postgresql": formatstest.EveryPostgresValue,
	} {
		for preset, edit := range map[string]func(*Config){
			"defaults": func(*Config) {},
			"flink":    func(c *Config) { c.Preset("flink") },
			"micros":   func(c *Config) { c.TimePrecisionMode, c.BigintUnsignedHandlingMode = timeMicros, bigintPrecise },
		} {
			t.Run(name+"/"+preset, func(t *testing.T) {
				cfg := mode(edit)
				cfg.Schemas.SchemasEnable = true
				if err := cfg.Schemas.ColumnPropagateSourceType.UnmarshalText([]byte(".*")); err != nil {
					t.Fatal(err)
				}
				table, rows := every()
				writeAgain(t, cfg, table, rows)
			})
		}
	}
}

func writeAgain(t *testing.T, cfg *Config, table *changelog.Table, rows []changelog.Row) {
	enc := compile(t, cfg, table, formats.Options{Key: table.Key})
	rd := cfg.Reader(formats.ReaderOptions{Intern: interner()})
	compared := 0
	for _, row := range rows {
		value, err := enc.AppendValue(nil, newContext(table), &changelog.Change{Op: changelog.Insert, After: row})
		if err != nil {
			continue // some values have no form under some options
		}
		b := new(changelog.Batch)
		if err := rd.Read(b, &formats.Record{Topic: "t", Value: value}); err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		again := compile(t, cfg, b.Runs[0].Table, formats.Options{})
		second, err := again.AppendValue(nil, newContext(table), &b.Changes[0])
		if err != nil {
			t.Errorf("writing again: %v", err)
			continue
		}
		compared++
		sameRow(t, value, second)
	}
	if compared == 0 {
		t.Error("nothing was compared")
	}
}

// sameRow compares the rows of two messages with schemas.
func sameRow(t *testing.T, first, second []byte) {
	t.Helper()
	var x [2]jsonx.Index
	var at [2]int
	for i, doc := range [][]byte{first, second} {
		if err := x[i].Parse(doc, 3); err != nil {
			t.Fatal(err)
		}
		at[i] = -1
		for n := range x[i].Len() {
			if string(x[i].Name(n)) == "after" && jsonx.IsObject(x[i].Value(n)) {
				at[i] = n
			}
		}
	}
	n, m := at[0]+1, at[1]+1
	for ; n < x[0].Next(at[0]) && m < x[1].Next(at[1]); n, m = x[0].Next(n), x[1].Next(m) {
		if a, b := string(x[0].Value(n)), string(x[1].Value(m)); a != b {
			t.Errorf("column %s: %.200s became %.200s", x[0].Name(n), a, b)
		}
	}
	if n != x[0].Next(at[0]) || m != x[1].Next(at[1]) {
		t.Error("the rows have other columns")
	}
}
