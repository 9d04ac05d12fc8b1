package debezium

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// TestSchemasAreDebeziums holds the schemas of a table to those that the classes of Debezium 3.6.1 and Connect's JSON converter
// made of its CREATE TABLE: testdata/connect has both, the schemas of key and value a line each. Where Debezium is wrong the tables do
// not go: a quote in a default, defaults of BINARY and CHAR(n) that are not padded, defaults above 2^63, the default of a domain.
func TestSchemasAreDebeziums(t *testing.T) {
	for name, edit := range map[string]func(*Config){
		"defaults": func(*Config) {},
		"micros":   func(c *Config) { c.TimePrecisionMode = timeMicros },
		"string-connect-hex": func(c *Config) {
			c.DecimalHandlingMode, c.TimePrecisionMode, c.BinaryHandlingMode, c.BigintUnsignedHandlingMode = decimalString, timeConnect, binaryHex, bigintPrecise
			c.Schemas.IncludeSchemaComments = true
			_ = c.Schemas.ColumnPropagateSourceType.UnmarshalText([]byte(`app\.t\..*`))
		},
		"double-iso": func(c *Config) {
			c.DecimalHandlingMode, c.TimePrecisionMode, c.BinaryHandlingMode = decimalDouble, timeISO, binaryBase64
			c.Schemas.SchemaNameAdjustmentMode, c.Schemas.FieldNameAdjustmentMode = adjustAvro, adjustAvro
			c.Identity.TopicPrefix = "shop-1"
		},
		"nanos": func(c *Config) {
			c.TimePrecisionMode = timeNanos
			c.Schemas.SchemaNameAdjustmentMode, c.Schemas.FieldNameAdjustmentMode = adjustUnicode, adjustUnicode
			c.Identity.TopicPrefix = "shop-1"
			_ = c.Schemas.DatatypePropagateSourceType.UnmarshalText([]byte(`app\.t\.(decimal.*|time.*|set)`))
		},
	} {
		checkConnectSchemas(t, "mysql-"+name, connectTable(), mode(edit))
	}
	for name, edit := range map[string]func(*Config){
		"defaults": func(*Config) {},
		"micros": func(c *Config) {
			c.TimePrecisionMode = timeAdaptMic
			_ = c.Schemas.ColumnPropagateSourceType.UnmarshalText([]byte(`app\.t\.([^p].*|pt)`))
		},
		"string-connect-hex": func(c *Config) {
			c.DecimalHandlingMode, c.TimePrecisionMode, c.BinaryHandlingMode, c.IntervalHandlingMode = decimalString, timeConnect, binaryHex, intervalString
		},
		"double-iso": func(c *Config) {
			c.DecimalHandlingMode, c.TimePrecisionMode, c.BinaryHandlingMode = decimalDouble, timeISO, binaryBase64
			c.Schemas.SchemaNameAdjustmentMode, c.Schemas.FieldNameAdjustmentMode = adjustAvro, adjustAvro
			c.Identity.TopicPrefix = "shop-1"
		},
		"nanos": func(c *Config) {
			c.TimePrecisionMode, c.MoneyFractionDigits = timeNanos, 4
			c.Schemas.SchemaNameAdjustmentMode, c.Schemas.FieldNameAdjustmentMode = adjustUnicode, adjustUnicode
			c.Identity.TopicPrefix = "shop-1"
		},
	} {
		checkConnectSchemas(t, "postgresql-"+name, connectPostgresTable(), mode(edit))
	}
}

func checkConnectSchemas(t *testing.T, name string, table *changelog.Table, cfg *Config) {
	t.Helper()
	cfg.Schemas.SchemasEnable, cfg.Schemas.KeySchemasEnable = true, true
	e := compile(t, cfg, table, formats.Options{Key: table.Key}).(*encoder)
	got := append(append(e.schemas.key, '\n'), e.schemas.value...)
	text := strings.ReplaceAll(strings.ReplaceAll(string(got)+"\n", `{"schema":{"type":"struct","fields"`, `{"type":"struct","fields"`), `,"payload":`, "")
	want, err := os.ReadFile(filepath.Join("testdata", "connect", name+".golden"))
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		at := 0
		for at < min(len(text), len(want)) && text[at] == want[at] {
			at++
		}
		t.Errorf("%s: after %s\ngot  %.300s\nwant %.300s", name, text[max(0, at-200):at], text[at:], bytes.TrimSpace(want[at:]))
	}
}

