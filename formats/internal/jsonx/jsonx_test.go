package jsonx

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestStringsEscapeAsTheirDialectDoes(t *testing.T) {
	for _, tc := range []struct{ in, jackson, canal string }{
		{"", `""`, `""`},
		{"plain text, longer than one word", `"plain text, longer than one word"`, `"plain text, longer than one word"`},
		{"\"\\/<>&'", `"\"\\/<>&'"`, `"\"\\/<>&'"`},
		{"\b\t\n\f\r", `"\b\t\n\f\r"`, `"\b\t\n\f\r"`},
		{"\x00\x0b\x1f", `"\u0000\u000B\u001F"`, `"\u0000\u000b\u001f"`},
		{"\x7f\u0080\u2028é漢", "\"\x7f\u0080\u2028é漢\"", "\"\x7f\u0080\u2028é漢\""},
		{"a😀b", `"a\uD83D\uDE00b"`, `"a😀b"`},
		{"\U0010FFFF", `"\uDBFF\uDFFF"`, "\"\U0010FFFF\""},
		{"a\xffb\xed\xa0\x80", "\"a\uFFFDb\uFFFD\uFFFD\uFFFD\"", "\"a\uFFFDb\uFFFD\uFFFD\uFFFD\""},
		{"\xe6\xbc", "\"\uFFFD\uFFFD\"", "\"\uFFFD\uFFFD\""},
	} {
		if got := string(AppendString(nil, []byte(tc.in))); got != tc.jackson {
			t.Errorf("%q as Jackson: got %s, want %s", tc.in, got, tc.jackson)
		}
		if got := `"` + string(AppendEscapedText(nil, tc.in)) + `"`; got != tc.jackson {
			t.Errorf("%q as Jackson's text: got %s, want %s", tc.in, got, tc.jackson)
		}
		if got := string(AppendCanalString(nil, []byte(tc.in))); got != tc.canal {
			t.Errorf("%q as Canal: got %s, want %s", tc.in, got, tc.canal)
		}
	}
}

func TestLatin1KeepsEveryByte(t *testing.T) {
	raw := make([]byte, 256)
	for i := range raw {
		raw[i] = byte(i)
	}
	var text string
	if err := json.Unmarshal(AppendCanalLatin1(nil, raw), &text); err != nil {
		t.Fatal(err)
	}
	back := []byte{}
	for _, r := range text {
		back = append(back, byte(r))
	}
	if !bytes.Equal(back, raw) {
		t.Errorf("got %q", back)
	}
	if got := string(AppendCanalLatin1(nil, []byte("\xe4\x0b"))); got != "\"\u00e4\\u000b\"" {
		t.Errorf("got %s", got)
	}
}

func TestJavaNumbers(t *testing.T) {
	for want, v := range map[string]float64{
		"0.0": 0, "-0.0": math.Copysign(0, -1), "1.0": 1, "-1.5": -1.5, "1.0E10": 1e10, "1.0E-7": 1e-7,
		"4.9E-324": math.SmallestNonzeroFloat64, "9.9E-324": 2 * math.SmallestNonzeroFloat64,
		"123456.79": 123456.79, "0.001": 0.001, "9.999E-4": 0.0009999, "0.0123": 0.0123, "0.1": 0.1,
		"9999999.0": 9999999, "1.0E7": 1e7, "1.2345678E7": 12345678, "9999999.5": 9999999.5, "123.0": 123, "1000.25": 1000.25,
		"1.7976931348623157E308": math.MaxFloat64, "2.0E23": 2e23, "-1.2345E-5": -1.2345e-5, "999.9998779296875": 999.9998779296875,
		"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1), "2.2250738585072014E-308": 0x1p-1022,
	} {
		if got := string(AppendJavaDouble(nil, v)); got != want {
			t.Errorf("double: got %s, want %s", got, want)
		}
	}
	for want, v := range map[string]float32{
		"1.4E-45": math.SmallestNonzeroFloat32, "3.4028235E38": math.MaxFloat32, "1.6777216E7": 16777216, "0.1": 0.1,
		"123456.79": 123456.79, "1.5": 1.5, "999.9999": 999.9998779296875, "NaN": float32(math.NaN()), "-Infinity": float32(math.Inf(-1)),
	} {
		if got := string(AppendJavaFloat(nil, v)); got != want {
			t.Errorf("float: got %s, want %s", got, want)
		}
	}
}

func TestJavaNumbersReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := math.Float64frombits(rapid.Uint64().Draw(t, "bits"))
		if !IsFinite(v) {
			return
		}
		text := string(AppendJavaDouble(nil, v))
		if got, err := strconv.ParseFloat(text, 64); err != nil || got != v {
			t.Fatalf("%v became %s", v, text)
		}
		f := math.Float32frombits(rapid.Uint32().Draw(t, "bits32"))
		if !IsFinite(float64(f)) {
			return
		}
		text = string(AppendJavaFloat(nil, f))
		if got, err := strconv.ParseFloat(text, 32); err != nil || float32(got) != f {
			t.Fatalf("%v became %s", f, text)
		}
		if Check([]byte(text)) != nil {
			t.Fatalf("%s is no JSON number", text)
		}
	})
}

