package formatstest

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// unchangedRefused: a value that the log did not carry must never become null or a placeholder in a compacted topic.
func (s *suite) unchangedRefused(t *testing.T) {
	cols := s.db.columns()
	table := s.db.wide(cols)
	enc := s.upsert(t, table)
	full := wideRow(cols, 1)
	for i := range full {
		row := append(changelog.Row{}, full...)
		row[i] = changelog.Unchanged()
		for _, ch := range []changelog.Change{
			{Op: changelog.Read, After: row}, {Op: changelog.Insert, After: row},
			{Op: changelog.Update, Before: full, After: row}, {Op: changelog.Upsert, After: row},
		} {
			_, err := enc.AppendValue(nil, context(table), &ch)
			checkRefusal(t, fmt.Sprintf("%s with column %s unchanged", ch.Op, table.Columns[i].Name), err)
		}
	}
	full[0] = changelog.Unchanged()
	_, err := enc.AppendKey(nil, full)
	checkRefusal(t, "a key that is unchanged", err)
}

// impossibleRefused: what would be a bug elsewhere ends in a fault here, never in a panic or a wrong message.
func (s *suite) impossibleRefused(t *testing.T) {
	cols := s.db.columns()
	table := s.db.wide(cols)
	enc := s.upsert(t, table)
	full := wideRow(cols, 1)
	refuse := func(what string, ch changelog.Change) {
		t.Helper()
		_, err := enc.AppendValue(nil, context(table), &ch)
		checkRefusal(t, what, err)
	}
	for i, c := range table.Columns {
		row := append(changelog.Row{}, full...)
		if row[i] = changelog.Bool(true); c.Type.Kind == changelog.KindBool {
			row[i] = changelog.Int(1)
		}
		refuse("column "+c.Name+" with a value of another kind", changelog.Change{Op: changelog.Insert, After: row})
	}
	refuse("a row that is too short", changelog.Change{Op: changelog.Insert, After: full[:3]})
	refuse("a row that is too long", changelog.Change{Op: changelog.Insert, After: append(append(changelog.Row{}, full...), changelog.Null())})
	refuse("an insert without a row", changelog.Change{Op: changelog.Insert})
	refuse("an update without a new row", changelog.Change{Op: changelog.Update, Before: full})
	refuse("a delete without a row", changelog.Change{Op: changelog.Delete})
	refuse("no operation", changelog.Change{After: full})
	if rowsAlone(enc) {
		refuse("a delete where it is a tombstone", changelog.Change{Op: changelog.Delete, Before: full})
	}
	_, err := enc.AppendKey(nil, full[:0])
	checkRefusal(t, "the key of an empty row", err)
}

// appendsOnly: what is in dst stays there, whether or not it has to grow.
func (s *suite) appendsOnly(t *testing.T) {
	table := s.db.orders()
	enc := s.upsert(t, table)
	ch := changelog.Change{Op: changelog.Update, Before: OrdersRow(), After: OrdersRow()}
	key, value := encode(t, context(table), enc, ch)
	for _, room := range []int{0, 1, 100, len(value), 10_000} {
		dst := append(make([]byte, 0, 5+room), "first"...)
		dst, err := enc.AppendKey(dst, ch.After)
		if err != nil {
			t.Fatal(err)
		}
		if dst, err = enc.AppendValue(dst, context(table), &ch); err != nil {
			t.Fatal(err)
		}
		if want := "first" + string(key) + string(value); string(dst) != want {
			t.Errorf("got  %s\nwant %s", dst, want)
		}
	}
}

// keepsNoMemory poisons everything that an encoder was given, as the next user of the batch does.
func (s *suite) keepsNoMemory(t *testing.T) {
	cols := s.db.columns()
	table := s.db.wide(cols)
	enc := s.upsert(t, table)
	text := []byte("some text of the batch")
	row := wideRow(cols, 1)
	for i := range cols {
		if cols[i].Type.Kind == changelog.KindString && cols[i].SourceType != "point" {
			row[i+1] = changelog.String(text)
		}
	}
	ch := changelog.Change{Op: changelog.Insert, After: row}
	file := []byte("mysql-bin.000009")
	ctx := context(table)
	ctx.Run.File = string(file)
	first, err := enc.AppendValue(nil, ctx, &ch)
	if err != nil {
		t.Fatal(err)
	}
	kept := string(first)
	copy(text, "XXXXXXXXXXXXXXXXXXXXXX")
	if string(first) != kept {
		t.Error("the message borrows from the row")
	}
	second, err := enc.AppendValue(nil, context(table), &ch)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(second, []byte("some text of the batch")) || bytes.Contains(second, []byte("000009")) {
		t.Error("the second message repeats the first")
	}
	copy(second, "YYYYYYYYYYYYYYYYYYYY")
	if third, err := enc.AppendValue(nil, context(table), &ch); err != nil || bytes.HasPrefix(third, []byte("YYYY")) {
		t.Errorf("the encoder handed out its own memory: %v", err)
	}
}

func (s *suite) doesNotAllocate(t *testing.T) {
	cols := s.db.columns()
	wide := s.db.wide(cols)
	for _, c := range []struct {
		table         *changelog.Table
		before, after changelog.Row
	}{{s.db.orders(), OrdersRow(), OrdersRow()}, {wide, wideRow(cols, 3), wideRow(cols, 4)}} {
		enc := s.upsert(t, c.table)
		ctx := context(c.table)
		changes := []changelog.Change{
			{Op: changelog.Insert, After: c.after}, {Op: changelog.Read, After: c.after},
			{Op: changelog.Update, Before: c.before, After: c.after}, {Op: changelog.Delete, Before: c.before},
		}
		if rowsAlone(enc) {
			changes = changes[:3]
		}
		dst := make([]byte, 0, 64<<10)
		var err error
		if n := testing.AllocsPerRun(100, func() {
			for i := range changes {
				if dst, err = enc.AppendKey(dst[:0], c.before); err != nil {
					return
				}
				if dst, err = enc.AppendValue(dst, ctx, &changes[i]); err != nil {
					return
				}
			}
		}); n != 0 || err != nil {
			t.Errorf("table %s: %v allocations for %d rows, %v", c.table.Name, n, len(changes), err)
		}
	}
}

// concurrentUse lets many workers share one encoder; the race detector sees what the comparison does not.
func (s *suite) concurrentUse(t *testing.T) {
	cols := s.db.columns()
	table := s.db.wide(cols)
	enc := s.upsert(t, table)
	const workers, rows = 8, 50
	want := make([]string, rows)
	one := func(ctx *formats.Context, n int) (string, error) {
		ctx.Run.Pos = uint64(n)
		ch := changelog.Change{Op: changelog.Insert, After: wideRow(cols, n), RowInEvent: int32(n)}
		dst, err := enc.AppendKey(nil, ch.After)
		if err != nil {
			return "", err
		}
		dst, err = enc.AppendValue(dst, ctx, &ch)
		return string(dst), err
	}
	for n := range want {
		var err error
		if want[n], err = one(context(table), n); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			ctx := context(table)
			for n := range want {
				if got, err := one(ctx, n); err != nil || got != want[n] {
					t.Errorf("row %d: got %s, want %s, %v", n, got, want[n], err)
				}
			}
		})
	}
	wg.Wait()
}