// builder makes a table as the catalogue describes it.
type builder struct{ *changelog.Table }

func (b builder) add(name, source string, typ changelog.Type, nullable bool, def ...changelog.Value) {
	c := changelog.Column{Name: name, SourceType: source, Type: typ, Nullable: nullable}
	if len(def) > 0 {
		c.Default = &changelog.Default{Value: def[0]}
		if def[0].IsUnchanged() {
			c.Default.Text = "CURRENT_TIMESTAMP"
		}
	}
	b.Columns = append(b.Columns, c)
}

func connectTable() *changelog.Table {
	type typ = changelog.Type
	t := builder{&changelog.Table{Version: 1, Origin: "mysql", Database: "app", Name: "t", Key: []int{0, 8}}}
	add := t.add
	integer := func(bits int) changelog.Type { return changelog.Type{Kind: changelog.KindInt, Bits: bits} }
	natural := func(bits int) changelog.Type { return changelog.Type{Kind: changelog.KindUint, Bits: bits} }
	dec := func(p, s int) changelog.Type {
		return changelog.Type{Kind: changelog.KindDecimal, Precision: p, Scale: s}
	}
	temporal := func(kind changelog.Kind, fsp int) changelog.Type { return changelog.Type{Kind: kind, FSP: fsp} }
	now := changelog.Unchanged()
	const stamp = 1714979289_000_000

	add("id", "bigint", integer(64), false)
	add("tiny1", "tinyint(1)", integer(8), true, changelog.Int(1))
	add("tiny", "tinyint", integer(8), true, changelog.Null())
	add("tiny_u", "tinyint unsigned", natural(8), false, changelog.Uint(7))
	add("small", "smallint", integer(16), true)
	add("small_u", "smallint unsigned zerofill", natural(16), true)
	add("medium", "mediumint", integer(24), true)
	add("medium_u", "mediumint unsigned", natural(24), true)
	add("i", "int", integer(32), false, changelog.Int(-5))
	add("i_u", "int unsigned", natural(32), true)
	add("big_u", "bigint unsigned", natural(64), true, changelog.Uint(7))
	add("big11", "bigint(20) unsigned", natural(64), true)
	add("f", "float", typ{Kind: changelog.KindFloat32}, true, changelog.Float32(1.5))
	add("fmd", "float(7,4)", typ{Kind: changelog.KindFloat32}, true)
	add("d", "double", typ{Kind: changelog.KindFloat64}, false, changelog.Float64(0.1))
	add("dmd", "double(10,3)", typ{Kind: changelog.KindFloat64}, true)
	add("dec", "decimal(10,2)", dec(10, 2), false, changelog.Decimal([]byte("12.34")))
	add("dec0", "decimal(20,0)", dec(20, 0), true)
	add("decu", "decimal(10,2) unsigned", dec(10, 2), true)
	add("bit1", "bit(1)", typ{Kind: changelog.KindBits, Bits: 1}, true, changelog.Bits(1))
	add("bit10", "bit(10)", typ{Kind: changelog.KindBits, Bits: 10}, true, changelog.Bits(0x201))
	add("c", "char(8)", typ{Kind: changelog.KindString, Length: 8, Fixed: true}, true)
	add("vc", "varchar(255)", typ{Kind: changelog.KindString, Length: 255}, false, changelog.String([]byte("it is")))
	t.Columns[len(t.Columns)-1].Comment = "what it is"
	add("tx", "longtext", typ{Kind: changelog.KindString}, true)
	add("bin", "binary(4)", typ{Kind: changelog.KindBytes, Length: 4, Fixed: true}, true)
	add("vb", "varbinary(300)", typ{Kind: changelog.KindBytes, Length: 300}, true)
	add("bl", "blob", typ{Kind: changelog.KindBytes}, true)
	add("e", `enum('new','it''s, "x"','día')`, typ{Kind: changelog.KindEnum, Labels: []string{"new", `it's, "x"`, "día"}}, false, changelog.Enum(1, []byte("new")))
	add("s", "set('a','b','c')", typ{Kind: changelog.KindSet, Labels: []string{"a", "b", "c"}}, true, changelog.Set(5, []byte("a,c")))
	add("j", "json", typ{Kind: changelog.KindJSON}, true)
	add("y", "year", typ{Kind: changelog.KindInt, Bits: 16, Year: true}, true, changelog.Int(2024))
	add("da", "date", temporal(changelog.KindDate, 0), true, changelog.Date(19849))
	add("da0", "date", temporal(changelog.KindDate, 0), false, changelog.ZeroParts(changelog.KindDate, changelog.Civil{}))
	add("ti", "time", temporal(changelog.KindTime, 0), true, changelog.Time(25689_000_000))
	add("ti6", "time(6)", temporal(changelog.KindTime, 6), true)
	add("dt", "datetime", temporal(changelog.KindDateTime, 0), true, now)
	add("dt3", "datetime(3)", temporal(changelog.KindDateTime, 3), false, now)
	add("dt6", "datetime(6)", temporal(changelog.KindDateTime, 6), true, changelog.DateTime(stamp+123_456))
	add("ts", "timestamp", temporal(changelog.KindTimestamp, 0), true, now)
	add("ts3", "timestamp(3)", temporal(changelog.KindTimestamp, 3), false, now)
	add("ts6", "timestamp(6)", temporal(changelog.KindTimestamp, 6), false, changelog.Timestamp(stamp+120_000))
	add("u", "varchar(36)", typ{Kind: changelog.KindString, Length: 36}, true, changelog.Unchanged())
	t.Columns[len(t.Columns)-1].Default.Text = "uuid()"
	add("p", "point", typ{Kind: changelog.KindGeometry}, false)
	add("g", "geometry", typ{Kind: changelog.KindGeometry}, true)
	add("ls", "linestring", typ{Kind: changelog.KindGeometry}, false)
	add("v", "vector(2)", typ{Kind: changelog.KindVector, Length: 2}, true)
	return t.Table
}

