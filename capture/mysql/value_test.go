package mysql

import (
	"bufio"
	"encoding/binary"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"cdcbridge/changelog"

	"pgregory.net/rapid"
)

// decodeOne runs one decoder over one value, in both ways.
func decodeOne(t interface{ Fatal(...any) }, d columnDef, val []byte) (changelog.Value, error) {
	l := tableLayout{columns: []columnLayout{d.layout}, meta: tableMetadata{names: [][]byte{[]byte("c")}, unsigned: []bool{d.unsigned}, collations: []uint32{d.collation}, labels: [][][]byte{d.labels}}}
	s := &shape{table: &changelog.Table{Columns: make([]changelog.Column, 1)}, columns: make([]column, 1), nullBytes: 1}
	if err := s.prepare(0, l); err != nil {
		t.Fatal(err)
	}
	c := &s.columns[0]
	from, to := c.span(val)
	if to != len(val) {
		t.Fatal("the value has", len(val), "bytes, the column takes", to)
	}
	var v changelog.Value
	err := c.decode(c, val[from:to], &v, changelog.NewBatch())
	row, _, imageErr := s.image(changelog.NewBatch(), append([]byte{0}, val...))
	if (err == nil) != (imageErr == nil) || err == nil && !row[0].Equal(v) {
		t.Fatal("two results:", v, err, row, imageErr)
	}
	return v, err
}

func TestDoublesInJSONLookAsTheServerPrintsThem(t *testing.T) {
	f, err := os.Open("testdata/doubles.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		hexBits, want, _ := strings.Cut(lines.Text(), " ")
		bits, err := strconv.ParseUint(hexBits, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		w := jsonWriter{budget: 8}
		if err := w.value(jsonDouble, binary.LittleEndian.AppendUint64(nil, bits), 0); err != nil || string(w.dst) != want {
			t.Errorf("%v: got %s, want %s, %v", math.Float64frombits(bits), w.dst, want, err)
		}
	}
	if n < 2000 {
		t.Errorf("only %d doubles", n)
	}
}

// encodeDecimal is the storage form, made another way than decodeDecimal reads it: by big-number arithmetic.
func encodeDecimal(negative bool, digits string, intDigits int) []byte {
	var out []byte
	group := func(s string) {
		if s == "" {
			return
		}
		n, _ := new(big.Int).SetString(s, 10)
		out = append(out, n.FillBytes(make([]byte, decimalBytes[len(s)]))...)
	}
	whole, part := digits[:intDigits], digits[intDigits:]
	group(whole[:intDigits%9])
	for whole = whole[intDigits%9:]; whole != ""; whole = whole[9:] {
		group(whole[:9])
	}
	for ; len(part) >= 9; part = part[9:] {
		group(part[:9])
	}
	group(part)
	out[0] ^= 0x80
	if negative {
		for i := range out {
			out[i] ^= 0xff
		}
	}
	return out
}

func TestEveryDecimalComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		precision := rapid.IntRange(1, maxPrecision).Draw(t, "precision")
		scale := rapid.IntRange(0, min(maxScale, precision)).Draw(t, "scale")
		digits := rapid.StringOfN(rapid.RuneFrom([]rune("0000123456789")), precision, precision, -1).Draw(t, "digits")
		negative := rapid.Bool().Draw(t, "negative")
		v, err := decodeOne(t, columnDef{layout: columnLayout{typ: typeNewDecimal, meta: uint16(precision<<8 | scale)}}, encodeDecimal(negative, digits, precision-scale))
		if err != nil {
			t.Fatal(err)
		}
		want := strings.TrimLeft(digits[:precision-scale], "0")
		if want == "" {
			want = "0"
		}
		if scale > 0 {
			want += "." + digits[precision-scale:]
		}
		if negative && strings.Trim(digits, "0") != "" {
			want = "-" + want
		}
		if string(v.Bytes()) != want {
			t.Fatalf("got %s, want %s", v.Bytes(), want)
		}
	})
}

func TestEveryDateTimeComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.Int64Range(-62_135_596_800*second, 253_402_300_799*second).Draw(t, "micros") // years 1-9999
		fsp := rapid.IntRange(0, 6).Draw(t, "fsp")
		width := (fsp + 1) / 2
		unit := int64(second)
		if width > 0 {
			unit = fractionUnit[width]
		}
		micros -= ((micros % unit) + unit) % unit
		c := changelog.CivilFromMicros(micros)
		n := (int64(c.Year)*13+int64(c.Month))<<22 | int64(c.Day)<<17 | int64(c.Hour)<<12 | int64(c.Minute)<<6 | int64(c.Second)
		raw := binary.BigEndian.AppendUint64(nil, uint64(n+0x8000000000))[3:]
		raw = append(raw, binary.BigEndian.AppendUint32(nil, c.Micro/uint32(unit))[4-width:]...)
		v, err := decodeOne(t, columnDef{layout: columnLayout{typ: typeDateTime2, meta: uint16(fsp)}}, raw)
		if err != nil || v.Kind() != changelog.KindDateTime || v.Form() != changelog.FormNormal || v.Int() != micros {
			t.Fatalf("%+v: %d, want %d, %v", c, v.Int(), micros, err)
		}
	})
}

func TestEveryTimeComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.Int64Range(-(839*hour-1), 839*hour-1).Draw(t, "micros")
		fsp := rapid.IntRange(0, 6).Draw(t, "fsp")
		width := (fsp + 1) / 2
		unit := int64(second)
		if width > 0 {
			unit = fractionUnit[width]
		}
		micros -= micros % unit
		u := max(micros, -micros)
		n := (u/hour<<12|u/minute%60<<6|u/second%60)<<(8*width) | u%second/unit
		if micros < 0 {
			n = -n
		}
		raw := binary.BigEndian.AppendUint64(nil, uint64(n+0x800000<<(8*width)))[8-3-width:]
		v, err := decodeOne(t, columnDef{layout: columnLayout{typ: typeTime2, meta: uint16(fsp)}}, raw)
		if err != nil || v.Int() != micros {
			t.Fatalf("%d, want %d, %v", v.Int(), micros, err)
		}
	})
}

// Servers since 5.6 write these forms only for tables that an older one made.
func TestOldTemporalTypes(t *testing.T) {
	utc := func(y int32, mo, d, h, mi, s uint8) int64 {
		return changelog.Civil{Year: y, Month: mo, Day: d, Hour: h, Minute: mi, Second: s}.Micros()
	}
	u64 := func(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }
	for _, tc := range []struct {
		typ  columnType
		raw  []byte
		want changelog.Value
	}{
		{typeDateTime, u64(20240506070809), changelog.DateTime(utc(2024, 5, 6, 7, 8, 9))},
		{typeDateTime, u64(0), changelog.ZeroParts(changelog.KindDateTime, changelog.Civil{})},
		{typeDateTime, u64(20240500000001), changelog.ZeroParts(changelog.KindDateTime, changelog.Civil{Year: 2024, Month: 5, Second: 1})},
		{typeTime, []byte{0x40, 0xE2, 0x01}, changelog.Time(12*hour + 34*minute + 56*second)}, // 123456
		{typeTime, []byte{0xC0, 0x1D, 0xFE}, changelog.Time(-12*hour - 34*minute - 56*second)},
		{typeTimestamp, []byte{1, 0, 0, 0}, changelog.Timestamp(second)},
		{typeTimestamp, []byte{0, 0, 0, 0}, changelog.ZeroParts(changelog.KindTimestamp, changelog.Civil{})},
		{typeNewDate, []byte{0xA6, 0xD0, 0x0F}, changelog.Date(changelog.DaysFromCivil(2024, 5, 6))},
	} {
		if v, err := decodeOne(t, columnDef{layout: columnLayout{typ: tc.typ}}, tc.raw); err != nil || !v.Equal(tc.want) {
			t.Errorf("type %d of % x: %+v, want %+v, %v", tc.typ, tc.raw, v, tc.want, err)
		}
	}
}

func TestValuesThatTheirTypeDoesNotAllow(t *testing.T) {
	labels := [][]byte{[]byte("a"), []byte("b")}
	for name, tc := range map[string]struct {
		d   columnDef
		raw []byte
	}{
		"decimal group":  {columnDef{layout: columnLayout{typ: typeNewDecimal, meta: 2 << 8}}, []byte{0x80 | 100}},
		"minute":         {columnDef{layout: columnLayout{typ: typeTime2}}, []byte{0x80, 0x0F, 0x00}},
		"hour":           {columnDef{layout: columnLayout{typ: typeDateTime2}}, binary.BigEndian.AppendUint64(nil, uint64((2024*13+5)<<22|6<<17|24<<12+0x8000000000))[3:]},
		"fraction":       {columnDef{layout: columnLayout{typ: typeTimestamp2, meta: 2}}, []byte{0, 0, 0, 1, 100}},
		"negative date":  {columnDef{layout: columnLayout{typ: typeDateTime2}}, []byte{0, 0, 0, 0, 1}},
		"old datetime":   {columnDef{layout: columnLayout{typ: typeDateTime}}, []byte{255, 255, 255, 255, 255, 255, 255, 255}},
		"old time":       {columnDef{layout: columnLayout{typ: typeTime}}, []byte{99, 0, 0}},
		"enum index":     {columnDef{layout: columnLayout{typ: typeEnum, meta: 1}, labels: labels, collation: 45}, []byte{3}},
		"set bit":        {columnDef{layout: columnLayout{typ: typeSet, meta: 1}, labels: labels, collation: 45}, []byte{4}},
		"utf8":           {columnDef{layout: columnLayout{typ: typeVarchar, meta: 10}, collation: 45}, []byte{2, 0xC3, 0x28}},
		"binary":         {columnDef{layout: columnLayout{typ: typeString, meta: 2}, collation: collationBinary}, []byte{3, 1, 2, 3}},
		"geometry":       {columnDef{layout: columnLayout{typ: typeGeometry, meta: 4}}, []byte{4, 0, 0, 0, 0, 0, 0, 0}},
		"vector":         {columnDef{layout: columnLayout{typ: typeVector, meta: 4}}, []byte{3, 0, 0, 0, 0, 0, 0}},
		"json type":      {columnDef{layout: columnLayout{typ: typeJSON, meta: 1}}, []byte{1, 13}},
		"json depth":     {columnDef{layout: columnLayout{typ: typeJSON, meta: 2}}, nested(maxJSONDepth + 1)},
		"json overlap":   {columnDef{layout: columnLayout{typ: typeJSON, meta: 2}}, bomb()},
		"json not utf-8": {columnDef{layout: columnLayout{typ: typeJSON, meta: 1}}, []byte{3, jsonString, 1, 0xff}},
		"json decimal":   {columnDef{layout: columnLayout{typ: typeJSON, meta: 1}}, []byte{6, jsonOpaque, 246, 3, 200, 2, 1}},
		"json infinity":  {columnDef{layout: columnLayout{typ: typeJSON, meta: 1}}, append([]byte{9, jsonDouble}, binary.LittleEndian.AppendUint64(nil, math.Float64bits(math.Inf(1)))...)},
	} {
		if v, err := decodeOne(t, tc.d, tc.raw); err == nil {
			t.Errorf("%s: decoded to %+v", name, v)
		}
	}
}

