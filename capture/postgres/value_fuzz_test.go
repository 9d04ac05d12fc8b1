package postgres

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"cdcbridge/changelog"
)

// The targets look for panics, runaway memory, and for text that is taken for a value which prints otherwise: a value that
// came out is printed as the server would, read again, and must be the same.

// printed writes a value as the server does, made another way than the decoders read it.
func printed(v changelog.Value, oid uint32) string {
	switch v.Form() {
	case changelog.FormNaN:
		return "NaN"
	case changelog.FormPosInf:
		return map[bool]string{true: "Infinity", false: "infinity"}[v.Kind() == changelog.KindDecimal]
	case changelog.FormNegInf:
		return map[bool]string{true: "-Infinity", false: "-infinity"}[v.Kind() == changelog.KindDecimal]
	}
	switch v.Kind() {
	case changelog.KindBool:
		return strconv.FormatBool(v.Bool())[:1]
	case changelog.KindInt:
		return strconv.FormatInt(v.Int(), 10)
	case changelog.KindUint:
		return strconv.FormatUint(v.Uint(), 10)
	case changelog.KindFloat32:
		return floatText(float64(v.Float32()), 32)
	case changelog.KindFloat64:
		return floatText(v.Float64(), 64)
	case changelog.KindDecimal:
		if oid == oidMoney {
			return moneyText(string(v.Bytes()))
		}
	case changelog.KindBytes:
		return fmt.Sprintf(`\x%x`, v.Bytes())
	case changelog.KindDate:
		date, bc := dateText(v.Civil())
		return date + bc
	case changelog.KindDateTime, changelog.KindTimestamp:
		date, bc := dateText(v.Civil())
		zone := map[changelog.Kind]string{changelog.KindTimestamp: "+00"}[v.Kind()]
		return date + " " + string(changelog.AppendClock(nil, v.Civil(), 6)) + zone + bc
	case changelog.KindTime:
		return string(changelog.AppendSpan(nil, v.Int(), 6))
	case changelog.KindTimeTZ:
		o := max(v.Offset(), -v.Offset())
		return fmt.Sprintf("%s%c%02d:%02d:%02d", changelog.AppendSpan(nil, v.Int(), 6), "+-"[map[bool]int{true: 1}[v.Offset() < 0]], o/3600, o/60%60, o%60)
	case changelog.KindInterval:
		return intervalText(v)
	case changelog.KindVector:
		var elems []string
		for p := v.Bytes(); len(p) > 0; p = p[4:] {
			elems = append(elems, floatText(float64(math.Float32frombits(binary.LittleEndian.Uint32(p))), 32))
		}
		return "[" + strings.Join(elems, ",") + "]"
	case changelog.KindGeometry:
		return geometryText(v)
	case changelog.KindMap:
		var pairs []string
		for e := v.Elems(); len(e) > 0; e = e[2:] {
			value := "NULL"
			if !e[1].IsNull() {
				value = quoted(e[1].Bytes())
			}
			pairs = append(pairs, quoted(e[0].Bytes())+"=>"+value)
		}
		return strings.Join(pairs, ", ")
	}
	return string(v.Bytes())
}

func quoted(p []byte) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(string(p)) + `"`
}

func floatText(f float64, bits int) string {
	s := strconv.FormatFloat(f, 'g', -1, bits)
	return strings.Replace(strings.TrimPrefix(s, "+"), "Inf", "Infinity", 1)
}

func dateText(c changelog.Civil) (date, bc string) {
	year := c.Year
	if year <= 0 {
		year, bc = 1-year, " BC"
	}
	return fmt.Sprintf("%04d-%02d-%02d", year, c.Month, c.Day), bc
}

func moneyText(plain string) string {
	plain, negative := strings.CutPrefix(plain, "-")
	whole, cents, _ := strings.Cut(plain, ".")
	for at := len(whole) - 3; at > 0; at -= 3 {
		whole = whole[:at] + "," + whole[at:]
	}
	return map[bool]string{true: "-"}[negative] + "$" + whole + "." + cents
}

func intervalText(v changelog.Value) string {
	months, days, micros := v.Interval()
	text := ""
	for i, n := range []int32{months / 12, months % 12, days} {
		if n != 0 {
			text += fmt.Sprintf("%d %s%s ", n, intervalUnits[i], map[bool]string{true: "s"}[n != 1])
		}
	}
	return text + string(changelog.AppendSpan(nil, micros, 6))
}

func geometryText(v changelog.Value) string {
	wkb := v.Bytes()
	if v.Uint() == 0 {
		return fmt.Sprintf("%X", wkb)
	}
	var order binary.AppendByteOrder = binary.BigEndian
	kind := binary.BigEndian.Uint32(wkb[1:])
	if wkb[0] == 1 {
		order, kind = binary.LittleEndian, binary.LittleEndian.Uint32(wkb[1:])
	}
	head := order.AppendUint32(order.AppendUint32(wkb[:1:1], kind|0x20000000), uint32(v.Uint()))
	return fmt.Sprintf("%X%X", head, wkb[5:])
}

