package debezium

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
)

func of(kind changelog.Kind) changelog.Column {
	return changelog.Column{Type: changelog.Type{Kind: kind, FSP: 6}, Nullable: true}
}

func arrayOf(source string, elem changelog.Type) changelog.Column {
	return changelog.Column{Type: changelog.Type{Kind: changelog.KindArray, Elem: &changelog.Column{Type: elem, SourceType: source}}, SourceType: source + "[]", Nullable: true}
}

func span(months, days int32, micros int64) changelog.Value {
	return changelog.Interval(make([]byte, 16), months, days, micros)
}

func str(s string) changelog.Value { return changelog.String([]byte(s)) }

func num(s string) changelog.Value { return changelog.Decimal([]byte(s)) }

// TestPostgresValuesAsDebezium holds values to what real Debezium wrote, or its documentation says.
func TestPostgresValuesAsDebezium(t *testing.T) {
	const stamp = 1714979289_123_456 // 2024-05-06 07:08:09.123456
	text := mode(func(c *Config) { c.IntervalHandlingMode, c.DecimalHandlingMode = intervalString, decimalString })
	double := mode(func(c *Config) { c.DecimalHandlingMode = decimalDouble })
	asMap := mode(func(c *Config) { c.HstoreHandlingMode = hstoreMap })
	iso := mode(func(c *Config) { c.TimePrecisionMode = timeISO })
	micros := mode(func(c *Config) { c.TimePrecisionMode = timeAdaptMic })
	flink := NewConfig()
	flink.Preset("flink")
	short := changelog.Column{Type: changelog.Type{Kind: changelog.KindTime, FSP: 3}}
	bits := func(n int, fixed bool) changelog.Column {
		return changelog.Column{Type: changelog.Type{Kind: changelog.KindBitString, Bits: n, Fixed: fixed}}
	}
	bit := func(s string) changelog.Value { return changelog.BitString([]byte(s)) }
	hstore := changelog.Map([]changelog.Value{str("k"), changelog.Null(), str(`a"😀`), str("v\u0001")})
	for _, tc := range []struct {
		cfg  *Config
		col  changelog.Column
		v    changelog.Value
		want string
	}{
		{NewConfig(), of(changelog.KindInterval), span(14, 3, 14706780000), `37091106780000`},
		{text, of(changelog.KindInterval), span(14, 3, 14706780000), `"P1Y2M3DT4H5M6.78S"`},
		{text, of(changelog.KindInterval), span(-14, 3, -14706780000), `"P-1Y-2M3DT-4H-5M-6.78S"`},
		{text, of(changelog.KindInterval), span(0, 0, -500000), `"P0Y0M0DT0H0M-0.5S"`},
		{text, of(changelog.KindInterval), span(0, 0, -60500000), `"P0Y0M0DT0H-1M-0.5S"`},
		{text, of(changelog.KindInterval), span(0, 0, -10_000_000), `"P0Y0M0DT0H0M-10S"`},
		{NewConfig(), of(changelog.KindTimeTZ), changelog.TimeTZ(32696123456, 7200), `"07:04:56.123456Z"`},
		{NewConfig(), of(changelog.KindTimeTZ), changelog.TimeTZ(84600000000, -18000), `"04:30:00Z"`},
		{NewConfig(), short, changelog.Time(25689123000), `25689123`},
		{micros, short, changelog.Time(25689123000), `25689123000`},
		{NewConfig(), of(changelog.KindTime), changelog.Time(86400000000), `86400000000`},
		{iso, of(changelog.KindTime), changelog.Time(86400000000), `"24:00:00.000000"`},
		{NewConfig(), of(changelog.KindDateTime), changelog.DateTime(stamp), `1714979289123456`},
		{NewConfig(), of(changelog.KindTimestamp), changelog.Infinite(changelog.KindTimestamp, false), `"-infinity"`},
		{iso, of(changelog.KindDate), changelog.Infinite(changelog.KindDate, true), `"infinity"`},
		{flink, of(changelog.KindDate), changelog.Infinite(changelog.KindDate, true), `null`},
		{flink, of(changelog.KindDecimal), changelog.NaN(), `null`},
		{NewConfig(), bits(2, true), bit("11"), `"Aw=="`},
		{NewConfig(), bits(7, true), bit("1000000"), `"QA=="`},
		{NewConfig(), bits(0, false), bit("101"), `"BQ=="`},
		{NewConfig(), bits(1, true), bit("1"), `true`},
		{NewConfig(), of(changelog.KindDecimal), num("10.1111"), `{"scale":4,"value":"AYr3"}`},
		{NewConfig(), of(changelog.KindDecimal), num("1.10"), `{"scale":1,"value":"Cw=="}`},
		{text, of(changelog.KindDecimal), num("10.1100"), `"10.1100"`},
		{text, of(changelog.KindDecimal), changelog.Infinite(changelog.KindDecimal, false), `"NEGATIVE_INFINITY"`},
		{double, of(changelog.KindDecimal), num("10.1111"), `10.1111`},
		{double, of(changelog.KindDecimal), changelog.NaN(), `"NaN"`},
		{NewConfig(), of(changelog.KindMap), hstore, `"{\"k\":null,\"a\\\"\uD83D\uDE00\":\"v\\u0001\"}"`},
		{asMap, of(changelog.KindMap), hstore, `{"k":null,"a\"\uD83D\uDE00":"v\u0001"}`},
		{NewConfig(), of(changelog.KindJSON), changelog.JSON([]byte(`{"a": 1}`)), `"{\"a\": 1}"`},
		{NewConfig(), changelog.Column{Type: changelog.Type{Kind: changelog.KindString}, SourceType: "point"}, str("(1,1)"), `{"x":1.0,"y":1.0,"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAPA/","srid":null}`},
		{NewConfig(), arrayOf("date", changelog.Type{Kind: changelog.KindDate}), changelog.Array([]changelog.Value{changelog.Date(19849), changelog.Null()}), `[19849,null]`},
	} {
		if got, err := renderOf(t, tc.cfg, postgres, tc.col, tc.v); err != nil || got != tc.want {
			t.Errorf("%+v: got %s, want %s, %v", tc.col.Type, got, tc.want, err)
		}
	}
}