func TestEmptyJSONIsNull(t *testing.T) {
	v, err := decodeOne(t, columnDef{layout: columnLayout{typ: typeJSON, meta: 1}}, []byte{0})
	if err != nil || string(v.Bytes()) != "null" {
		t.Errorf("%q %v", v.Bytes(), err)
	}
}

// nested makes arrays within arrays, as a value of a JSON column with a length of two bytes.
func nested(depth int) []byte {
	doc := []byte{0, 0, 4, 0}
	for range depth - 1 {
		size := len(doc) + 7
		doc = append([]byte{1, 0, byte(size), byte(size >> 8), jsonSmallArray, 7, 0}, doc...)
	}
	return prefixed(append([]byte{jsonSmallArray}, doc...))
}

// bomb makes thirty arrays that each hold the next one twice: 2^30 values in 300 bytes.
func bomb() []byte {
	doc := []byte{0, 0, 4, 0}
	for range 30 {
		size := len(doc) + 10
		doc = append([]byte{2, 0, byte(size), byte(size >> 8), jsonSmallArray, 10, 0, jsonSmallArray, 10, 0}, doc...)
	}
	return prefixed(append([]byte{jsonSmallArray}, doc...))
}

func prefixed(p []byte) []byte {
	return append(binary.LittleEndian.AppendUint16(nil, uint16(len(p))), p...)
}

// TestCalendarDays counts through the years that a DATE can have, and beyond.
func TestCalendarDays(t *testing.T) {
	days := changelog.DaysFromCivil(1, 1, 1)
	for year := range int32(20_001) {
		for month := range uint8(16) {
			for day := range uint8(32) {
				got, exists := calendarDay(changelog.Civil{Year: year, Month: month, Day: day})
				want := year > 0 && changelog.CivilFromDays(days) == changelog.Civil{Year: year, Month: month, Day: day}
				if exists != want || exists && got != days {
					t.Fatalf("%d-%d-%d: %d %v, want %d %v", year, month, day, got, exists, days, want)
				}
				if exists {
					days++
				}
			}
		}
	}
}

// TestShortDecimals compares the two ways to make a decimal's text.
func TestShortDecimals(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for digits := 1; digits <= 18; digits++ {
		for scale := range 10 {
			width, _ := decimalWidth(digits+scale, scale)
			c := column{digits: digits, scale: scale}
			for i := range 300 {
				p := make([]byte, width)
				for j := range p {
					p[j] = byte(random.Uint32())
				}
				switch i % 4 { // most random bytes are no digits: small numbers of both signs, zero and its negative
				case 1:
					clear(p[:width-1-i%width])
					p[0] ^= 0x80
				case 2:
					for j := range p[:width-1-i%width] {
						p[j] = 0xff
					}
					p[0] ^= 0x80
				case 3:
					for j := range p {
						p[j] = byte(-(i / 4 % 2))
					}
					p[0] ^= 0x80
				}
				want, wantErr := appendDecimal(nil, p, digits, scale)
				var got changelog.Value
				b := changelog.NewBatch()
				err := decodeShortDecimal(&c, p, &got, b)
				if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() || err == nil && string(got.Bytes()) != string(want) {
					t.Fatalf("DECIMAL(%d,%d) % x: %s, %v, want %s, %v", digits+scale, scale, p, got.Bytes(), err, want, wantErr)
				}
				b.Release()
			}
		}
	}
}
