package changelog

import (
	"reflect"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"
)

func TestValueIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(Value{}); n > 40 {
		t.Fatalf("a Value takes %d bytes, 40 are allowed", n)
	}
}

// TestOriginOutlivesItsBatch: whatever texts it has.
func TestOriginOutlivesItsBatch(t *testing.T) {
	b := NewBatch()
	var o Origin
	texts := reflect.ValueOf(&o).Elem()
	for i := range texts.NumField() {
		if texts.Field(i).Kind() == reflect.String {
			texts.Field(i).SetString(b.String([]byte("lent")))
		}
	}
	kept := o.Clone()
	texts = reflect.ValueOf(kept)
	for i := range texts.NumField() {
		if texts.Field(i).Kind() != reflect.String {
			continue
		}
		name, text := texts.Type().Field(i).Name, texts.Field(i).String()
		if text != "lent" || unsafe.StringData(text) == unsafe.StringData(reflect.ValueOf(o).Field(i).String()) {
			t.Errorf("%s is %q in memory of the batch", name, text)
		}
	}
}

func TestCivilAgreesWithTimePackage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.Int64Range(-70_000*365*microsPerDay, 70_000*365*microsPerDay).Draw(t, "micros")
		want := time.UnixMicro(micros).UTC()
		c := CivilFromMicros(micros)
		got := Civil{int32(want.Year()), uint8(want.Month()), uint8(want.Day()), uint8(want.Hour()), uint8(want.Minute()), uint8(want.Second()), uint32(want.Nanosecond() / 1000)}
		if c != got || c.Micros() != micros {
			t.Fatalf("%d: %+v, want %+v, back %d", micros, c, got, c.Micros())
		}
		if p := unpackCivil(c.pack()); p != c {
			t.Fatalf("pack: %+v, want %+v", p, c)
		}
	})
}

func TestTemporalText(t *testing.T) {
	c := Civil{Year: 2024, Month: 5, Day: 6, Hour: 7, Minute: 8, Second: 9, Micro: 120_456}
	for _, tc := range []struct{ got, want string }{
		{string(AppendDate(nil, c)), "2024-05-06"},
		{string(AppendDate(nil, Civil{Year: 20240, Month: 1, Day: 1})), "+20240-01-01"},
		{string(AppendDate(nil, Civil{Year: -43, Month: 3, Day: 15})), "-0043-03-15"},
		{string(AppendDate(nil, Civil{})), "0000-00-00"},
		{string(AppendClock(nil, c, 0)), "07:08:09"},
		{string(AppendClock(nil, c, 3)), "07:08:09.120"},
		{string(AppendClock(nil, c, 6)), "07:08:09.120456"},
		{string(AppendSpan(nil, -1000, 3)), "-00:00:00.001"},
		{string(AppendSpan(nil, -(838*3600+59*60+59)*microsPerSecond, 0)), "-838:59:59"},
	} {
		if tc.got != tc.want {
			t.Errorf("got %s, want %s", tc.got, tc.want)
		}
	}
}

func TestArenaKeepsWhatItGave(t *testing.T) {
	b := NewBatch()
	defer b.Release()
	var texts []string
	var rows []Row
	for i := range 5000 {
		texts = append(texts, b.String([]byte{byte(i), byte(i >> 8)}))
		r := b.NewRow(3)
		for j := range r {
			if !r[j].IsNull() {
				t.Fatal("a new row is not NULL")
			}
		}
		r[1] = Int(int64(i))
		rows = append(rows, r)
	}
	big := b.Grab(1 << 20)
	big[0] = 1
	for i := range texts {
		if texts[i] != string([]byte{byte(i), byte(i >> 8)}) || rows[i][1].Int() != int64(i) {
			t.Fatalf("entry %d changed", i)
		}
	}
	if b.Size() < 1<<20 {
		t.Errorf("size %d does not count what was grabbed", b.Size())
	}
}

func TestBatchFillsWithoutAllocating(t *testing.T) {
	fill := func() {
		b := NewBatch()
		for range 100 {
			b.Changes = append(b.Changes, Change{Op: Insert, After: b.NewRow(12)})
			b.Copy([]byte("some text"))
		}
		b.Release()
	}
	fill()
	if n := testing.AllocsPerRun(100, fill); n > 1 { // the pool may lose one to a collection
		t.Errorf("%v allocations for a batch of 100 rows", n)
	}
}

func TestCompositeValues(t *testing.T) {
	b := NewBatch()
	defer b.Release()
	inner := func(n int64) Value {
		row := b.NewRow(2)
		row[0] = Int(n)
		return Array(row)
	}
	one, same, other := Array([]Value{inner(1), inner(2)}), Array([]Value{inner(1), inner(2)}), Array([]Value{inner(1), inner(3)})
	if !one.Equal(same) || one.Equal(other) || one.Equal(Map(one.Elems())) || one.Bytes() != nil || Array(nil).Elems() != nil {
		t.Error("arrays are not compared by their elements")
	}
	if long := String(make([]byte, 4*valueSize)); long.Elems() != nil {
		t.Error("text was taken for elements")
	}
	if e := one.Elems(); len(e) != 2 || len(e[1].Elems()) != 2 || e[1].Elems()[0].Int() != 2 || !e[1].Elems()[1].IsNull() {
		t.Errorf("elements %v", e)
	}
	rapid.Check(t, func(t *rapid.T) {
		micros, offset := rapid.Int64Range(0, microsPerDay).Draw(t, "micros"), rapid.IntRange(-86_399, 86_399).Draw(t, "offset")
		if v := TimeTZ(micros, offset); v.Int() != micros || v.Offset() != offset {
			t.Fatalf("%d %d became %d %d", micros, offset, v.Int(), v.Offset())
		}
		m, d, u := rapid.Int32().Draw(t, "months"), rapid.Int32().Draw(t, "days"), rapid.Int64().Draw(t, "span")
		if m2, d2, u2 := Interval(b.Grab(16), m, d, u).Interval(); m2 != m || d2 != d || u2 != u {
			t.Fatalf("%d %d %d became %d %d %d", m, d, u, m2, d2, u2)
		}
	})
}
