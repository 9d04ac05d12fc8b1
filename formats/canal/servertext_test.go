package canal

import (
	"math"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
	"cdcbridge/internal/fault"
)

func span(months, days int32, micros int64) changelog.Value {
	return changelog.Interval(make([]byte, 16), months, days, micros)
}

func array(v ...changelog.Value) changelog.Value { return changelog.Array(v) }

func arrayOf(source string, kind changelog.Kind) changelog.Type {
	return changelog.Type{Kind: changelog.KindArray, Elem: &changelog.Column{SourceType: source, Type: changelog.Type{Kind: kind, FSP: 6}}}
}

func each[T any](mk func(T) changelog.Value, v ...T) changelog.Value {
	elems := make([]changelog.Value, len(v))
	for i := range v {
		elems[i] = mk(v[i])
	}
	return changelog.Array(elems)
}

// What PostgreSQL 18.6 printed for these values, with its own settings of the source.
var serverCases = []struct {
	typ  changelog.Type
	v    changelog.Value
	want string
}{
	{changelog.Type{Kind: changelog.KindInterval}, span(14, 3, 14706780000), "1 year 2 mons 3 days 04:05:06.78"},
	{changelog.Type{Kind: changelog.KindInterval}, span(-14, 3, -500000), "-1 years -2 mons +3 days -00:00:00.5"},
	{changelog.Type{Kind: changelog.KindInterval}, span(0, -1, 3600e6), "-1 days +01:00:00"},
	{changelog.Type{Kind: changelog.KindInterval}, span(0, 0, 0), "00:00:00"},
	{changelog.Type{Kind: changelog.KindInterval}, span(1, 0, 0), "1 mon"},
	{changelog.Type{Kind: changelog.KindInterval}, span(178956970*12, 0, 0), "178956970 years"},
	{changelog.Type{Kind: changelog.KindInterval}, span(-1, 1, 0), "-1 mons +1 day"},
	{changelog.Type{Kind: changelog.KindInterval}, span(0, 1, -1e6), "1 day -00:00:01"},
	{changelog.Type{Kind: changelog.KindInterval}, span(0, 0, 3600000000001), "1000:00:00.000001"},
	{changelog.Type{Kind: changelog.KindInterval}, changelog.Infinite(changelog.KindInterval, true), "infinity"},
	{changelog.Type{Kind: changelog.KindTimeTZ}, changelog.TimeTZ(36000120000, 7200), "10:00:00.12+02"},
	{changelog.Type{Kind: changelog.KindTimeTZ}, changelog.TimeTZ(86400e6, 0), "24:00:00+00"},
	{changelog.Type{Kind: changelog.KindTimeTZ}, changelog.TimeTZ(86399e6, -57599), "23:59:59-15:59:59"},
	{changelog.Type{Kind: changelog.KindTimeTZ}, changelog.TimeTZ(36000e6, -19800), "10:00:00-05:30"},
	{changelog.Type{Kind: changelog.KindBitString, Bits: 3, Fixed: true}, changelog.BitString([]byte("101")), "101"},
	{changelog.Type{Kind: changelog.KindBitString}, changelog.BitString([]byte{}), ""},
	{changelog.Type{Kind: changelog.KindDecimal}, changelog.NaN(), "NaN"},
	{changelog.Type{Kind: changelog.KindDecimal}, changelog.Infinite(changelog.KindDecimal, false), "-Infinity"},
	{changelog.Type{Kind: changelog.KindDecimal}, changelog.Decimal([]byte("1.10")), "1.10"},
	{changelog.Type{Kind: changelog.KindMap}, changelog.Map([]changelog.Value{str("k"), str("v"), str("n"), changelog.Null()}), `"k"=>"v", "n"=>NULL`},
	{changelog.Type{Kind: changelog.KindMap}, changelog.Map([]changelog.Value{str(`a"\=>, é😀`), str("")}), `"a\"\\=>, é😀"=>""`},
	{changelog.Type{Kind: changelog.KindMap}, changelog.Map(nil), ""},

	{arrayOf("integer", changelog.KindInt), array(changelog.Int(1), changelog.Null(), changelog.Int(-2)), "{1,NULL,-2}"},
	{arrayOf("integer", changelog.KindInt), array(array(changelog.Int(1), changelog.Int(-2)), array(changelog.Null(), changelog.Int(1))), "{{1,-2},{NULL,1}}"},
	{arrayOf("integer", changelog.KindInt), array(), "{}"},
	{arrayOf("text", changelog.KindString), each(str, "a b", "NULL", "{x}", `q"\`, "é😀", "", "a,b", "t\t", "n\nx", "null", "v\v", "x;y"),
		"{\"a b\",\"NULL\",\"{x}\",\"q\\\"\\\\\",é😀,\"\",\"a,b\",\"t\t\",\"n\nx\",\"null\",\"v\v\",x;y}"},
	{arrayOf("numeric", changelog.KindDecimal), array(changelog.Decimal([]byte("1.10")), changelog.NaN(), changelog.Infinite(changelog.KindDecimal, true), changelog.Infinite(changelog.KindDecimal, false)), "{1.10,NaN,Infinity,-Infinity}"},
	{arrayOf("timestamp with time zone", changelog.KindTimestamp), array(changelog.Timestamp(1714979289120000), changelog.Infinite(changelog.KindTimestamp, true),
		changelog.Timestamp(changelog.Civil{Year: -43, Month: 3, Day: 15, Hour: 10}.Micros()), changelog.Timestamp(changelog.Civil{Year: 20240, Month: 1, Day: 1}.Micros())),
		`{"2024-05-06 07:08:09.12+00",infinity,"0044-03-15 10:00:00+00 BC","20240-01-01 00:00:00+00"}`},
	{arrayOf("timestamp without time zone", changelog.KindDateTime), array(changelog.DateTime(1714979289120000), changelog.Infinite(changelog.KindDateTime, false),
		changelog.DateTime(changelog.Civil{Year: -43, Month: 3, Day: 15, Hour: 10}.Micros())), `{"2024-05-06 07:08:09.12",-infinity,"0044-03-15 10:00:00 BC"}`},
	{arrayOf("date", changelog.KindDate), each(changelog.Date, changelog.DaysFromCivil(-43, 3, 15), changelog.DaysFromCivil(20240, 1, 1)), `{"0044-03-15 BC",20240-01-01}`},
	{arrayOf("time without time zone", changelog.KindTime), each(changelog.Time, int64(86400e6), int64(25689120000)), "{24:00:00,07:08:09.12}"},
	{arrayOf("time with time zone", changelog.KindTimeTZ), array(changelog.TimeTZ(1e6, 19800)), "{00:00:01+05:30}"},
	{arrayOf("bytea", changelog.KindBytes), each(changelog.Bytes, []byte{0, 255}, []byte{}), `{"\\x00ff","\\x"}`},
	{arrayOf("interval", changelog.KindInterval), array(span(14, 0, 0), span(0, -3, 500000)), `{"1 year 2 mons","-3 days +00:00:00.5"}`},
	{arrayOf("bit(3)", changelog.KindBitString), array(changelog.BitString([]byte("101"))), "{101}"},
	{arrayOf("boolean", changelog.KindBool), array(changelog.Bool(true), changelog.Bool(false), changelog.Null()), "{t,f,NULL}"},
	{arrayOf("oid", changelog.KindUint), each(changelog.Uint, 4000000000), "{4000000000}"},
	{arrayOf("box", changelog.KindString), each(str, "(1,1),(0,0)", "(2,2),(0,0)"), "{(1,1),(0,0);(2,2),(0,0)}"},
	{arrayOf("point", changelog.KindString), each(str, "(1,2)"), `{"(1,2)"}`},
	{arrayOf("json", changelog.KindJSON), array(changelog.JSON([]byte(`{"a": 1}`))), `{"{\"a\": 1}"}`},
	{arrayOf("public.hstore", changelog.KindMap), array(changelog.Map([]changelog.Value{str("k"), str("v")}), changelog.Null()), `{"\"k\"=>\"v\"",NULL}`},
	{arrayOf("double precision", changelog.KindFloat64), each(changelog.Float64, 0.1, 1e-5, 0.0001, 1e15, 123456789012345, 999999999999999.9, math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 1e300, 12345678.9),
		"{0.1,1e-05,0.0001,1e+15,123456789012345,999999999999999.9,NaN,Infinity,-Infinity,-0,1e+300,12345678.9}"},
	{arrayOf("real", changelog.KindFloat32), each(changelog.Float32, 0.1, 1e6, 999999, 123456.7, 16777216, 1e-5, math.MaxFloat32, float32(math.Copysign(0, -1)), 0.0001),
		"{0.1,1e+06,999999,123456.7,1.6777216e+07,1e-05,3.4028235e+38,-0,0.0001}"},

	{changelog.Type{Kind: changelog.KindArray, Elem: &changelog.Column{SourceType: "public.prices", Type: arrayOf("numeric(10,2)", changelog.KindDecimal)}},
		array(array(changelog.Decimal([]byte("1.50")), changelog.Decimal([]byte("2.00"))), array()), `{"{1.50,2.00}","{}"}`},

	// Of extensions, as their input functions read it.
	{arrayOf("public.vector", changelog.KindVector), each(changelog.Vector, []byte("\x00\x00\x80\x3f\x00\x00\x20\x40")), `{"[1,2.5]"}`},
	{arrayOf("public.geometry", changelog.KindGeometry), array(changelog.Geometry(0, []byte("\x01\x01\x00\x00\x00ab")), changelog.Geometry(4326, []byte("\x01\x01\x00\x00\x00ab")), changelog.Geometry(4326, []byte("\x00\x00\x00\x00\x01ab"))),
		"{01010000006162:0101000020E61000006162:0020000001000010E66162}"},
}

func TestServerText(t *testing.T) {
	for _, c := range serverCases {
		if text, code := oneColumn(t, defaults(), "any", c.typ, c.v); text != c.want || c.typ.Kind != changelog.KindDecimal && code != "12" {
			t.Errorf("got %q of type %s, want %q", text, code, c.want)
		}
	}
}

func TestServerTextInKeys(t *testing.T) {
	free := func(texts ...string) changelog.Value {
		return each(func(s string) changelog.Value { return changelog.Decimal([]byte(s)) }, texts...)
	}
	for _, c := range []struct {
		typ  changelog.Type
		v    changelog.Value
		want string
	}{
		{changelog.Type{Kind: changelog.KindInterval}, span(14, 3, 86400e6), `{"c":"424 days"}`},
		{changelog.Type{Kind: changelog.KindInterval}, span(0, 1, -1e6), `{"c":"23:59:59"}`},
		{changelog.Type{Kind: changelog.KindInterval}, span(math.MinInt32, math.MinInt32, math.MinInt64), `{"c":"-66678745079 days -04:00:54.775808"}`},
		{changelog.Type{Kind: changelog.KindInterval}, changelog.Infinite(changelog.KindInterval, false), `{"c":"-infinity"}`},
		{changelog.Type{Kind: changelog.KindDecimal}, changelog.Decimal([]byte("-100.00")), `{"c":"-100"}`},
		{changelog.Type{Kind: changelog.KindDecimal}, changelog.Decimal([]byte("0.00")), `{"c":"0"}`},
		{changelog.Type{Kind: changelog.KindDecimal}, changelog.Decimal([]byte("100")), `{"c":"100"}`},
		{changelog.Type{Kind: changelog.KindDecimal, Precision: 5, Scale: 2}, changelog.Decimal([]byte("1.00")), `{"c":"1.00"}`},
		{changelog.Type{Kind: changelog.KindFloat32}, changelog.Float32(float32(math.Copysign(0, -1))), `{"c":"0.0"}`},
		{changelog.Type{Kind: changelog.KindTimeTZ}, changelog.TimeTZ(36000e6, 7200), `{"c":"10:00:00+02"}`},
		{arrayOf("numeric", changelog.KindDecimal), free("1.10", "2.0"), `{"c":"{1.1,2}"}`},
		{arrayOf("double precision", changelog.KindFloat64), each(changelog.Float64, math.Copysign(0, -1)), `{"c":"{0}"}`},
	} {
		table := &changelog.Table{Origin: "postgresql", Schema: "public", Name: "t", Columns: []changelog.Column{{Name: "c", Type: c.typ, SourceType: "any"}}}
		flink := defaults()
		flink.Preset("flink")
		for _, cfg := range []*Config{defaults(), flink} {
			got, err := compile(t, cfg, table, formats.Options{Key: []int{0}, Upsert: true}).AppendKey(nil, changelog.Row{c.v})
			if err != nil || string(got) != c.want {
				t.Errorf("got %s, want %s, %v", got, c.want, err)
			}
		}
	}
	table := &changelog.Table{Name: "t", Columns: []changelog.Column{{Name: "c", Type: arrayOf("text", changelog.KindString), SourceType: "text[]"}}}
	if _, err := compile(t, defaults(), table, formats.Options{Key: []int{0}}).AppendKey(nil, changelog.Row{array(str("\xff"))}); !fault.Is(err, fault.Decode) {
		t.Errorf("a key that is no text: %v", err)
	}
}

// TestSpecialValues: the preset for Flink has no words in columns that are no texts.
func TestSpecialValues(t *testing.T) {
	flink := defaults()
	flink.Preset("flink")
	for _, v := range []changelog.Value{
		changelog.NaN(), changelog.Infinite(changelog.KindDecimal, true), changelog.Infinite(changelog.KindDate, true),
		changelog.Infinite(changelog.KindTimestamp, false), changelog.Infinite(changelog.KindDateTime, false), changelog.Infinite(changelog.KindInterval, false),
	} {
		if text, _ := oneColumn(t, flink, "any", changelog.Type{Kind: v.Kind()}, v); text != null {
			t.Errorf("kind %d: %q", v.Kind(), text)
		}
		if text, _ := oneColumn(t, defaults(), "any", changelog.Type{Kind: v.Kind()}, v); !strings.EqualFold(strings.TrimPrefix(text, "-"), "infinity") && text != "NaN" {
			t.Errorf("kind %d: %q", v.Kind(), text)
		}
	}
}

func TestBrokenServerTextsAreFaults(t *testing.T) {
	odd := changelog.Map([]changelog.Value{str("k")})
	for _, v := range []changelog.Value{odd, array(odd), array(changelog.Unchanged())} {
		typ := changelog.Type{Kind: v.Kind(), Elem: &changelog.Column{Type: changelog.Type{Kind: changelog.KindMap}}}
		table := &changelog.Table{Name: "t", Columns: []changelog.Column{{Name: "c", Type: typ, SourceType: "any"}}}
		_, err := compile(t, defaults(), table, formats.Options{}).AppendValue(nil, &context, &changelog.Change{Op: changelog.Insert, After: changelog.Row{v}})
		if !fault.Is(err, fault.Internal) {
			t.Errorf("kind %d: %v", v.Kind(), err)
		}
	}
}

// TestGoldenPostgres pins whole messages, and with them the names and numbers of types.
func TestGoldenPostgres(t *testing.T) {
	table, rows := formatstest.EveryPostgresValue()
	e := compile(t, defaults(), table, formats.Options{Key: table.Key, Upsert: true})
	var out strings.Builder
	for _, row := range rows[:3] {
		key, err := e.AppendKey(nil, row)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString(string(key) + "\t" + value(t, e, &changelog.Change{Op: changelog.Update, Before: rows[3], After: row}) + "\n")
	}
	formatstest.Golden(t, "postgres.golden", []byte(out.String()))
}

func TestTimeOfALogWithoutStatementTimes(t *testing.T) {
	table := formatstest.PostgresOrders()
	e := compile(t, defaults(), table, formats.Options{Key: table.Key, Upsert: true})
	ctx := context
	ctx.Run = &changelog.Run{Table: table}
	v, err := e.AppendValue(nil, &ctx, &changelog.Change{Op: changelog.Insert, After: formatstest.OrdersRow()})
	if err != nil || !strings.Contains(string(v), `"database":"public","es":1714979289000,`) {
		t.Errorf("%s, %v", v, err)
	}
}

// FuzzServerArray reads arrays back as PostgreSQL does.
func FuzzServerArray(f *testing.F) {
	f.Add("a b", "NULL", "")
	f.Add(`{"x"}`, `\`, ",")
	f.Add("nUlL", "\v", "é😀\"")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		s := newServerText(&changelog.Type{Elem: &changelog.Column{Type: changelog.Type{Kind: changelog.KindString}, SourceType: "text"}}, false)
		v := array(str(a), changelog.Null(), str(b), str(c))
		text, err := s.append(nil, &v)
		if err != nil {
			t.Fatal(err)
		}
		got := readArray(t, string(text))
		for i, want := range []string{a, null, b, c} {
			if i >= len(got) || got[i] != want {
				t.Fatalf("%s reads back as %q", text, got)
			}
		}
	})
}

// readArray takes an array of one dimension apart: quotes, backslashes, commas, and NULL without quotes.
func readArray(t *testing.T, text string) []string {
	t.Helper()
	if !strings.HasPrefix(text, "{") || !strings.HasSuffix(text, "}") {
		t.Fatalf("no array: %q", text)
	}
	var elems []string
	for body := text[1 : len(text)-1]; ; {
		var elem strings.Builder
		quoted, inside, i := false, false, 0
		for ; i < len(body) && (inside || body[i] != ','); i++ {
			switch body[i] {
			case '\\':
				i++
				elem.WriteByte(body[i])
			case '"':
				quoted, inside = true, !inside
			default:
				elem.WriteByte(body[i])
			}
		}
		if !quoted && strings.EqualFold(elem.String(), "NULL") {
			elems = append(elems, null)
		} else {
			elems = append(elems, elem.String())
		}
		if i == len(body) {
			return elems
		}
		body = body[i+1:]
	}
}
