package canal

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

const null = "\x00null"

// What a real Canal 1.1.7 wrote for these values of a MySQL 9.7, except for what it destroys.
var valueCases = []struct {
	source  string
	typ     changelog.Type
	v       changelog.Value
	text    string // decoded JSON string, or null
	sqlType string
}{
	{"tinyint", changelog.Type{Kind: changelog.KindInt, Bits: 8}, changelog.Int(-128), "-128", "-6"},
	{"tinyint(1)", changelog.Type{Kind: changelog.KindInt, Bits: 8}, changelog.Int(1), "1", "-6"},
	{"tinyint unsigned", changelog.Type{Kind: changelog.KindUint, Bits: 8}, changelog.Uint(127), "127", "-6"},
	{"tinyint unsigned", changelog.Type{Kind: changelog.KindUint, Bits: 8}, changelog.Uint(128), "128", "5"},
	{"tinyint unsigned", changelog.Type{Kind: changelog.KindUint, Bits: 8}, changelog.Null(), null, "-6"},
	{"smallint", changelog.Type{Kind: changelog.KindInt, Bits: 16}, changelog.Int(-1), "-1", "5"},
	{"smallint unsigned", changelog.Type{Kind: changelog.KindUint, Bits: 16}, changelog.Uint(65535), "65535", "4"},
	{"mediumint", changelog.Type{Kind: changelog.KindInt, Bits: 24}, changelog.Int(-8388608), "-8388608", "4"},
	{"mediumint unsigned", changelog.Type{Kind: changelog.KindUint, Bits: 24}, changelog.Uint(16777215), "16777215", "4"},
	{"int", changelog.Type{Kind: changelog.KindInt, Bits: 32}, changelog.Int(-2147483648), "-2147483648", "4"},
	{"int unsigned", changelog.Type{Kind: changelog.KindUint, Bits: 32}, changelog.Uint(2147483647), "2147483647", "4"},
	{"int unsigned", changelog.Type{Kind: changelog.KindUint, Bits: 32}, changelog.Uint(4294967295), "4294967295", "-5"},
	{"bigint", changelog.Type{Kind: changelog.KindInt, Bits: 64}, changelog.Int(math.MinInt64), "-9223372036854775808", "-5"},
	{"bigint unsigned", changelog.Type{Kind: changelog.KindUint, Bits: 64}, changelog.Uint(math.MaxInt64), "9223372036854775807", "-5"},
	{"bigint unsigned", changelog.Type{Kind: changelog.KindUint, Bits: 64}, changelog.Uint(math.MaxUint64), "18446744073709551615", "3"},
	{"float", changelog.Type{Kind: changelog.KindFloat32}, changelog.Float32(-3.4e38), "-3.4E38", "7"},
	{"float", changelog.Type{Kind: changelog.KindFloat32}, changelog.Float32(0.1), "0.1", "7"},
	{"double", changelog.Type{Kind: changelog.KindFloat64}, changelog.Float64(1e7), "1.0E7", "8"},
	{"double", changelog.Type{Kind: changelog.KindFloat64}, changelog.Float64(math.MaxFloat64), "1.7976931348623157E308", "8"},
	{"decimal(10,2)", changelog.Type{Kind: changelog.KindDecimal, Precision: 10, Scale: 2}, changelog.Decimal([]byte("1.00")), "1.00", "3"},
	{"decimal(10,2)", changelog.Type{Kind: changelog.KindDecimal, Precision: 10, Scale: 2}, changelog.Decimal([]byte("-99999999.99")), "-99999999.99", "3"},
	{"bit(5)", changelog.Type{Kind: changelog.KindBits, Bits: 5}, changelog.Bits(31), "31", "-7"},
	{"bit(64)", changelog.Type{Kind: changelog.KindBits, Bits: 64}, changelog.Bits(math.MaxUint64), "18446744073709551615", "-7"},
	{"year", changelog.Type{Kind: changelog.KindInt, Bits: 16, Year: true}, changelog.Int(1901), "1901", "12"},
	{"year", changelog.Type{Kind: changelog.KindInt, Bits: 16, Year: true}, changelog.Int(0), "0000", "12"},
	{"date", changelog.Type{Kind: changelog.KindDate}, changelog.Date(19849), "2024-05-06", "91"},
	{"date", changelog.Type{Kind: changelog.KindDate}, changelog.ZeroParts(changelog.KindDate, changelog.Civil{}), "0000-00-00", "91"},
	{"date", changelog.Type{Kind: changelog.KindDate}, changelog.ZeroParts(changelog.KindDate, changelog.Civil{Year: 2024}), "2024-00-00", "91"},
	{"date", changelog.Type{Kind: changelog.KindDate}, changelog.Infinite(changelog.KindDate, false), "-infinity", "91"},
	{"time(3)", changelog.Type{Kind: changelog.KindTime, FSP: 3}, changelog.Time(25689120000), "07:08:09.120", "92"},
	{"time", changelog.Type{Kind: changelog.KindTime}, changelog.Time(-3020399000000), "-838:59:59", "92"},
	{"time(3)", changelog.Type{Kind: changelog.KindTime, FSP: 3}, changelog.Time(-1000), "-00:00:00.001", "92"},
	{"time(6)", changelog.Type{Kind: changelog.KindTime, FSP: 6}, changelog.Time(86400000001), "24:00:00.000001", "92"},
	{"datetime(1)", changelog.Type{Kind: changelog.KindDateTime, FSP: 1}, changelog.DateTime(1714979289100000), "2024-05-06 07:08:09.1", "93"},
	{"datetime(3)", changelog.Type{Kind: changelog.KindDateTime, FSP: 3}, changelog.ZeroParts(changelog.KindDateTime, changelog.Civil{}), "0000-00-00 00:00:00.000", "93"},
	{"timestamp", changelog.Type{Kind: changelog.KindTimestamp}, changelog.Timestamp(1714979289000000), "2024-05-06 07:08:09", "93"},
	{"timestamp(6)", changelog.Type{Kind: changelog.KindTimestamp, FSP: 6}, changelog.ZeroParts(changelog.KindTimestamp, changelog.Civil{}), "0000-00-00 00:00:00.000000", "93"},
	{"timestamp", changelog.Type{Kind: changelog.KindTimestamp}, changelog.Infinite(changelog.KindTimestamp, true), "infinity", "93"},
	{"char(8)", changelog.Type{Kind: changelog.KindString, Length: 8, Fixed: true}, str("a\"\\\u2028é😀"), "a\"\\\u2028é😀", "1"},
	{"varchar(32)", changelog.Type{Kind: changelog.KindString, Length: 32}, str(""), "", "12"},
	{"varchar(32)", changelog.Type{Kind: changelog.KindString, Length: 32}, str("null"), "null", "12"},
	{"tinytext", changelog.Type{Kind: changelog.KindString}, str("\x00\x0b\n"), "\x00\x0b\n", "2005"},
	{"longtext", changelog.Type{Kind: changelog.KindString}, changelog.Null(), null, "2005"},
	{"enum('a','b')", changelog.Type{Kind: changelog.KindEnum, Labels: []string{"a", "b"}}, changelog.Enum(2, []byte("b")), "2", "4"},
	{"enum('a','b')", changelog.Type{Kind: changelog.KindEnum, Labels: []string{"a", "b"}}, changelog.Enum(0, nil), "0", "4"},
	{"set('a','b','c')", changelog.Type{Kind: changelog.KindSet, Labels: []string{"a", "b", "c"}}, changelog.Set(5, []byte("a,c")), "5", "-7"},
	{"set('a','b','c')", changelog.Type{Kind: changelog.KindSet, Labels: []string{"a", "b", "c"}}, changelog.Null(), null, "2004"},
	{"json", changelog.Type{Kind: changelog.KindJSON}, changelog.JSON([]byte(`{"a": [1, "x"]}`)), `{"a": [1, "x"]}`, "12"},
	{"json", changelog.Type{Kind: changelog.KindJSON}, changelog.JSON([]byte(`null`)), `null`, "12"},
	{"json", changelog.Type{Kind: changelog.KindJSON}, changelog.Null(), null, "1111"},
	{"binary(4)", changelog.Type{Kind: changelog.KindBytes, Length: 4, Fixed: true}, changelog.Bytes([]byte{1, 0, 0, 0}), "\u0001\x00\x00\x00", "2004"},
	{"blob", changelog.Type{Kind: changelog.KindBytes}, changelog.Bytes([]byte{0xe4, 0x22, 0x7f, 0x80, 0xff}), "ä\"\u007f\u0080ÿ", "2004"},
	{"blob", changelog.Type{Kind: changelog.KindBytes}, changelog.Null(), null, "2004"},
	{"point", changelog.Type{Kind: changelog.KindGeometry}, changelog.Geometry(4326, []byte{1, 1, 0, 0, 0}), "\u00e6\u0010\x00\x00\x01\x01\x00\x00\x00", "2004"},
	{"vector(2)", changelog.Type{Kind: changelog.KindVector}, changelog.Vector([]byte{0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0}), "[1.0,-2.5]", "12"},
	{"vector(2)", changelog.Type{Kind: changelog.KindVector}, changelog.Vector(nil), "[]", "12"},
	{"boolean", changelog.Type{Kind: changelog.KindBool}, changelog.Bool(true), "true", "16"},
}