// fuzzTypes runs a target over the types, chosen by a byte of the input.
func fuzzTypes(f *testing.F, types []valueCase, cases []valueCase) {
	const longestSeed = 256 // mutating more than that finds nothing more
	for _, tc := range cases {
		for i, typ := range types {
			if typ.oid == tc.oid && len(tc.text) <= longestSeed {
				f.Add(byte(i), tc.text)
			}
		}
	}
	tb := testBook()
	f.Fuzz(func(t *testing.T, which byte, text string) {
		typ := types[int(which)%len(types)]
		c, err := tb.column(typ.oid, int32(typ.modifier))
		if err != nil {
			t.Fatal(err)
		}
		b := changelog.NewBatch()
		defer b.Release()
		var v, again changelog.Value
		if err := c.decode(&c, []byte(text), &v, b); err != nil {
			return
		}
		if v.Kind() != c.typ.Kind {
			t.Fatalf("%s %q became the kind %d", c.source, text, v.Kind())
		}
		checkUTF8(t, v)
		if v.Kind() == changelog.KindArray {
			return // FuzzArrays says more
		}
		p := printed(v, typ.oid)
		if err := c.decode(&c, []byte(p), &again, b); err != nil || !same(v, again) {
			t.Errorf("%s %q became %s, which prints %q and becomes %s, %v", c.source, text, show(v), p, show(again), err)
		}
	})
}

// same is Equal but for NaN, of which no bits are kept, and for an SRID 0 that was written out.
func same(v, w changelog.Value) bool {
	return v.Equal(w) || v.Kind() == w.Kind() && show(v) == show(w)
}

func checkUTF8(t *testing.T, v changelog.Value) {
	switch v.Kind() {
	case changelog.KindString, changelog.KindJSON, changelog.KindDecimal, changelog.KindBitString:
		if !utf8.Valid(v.Bytes()) {
			t.Errorf("%q is not UTF-8", v.Bytes())
		}
	}
	for _, e := range v.Elems() {
		checkUTF8(t, e)
	}
}

func FuzzNumbers(f *testing.F) {
	fuzzTypes(f, []valueCase{{oid: oidBool, modifier: -1}, {oid: oidInt2, modifier: -1}, {oid: oidInt4, modifier: -1}, {oid: oidInt8, modifier: -1}, {oid: oidOID, modifier: -1}, {oid: oidFloat4, modifier: -1}, {oid: oidFloat8, modifier: -1},
		{oid: oidNumeric, modifier: -1}, {oid: oidNumeric, modifier: numericModifier(10, 2)}, {oid: oidMoney, modifier: -1}}, append(numberCases, decimalCases...))
}

func FuzzTexts(f *testing.F) {
	fuzzTypes(f, []valueCase{{oid: oidText, modifier: -1}, {oid: oidJSON, modifier: -1}, {oid: oidBit, modifier: 3}, {oid: oidVarbit, modifier: -1}, {oid: oidVarbit, modifier: 3}}, textCases)
}

func FuzzTimes(f *testing.F) {
	fuzzTypes(f, []valueCase{{oid: oidDate, modifier: -1}, {oid: oidTime, modifier: -1}, {oid: oidTime, modifier: 3}, {oid: oidTimeTZ, modifier: -1}, {oid: oidTimestamp, modifier: -1}, {oid: oidTimestampTZ, modifier: -1}, {oid: oidInterval, modifier: -1}},
		append(timeCases, intervalCases...))
}

func FuzzBytes(f *testing.F) {
	fuzzTypes(f, []valueCase{{oid: oidBytea, modifier: -1}, {oid: oidVector, modifier: -1}, {oid: oidVector, modifier: 3}, {oid: oidGeometry, modifier: -1}, {oid: oidHstore, modifier: -1}}, bytesCases)
}

func FuzzArrays(f *testing.F) {
	types := []uint32{oidTextArray, oidInt4Array, oidBoxArray, oidHstoreArray, oidPricesArray}
	for _, tc := range arrayCases {
		if i := slices.Index(types, tc.oid); i >= 0 {
			f.Add(byte(i), tc.text)
		}
	}
	tb := testBook()
	f.Fuzz(func(t *testing.T, which byte, text string) {
		oid := types[int(which)%len(types)]
		c, err := tb.column(oid, -1)
		if err != nil {
			t.Fatal(err)
		}
		b := changelog.NewBatch()
		defer b.Release()
		var v, again changelog.Value
		if err := c.decode(&c, []byte(text), &v, b); err != nil {
			return
		}
		checkUTF8(t, v)
		if limit := 4096 + 64*64*len(text); b.Size() > limit {
			t.Errorf("%d bytes took %d", len(text), b.Size())
		}
		if oid == oidTextArray || oid == oidHstoreArray {
			p := arrayText(v, &c)
			if err := c.decode(&c, []byte(p), &again, b); err != nil || !v.Equal(again) {
				t.Errorf("%q became %s, which prints %q and becomes %s, %v", text, show(v), p, show(again), err)
			}
		}
	})
}

// arrayText quotes every element, which the server would do only where it must.
func arrayText(v changelog.Value, c *columnType) string {
	var parts []string
	for _, e := range v.Elems() {
		switch e.Kind() {
		case changelog.KindNull:
			parts = append(parts, "NULL")
		case changelog.KindArray:
			parts = append(parts, arrayText(e, c))
		default:
			parts = append(parts, quoted([]byte(printed(e, 0))))
		}
	}
	return "{" + strings.Join(parts, string(c.delim)) + "}"
}