// TestPostgresKeys: a key has one form, and another key another one.
func TestPostgresKeys(t *testing.T) {
	text := mode(func(c *Config) { c.IntervalHandlingMode, c.DecimalHandlingMode = intervalString, decimalString })
	varbit := changelog.Column{Type: changelog.Type{Kind: changelog.KindBitString}}
	for _, tc := range []struct {
		cfg  *Config
		col  changelog.Column
		v    changelog.Value
		want string
	}{
		{NewConfig(), of(changelog.KindDecimal), num("1.10"), `{"v":{"scale":1,"value":"Cw=="}}`},
		{text, of(changelog.KindDecimal), num("-1.10"), `{"v":"-1.1"}`},
		{text, of(changelog.KindDecimal), num("100.00"), `{"v":"100"}`},
		{text, of(changelog.KindDecimal), num("100"), `{"v":"100"}`},
		{NewConfig(), of(changelog.KindFloat64), changelog.Float64(math.Copysign(0, -1)), `{"v":0.0}`},
		{NewConfig(), of(changelog.KindFloat32), changelog.Float32(float32(math.Copysign(0, -1))), `{"v":0.0}`},
		{NewConfig(), of(changelog.KindTimeTZ), changelog.TimeTZ(36000000000, 7200), `{"v":"10:00:00+02:00"}`},
		{NewConfig(), of(changelog.KindTimeTZ), changelog.TimeTZ(28800500000, -1830), `{"v":"08:00:00.5-00:30:30"}`},
		{NewConfig(), of(changelog.KindInterval), span(1, -29, 3600000000), `{"v":90000000000}`},
		{text, of(changelog.KindInterval), span(1, -29, 3600000000), `{"v":"P0Y0M1DT1H0M0S"}`},
		{text, of(changelog.KindInterval), span(math.MaxInt32, 0, 0), `{"v":"P0Y0M64424509410DT0H0M0S"}`},
		{NewConfig(), varbit, changelog.BitString([]byte("0010")), `{"v":"0010"}`},
		{text, arrayOf("numeric", changelog.Type{Kind: changelog.KindDecimal}), changelog.Array([]changelog.Value{num("1.10"), changelog.Null()}), `{"v":["1.1",null]}`},
	} {
		col := tc.col
		col.Name = "v"
		table := &changelog.Table{Origin: postgres, Schema: "s", Name: "t", Columns: []changelog.Column{col}, Key: []int{0}}
		got, err := compile(t, tc.cfg, table, formats.Options{Key: table.Key, Upsert: true}).AppendKey(nil, changelog.Row{tc.v})
		if err != nil || string(got) != tc.want {
			t.Errorf("got %s, want %s, %v", got, tc.want, err)
		}
	}
}

