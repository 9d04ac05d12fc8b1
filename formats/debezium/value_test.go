package debezium

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
)

// render writes one value in a column of its own.
func render(t *testing.T, cfg *Config, c changelog.Column, v changelog.Value) (string, error) {
	t.Helper()
	return renderOf(t, cfg, "mysql", c, v)
}

func renderOf(t *testing.T, cfg *Config, origin string, c changelog.Column, v changelog.Value) (string, error) {
	t.Helper()
	c.Name = "v"
	table := &changelog.Table{Origin: origin, Database: "d", Schema: "s", Name: "t", Columns: []changelog.Column{c}}
	enc := compile(t, cfg, table, formats.Options{})
	value, err := enc.AppendValue(nil, newContext(table), &changelog.Change{Op: changelog.Insert, After: changelog.Row{v}})
	if err != nil {
		return "", err
	}
	var doc struct{ After struct{ V json.RawMessage } }
	if err := json.Unmarshal(value, &doc); err != nil {
		t.Fatalf("%s: %v", value, err)
	}
	return string(doc.After.V), nil
}

func mode(edit func(*Config)) *Config {
	c := NewConfig()
	edit(c)
	return c
}

// TestValuesAsDebezium holds values to what real Debezium wrote.
func TestValuesAsDebezium(t *testing.T) {
	dec := func(scale int, text string) (changelog.Column, changelog.Value) {
		return changelog.Column{Type: changelog.Type{Kind: changelog.KindDecimal, Precision: 65, Scale: scale}}, changelog.Decimal([]byte(text))
	}
	of := func(kind changelog.Kind, fsp int) changelog.Column {
		return changelog.Column{Type: changelog.Type{Kind: kind, FSP: fsp}, Nullable: true}
	}
	const stamp = 1714979289_123_456 // 2024-05-06 07:08:09.123456
	const clock = 25689_123_456      // 07:08:09.123456
	adaptive, iso := NewConfig(), mode(func(c *Config) { c.TimePrecisionMode = timeISO })
	connect, nanos := mode(func(c *Config) { c.TimePrecisionMode = timeConnect }), mode(func(c *Config) { c.TimePrecisionMode = timeNanos })
	for text, want := range map[string]string{
		"12.34": "BNI=", "-1.23": "hQ==", "0.00": "AA==", "1.10": "bg==", "19.99": "B88=", "2.00": "AMg=", "-1.28": "gA==",
	} {
		c, v := dec(2, text)
		if got, err := render(t, adaptive, c, v); err != nil || got != `"`+want+`"` {
			t.Errorf("%s: got %s, want %s, %v", text, got, want, err)
		}
	}
	big := changelog.Column{Type: changelog.Type{Kind: changelog.KindUint, Bits: 64}, SourceType: "bigint unsigned"}
	bit10 := changelog.Column{Type: changelog.Type{Kind: changelog.KindBits, Bits: 10}}
	floatMD := changelog.Column{Type: changelog.Type{Kind: changelog.KindFloat32}, SourceType: "float(7,4)"}
	raw := changelog.Column{Type: changelog.Type{Kind: changelog.KindBytes}}
	notNull := of(changelog.KindDateTime, 0)
	notNull.Nullable = false
	stampNotNull := of(changelog.KindTimestamp, 3)
	stampNotNull.Nullable = false
	for _, tc := range []struct {
		cfg  *Config
		col  changelog.Column
		v    changelog.Value
		want string
	}{
		{adaptive, big, changelog.Uint(1<<64 - 1), `-1`},
		{mode(func(c *Config) { c.BigintUnsignedHandlingMode = bigintPrecise }), big, changelog.Uint(1<<64 - 1), `"AP//////////"`},
		{mode(func(c *Config) { c.BigintUnsignedHandlingMode = bigintString }), big, changelog.Uint(1<<64 - 1), `"18446744073709551615"`},
		{adaptive, bit10, changelog.Bits(0x201), `"AQI="`},
		{adaptive, floatMD, changelog.Float32(999.9999), `999.9998779296875`},
		{adaptive, of(changelog.KindFloat32, 0), changelog.Float32(3.4028235e38), `3.4028235E38`},
		{adaptive, raw, changelog.Bytes([]byte{0, 1, 255}), `"AAH/"`},
		{mode(func(c *Config) { c.BinaryHandlingMode = binaryURL }), raw, changelog.Bytes([]byte{0, 1, 255}), `"AAH_"`},
		{mode(func(c *Config) { c.BinaryHandlingMode = binaryHex }), raw, changelog.Bytes([]byte{0, 1, 255}), `"0001ff"`},
		{adaptive, of(changelog.KindDate, 0), changelog.Date(19849), `19849`},
		{iso, of(changelog.KindDate, 0), changelog.Date(19849), `"2024-05-06Z"`},
		{adaptive, of(changelog.KindTime, 6), changelog.Time(clock), `25689123456`},
		{connect, of(changelog.KindTime, 3), changelog.Time(clock), `25689123`},
		{nanos, of(changelog.KindTime, 6), changelog.Time(clock), `25689123456000`},
		{iso, of(changelog.KindTime, 6), changelog.Time(clock), `"07:08:09.123456Z"`},
		{adaptive, of(changelog.KindDateTime, 3), changelog.DateTime(stamp - 456), `1714979289123`},
		{adaptive, of(changelog.KindDateTime, 6), changelog.DateTime(stamp), `1714979289123456`},
		{connect, of(changelog.KindDateTime, 6), changelog.DateTime(stamp), `1714979289123`},
		{nanos, of(changelog.KindDateTime, 6), changelog.DateTime(stamp), `1714979289123456000`},
		{iso, of(changelog.KindDateTime, 6), changelog.DateTime(stamp), `"2024-05-06T07:08:09.123456Z"`},
		{adaptive, of(changelog.KindDateTime, 0), changelog.DateTime(-1_500_000), `-1500`},
		{adaptive, of(changelog.KindTimestamp, 3), changelog.Timestamp(1714979289_120_000), `"2024-05-06T07:08:09.120Z"`},
		{adaptive, of(changelog.KindDateTime, 0), changelog.ZeroParts(changelog.KindDateTime, changelog.Civil{}), `null`},
		{adaptive, notNull, changelog.ZeroParts(changelog.KindDateTime, changelog.Civil{Year: 2024, Month: 5}), `0`},
		{adaptive, stampNotNull, changelog.ZeroParts(changelog.KindTimestamp, changelog.Civil{}), `"1970-01-01T00:00:00Z"`},
		{adaptive, of(changelog.KindJSON, 0), changelog.JSON([]byte(`{"a": [1, 2.5]}`)), `"{\"a\":[1,2.5]}"`},
	} {
		if got, err := render(t, tc.cfg, tc.col, tc.v); err != nil || got != tc.want {
			t.Errorf("%+v: got %s, want %s, %v", tc.col.Type, got, tc.want, err)
		}
	}
	point := changelog.Geometry(0, []byte("\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x00\x00\x00\x00\x00\x00\x40"))
	got, err := render(t, adaptive, changelog.Column{Type: changelog.Type{Kind: changelog.KindGeometry}, SourceType: "point"}, point)
	if want := `{"x":1.0,"y":2.0,"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAABA","srid":null}`; err != nil || got != want {
		t.Errorf("got %s, want %s, %v", got, want, err)
	}
}

