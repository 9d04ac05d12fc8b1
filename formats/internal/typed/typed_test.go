package typed

import (
	"fmt"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

// values reads raw values of one column. Those that are errors read as their text.
func values(t *testing.T, origin string, typ changelog.Type, source string, f Forms, raws ...string) []string {
	t.Helper()
	c, err := NewColumn(origin, &changelog.Column{Name: "c", Type: typ, SourceType: source}, f)
	if err != nil {
		t.Fatal(err)
	}
	b := changelog.NewBatch()
	defer b.Release()
	var v Values
	v.Into(b)
	var out []string
	for _, raw := range raws {
		if err := jsonx.Check([]byte(raw)); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		var got changelog.Value
		if raw != "null" {
			got, err = c.Read(&v, []byte(raw))
		}
		if err != nil {
			out = append(out, "! "+err.Error())
			continue
		}
		if got.Kind() != typ.Kind && !got.IsNull() {
			t.Errorf("%s: kind %d", raw, got.Kind())
		}
		out = append(out, text(got))
	}
	return out
}

func text(v changelog.Value) string {
	switch v.Kind() {
	case changelog.KindNull:
		return "NULL"
	case changelog.KindInterval:
		if v.Form() == changelog.FormNormal {
			months, days, micros := v.Interval()
			return fmt.Sprintf("%d %d %d", months, days, micros)
		}
	case changelog.KindTimeTZ:
		return fmt.Sprintf("%d%+d", v.Int(), v.Offset())
	case changelog.KindArray, changelog.KindMap:
		var parts []string
		for _, e := range v.Elems() {
			parts = append(parts, text(e))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case changelog.KindFloat32:
		return fmt.Sprint(v.Float32())
	case changelog.KindFloat64:
		return fmt.Sprint(v.Float64())
	case changelog.KindGeometry:
		return fmt.Sprintf("%d %x", v.Uint(), v.Bytes())
	case changelog.KindEnum, changelog.KindSet:
		return fmt.Sprintf("%d %s", v.Uint(), v.Bytes())
	case changelog.KindString, changelog.KindBytes, changelog.KindDecimal, changelog.KindJSON, changelog.KindBitString, changelog.KindVector:
		if v.Form() == changelog.FormNormal {
			return string(v.Bytes())
		}
	}
	switch v.Form() {
	case changelog.FormZeroParts:
		return fmt.Sprintf("zero %v", v.Civil())
	case changelog.FormNormal:
		return fmt.Sprint(v.Int())
	}
	return fmt.Sprintf("form %d", v.Form())
}

func TestValues(t *testing.T) {
	temporal := func(k changelog.Kind, fsp int) changelog.Type { return changelog.Type{Kind: k, FSP: fsp} }
	for _, c := range []struct {
		origin, source string
		typ            changelog.Type
		forms          Forms
		pairs          []string // raw, value
	}{
		{"mysql", "", changelog.Type{Kind: changelog.KindBool}, Forms{}, []string{`true`, "1", `"false"`, "0", `1`, "1", `null`, "NULL", `"1"`, `! "1" is no boolean`, `2`, "! 2 is no boolean"}},
		{"mysql", "", changelog.Type{Kind: changelog.KindInt, Bits: 8}, Forms{}, []string{`-128`, "-128", `"127"`, "127", `true`, "1", `128`, "! " + errRange.Error(), `1.0`, "! 1.0 is no whole number", `""`, `! "" is no whole number`}},
		{"mysql", "", changelog.Type{Kind: changelog.KindUint, Bits: 16}, Forms{}, []string{`65535`, "65535", `"0"`, "0", `65536`, "! " + errRange.Error(), `-1`, "! -1 is no unsigned number", `"01"`, `! "01" is no unsigned number`}},
		{"mysql", "", changelog.Type{Kind: changelog.KindBits, Bits: 3}, Forms{}, []string{`7`, "7", `true`, "1", `8`, "! " + errRange.Error()}},
		{"mysql", "", changelog.Type{Kind: changelog.KindFloat64, Bits: 64}, Forms{}, []string{`1`, "1", `"1.5"`, "1.5", `"NaN"`, "NaN", `"-Infinity"`, "-Inf", `1e999`, "! " + errRange.Error(), `"x"`, `! "x" is no number`, `"1 "`, `! "1 " is no number`}},
		{"mysql", "", changelog.Type{Kind: changelog.KindFloat32, Bits: 32}, Forms{}, []string{`0.1`, "0.1", `1e39`, "! " + errRange.Error(), `{}`, "! {} is no number"}},
		{"mysql", "", changelog.Type{Kind: changelog.KindDecimal, Precision: 5, Scale: 2}, Forms{}, []string{`1`, "1.00", `"-1.5"`, "-1.50", `0.05`, "0.05", `-0.0`, "0.00", `1.500`, "1.50", `1.505`, "! " + errScale.Error(),
			`999.99`, "999.99", `1000`, "! " + errDigits.Error(), `1E2`, "100.00", `1.5e-1`, "0.15", `0e5`, "0.00", `"NaN"`, "form 4", `"+1"`, `! "+1" is no decimal`, `1e1001`, "! " + errDigits.Error(), `0.000`, "0.00"}},
		{postgres, "", changelog.Type{Kind: changelog.KindDecimal, Precision: 2, Scale: 5}, Forms{}, []string{`0.00012`, "0.00012", `0.001`, "! " + errDigits.Error()}},
		{postgres, "", changelog.Type{Kind: changelog.KindDecimal, Precision: 5, Scale: -2}, Forms{}, []string{`12300`, "12300", `9999999`, "9999999", `99999999`, "! " + errDigits.Error()}},
		{postgres, "", changelog.Type{Kind: changelog.KindDecimal}, Forms{}, []string{`1.10`, "1.10", `1e3`, "1000", `1e-3`, "0.001", `12.5e1`, "125", `-0.00`, "0.00", `00.1`[1:], "0.1", `"Infinity"`, "form 2"}},
		{"mysql", "", changelog.Type{Kind: changelog.KindString}, Forms{}, []string{`""`, "", `"a\u00e9\ud83d\ude00\/"`, "aé😀/", `1`, "! 1 is no text", `"\ud800"`, "! half of a surrogate pair stands alone in a text"}},
		{"mysql", "", changelog.Type{Kind: changelog.KindEnum, Labels: []string{"a", "b"}}, Forms{}, []string{`"b"`, "2 b", `""`, "0 ", `"c"`, "! " + errLabel.Error(), `2`, "! 2 is no text"}},
		{"mysql", "", changelog.Type{Kind: changelog.KindEnum}, Forms{}, []string{`"b"`, "0 b"}},
		{"mysql", "", changelog.Type{Kind: changelog.KindSet, Labels: []string{"a", "b", "c"}}, Forms{}, []string{`"a,c"`, "5 a,c", `""`, "0 ", `"a,a"`, "! " + errLabel.Error(), `"d"`, "! " + errLabel.Error()}},
		{"mysql", "json", changelog.Type{Kind: changelog.KindJSON}, Forms{}, []string{`"{\"a\": 1}"`, `{"a": 1}`, `{"a":[1,2]}`, `{"a": [1, 2]}`, `"{"`, "! JSON ends at byte 1 where a string is expected"}},
		{postgres, "json", changelog.Type{Kind: changelog.KindJSON}, Forms{Nested: true}, []string{`{"a":[1,2]}`, `{"a":[1,2]}`, `"x"`, `"x"`}},
		{"mysql", "", changelog.Type{Kind: changelog.KindBytes}, Forms{}, []string{`""`, "", `"YWI="`, "ab", `"YWI"`, "! " + errBase64.Error(), `"YWJ="`, "! " + errBase64.Error(), `"YW\nI="`, "! " + errBase64.Error(), `"\u0059WI="`, "ab", `[1]`, "! [1] is no text in base64"}},
		{"mysql", "", changelog.Type{Kind: changelog.KindBytes}, Forms{Binary: Base64URL}, []string{`"__4="`, "\xff\xfe", `"//4="`, "! " + errBase64.Error()}},
		{"mysql", "", changelog.Type{Kind: changelog.KindBytes}, Forms{Binary: Hex}, []string{`"fF00"`, "\xff\x00", `"f"`, "! " + errHex.Error()}},
		{"mysql", "", temporal(changelog.KindDate, 0), Forms{}, []string{`"1970-01-02"`, "1", `"0000-00-00"`, "zero {0 0 0 0 0 0 0}", `"2024-02-30"`, "zero {2024 2 30 0 0 0 0}", `"2024-13-01"`, "! " + errTime.Error(), `"2024-1-1"`, "! " + errTime.Error(), `1`, "! 1 is no text", `"infinity"`, "form 2"}},
		{postgres, "", temporal(changelog.KindDate, 0), Forms{}, []string{`"-0001-01-01"`, "-719893", `"+10000-01-01"`, "2932897", `"0000-01-01"`, "-719528", `"0000-00-00"`, "! " + errTime.Error(), `"2023-02-29"`, "! " + errTime.Error(), `"-infinity"`, "form 3"}},
		{"mysql", "", temporal(changelog.KindDateTime, 3), Forms{}, []string{`"1970-01-01T00:00:01.5"`, "1500000", `"1970-01-01 00:00:00"`, "0", `"1970-01-01T00:00:00Z"`, "! " + errTime.Error(), `"1970-01-01T24:00:00"`, "! " + errTime.Error(),
			`"1970-01-01T00:00:00.0001"`, "! " + errFraction.Error(), `"1970-01-01T00:00:00.000000000"`, "0", `"2024-00-06T01:02:03.004"`, "zero {2024 0 6 1 2 3 4000}", `"1970-01-01"`, "! " + errTime.Error(), `"+294247-01-01T00:00:00"`, "! " + errRange.Error()}},
		{postgres, "", temporal(changelog.KindTimestamp, 6), Forms{}, []string{`"1970-01-01T00:00:01.000001Z"`, "1000001", `"1970-01-01 02:00:00+02"`, "0", `"1970-01-01T00:00:00-05:30"`, "19800000000", `"1970-01-01T00:00:00"`, "! " + errTime.Error(), `"1970-01-01T00:00:00+24"`, "! " + errTime.Error()}},
		{"mysql", "", temporal(changelog.KindTime, 0), Forms{}, []string{`"-838:59:59"`, "-3020399000000", `"07:08:09"`, "25689000000", `"07:08"`, "! " + errTime.Error(), `"07:60:00"`, "! " + errTime.Error(), `"07:08:09.1"`, "! " + errFraction.Error()}},
		{postgres, "", temporal(changelog.KindTime, 6), Forms{}, []string{`"24:00:00"`, "86400000000", `"-01:00:00"`, "! " + errTime.Error(), `"24:00:01"`, "! " + errTime.Error()}},
		{postgres, "", temporal(changelog.KindTimeTZ, 6), Forms{}, []string{`"10:00:00.12+02"`, "36000120000+7200", `"23:59:59-15:59:59"`, "86399000000-57599", `"00:00:00Z"`, "0+0", `"00:00:00"`, "! " + errTime.Error()}},
		{postgres, "", temporal(changelog.KindInterval, 6), Forms{}, []string{`"P1Y2M3DT4H5M6.789S"`, "14 3 14706789000", `"P-1Y-2M0DT0H0M-0.5S"`, "-14 0 -500000", `"PT1S"`, "0 0 1000000", `"P2W"`, "0 14 0", `"infinity"`, "form 2", `"P"`, "! " + errInterval.Error(), `"1Y"`, "! " + errInterval.Error(),
			`"PT1D"`, "! " + errInterval.Error(), `"P1.5D"`, "! " + errInterval.Error(), `"P9999999999Y"`, "! " + errRange.Error(), `"PT9223372036854775807H"`, "! " + errRange.Error(), `"PT1.S"`, "! " + errInterval.Error(), `"P1"`, "! " + errInterval.Error(), `"PTT1S"`, "! " + errInterval.Error(),
			`"PT-9223372036854.775808S"`, "0 0 -9223372036854775808", `"PT9223372036854.775808S"`, "! " + errRange.Error()}},
		{postgres, "", changelog.Type{Kind: changelog.KindBitString, Bits: 3, Fixed: true}, Forms{}, []string{`"101"`, "101", `"10"`, "! " + errBits.Error(), `"102"`, "! " + errBits.Error(), `101`, "! 101 is no bit string"}},
		{postgres, "", changelog.Type{Kind: changelog.KindBitString, Bits: 1, Fixed: true}, Forms{}, []string{`true`, "1", `false`, "0"}},
		{postgres, "", changelog.Type{Kind: changelog.KindBitString}, Forms{}, []string{`""`, "", `"0001"`, "0001"}},
		{postgres, "", changelog.Type{Kind: changelog.KindGeometry}, Forms{}, []string{`{"wkb":"AQ==","srid":4326}`, "4326 01", `{"srid":null,"wkb":"AQ=="}`, "0 01", `{"wkb":""}`, "! " + errGeometry.Error(), `{"wkb":"AQ==","wkb":"AQ=="}`, "! " + errGeometry.Error(), `{"wkb":"AQ==","srid":-1}`, "! " + errGeometry.Error(), `"x"`, "! " + errGeometry.Error(), `{}`, "! " + errGeometry.Error()}},
		{postgres, "", changelog.Type{Kind: changelog.KindVector}, Forms{}, []string{`[]`, "", `[1]`, "\x00\x00\x80?", `["x"]`, `! "x" is no number`, `[[1]]`, "! [1] is no number", `1`, "! 1 is no array"}},
		{postgres, "", changelog.Type{Kind: changelog.KindArray, Elem: &changelog.Column{Type: changelog.Type{Kind: changelog.KindInt, Bits: 32}}}, Forms{}, []string{`[1,null,[2]]`, "[1 NULL [2]]", `[]`, "[]", `["x"]`, `! "x" is no whole number`, `"{1}"`, `! "{1}" is no array`}},
		{postgres, "", changelog.Type{Kind: changelog.KindMap}, Forms{}, []string{`{"a":"b","c":null}`, "[a b c NULL]", `"{\"a\":\"b\"}"`, "[a b]", `{"a":1}`, "! " + errMap.Error(), `[1]`, "! " + errMap.Error(), `"x"`, "! " + errMap.Error()}},
	} {
		var raws []string
		for i := 0; i < len(c.pairs); i += 2 {
			raws = append(raws, c.pairs[i])
		}
		for i, got := range values(t, c.origin, c.typ, c.source, c.forms, raws...) {
			if want := c.pairs[2*i+1]; got != want {
				t.Errorf("kind %d of %q, %s: got %q, want %q", c.typ.Kind, c.origin, raws[i], got, want)
			}
		}
	}
}

func TestTypesWithoutForm(t *testing.T) {
	for _, typ := range []changelog.Type{{Kind: changelog.KindArray}, {Kind: changelog.KindUnchanged}, {Kind: changelog.KindArray, Elem: &changelog.Column{}}} {
		if _, err := NewColumn("mysql", &changelog.Column{Name: "c", Type: typ}, Forms{}); err == nil {
			t.Errorf("%+v has a form", typ)
		}
	}
}

func TestUnquoted(t *testing.T) {
	b := changelog.NewBatch()
	defer b.Release()
	var v Values
	v.Into(b)
	for _, c := range []struct {
		typ        changelog.Type
		text, want string
	}{
		{changelog.Type{Kind: changelog.KindString}, "a\"\xff", "a\"\xff"},
		{changelog.Type{Kind: changelog.KindBytes}, "\x00", "\x00"},
		{changelog.Type{Kind: changelog.KindJSON}, `{"a":1}`, `{"a":1}`},
		{changelog.Type{Kind: changelog.KindJSON}, `{`, "!"},
		{changelog.Type{Kind: changelog.KindInt, Bits: 64}, "-7", "-7"},
		{changelog.Type{Kind: changelog.KindBool}, "true", "1"},
		{changelog.Type{Kind: changelog.KindDecimal}, "1.50", "1.50"},
		{changelog.Type{Kind: changelog.KindDate}, "1970-01-02", "1"},
		{changelog.Type{Kind: changelog.KindMap}, `{"a":"b"}`, "[a b]"},
		{changelog.Type{Kind: changelog.KindMap}, "1", "!"},
		{changelog.Type{Kind: changelog.KindMap}, "", "!"},
	} {
		col, err := NewColumn(postgres, &changelog.Column{Type: c.typ}, Forms{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.Unquoted(col, []byte(c.text))
		if s := text(got); err == nil && s != c.want || err != nil && c.want != "!" {
			t.Errorf("%q: %q, %v, want %q", c.text, s, err, c.want)
		}
	}
}

func TestInstant(t *testing.T) {
	for text, want := range map[string]int64{"1970-01-01T00:00:01.500Z": 1_500_000, "1970-01-01 01:00:00+01:00": 0, "-0001-01-01T00:00:00Z": -62_198_755_200_000_000} {
		if got, ok := Instant([]byte(text)); !ok || got != want {
			t.Errorf("%s: %d, %v, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "1970-01-01T00:00:01.500", "1970-02-30T00:00:00Z", "1970-01-01T00:00:00Zx"} {
		if _, ok := Instant([]byte(text)); ok {
			t.Errorf("%q is an instant", text)
		}
	}
}

func TestGuess(t *testing.T) {
	for _, c := range []struct{ raws, want string }{
		{`null`, "text"}, {`"a" null`, "text"}, {`1 null 2`, "bigint"}, {`1 2.5`, "numeric"}, {`2.5 1`, "numeric"}, {`9223372036854775808`, "numeric"}, {`true`, "boolean"},
		{`true 1`, "json"}, {`"a" 1`, "json"}, {`{} null`, "json"}, {`[]`, "json"},
	} {
		var g Guess
		for _, raw := range strings.Fields(c.raws) {
			before := g
			if g.Widen([]byte(raw)) != (before != g) {
				t.Errorf("%s: a change that is none, or one that is not told", c.raws)
			}
		}
		if got := g.Column("c"); got.SourceType != c.want || !got.Nullable {
			t.Errorf("%s: %+v, want %s", c.raws, got, c.want)
		}
	}
}