// TestKeyInBeforeHasTheFormOfTheRow: a reader looks the old row up by its columns, not by the record key.
func TestKeyInBeforeHasTheFormOfTheRow(t *testing.T) {
	cfg := NewConfig()
	cfg.Preset("flink")
	col := of(changelog.KindDecimal)
	col.Name = "k"
	table := &changelog.Table{Origin: postgres, Schema: "s", Name: "t", Columns: []changelog.Column{col}, Key: []int{0}}
	enc := compile(t, cfg, table, formats.Options{Key: table.Key, Upsert: true})
	value, err := enc.AppendValue(nil, newContext(table), &changelog.Change{Op: changelog.Update, After: changelog.Row{num("1.10")}})
	if err != nil || !strings.HasPrefix(string(value), `{"before":{"k":"1.10"},"after":{"k":"1.10"},`) {
		t.Errorf("%s, %v", value, err)
	}
}

func TestPostgresRefusals(t *testing.T) {
	double := mode(func(c *Config) { c.DecimalHandlingMode = decimalDouble })
	nanos := mode(func(c *Config) { c.TimePrecisionMode = timeNanos })
	fixed := changelog.Column{Type: changelog.Type{Kind: changelog.KindBitString, Bits: 3, Fixed: true}}
	point := changelog.Column{Type: changelog.Type{Kind: changelog.KindString}, SourceType: "point"}
	ints := arrayOf("integer", changelog.Type{Kind: changelog.KindInt, Bits: 32})
	for _, tc := range []struct {
		cfg  *Config
		col  changelog.Column
		v    changelog.Value
		code fault.Code
	}{
		{NewConfig(), of(changelog.KindDecimal), changelog.NaN(), fault.UnsupportedType},
		{NewConfig(), of(changelog.KindInterval), span(math.MaxInt32, 0, 0), fault.UnsupportedType},
		{double, of(changelog.KindDecimal), num("1" + strings.Repeat("0", 400)), fault.UnsupportedType},
		{double, of(changelog.KindDecimal), num("x"), fault.Internal},
		{nanos, of(changelog.KindDateTime), changelog.DateTime(10_000_000_000_000_000), fault.UnsupportedType},
		{NewConfig(), fixed, changelog.BitString([]byte("1")), fault.Internal},
		{NewConfig(), fixed, changelog.BitString([]byte("12x")), fault.Internal},
		{NewConfig(), point, str("1,2"), fault.Internal},
		{NewConfig(), point, str("(1;2)"), fault.Internal},
		{NewConfig(), ints, changelog.Array([]changelog.Value{str("1")}), fault.Internal},
		{NewConfig(), ints, changelog.Array([]changelog.Value{changelog.Unchanged()}), fault.Internal},
		{NewConfig(), of(changelog.KindMap), changelog.Map([]changelog.Value{str("k")}), fault.Internal},
		{NewConfig(), of(changelog.KindMap), changelog.Map([]changelog.Value{str("k"), changelog.Int(1)}), fault.Internal},
		{NewConfig(), of(changelog.KindInt), changelog.Unchanged(), fault.SourceSettings},
		{NewConfig(), arrayOf("numeric", changelog.Type{Kind: changelog.KindDecimal}), changelog.Unchanged(), fault.SourceSettings},
		{NewConfig(), arrayOf("odd", changelog.Type{}), changelog.Null(), fault.UnsupportedType},
		{NewConfig(), changelog.Column{Type: changelog.Type{Kind: changelog.KindArray}}, changelog.Null(), fault.Internal},
	} {
		col := tc.col
		col.Name = "v"
		table := &changelog.Table{Origin: postgres, Database: "d", Schema: "s", Name: "t", Columns: []changelog.Column{col}}
		enc, err := tc.cfg.Format(formats.Env{}).Compile(table, formats.Options{})
		if err == nil {
			_, err = enc.AppendValue(nil, newContext(table), &changelog.Change{Op: changelog.Insert, After: changelog.Row{tc.v}})
		}
		if !fault.Is(err, tc.code) || !strings.Contains(err.Error(), "s.t") {
			t.Errorf("kind %d: %v, want %s", tc.v.Kind(), err, tc.code)
		}
		if tc.code == fault.SourceSettings && !strings.Contains(err.Error(), "ALTER TABLE s.t REPLICA IDENTITY FULL") {
			t.Errorf("no remedy: %v", err)
		}
	}
}