// TestDecimalAgreesWithBigInt covers every width, also wider than any MySQL column.
func TestDecimalAgreesWithBigInt(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		digits := rapid.StringMatching(`[0-9]{1,100}`).Draw(rt, "digits")
		scale := rapid.IntRange(0, len(digits)-1).Draw(rt, "scale")
		text := digits
		if scale > 0 {
			text = digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
		}
		want, _ := new(big.Int).SetString(digits, 10)
		if rapid.Bool().Draw(rt, "negative") {
			text, want = "-"+text, want.Neg(want)
		}
		got, err := render(t, NewConfig(), changelog.Column{Type: changelog.Type{Kind: changelog.KindDecimal, Precision: 100, Scale: scale}}, changelog.Decimal([]byte(text)))
		if err != nil {
			rt.Fatal(err)
		}
		raw, err := base64.StdEncoding.Strict().DecodeString(strings.Trim(got, `"`))
		if err != nil {
			rt.Fatal(err)
		}
		n := new(big.Int).SetBytes(raw)
		if raw[0] >= 0x80 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(raw))))
		}
		if n.Cmp(want) != 0 {
			rt.Fatalf("%s became %s = %s", text, got, n)
		}
		bits := want.BitLen()
		if want.Sign() < 0 {
			bits = new(big.Int).Not(want).BitLen()
		}
		if len(raw) != bits/8+1 {
			rt.Fatalf("%s took %d bytes for %d bits and a sign", text, len(raw), bits)
		}
	})
}

// TestDecimalsOfEachSize has the smallest and the largest numbers of each number of bytes.
func TestDecimalsOfEachSize(t *testing.T) {
	for shift := range 64 {
		for n := int64(1)<<shift - 2; n <= int64(1)<<shift; n++ {
			for _, n := range []int64{n, -n} {
				var raw [8]byte
				binary.BigEndian.PutUint64(raw[:], uint64(n))
				want := `"` + base64.StdEncoding.EncodeToString(minimalBytes(raw[:])) + `"`
				if got, err := appendUnscaled(nil, strconv.AppendInt(nil, n, 10), 0); err != nil || string(got) != want {
					t.Fatalf("%d: %s, %v, want %s", n, got, err, want)
				}
			}
		}
	}
}

