package formatstest

import (
	"slices"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
)

// keysComeBack makes every column that can be one a key, and reads it from a tombstone: on a compacted topic that may be all
// that is left of a delete.
func (r *traveller) keysComeBack(t *testing.T) {
	for i := range r.cols {
		c := &r.cols[i]
		if c.noKey {
			continue
		}
		keyed := c.Column
		keyed.Nullable = false
		table := r.db.table("keyed", changelog.Column{Name: "note", Type: changelog.Type{Kind: changelog.KindString}, SourceType: "text"}, keyed)
		table.Key = []int{1}
		enc, err := r.compile(table)
		if n := r.loss(c.Name, false); err != nil && n >= 0 {
			r.happened[n] = true // a key that loses something is none
			continue
		} else if err != nil {
			t.Errorf("column %s as key: %v", c.Name, err)
			continue
		}
		for _, v := range c.values {
			row := changelog.Row{changelog.String([]byte("one")), v}
			rec, err := r.write(enc, table, changelog.Change{Op: changelog.Insert, After: row})
			if err != nil {
				r.refusal(t, c, false, err)
				continue
			}
			r.checkTombstone(t, c, r.reader(t, table), table, rec)
		}
	}
}

// checkTombstone reads an insert and then the tombstone of its key.
func (r *traveller) checkTombstone(t *testing.T, c *column, rd formats.Reader, table *changelog.Table, insert *formats.Record) {
	t.Helper()
	want := readOne(t, rd, insert, table).After[1]
	if wrote := want; !wrote.IsNull() {
		checkKind(t, c, wrote)
	}
	tombstone := *insert
	tombstone.Value = nil
	got := readOne(t, rd, &tombstone, table)
	if got.Op != changelog.Delete || got.After != nil || len(got.Before) != 2 {
		t.Errorf("column %s: the tombstone of %s reads as %+v", c.Name, insert.Key, got)
		return
	}
	if !got.Before[0].IsUnchanged() {
		t.Errorf("column %s: a tombstone knows the key only, and read %s", c.Name, describe(got.Before[0]))
	}
	if got.Before[1].Equal(want) {
		return
	}
	n := r.loss(c.Name, true)
	if n < 0 {
		n = r.loss(c.Name, false)
	}
	if n < 0 {
		t.Errorf("column %s: the row has %s, the key %s: %s", c.Name, describe(want), describe(got.Before[1]), insert.Key)
		return
	}
	r.happened[n] = true
	checkKind(t, c, got.Before[1])
}

// changesComeBack checks operation, time and images of every kind of change.
func (r *traveller) changesComeBack(t *testing.T) {
	enc, rd := r.encoder(t, r.table), r.reader(t, r.table)
	before, after := r.row(1), r.row(2)
	after[0] = before[0]
	keyOnly := make(changelog.Row, len(before))
	for i := range keyOnly {
		keyOnly[i] = changelog.Unchanged()
	}
	keyOnly[0] = before[0]
	for _, c := range []struct {
		change changelog.Change
		ops    []changelog.Op // what the record may read back as
	}{
		{changelog.Change{Op: changelog.Read, After: after}, []changelog.Op{changelog.Read, changelog.Insert, changelog.Upsert}},
		{changelog.Change{Op: changelog.Insert, After: after}, []changelog.Op{changelog.Insert, changelog.Upsert}},
		{changelog.Change{Op: changelog.Update, Before: before, After: after}, []changelog.Op{changelog.Update, changelog.Upsert}},
		{changelog.Change{Op: changelog.Update, After: after}, []changelog.Op{changelog.Update, changelog.Upsert}},
		{changelog.Change{Op: changelog.Update, Before: keyOnly, After: after}, []changelog.Op{changelog.Update, changelog.Upsert}},
		{changelog.Change{Op: changelog.Delete, Before: before}, []changelog.Op{changelog.Delete}},
		{changelog.Change{Op: changelog.Delete, Before: keyOnly}, []changelog.Op{changelog.Delete}},
		{changelog.Change{Op: changelog.Upsert, After: after}, []changelog.Op{changelog.Upsert, changelog.Read, changelog.Insert}},
	} {
		if rowsAlone(enc) && c.change.Op == changelog.Delete {
			continue // is a tombstone
		}
		rec, err := r.write(enc, r.table, c.change)
		if err != nil {
			t.Errorf("%s: %v", c.change.Op, err)
			continue
		}
		got := readOne(t, rd, rec, r.table)
		if !slices.Contains(c.ops, got.Op) {
			t.Errorf("%s reads back as %s", c.change.Op, got.Op)
		}
		r.checkImage(t, "the new row", c.change.After, got.After, rec)
		if c.change.Op == changelog.Delete {
			if len(got.Before) != len(r.table.Columns) || !got.Before[0].Equal(before[0]) {
				t.Errorf("the delete %s reads as %+v", rec.Value, got)
			}
		}
		if got.Before != nil {
			r.checkImage(t, "the old row", c.change.Before, got.Before, rec)
		}
	}
}

