package debezium

import (
	"bytes"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
)

// TestEndHasNoNumber: the transaction of a truncation has none of these deletes, and so no number for each.
func TestEndHasNoNumber(t *testing.T) {
	table, rows := formatstest.EveryPostgresValue()
	ctx := &formats.Context{Now: 5_000_001, Run: &changelog.Run{Table: table}, Txn: &changelog.Txn{ID: "7:9", Commit: 4_000_001, Origin: changelog.Origin{Pos: 9, XID: 7}}}
	cfg := Kind().Config().(*Config)
	cfg.TransactionMetadata = true
	enc, err := cfg.Format(formats.Env{Server: "shop"}).Compile(table, formats.Options{Key: table.Key, Topic: "t", Upsert: true})
	if err != nil {
		t.Fatal(err)
	}
	last, err := enc.AppendValue(nil, ctx, &changelog.Change{Op: changelog.Insert, After: rows[0]})
	if err != nil || !bytes.Contains(last, []byte(`"transaction":{"id":"7:9","total_order":1,`)) {
		t.Fatalf("%s, %v", last, err)
	}
	got, ok, err := enc.(formats.Ender).AppendEnd(nil, ctx, last)
	if err != nil || !ok || !bytes.Contains(got, []byte(`,"transaction":null,"op":"d",`)) {
		t.Errorf("%s, %v, %v", got, ok, err)
	}
}

// TestEndIsADelete: with and without schemas, the end of a row is byte for byte what its delete would have been.
func TestEndIsADelete(t *testing.T) {
	table, rows := formatstest.EveryPostgresValue()
	ctx := &formats.Context{Now: 5_000_001, Run: &changelog.Run{Table: table}, Txn: &changelog.Txn{ID: "7:9", Commit: 4_000_001, Origin: changelog.Origin{Pos: 9, XID: 7}}}
	for _, schemas := range []bool{false, true} {
		cfg := Kind().Config().(*Config)
		cfg.Schemas.SchemasEnable, cfg.SpecialValues = schemas, "null"
		enc, err := cfg.Format(formats.Env{Server: "shop"}).Compile(table, formats.Options{Key: table.Key, Topic: "t", Upsert: true})
		if err != nil {
			t.Fatal(err)
		}
		for n, row := range rows {
			last, err := enc.AppendValue(nil, ctx, &changelog.Change{Op: changelog.Insert, After: row})
			if err != nil {
				continue
			}
			want, err := enc.AppendValue(nil, ctx, &changelog.Change{Op: changelog.Delete, Before: row})
			if err != nil {
				t.Fatal(err)
			}
			if got, ok, err := enc.(formats.Ender).AppendEnd(nil, ctx, last); err != nil || !ok || string(got) != string(want) {
				t.Errorf("schemas %v, row %d: %s, %v, want\n%s", schemas, n, got, err, want)
			}
		}
	}
}
