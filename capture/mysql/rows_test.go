package mysql

import (
	"bytes"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// orders gives the shape of the 12-column table that the speed is promised for, and its recorded insert of 60 rows.
func orders(t testing.TB) (*shape, rowsEvent) {
	r := recorded(t, "tables-9.7")
	s, e := r.lastShape("orders"), r.events["orders"][0]
	if len(s.columns) != 12 || e.Op != changelog.Insert {
		t.Fatalf("%d columns, %s", len(s.columns), e.Op)
	}
	return s, e
}

func TestSkippedRowsAreCountedAndNotAppended(t *testing.T) {
	s, e := orders(t)
	all := changelog.NewBatch()
	defer all.Release()
	at := ordinals{Index: 100, TableIndex: 7}
	whole, err := s.decodeRows(all, e, 0, &at)
	if err != nil || whole.Rows != 60 || whole.Skipped != 0 || whole.SkippedBytes != 0 || at != (ordinals{160, 67}) {
		t.Fatalf("%+v %+v %v", whole, at, err)
	}
	for _, skip := range []int{1, 17, 59, 60, 1000} {
		b := changelog.NewBatch()
		at := ordinals{Index: 100, TableIndex: 7}
		done, err := s.decodeRows(b, e, skip, &at)
		want := min(skip, 60)
		if err != nil || done.Rows != 60 || done.Skipped != want || len(b.Changes) != 60-want || at != (ordinals{160, 67}) {
			t.Fatalf("skip %d: %+v %+v %d changes, %v", skip, done, at, len(b.Changes), err)
		}
		for i, ch := range b.Changes {
			w := all.Changes[want+i]
			if ch.Index != w.Index || ch.TableIndex != w.TableIndex || ch.RowInEvent != w.RowInEvent || ch.Op != w.Op || !equalRows(ch.After, w.After) {
				t.Fatalf("skip %d: change %d is %+v, want %+v", skip, i, ch, w)
			}
		}
		rest := e
		rest.Rows = e.Rows[done.SkippedBytes:]
		if again, err := s.decodeRows(b, rest, 0, &ordinals{}); err != nil || again.Rows != 60-want {
			t.Fatalf("skip %d: the bytes after the skipped ones hold %d rows, %v", skip, again.Rows, err)
		}
		b.Release()
	}
}

func TestRowsThatDoNotFitAreAFault(t *testing.T) {
	s, e := orders(t)
	b := changelog.NewBatch()
	defer b.Release()
	whole := map[int]bool{}
	for n := 0; n < len(e.Rows); {
		whole[n] = true
		_, rest, err := s.image(b, e.Rows[n:])
		if err != nil {
			t.Fatal(err)
		}
		n = len(e.Rows) - len(rest)
	}
	for n := range e.Rows {
		cut := e
		cut.Rows = e.Rows[:n]
		if _, err := s.decodeRows(b, cut, 0, &ordinals{}); (err == nil) != whole[n] || err != nil && !fault.Is(err, fault.SchemaUnknown) {
			t.Fatalf("%d of %d bytes: %v", n, len(e.Rows), err)
		}
		if _, err := s.decodeRows(b, cut, 1000, &ordinals{}); (err == nil) != whole[n] {
			t.Fatalf("skipping %d of %d bytes: %v", n, len(e.Rows), err)
		}
		b.Changes = b.Changes[:0]
	}
	other := e
	other.Columns = 13
	if _, err := s.decodeRows(b, other, 0, &ordinals{}); !fault.Is(err, fault.SchemaUnknown) || !fault.IsFinal(err) {
		t.Errorf("another column count: %v", err)
	}
}

func TestRowsDecodeWithoutAllocating(t *testing.T) {
	s, e := orders(t)
	decode := func() {
		b := changelog.NewBatch()
		if _, err := s.decodeRows(b, e, 0, &ordinals{}); err != nil {
			t.Fatal(err)
		}
		b.Release()
	}
	decode()
	if n := testing.AllocsPerRun(200, decode); n >= 2 { // the batch itself may be made anew after a collection
		t.Errorf("%v allocations for %d rows", n, 60)
	}
}

func BenchmarkDecodeOrders(b *testing.B) {
	s, e := orders(b)
	b.SetBytes(int64(len(e.Rows)))
	b.ReportAllocs()
	rows := 0
	for b.Loop() {
		batch := changelog.NewBatch()
		done, err := s.decodeRows(batch, e, 0, &ordinals{})
		if err != nil {
			b.Fatal(err)
		}
		rows += done.Rows
		batch.Release()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "ns/row")
}

// Version 1 of the events (log_bin_use_v1_row_events) has no extra data; version 2 of a partitioned table has some.
func TestBothVersionsOfRowsEvents(t *testing.T) {
	_, e := orders(t)
	head := []byte{1, 2, 0, 0, 0, 0, 1, 0}
	rest := append([]byte{12, 0xff, 0x0f}, e.Rows...)
	v1 := append(append([]byte(nil), head...), rest...)
	v2 := append(append(append([]byte(nil), head...), 5, 0, 1, 0, 0), rest...)
	for typ, body := range map[eventType][]byte{eventDeleteRowsV1: v1, eventDeleteRows: v2} {
		got, err := parseRows(typ, body)
		if err != nil || got.TableID != 513 || got.Flags != rowsStatementEnd || got.Op != changelog.Delete || got.Columns != 12 || string(got.Rows) != string(e.Rows) {
			t.Errorf("type %d: %v", typ, err)
		}
	}
	for typ, bits := range map[eventType][]byte{eventDeleteRowsV1: {0xff, 0x0b}, eventWriteRowsV1: {0xfe, 0x0f}, eventUpdateRowsV1: {0xff, 0x0f, 0x7f, 0x0f}} {
		if got, err := parseRows(typ, append(append(append([]byte(nil), head...), 12), bits...)); err != nil || !got.partial() {
			t.Errorf("type %d with the bits %x: %v", typ, bits, err)
		}
	}
}

// TestBothWaysToDecodeAgree compares image with the decoder of images that may lack columns, which goes by each column's decode.
func TestBothWaysToDecodeAgree(t *testing.T) {
	for _, name := range []string{"tables-9.7", "types-8.0", "types-9.7", "charsets-9.7", "random-9.7"} {
		r, rows := recorded(t, name), 0
		for table, events := range r.events {
			s := r.lastShape(table)
			for _, e := range events {
				if s == nil || e.Columns != len(s.columns) || e.partial() {
					continue
				}
				whole, steps := changelog.NewBatch(), changelog.NewBatch()
				_, err := s.decodeRows(whole, e, 0, &ordinals{})
				all := bytes.Repeat([]byte{0xff}, s.nullBytes)
				if e.Op != changelog.Insert {
					e.Before = all
				}
				if e.Op != changelog.Delete {
					e.After = all
				}
				_, stepsErr := s.decodeRows(steps, e, 0, &ordinals{})
				if (err == nil) != (stepsErr == nil) {
					t.Fatalf("%s %s: %v and %v", name, table, err, stepsErr)
				}
				for i := 0; err == nil && i < len(whole.Changes); i++ {
					if a, b := whole.Changes[i], steps.Changes[i]; !equalRows(a.Before, b.Before) || !equalRows(a.After, b.After) {
						t.Fatalf("%s %s: %v and %v", name, table, a, b)
					}
					rows++
				}
				whole.Release()
				steps.Release()
			}
		}
		if rows < 50 {
			t.Errorf("%s: %d rows", name, rows)
		}
	}
}