func TestCompact(t *testing.T) {
	doc := []byte("{\"a b\": [1, 2.50, \"x , \\\" : y\\\\\"], \"c\":\t{} ,\n \"é\": null}")
	want := `{"a b":[1,2.50,"x , \" : y\\"],"c":{},"é":null}`
	if got := string(AppendCompact(nil, doc)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := string(AppendCompactString(nil, doc)), string(AppendString(nil, []byte(want))); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEachFieldGivesRawValues(t *testing.T) {
	var got []string
	doc := []byte(" { \"a\\u00e9\" : 1.50 , \"b\":{\"x\":[ 1,\"}\" ]},\"a\":\"q\\\"\", \"\" : null } ")
	err := EachField(doc, func(name, value []byte) error {
		got = append(got, string(name)+"="+string(value))
		return nil
	})
	if want := `aé=1.50|b={"x":[ 1,"}" ]}|a="q\""|=null`; err != nil || strings.Join(got, "|") != want {
		t.Errorf("got %q, %v", got, err)
	}
	got = nil
	err = EachElement([]byte(`[ 1, [2] ,"x"]`), func(value []byte) error {
		got = append(got, string(value))
		return nil
	})
	if want := `1|[2]|"x"`; err != nil || strings.Join(got, "|") != want {
		t.Errorf("got %q, %v", got, err)
	}
	stop := errors.New("enough")
	if err := EachField(doc, func(_, _ []byte) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

func TestInt(t *testing.T) {
	for in, want := range map[string]int64{"0": 0, "-1": -1, "9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64} {
		if got, err := Int([]byte(in)); err != nil || got != want {
			t.Errorf("%s: got %d, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "-", "1.0", "1e3", "9223372036854775808", "-9223372036854775809", "99999999999999999999", `"1"`, "null"} {
		if got, err := Int([]byte(in)); err == nil {
			t.Errorf("%s: got %d", in, got)
		}
	}
}

func TestDeepNestingIsRefused(t *testing.T) {
	deep := []byte(strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000))
	if err := Check(deep); !errors.Is(err, errDepth) {
		t.Errorf("got %v", err)
	}
}

func TestAppendsDoNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 4096)
	text, doc := []byte("some \"text\" é 😀"), []byte(`{"a": [1, 2]}`)
	if n := testing.AllocsPerRun(100, func() {
		dst = AppendString(dst[:0], text)
		dst = AppendCanalString(dst, text)
		dst = AppendCanalLatin1(dst, text)
		dst = AppendBase64(dst, text)
		dst = AppendCompactString(dst, doc)
		dst = AppendJavaDouble(dst, 1.2345e-5)
		dst = AppendJavaFloat(dst, 0.1)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzString holds every writer of strings to valid JSON that reads back as the text.
func FuzzString(f *testing.F) {
	f.Add([]byte("plain"))
	f.Add([]byte("q\"b\\c\x00\x1f\x7f 1234567\"8 \xff\xed\xa0\x80é\u2028😀"))
	f.Fuzz(func(t *testing.T, text []byte) {
		want := string([]rune(string(text))) // one U+FFFD for each bad byte, as the writers promise
		for _, lit := range [][]byte{AppendString(nil, text), AppendCanalString(nil, text)} {
			var std string
			if err := json.Unmarshal(lit, &std); err != nil || std != want {
				t.Fatalf("%q became %s: %v", text, lit, err)
			}
			if got, err := Unquote(lit); err != nil || string(got) != want {
				t.Fatalf("%s reads back as %q, %v", lit, got, err)
			}
		}
	})
}

// FuzzScan holds the scanner to the verdicts and values of encoding/json.
func FuzzScan(f *testing.F) {
	for _, s := range []string{`{"a":1,"b":[true,null,"\u00e9\ud83d\ude00\ud83d"]}`, `[1.5e-3,-0,01]`, `{"a" 1}`, "\"\x01\"", `"\x"`, ` {} x`, `-`, `{"a":1,}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		err := Check(doc)
		if errors.Is(err, errDepth) {
			return
		}
		if valid := json.Valid(doc); valid != (err == nil) {
			t.Fatalf("%q: valid %v, we say %v", doc, valid, err)
		}
		if err != nil {
			return
		}
		if tight := AppendCompact(nil, doc); !json.Valid(tight) {
			t.Fatalf("%q became %q", doc, tight)
		} else if std := new(bytes.Buffer); json.Compact(std, doc) == nil && !bytes.Equal(std.Bytes(), tight) {
			t.Fatalf("%q became %q, want %q", doc, tight, std)
		}
		_ = EachField(doc, func(name, value []byte) error {
			if Check(value) != nil {
				t.Fatalf("%q: field %q has the value %q", doc, name, value)
			}
			return nil
		})
		if raw := bytes.TrimSpace(doc); utf8.Valid(raw) && IsString(raw) {
			var want string
			if json.Unmarshal(raw, &want) == nil {
				if got, err := Unquote(raw); err != nil || string(got) != want {
					t.Fatalf("%s reads as %q, want %q, %v", raw, got, want, err)
				}
			}
		}
	})
}

func TestRequote(t *testing.T) {
	for _, room := range []int{0, 1, 8, 100} {
		dst := append(make([]byte, 0, 20+room), `{"a":`...)
		from := len(dst)
		dst = AppendInnerString(append(dst, '['), []byte("é😀\x1f\"\u2028"))
		dst = Requote(append(dst, ']'), from, AppendString)
		if want := `{"a":"[\"é\uD83D\uDE00\\u001F\\\"` + "\u2028" + `\"]"`; string(dst) != want {
			t.Errorf("got %s, want %s", dst, want)
		}
		if dst = Requote(dst[:from], from, AppendString); string(dst) != `{"a":""` {
			t.Errorf("got %s", dst)
		}
	}
}