// TestValuesWithoutFormAreRefused has one row for every refusal.
func TestValuesWithoutFormAreRefused(t *testing.T) {
	typ := func(kind changelog.Kind, scale int) changelog.Column {
		return changelog.Column{Type: changelog.Type{Kind: kind, Precision: 65, Scale: scale}, SourceType: "point"}
	}
	double := mode(func(c *Config) { c.DecimalHandlingMode = decimalDouble })
	connect := mode(func(c *Config) { c.TimePrecisionMode = timeConnect })
	nanos := mode(func(c *Config) { c.TimePrecisionMode = timeNanos })
	for _, tc := range []struct {
		cfg  *Config
		col  changelog.Column
		v    changelog.Value
		code fault.Code
	}{
		{NewConfig(), typ(changelog.KindDecimal, 2), changelog.Decimal([]byte("1.2")), fault.Internal},
		{NewConfig(), typ(changelog.KindDecimal, 0), changelog.Decimal([]byte("1.2")), fault.Internal},
		{NewConfig(), typ(changelog.KindDecimal, 0), changelog.Decimal([]byte("NaN")), fault.Internal},
		{NewConfig(), typ(changelog.KindDecimal, 0), changelog.Decimal(nil), fault.Internal},
		{NewConfig(), typ(changelog.KindDecimal, 0), changelog.Decimal([]byte(strings.Repeat("1", 90) + "x")), fault.Internal},
		{double, typ(changelog.KindDecimal, 0), changelog.Decimal([]byte("x")), fault.Internal},
		{connect, typ(changelog.KindTime, 0), changelog.Time(-1), fault.UnsupportedType},
		{connect, typ(changelog.KindTime, 0), changelog.Time(microsPerDay + 1), fault.UnsupportedType},
		{nanos, typ(changelog.KindDateTime, 0), changelog.DateTime(10_000_000_000_000_000), fault.UnsupportedType},
		{NewConfig(), typ(changelog.KindDecimal, 0), changelog.Infinite(changelog.KindDecimal, false), fault.UnsupportedType},
		{NewConfig(), typ(changelog.KindDecimal, 0), changelog.NaN(), fault.UnsupportedType},
		{NewConfig(), typ(changelog.KindGeometry, 0), changelog.Geometry(0, []byte{1, 1}), fault.Internal},
		{NewConfig(), typ(changelog.KindGeometry, 0), changelog.Geometry(0, make([]byte, 21)), fault.Internal},
		{NewConfig(), typ(changelog.KindVector, 0), changelog.Vector(make([]byte, 5)), fault.Internal},
		{NewConfig(), typ(changelog.KindInt, 0), changelog.Unchanged(), fault.SourceSettings},
	} {
		if got, err := render(t, tc.cfg, tc.col, tc.v); !fault.Is(err, tc.code) {
			t.Errorf("kind %d: got %s, %v, want %s", tc.v.Kind(), got, err, tc.code)
		}
	}
}

// TestUnchangedInAChangelog: only a compacted topic must be complete; elsewhere Debezium's placeholder says it.
func TestUnchangedInAChangelog(t *testing.T) {
	for _, tc := range []struct {
		cfg  *Config
		kind changelog.Kind
		want string
	}{
		{NewConfig(), changelog.KindString, `"__debezium_unavailable_value"`},
		{NewConfig(), changelog.KindJSON, `"__debezium_unavailable_value"`},
		{NewConfig(), changelog.KindBytes, `"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="`},
		{mode(func(c *Config) { c.BinaryHandlingMode = binaryHex }), changelog.KindBytes, fmt.Sprintf("%q", NewConfig().UnavailableValuePlaceholder)},
	} {
		if got, err := render(t, tc.cfg, changelog.Column{Type: changelog.Type{Kind: tc.kind}}, changelog.Unchanged()); err != nil || got != tc.want {
			t.Errorf("kind %d: got %s, want %s, %v", tc.kind, got, tc.want, err)
		}
	}
}