func connectPostgresTable() *changelog.Table {
	type typ = changelog.Type
	t := builder{&changelog.Table{Version: 1, Origin: postgres, Database: "postgres", Schema: "app", Name: "t", Key: []int{1, 0}}}
	add := t.add
	integer := func(bits int) changelog.Type { return changelog.Type{Kind: changelog.KindInt, Bits: bits} }
	text := typ{Kind: changelog.KindString}
	dec := func(p, s int) changelog.Type {
		return changelog.Type{Kind: changelog.KindDecimal, Precision: p, Scale: s}
	}
	temporal := func(kind changelog.Kind, fsp int) changelog.Type { return changelog.Type{Kind: kind, FSP: fsp} }
	array := func(name, source string, of changelog.Type) {
		add(name, source+"[]", typ{Kind: changelog.KindArray, Elem: &changelog.Column{SourceType: source, Type: of, Nullable: true}}, true)
	}
	str := func(s string) changelog.Value { return changelog.String([]byte(s)) }
	function := changelog.Unchanged()
	const stamp = 1714979289_000_000

	add("id", "bigint", integer(64), false, function)
	add("k", "integer", integer(32), false, changelog.Int(-5))
	add("b", "boolean", typ{Kind: changelog.KindBool}, false, changelog.Bool(true))
	add("i2", "smallint", integer(16), true, changelog.Int(3))
	add("i8", "bigint", integer(64), true, changelog.Int(9223372036854775807))
	add("o", "oid", typ{Kind: changelog.KindUint, Bits: 32}, true)
	add("f4", "real", typ{Kind: changelog.KindFloat32}, true, changelog.Float32(1.5))
	add("f8", "double precision", typ{Kind: changelog.KindFloat64}, false, changelog.Float64(0.1))
	add("n", "numeric(10,2)", dec(10, 2), false, changelog.Decimal([]byte("12.34")))
	add("nf", "numeric", dec(0, 0), true)
	add("n0", "numeric(20,0)", dec(20, 0), true)
	add("nd", "numeric(10,2)", dec(10, 2), true, function)
	add("mo", "money", dec(19, 2), true)
	add("tx", "text", text, true, str("it is"))
	add("vc", "character varying(20)", typ{Kind: changelog.KindString, Length: 20}, true, str("abc"))
	add("bp", "character(4)", typ{Kind: changelog.KindString, Length: 4, Fixed: true}, false, str("abcd"))
	add("nm", "name", text, true)
	add("ch", `"char"`, text, true)
	add("u", "uuid", text, false, function)
	add("u2", "uuid", text, true, str("76019d1a-ad2e-4b22-96e9-1a6d6543c818"))
	add("x", "xml", text, true)
	add("tv", "tsvector", text, true)
	add("ip", "inet", text, true, str("::1"))
	add("r", "int4range", text, true)
	add("pt", "point", text, true)
	add("mood", "app.mood", typ{Kind: changelog.KindString, Labels: []string{"sad", "ok, so", "happy"}}, true, str("sad"))
	add("price", "numeric(10,2)", dec(10, 2), false)
	add("by", "bytea", typ{Kind: changelog.KindBytes}, true, changelog.Bytes([]byte("x")))
	add("j", "json", typ{Kind: changelog.KindJSON}, true, changelog.JSON([]byte(`{"a": 1}`)))
	add("jb", "jsonb", typ{Kind: changelog.KindJSON}, false, changelog.JSON([]byte(`{}`)))
	add("da", "date", temporal(changelog.KindDate, 0), true, changelog.Date(19849))
	add("da2", "date", temporal(changelog.KindDate, 0), true, function)
	add("ti", "time without time zone", temporal(changelog.KindTime, 6), true, changelog.Time(25689_120_000))
	add("ti3", "time(3) without time zone", temporal(changelog.KindTime, 3), true)
	add("tz", "time with time zone", temporal(changelog.KindTimeTZ, 6), true)
	add("ts", "timestamp without time zone", temporal(changelog.KindDateTime, 6), true, changelog.DateTime(stamp+123_456))
	add("ts3", "timestamp(3) without time zone", temporal(changelog.KindDateTime, 3), false, function)
	add("tt", "timestamp with time zone", temporal(changelog.KindTimestamp, 6), true, changelog.Timestamp(stamp+120_000))
	add("tt0", "timestamp(0) with time zone", temporal(changelog.KindTimestamp, 0), false, function)
	add("tt3", "timestamp(3) with time zone", temporal(changelog.KindTimestamp, 3), true)
	add("iv", "interval", temporal(changelog.KindInterval, 6), true, changelog.Interval(make([]byte, 16), 0, 1, 0))
	add("iv2", "interval", temporal(changelog.KindInterval, 6), false)
	add("b1", "bit(1)", typ{Kind: changelog.KindBitString, Bits: 1, Fixed: true}, true, changelog.BitString([]byte("1")))
	add("b7", "bit(7)", typ{Kind: changelog.KindBitString, Bits: 7, Fixed: true}, true, changelog.BitString([]byte("1000001")))
	add("vb", "bit varying", typ{Kind: changelog.KindBitString}, true)
	add("vb9", "bit varying(9)", typ{Kind: changelog.KindBitString, Bits: 9}, true, changelog.BitString([]byte("101")))
	array("ai", "integer", integer(32))
	array("at", "text", text)
	array("an", "numeric", dec(0, 0))
	array("an2", "numeric(10,2)", dec(10, 2))
	array("ats", "timestamp with time zone", temporal(changelog.KindTimestamp, 6))
	array("ad", "date", temporal(changelog.KindDate, 0))
	array("au", "uuid", text)
	array("aby", "bytea", typ{Kind: changelog.KindBytes})
	array("ab", "boolean", typ{Kind: changelog.KindBool})
	array("aj", "jsonb", typ{Kind: changelog.KindJSON})
	array("avc", "character varying(9)", typ{Kind: changelog.KindString, Length: 9})
	add("id2", "bigint", integer(64), false)
	return t.Table
}
