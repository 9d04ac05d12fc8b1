package plain

import (
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
	"cdcbridge/internal/fault"
)

// FuzzDecoder: any record is an event or a fault.
func FuzzDecoder(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, key, value []byte) {
		for _, cfg := range variants() {
			ev, err := cfg.Decoder().Decode(key, value)
			if (ev == nil) == (err == nil) || err != nil && !fault.Is(err, fault.Decode) {
				t.Errorf("%+v, %v", ev, err)
			}
			if err == nil && !ev.Tombstone && (ev.Op == 0 || (ev.Before == nil) == (ev.After == nil)) {
				t.Errorf("%+v", ev)
			}
		}
	})
}

func seeds(f *testing.F) {
	f.Add([]byte(`{"id":1}`), []byte(`{"id":1,"numeric":"1e5","date":"-0043-03-15","ints":[1,[2,null]],"hstore":{"a":null},"geometry":{"wkb":"AQ==","srid":1}}`))
	f.Add([]byte(`{"id":1}`), []byte(`{"id":1,"decimal":1.5E-3,"time":"-838:59:59","enum":"new","set":"a,c","json":"{}","vector":[1.5,"NaN"],"bit10":513}`))
	f.Add([]byte(`{"id":1}`), []byte(nil))
	f.Add([]byte("1"), []byte(`{"id":1,"_op":"d","_deleted":"true","_time":"1970-01-01T00:00:01.000Z","_pos":"00000001/0338FF10:00000001/0338FE20","_txn":"x","_ord":7}`))
	f.Add([]byte(`{"id":1}`), []byte(`{"id":1,"interval":"P1Y-2M3DT4H5M-6.789S","timetz":"10:00:00+02:00","timestamptz":"2024-05-06T07:08:09.123456Z","bits":["101"]}`))
}

// FuzzReader: any record is one change, whose values are of their columns' kinds and can be written again, or a fault that leaves
// the batch as it was. What was written again reads the same.
func FuzzReader(f *testing.F) {
	seeds(f)
	var tables []*changelog.Table
	for _, every := range everyTable() {
		table, _ := every()
		table.Name = table.Origin
		for i := range table.Columns {
			table.Columns[i].Nullable = table.Columns[i].Nullable || i > 0
		}
		tables = append(tables, table)
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		for _, cfg := range variants() {
			for _, table := range append(tables, nil) {
				readAndWrite(t, cfg, table, key, value)
			}
		}
	})
}

func readAndWrite(t *testing.T, cfg *Config, table *changelog.Table, key, value []byte) {
	t.Helper()
	opts := formats.ReaderOptions{
		Table:  func(string, string) *changelog.Table { return table },
		Intern: func(t *changelog.Table) *changelog.Table { return t },
	}
	rd := cfg.Reader(opts)
	b := changelog.NewBatch()
	defer b.Release()
	err := rd.Read(b, &formats.Record{Topic: "x.y.z", Key: key, Value: value})
	if err != nil {
		if !fault.Is(err, fault.Decode) || len(b.Changes)+len(b.Runs)+len(b.Txns)+len(b.Notes) > 0 {
			t.Errorf("%v, %d changes", err, len(b.Changes))
		}
		return
	}
	checkRows(t, b)
	if b.Changes[0].After != nil {
		writeAgain(t, cfg, opts, table != nil, b, value)
	}
}

// checkRows holds a batch to having one change, of values that its columns have.
func checkRows(t *testing.T, b *changelog.Batch) {
	t.Helper()
	if len(b.Changes) != 1 || len(b.Runs) != 1 || len(b.Txns) != 1 {
		t.Fatalf("%d changes", len(b.Changes))
	}
	of, ch := b.Runs[0].Table, &b.Changes[0]
	for _, row := range []changelog.Row{ch.Before, ch.After} {
		if row != nil && len(row) != len(of.Columns) {
			t.Fatalf("%d values of %d", len(row), len(of.Columns))
		}
		for i, v := range row {
			if !v.IsNull() && !v.IsUnchanged() && v.Kind() != of.Columns[i].Type.Kind {
				t.Fatalf("column %s has a value of kind %d", of.Columns[i].Name, v.Kind())
			}
		}
	}
}

// writeAgain writes the new row of a batch and, of a table that is known, reads it again.
func writeAgain(t *testing.T, cfg *Config, opts formats.ReaderOptions, known bool, b *changelog.Batch, value []byte) {
	t.Helper()
	of, ch := b.Runs[0].Table, &b.Changes[0]
	again := *cfg
	again.AddFields, again.SpecialValues = nil, specialText
	if !known {
		again.JSONHandlingMode = jsonNested
	}
	enc, err := again.Format(formats.Env{}).Compile(of, formats.Options{Upsert: true})
	if err != nil {
		t.Fatal(err)
	}
	text, err := enc.AppendValue(nil, &formats.Context{Txn: &b.Txns[0], Run: &b.Runs[0]}, ch)
	if err != nil {
		t.Fatalf("%s was read and cannot be written: %v", value, err)
	}
	if !known {
		return // the text of a guess may be read as another guess
	}
	b2 := changelog.NewBatch()
	defer b2.Release()
	if err := again.Reader(opts).Read(b2, &formats.Record{Topic: "x.y.z", Value: text}); err != nil {
		t.Fatalf("%s was read and written as %s: %v", value, text, err)
	}
	for i, v := range b2.Changes[0].After {
		if !v.Equal(ch.After[i]) && of.Columns[i].Type.Kind != changelog.KindJSON {
			t.Errorf("column %s: %s was written as %s and is another value", of.Columns[i].Name, value, text)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	formatstest.BenchmarkReader(b, formatstest.Trip{Name: "defaults", Config: func() formats.Config { return NewConfig() }})
}