func TestKeysThatWouldMergeAreRefused(t *testing.T) {
	compileKey := func(cfg *Config, typ changelog.Type, upsert bool) error {
		table := &changelog.Table{Origin: "mysql", Name: "t", Columns: []changelog.Column{{Name: "k", Type: typ}}, Key: []int{0}}
		_, err := cfg.Format(formats.Env{}).Compile(table, formats.Options{Key: table.Key, Upsert: upsert})
		return err
	}
	double := mode(func(c *Config) { c.DecimalHandlingMode = decimalDouble })
	connect := mode(func(c *Config) { c.TimePrecisionMode = timeConnect })
	long := changelog.Type{Kind: changelog.KindDecimal, Precision: 16}
	fine := changelog.Type{Kind: changelog.KindDateTime, FSP: 6}
	if err := compileKey(double, long, true); !fault.Is(err, fault.Config) {
		t.Errorf("double: %v", err)
	}
	if err := compileKey(connect, fine, true); !fault.Is(err, fault.Config) {
		t.Errorf("connect: %v", err)
	}
	if err := compileKey(double, long, false); err != nil {
		t.Errorf("double in a changelog: %v", err)
	}
	if err := compileKey(NewConfig(), long, true); err != nil {
		t.Errorf("precise: %v", err)
	}
}

func TestShapesWithoutFormAreRefused(t *testing.T) {
	column := []changelog.Column{{Name: "k", Type: changelog.Type{Kind: changelog.KindInt}}}
	for _, tc := range []struct {
		table changelog.Table
		key   []int
		code  fault.Code
	}{
		{changelog.Table{Origin: "oracle", Columns: column}, nil, fault.UnsupportedType},
		{changelog.Table{Origin: "mysql"}, nil, fault.SchemaUnknown},
		{changelog.Table{Origin: "mysql", Columns: column}, []int{1}, fault.Internal},
		{changelog.Table{Origin: "mysql", Columns: []changelog.Column{{Name: "x", SourceType: "odd"}}}, nil, fault.UnsupportedType},
		{changelog.Table{Origin: "mysql", Columns: []changelog.Column{{Name: "x", Type: changelog.Type{Kind: changelog.KindBits, Bits: 65}}}}, nil, fault.Internal},
		{changelog.Table{Origin: "mysql", Columns: []changelog.Column{{Name: "x", Type: changelog.Type{Kind: changelog.KindUint}}}}, nil, fault.Internal},
	} {
		if _, err := NewConfig().Format(formats.Env{}).Compile(&tc.table, formats.Options{Key: tc.key}); !fault.Is(err, tc.code) {
			t.Errorf("got %v, want %s", err, tc.code)
		}
	}
}

func TestKeyInBeforeNeedsAKey(t *testing.T) {
	cfg := NewConfig()
	cfg.Preset("flink")
	table := &changelog.Table{Origin: "mysql", Columns: []changelog.Column{{Name: "k", Type: changelog.Type{Kind: changelog.KindInt}}}}
	enc := compile(t, cfg, table, formats.Options{})
	ch := changelog.Change{Op: changelog.Update, After: changelog.Row{changelog.Int(1)}}
	if _, err := enc.AppendValue(nil, newContext(table), &ch); !fault.Is(err, fault.NoKey) {
		t.Errorf("got %v", err)
	}
}

func TestTimesLineUp(t *testing.T) {
	for micros, want := range map[int64]string{
		1714979289_123_456: `1714979289123,"ts_us":1714979289123456,"ts_ns":1714979289123456000`,
		1e15 - 1:           `999999999999,"ts_us":999999999999999,"ts_ns":999999999999999000`,
		1e15:               `1000000000000,"ts_us":1000000000000000,"ts_ns":1000000000000000000`,
		1e16 - 1:           `9999999999999,"ts_us":9999999999999999,"ts_ns":9999999999999999000`,
		1e16:               `10000000000000,"ts_us":10000000000000000,"ts_ns":10000000000000000000`,
		1000:               `1,"ts_us":1000,"ts_ns":1000000`,
		999:                `0,"ts_us":999,"ts_ns":999000`,
		0:                  `0,"ts_us":0,"ts_ns":0`,
		-1:                 `-1,"ts_us":-1,"ts_ns":-1000`,
	} {
		if got := string(appendTimes(nil, micros, `,"ts_us":`)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestConfigReportsEveryProblem(t *testing.T) {
	errs := (&Config{DecimalHandlingMode: "exact", TimePrecisionMode: "adaptive_time"}).Validate()
	var keys []string
	for _, err := range errs {
		key, _, _ := strings.Cut(err.Error(), ":")
		keys = append(keys, key)
	}
	if got, want := strings.Join(keys, " "), "decimal_handling_mode time_precision_mode binary_handling_mode bigint_unsigned_handling_mode interval_handling_mode hstore_handling_mode special_values schema_name_adjustment_mode field_name_adjustment_mode topic_transaction topic_heartbeat_prefix skipped_operations"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
