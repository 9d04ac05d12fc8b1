package canal

import (
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
	"cdcbridge/internal/fault"
)

// FuzzReader: whatever a record is, it is refused with a fault and leaves the batch alone, or what was read is written and read
// again as the same.
func FuzzReader(f *testing.F) {
	for _, s := range []string{typed, canalUpdate, canalAlter, canalQuery, canalMinimal, ticdcInsert, ticdcUpdate, ticdcWatermark, flinkCDC, flinkDelete} {
		f.Add([]byte(`{"id":"7"}`), []byte(s), false)
	}
	f.Add([]byte(`{"id":"7"}`), []byte(nil), true)
	for _, every := range []func() (*changelog.Table, []changelog.Row){formatstest.EveryValue, formatstest.EveryMariaDBValue, formatstest.EveryPostgresValue} {
		table, rows := every()
		e := compile(f, defaults(), table, formats.Options{Key: table.Key})
		for _, row := range rows[:min(len(rows), 6)] {
			f.Add([]byte(`{"id":"7"}`), []byte(value(f, e, &changelog.Change{Op: changelog.Update, Before: rows[0], After: row})), false)
		}
	}
	f.Fuzz(func(t *testing.T, key, value []byte, tombstone bool) {
		r := readerOf(defaults())
		if err := r.Read(new(changelog.Batch), &formats.Record{Topic: "t", Value: []byte(ticdcInsert)}); err != nil {
			t.Fatal(err)
		}
		if tombstone {
			value = nil
		}
		b := new(changelog.Batch)
		rec := &formats.Record{Topic: "t", Key: key, Value: value}
		place := r.(formats.Locator).Locate(rec)
		if again := r.(formats.Locator).Locate(rec); again != place || place.Log == "" && place != (formats.Place{}) {
			t.Fatalf("located at %+v, then at %+v", place, again)
		}
		if err := r.Read(b, rec); err != nil {
			if c := fault.CodeOf(err); c != fault.Decode && c != fault.StatementDML || !b.Empty() || len(b.Txns)+len(b.Runs) > 0 {
				t.Fatalf("%v, %s", err, showBatch(b))
			}
			return
		}
		for _, run := range b.Runs {
			for i := range b.Changes[run.From:run.To] {
				again(t, &run, &b.Changes[run.From+i], b.Txns[run.Txn])
			}
		}
	})
}

// again writes a change and reads it.
func again(t *testing.T, run *changelog.Run, ch *changelog.Change, txn changelog.Txn) {
	described := *run.Table
	described.Inferred = false // as if somebody had said that the guess is right
	table := &described
	e, err := defaults().Format(formats.Env{}).Compile(table, formats.Options{})
	if err != nil {
		t.Fatalf("a table that cannot be written: %v, %+v", err, table)
	}
	ctx := formats.Context{Run: run, Txn: &txn, Now: 1}
	message, err := e.AppendValue(nil, &ctx, ch)
	if err != nil {
		t.Fatalf("a row that cannot be written: %v", err)
	}
	b := new(changelog.Batch)
	if err := readerOf(defaults(), table).Read(b, &formats.Record{Topic: "other", Value: message}); err != nil {
		t.Fatalf("reading %s: %v", message, err)
	}
	row, got := ch.After, b.Changes[0].After
	if row == nil {
		row, got = ch.Before, b.Changes[0].Before
	}
	for i := range row {
		if filled := row[i].IsUnchanged() && ch.Op == changelog.Update; !filled && !got[i].Equal(row[i]) {
			t.Fatalf("column %s of type %s: %s, read again %s from %s", table.Columns[i].Name, table.Columns[i].SourceType, showValue(row[i]), showValue(got[i]), message)
		}
	}
}
