package formatstest

import (
	"reflect"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// endsRows: what an encoder makes of the newest value of a row, whatever change that was of, is the delete of that row, with the same
// images and at the same place as a delete that the log has. Of a delete it makes nothing.
func (s *suite) endsRows(t *testing.T) {
	table, rows := s.db.everyValue()
	enc := s.upsert(t, table)
	ender, ok := enc.(formats.Ender)
	if !ok {
		if _, alone := enc.(formats.TombstoneOnly); !alone {
			t.Error("deletes have a record of their own, and the encoder is no formats.Ender")
		}
		return
	}
	ctx := context(table)
	written := 0
	for n, row := range rows {
		last, err := enc.AppendValue(nil, ctx, &changelog.Change{Op: changelog.Update, Before: rows[0], After: row})
		if err != nil {
			continue // a value that the format refuses
		}
		want, err := enc.AppendValue(nil, ctx, &changelog.Change{Op: changelog.Delete, Before: row})
		if err != nil {
			t.Fatal(err)
		}
		written++
		got, ok, err := ender.AppendEnd([]byte("x"), ctx, last)
		if err != nil || !ok || got[0] != 'x' {
			t.Fatalf("row %d: %s, %v, %v", n, got, ok, err)
		}
		checkJSON(t, got[1:])
		if a, b := s.decoded(t, got[1:]), s.decoded(t, want); !reflect.DeepEqual(a, b) {
			t.Errorf("row %d ends as\n%s, a delete is\n%s", n, got[1:], want)
		}
		if got, ok, err := ender.AppendEnd(nil, ctx, want); ok || err != nil || len(got) > 0 {
			t.Errorf("the end of a delete is %s, %v", got, err)
		}
	}
	if written == 0 {
		t.Error("no row was written")
	}
	s.endsRowsOfUnknownTables(t, table, enc, rows[0])
	for _, bad := range []string{"", "{", "[]", "1", "{}", `{"data":[]}`, `{"data":[1],"type":"INSERT"}`, `{"data":[{},{}],"type":"INSERT"}`, `{"payload":1}`, `{"payload":{}}`} {
		if _, ok, err := ender.AppendEnd(nil, ctx, []byte(bad)); ok || err == nil {
			t.Errorf("the end of %q: %v, %v", bad, ok, err)
		}
	}
}

// endsRowsOfUnknownTables: the name of a table is enough.
func (s *suite) endsRowsOfUnknownTables(t *testing.T, table *changelog.Table, enc formats.Encoder, row changelog.Row) {
	t.Helper()
	ctx := context(table)
	last, err := enc.AppendValue(nil, ctx, &changelog.Change{Op: changelog.Insert, After: row})
	if err != nil {
		t.Fatal(err)
	}
	want, err := enc.AppendValue(nil, ctx, &changelog.Change{Op: changelog.Delete, Before: row})
	if err != nil {
		t.Fatal(err)
	}
	named := &changelog.Table{Origin: table.Origin, Database: table.Database, Schema: table.Schema, Name: table.Name, Inferred: true}
	bare, err := s.config().Format(env()).Compile(named, formats.Options{Topic: "shop1." + table.FullName(), Upsert: true, Ends: true})
	if err != nil {
		t.Fatal(err)
	}
	got, ok, err := bare.(formats.Ender).AppendEnd(nil, ctx, last)
	if err != nil || !ok {
		t.Fatalf("the end of a row of an unknown table: %s, %v", got, err)
	}
	checkJSON(t, got)
	if a, b := s.decoded(t, got), s.decoded(t, want); !reflect.DeepEqual(a, b) {
		t.Errorf("the end of a row of an unknown table is\n%s, a delete is\n%s", got, want)
	}
}

func (s *suite) decoded(t *testing.T, value []byte) *formats.Event {
	t.Helper()
	ev, err := s.config().Decoder().Decode(nil, value)
	if err != nil {
		t.Fatalf("decoding %s: %v", value, err)
	}
	return ev
}