// oneColumn encodes an insert of one value and gives its text and its type's code.
func oneColumn(t *testing.T, c *Config, source string, typ changelog.Type, v changelog.Value) (string, string) {
	t.Helper()
	table := &changelog.Table{Database: "d", Name: "t", Columns: []changelog.Column{{Name: "c", Type: typ, SourceType: source}}}
	raw := value(t, compile(t, c, table, formats.Options{}), &changelog.Change{Op: changelog.Insert, After: changelog.Row{v}})
	var m struct {
		Data      []map[string]*string
		SQLType   map[string]json.Number
		MySQLType map[string]string
	}
	if err := json.Unmarshal([]byte(raw), &m); err != nil {
		t.Fatal(err)
	}
	if m.MySQLType["c"] != source {
		t.Errorf("mysqlType %q, want %q", m.MySQLType["c"], source)
	}
	if text := m.Data[0]["c"]; text != nil {
		return *text, m.SQLType["c"].String()
	}
	return null, m.SQLType["c"].String()
}

func TestValuesAreCanals(t *testing.T) {
	for _, c := range valueCases {
		text, code := oneColumn(t, defaults(), c.source, c.typ, c.v)
		if text != c.text || code != c.sqlType {
			t.Errorf("%s: %q of type %s, want %q of type %s", c.source, text, code, c.text, c.sqlType)
		}
	}
}