// checkImage holds an image to what was written. Where the log did not carry a value, a message cannot have it either.
func (r *traveller) checkImage(t *testing.T, what string, wrote, got changelog.Row, rec *formats.Record) {
	t.Helper()
	if wrote == nil && got != nil && what == "the new row" || wrote != nil && len(got) != len(wrote) {
		t.Errorf("%s: %d values were written, %d were read from %s", what, len(wrote), len(got), rec.Value)
		return
	}
	for i := 1; i < len(wrote); i++ {
		switch {
		case wrote[i].IsUnchanged() || got[i].IsUnchanged():
			if !got[i].IsNull() && !got[i].IsUnchanged() {
				t.Errorf("%s: column %s was not written, and read as %s", what, r.cols[i-1].Name, describe(got[i]))
			}
		default:
			r.checkValue(t, &r.cols[i-1], wrote[i], got[i], rec)
		}
	}
}

// undescribed reads tables that nobody described: every column that the message has is there at its place, every NULL is one.
func (r *traveller) undescribed(t *testing.T) {
	enc, rd := r.encoder(t, r.table), r.reader(t)
	for pick := range 12 {
		row := r.row(pick)
		row[1+pick] = changelog.Null()
		rec, err := r.write(enc, r.table, changelog.Change{Op: changelog.Insert, After: row})
		if err != nil {
			continue // the values were seen to be refused already
		}
		b := new(changelog.Batch)
		if err := read(rd, b, rec); err != nil {
			t.Fatalf("reading %s: %v", rec.Value, err)
		}
		if len(b.Changes) != 1 || len(b.Runs) != 1 {
			t.Fatalf("%d changes in %d runs", len(b.Changes), len(b.Runs))
		}
		table, got := b.Runs[0].Table, b.Changes[0].After
		if len(table.Columns) != len(got) || len(got) != len(row) {
			t.Fatalf("%d columns, %d values, wrote %d", len(table.Columns), len(got), len(row))
		}
		for i := range row {
			c, v := &table.Columns[i], got[i]
			if !v.IsNull() && v.Kind() != c.Type.Kind {
				t.Errorf("column %s has kind %d and read %s", c.Name, c.Type.Kind, describe(v))
			}
			if row[i].IsNull() && !v.IsNull() {
				t.Errorf("column %s was NULL and read %s", c.Name, describe(v))
			}
		}
	}
}

// badRecords cuts and spoils a record: each is refused with a fault, and the batch is as it was.
func (r *traveller) badRecords(t *testing.T) {
	table := r.db.orders()
	enc, rd := r.encoder(t, table), r.reader(t, table)
	good, err := r.write(enc, table, changelog.Change{Op: changelog.Update, Before: OrdersRow(), After: OrdersRow()})
	if err != nil {
		t.Fatal(err)
	}
	b := new(changelog.Batch)
	if err := read(rd, b, good); err != nil {
		t.Fatal(err)
	}
	refuse := func(key, value []byte) {
		t.Helper()
		bad := *good
		bad.Key, bad.Value = key, value
		err := read(rd, b, &bad)
		if !fault.Is(err, fault.Decode) {
			t.Errorf("%.200q %.200q: want a fault decode, got %v", key, value, err)
		}
		if len(b.Changes) != 1 || len(b.Runs) != 1 || len(b.Txns) != 1 || len(b.Notes) != 0 || b.Runs[0].To != 1 {
			t.Fatalf("%q left something in the batch", value)
		}
	}
	for n := 1; n < len(good.Value); n++ {
		refuse(good.Key, good.Value[:n])
	}
	for _, junk := range []string{"", "{}", "[]", "null", "1", `"text"`, `{"op":1}`, "\x00\x00\x00\x00\x01x", `{"payload":{}}`, string(good.Value) + "}"} {
		if bare(good.Value) && strings.HasPrefix(junk, "{") {
			continue
		}
		refuse(good.Key, []byte(junk))
	}
	for n := 1; n < len(good.Key); n++ {
		refuse(good.Key[:n], nil)
	}
}

// bare reports that a message is the row and nothing else: then any object is a row, if perhaps of another table.
func bare(value []byte) bool { return strings.HasPrefix(string(value), `{"id":`) }
