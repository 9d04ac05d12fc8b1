package formatstest

import (
	"bytes"
	"slices"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// operationsSurvive checks operation, table, time and both images of every kind of change.
func (s *suite) operationsSurvive(t *testing.T) {
	cols := s.db.columns()
	table := s.db.wide(cols)
	enc := s.upsert(t, table)
	before, after := wideRow(cols, 1), wideRow(cols, 2)
	after[0] = before[0] // the key stays
	after[5] = changelog.Null()
	before[6] = changelog.Null()
	old := s.roundTrip(t, table, enc, changelog.Change{Op: changelog.Insert, After: before}).After
	now := s.roundTrip(t, table, enc, changelog.Change{Op: changelog.Insert, After: after}).After
	for _, c := range []struct {
		change        changelog.Change
		ops           []changelog.Op // what the message may read back as
		before, after []formats.Field
	}{
		{changelog.Change{Op: changelog.Read, After: after}, []changelog.Op{changelog.Read, changelog.Insert}, nil, now},
		{changelog.Change{Op: changelog.Insert, After: after}, []changelog.Op{changelog.Insert}, nil, now},
		{changelog.Change{Op: changelog.Update, Before: before, After: after}, []changelog.Op{changelog.Update}, old, now},
		{changelog.Change{Op: changelog.Update, Before: after, After: after}, []changelog.Op{changelog.Update}, now, now},
		{changelog.Change{Op: changelog.Delete, Before: before}, []changelog.Op{changelog.Delete}, old, nil},
		{changelog.Change{Op: changelog.Upsert, After: after}, []changelog.Op{changelog.Upsert, changelog.Read, changelog.Insert}, nil, now},
	} {
		if rowsAlone(enc) {
			if c.change.Op == changelog.Delete {
				continue
			}
			c.ops, c.before = append(c.ops, changelog.Upsert), nil
		}
		ev := s.roundTrip(t, table, enc, c.change)
		if !slices.Contains(c.ops, ev.Op) || ev.Tombstone {
			t.Errorf("%s reads back as %s, tombstone %v", c.change.Op, ev.Op, ev.Tombstone)
		}
		if !same(ev.Before, c.before) {
			t.Errorf("%s: before is %v, want %v", c.change.Op, ev.Before, c.before)
		}
		if !same(ev.After, c.after) {
			t.Errorf("%s: after is %v, want %v", c.change.Op, ev.After, c.after)
		}
		checkTable(t, enc, table, ev)
		if ev.Time/1_000_000 != commit/1_000_000 && (!rowsAlone(enc) || ev.Time != 0) {
			t.Errorf("%s: time %d, want the second of %d", c.change.Op, ev.Time, commit)
		}
	}
}

// snapshotRowsSurvive checks rows that were read, at every place that a row can have in a snapshot: they are the rows that an
// insert would have brought, under the same key, without anything of a transaction.
func (s *suite) snapshotRowsSurvive(t *testing.T) {
	cols := s.db.columns()
	table := s.db.wide(cols)
	enc := s.upsert(t, table)
	row := wideRow(cols, 1)
	key, value := encode(t, context(table), enc, changelog.Change{Op: changelog.Insert, After: row})
	streamed, err := s.config().Decoder().Decode(key, value)
	if err != nil {
		t.Fatal(err)
	}
	for place := changelog.SnapshotRow; place <= changelog.SnapshotIncremental; place++ {
		ctx := snapshotContext(table, place)
		readKey, value := encode(t, ctx, enc, changelog.Change{Op: changelog.Read, After: row, Index: 9, RowInEvent: 9})
		if string(readKey) != string(key) {
			t.Errorf("place %d: the key is %s, and %s when it is streamed", place, readKey, key)
		}
		if id := ctx.Txn.Origin.GTID; id != "" && bytes.Contains(value, []byte(id)) {
			t.Errorf("place %d: the message names a transaction: %s", place, value)
		}
		ev, err := s.config().Decoder().Decode(readKey, value)
		if err != nil {
			t.Fatalf("place %d: %v", place, err)
		}
		inserted := ev.Op == changelog.Read || ev.Op == changelog.Insert || ev.Op == changelog.Upsert && rowsAlone(enc)
		if !inserted || ev.Before != nil || !same(ev.After, streamed.After) {
			t.Errorf("place %d reads back as %+v, want the row %+v", place, ev, streamed.After)
		}
		checkTable(t, enc, table, ev)
		if ev.Time/1000 != ctx.Txn.Commit/1000 && (!rowsAlone(enc) || ev.Time != 0) {
			t.Errorf("place %d: time %d, want the millisecond of %d", place, ev.Time, ctx.Txn.Commit)
		}
	}
}

// keyChangeHalves checks what an upsert topic gets for an update of the key.
func (s *suite) keyChangeHalves(t *testing.T) {
	cols := s.db.columns()
	table := s.db.wide(cols)
	enc := s.upsert(t, table)
	before, after := wideRow(cols, 1), wideRow(cols, 2)
	oldKey, err := enc.AppendKey(nil, before)
	if err != nil {
		t.Fatal(err)
	}
	if !rowsAlone(enc) {
		_, value := encode(t, splitContext(table), enc, changelog.Change{Op: changelog.Delete, Before: before})
		ev, err := s.config().Decoder().Decode(oldKey, value)
		if err != nil || ev.Op != changelog.Delete || len(ev.Before) != len(before) || ev.After != nil {
			t.Errorf("the old half reads back as %+v, %v", ev, err)
		}
	}
	newKey, value := encode(t, splitContext(table), enc, changelog.Change{Op: changelog.Insert, After: after})
	ev, err := s.config().Decoder().Decode(newKey, value)
	inserted := err == nil && (ev.Op == changelog.Insert || ev.Op == changelog.Upsert && rowsAlone(enc))
	if !inserted || len(ev.After) != len(after) || ev.Before != nil {
		t.Errorf("the new half reads back as %+v, %v", ev, err)
	}
	if string(oldKey) == string(newKey) {
		t.Errorf("both halves have the key %s", oldKey)
	}
	if linker, ok := enc.(formats.KeyLinker); ok {
		if n, o := linker.KeyLinkHeaders(); n == "" || o == "" || n == o {
			t.Errorf("bad link headers %q and %q", n, o)
		}
	}
}

// partialBefore checks that a before image which is missing or has only the key is written, as far as the log knew it.
func (s *suite) partialBefore(t *testing.T) {
	cols := s.db.columns()
	table := s.db.wide(cols)
	enc := s.upsert(t, table)
	after := wideRow(cols, 1)
	keyOnly := make(changelog.Row, len(after))
	for i := range keyOnly {
		keyOnly[i] = changelog.Unchanged()
	}
	keyOnly[0] = after[0]
	want := s.roundTrip(t, table, enc, changelog.Change{Op: changelog.Insert, After: after})
	for _, ch := range []changelog.Change{
		{Op: changelog.Update, After: after},
		{Op: changelog.Update, Before: keyOnly, After: after},
		{Op: changelog.Delete, Before: keyOnly},
	} {
		if rowsAlone(enc) && ch.Op == changelog.Delete {
			continue
		}
		ev := s.roundTrip(t, table, enc, ch)
		if ev.Op != ch.Op && (!rowsAlone(enc) || ev.Op != changelog.Upsert) {
			t.Errorf("%s reads back as %s", ch.Op, ev.Op)
		}
		if ch.After != nil && !same(ev.After, want.After) {
			t.Errorf("%s: after is %v, want %v", ch.Op, ev.After, want.After)
		}
		if !same(ev.Key, want.Key) {
			t.Errorf("%s: the key is %v, want %v", ch.Op, ev.Key, want.Key)
		}
		if ch.Op != changelog.Delete {
			continue
		}
		if i := slices.IndexFunc(ev.Before, func(f formats.Field) bool { return f.Name == "id" }); i < 0 || string(ev.Before[i].JSON) != string(want.After[0].JSON) {
			t.Errorf("%s: before is %v and lacks the key", ch.Op, ev.Before)
		}
	}
}

func (s *suite) tombstones(t *testing.T) {
	cols := s.db.columns()
	table := s.db.wide(cols)
	enc := s.upsert(t, table)
	row := wideRow(cols, 1)
	key, _ := encode(t, context(table), enc, changelog.Change{Op: changelog.Insert, After: row})
	ev, err := s.config().Decoder().Decode(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !ev.Tombstone || ev.Op != 0 || ev.Before != nil || ev.After != nil {
		t.Errorf("got %+v", ev)
	}
	if len(ev.Key) != 1 || ev.Key[0].Name != "id" || plain(t, ev.Key[0]) != "1" {
		t.Errorf("the key is %v", ev.Key)
	}
}

// cutMessages cuts a message at every byte: none of the pieces may pass for a message.
func (s *suite) cutMessages(t *testing.T) {
	table := s.db.orders()
	enc := s.upsert(t, table)
	key, value := encode(t, context(table), enc, changelog.Change{Op: changelog.Update, Before: OrdersRow(), After: OrdersRow()})
	dec := s.config().Decoder()
	for n := range value {
		if ev, err := dec.Decode(key, value[:n:n]); err == nil && n > 0 {
			t.Fatalf("%q was read as %+v", value[:n], ev)
		}
	}
	for n := 1; n < len(key); n++ {
		if ev, err := dec.Decode(key[:n:n], value); err == nil {
			t.Fatalf("the key %q was read as %+v", key[:n], ev)
		}
	}
	for _, junk := range []string{"{}", "[]", "null", "1", `"text"`, `{"op":1}`, "\x00\x00\x00\x00\x01x", "{\"payload\":{}}", "{\"payload\":null}"} {
		if ev, err := dec.Decode(key, []byte(junk)); err == nil {
			t.Errorf("%q was read as %+v", junk, ev)
		}
	}
}