func TestTextIsEscapedAsCanalDoes(t *testing.T) {
	e := compile(t, defaults(), pairs(), formats.Options{})
	v := value(t, e, &changelog.Change{Op: changelog.Insert,
		After: changelog.Row{changelog.Int(1), str("\b\t\n\f\r\"\\"), str("\x0b\x1f/<>&\x7f\u0080\u2028😀"), changelog.Null()}})
	if want := `"region":"\b\t\n\f\r\"\\","no\"te":"\u000b\u001f/<>&` + "\x7f\u0080\u2028😀" + `","total":null}`; !strings.Contains(v, want) {
		t.Errorf("got  %s\nwant %s", v, want)
	}
}

func TestValuesOfOptions(t *testing.T) {
	flink := defaults()
	if !flink.Preset("flink") {
		t.Fatal("no preset flink")
	}
	shanghai, tokyo := defaults(), defaults()
	shanghai.Timezone, tokyo.Timezone = "Asia/Shanghai", "+09:00"
	stamp := changelog.Type{Kind: changelog.KindTimestamp, FSP: 3}
	geometry := changelog.Geometry(4326, []byte{1, 1, 0, 0, 0})
	for _, c := range []struct {
		config *Config
		source string
		typ    changelog.Type
		v      changelog.Value
		text   string
		code   string
	}{
		{shanghai, "timestamp(3)", stamp, changelog.Timestamp(1714979289120000), "2024-05-06 15:08:09.120", "93"},
		{shanghai, "timestamp(3)", stamp, changelog.ZeroParts(changelog.KindTimestamp, changelog.Civil{}), "0000-00-00 00:00:00.000", "93"},
		{shanghai, "datetime", changelog.Type{Kind: changelog.KindDateTime}, changelog.DateTime(1714979289000000), "2024-05-06 07:08:09", "93"},
		{tokyo, "timestamp(3)", stamp, changelog.Timestamp(-1000), "1970-01-01 08:59:59.999", "93"},
		{flink, "timestamp(3)", stamp, changelog.ZeroParts(changelog.KindTimestamp, changelog.Civil{}), null, "93"},
		{flink, "date", changelog.Type{Kind: changelog.KindDate}, changelog.ZeroParts(changelog.KindDate, changelog.Civil{Year: 2024}), null, "91"},
		{flink, "blob", changelog.Type{Kind: changelog.KindBytes}, changelog.Bytes([]byte{0xff, 0}), "/wA=", "2004"},
		{flink, "point", changelog.Type{Kind: changelog.KindGeometry}, geometry, "5hAAAAEBAAAA", "2004"},
		{flink, "enum('a')", changelog.Type{Kind: changelog.KindEnum, Labels: []string{"a"}}, changelog.Enum(1, []byte("a")), "a", "12"},
		{flink, "enum('a')", changelog.Type{Kind: changelog.KindEnum, Labels: []string{"a"}}, changelog.Enum(0, nil), "", "12"},
		{flink, "set('a','b')", changelog.Type{Kind: changelog.KindSet, Labels: []string{"a", "b"}}, changelog.Set(3, []byte("a,b")), "a,b", "12"},
		{flink, "set('a','b')", changelog.Type{Kind: changelog.KindSet, Labels: []string{"a", "b"}}, changelog.Null(), null, "12"},
	} {
		text, code := oneColumn(t, c.config, c.source, c.typ, c.v)
		if text != c.text || code != c.code {
			t.Errorf("%s %+v: %q of type %s, want %q of type %s", c.source, *c.config, text, code, c.text, c.code)
		}
	}
}