// TestUnavailableOfPostgres: in a changelog Debezium's placeholders stand for what the log did not carry.
func TestUnavailableOfPostgres(t *testing.T) {
	hexed := mode(func(c *Config) { c.BinaryHandlingMode, c.HstoreHandlingMode = binaryHex, hstoreMap })
	var codes []int
	for _, ch := range NewConfig().UnavailableValuePlaceholder {
		codes = append(codes, int(ch))
	}
	numbers, _ := json.Marshal(codes) // numbers have always a form
	for _, tc := range []struct {
		cfg  *Config
		col  changelog.Column
		want string
	}{
		{NewConfig(), arrayOf("text", changelog.Type{Kind: changelog.KindString}), `["__debezium_unavailable_value"]`},
		{NewConfig(), arrayOf("bytea", changelog.Type{Kind: changelog.KindBytes}), `["X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="]`},
		{NewConfig(), arrayOf("integer", changelog.Type{Kind: changelog.KindInt}), string(numbers)},
		{NewConfig(), arrayOf("date", changelog.Type{Kind: changelog.KindDate}), string(numbers)},
		{NewConfig(), arrayOf("uuid", changelog.Type{Kind: changelog.KindString}), `["b68a35a7-17ad-35b3-af2a-ae46edb4545a"]`},
		{NewConfig(), of(changelog.KindMap), `"{\"__debezium_unavailable_value\":\"__debezium_unavailable_value\"}"`},
		{hexed, of(changelog.KindMap), `{"__debezium_unavailable_value":"__debezium_unavailable_value"}`},
		{hexed, of(changelog.KindBytes), `"__debezium_unavailable_value"`},
	} {
		if got, err := renderOf(t, tc.cfg, postgres, tc.col, changelog.Unchanged()); err != nil || got != tc.want {
			t.Errorf("%s: got %s, want %s, %v", tc.col.SourceType, got, tc.want, err)
		}
	}
}

func TestPostgresKeysThatWouldMergeAreRefused(t *testing.T) {
	double := mode(func(c *Config) { c.DecimalHandlingMode = decimalDouble })
	connect := mode(func(c *Config) { c.TimePrecisionMode = timeConnect })
	for _, tc := range []struct {
		cfg *Config
		col changelog.Column
	}{
		{double, of(changelog.KindDecimal)},
		{double, arrayOf("numeric", changelog.Type{Kind: changelog.KindDecimal})},
		{connect, arrayOf("time", changelog.Type{Kind: changelog.KindTime, FSP: 6})},
	} {
		col := tc.col
		col.Name = "v"
		table := &changelog.Table{Origin: postgres, Name: "t", Columns: []changelog.Column{col}}
		if _, err := tc.cfg.Format(formats.Env{}).Compile(table, formats.Options{Key: []int{0}, Upsert: true}); !fault.Is(err, fault.Config) {
			t.Errorf("%s: %v", col.SourceType, err)
		}
	}
}

// TestDecimalKeysAreNoSchemas: a key of two decimals with the names of the schema wrapper.
func TestDecimalKeysAreNoSchemas(t *testing.T) {
	table := &changelog.Table{Origin: postgres, Schema: "s", Name: "t", Key: []int{0, 1}}
	for _, name := range []string{"schema", "payload"} {
		col := of(changelog.KindDecimal)
		col.Name = name
		table.Columns = append(table.Columns, col)
	}
	key, err := compile(t, NewConfig(), table, formats.Options{Key: table.Key, Upsert: true}).AppendKey(nil, changelog.Row{num("1.5"), num("2")})
	if err != nil {
		t.Fatal(err)
	}
	ev, err := NewConfig().Decoder().Decode(key, nil)
	if err != nil || len(ev.Key) != 2 || ev.Key[0].Name != "schema" || string(ev.Key[1].JSON) != `{"scale":0,"value":"Ag=="}` {
		t.Errorf("%+v, %v", ev, err)
	}
}

// FuzzPostgresTexts: whatever a text of the server looks like, it becomes valid JSON or a fault.
func FuzzPostgresTexts(f *testing.F) {
	for _, s := range []string{"", ".", "0.", "-1.10", "1e5", "(1,2)", "(,)", "(NaN,-Infinity)", "(1e400,0)", "0101", strings.Repeat("1", 99), "\xff"} {
		f.Add([]byte(s))
	}
	double := mode(func(c *Config) { c.DecimalHandlingMode = decimalDouble })
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, v := range []changelog.Value{changelog.Decimal(text), changelog.String(text), changelog.BitString(text)} {
			col := of(v.Kind())
			if v.Kind() == changelog.KindString {
				col.SourceType = "point"
			}
			for _, cfg := range []*Config{NewConfig(), double} {
				if got, err := renderOf(t, cfg, postgres, col, v); err != nil && fault.As(err) == nil || err == nil && !json.Valid([]byte(got)) {
					t.Errorf("kind %d: %q gives %s, %v", v.Kind(), text, got, err)
				}
			}
		}
	})
}
