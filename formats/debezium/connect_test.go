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
// made of its CREATE TABLE: testdata/connect has them, the key's and the value's. Where Debezium is wrong the table does
// not go: a quote in a default, the default of BINARY, defaults above 2^63.
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
		cfg := NewConfig()
		edit(cfg)
		cfg.Schemas.SchemasEnable, cfg.Schemas.KeySchemasEnable = true, true
		table := connectTable()
		e := compile(t, cfg, table, formats.Options{Key: table.Key}).(*encoder)
		got := append(append(e.wrapKey(nil), '\n'), e.wrapValue(nil, nil, false)...)
		text := strings.ReplaceAll(strings.ReplaceAll(string(got)+"\n", `{"schema":{"type":"struct","fields"`, `{"type":"struct","fields"`), `,"payload":`, "")
		want, err := os.ReadFile(filepath.Join("testdata", "connect", "mysql-"+name+".golden"))
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
}

// connectTable is what the catalogue says of the table.
func connectTable() *changelog.Table {
	type typ = changelog.Type
	t := &changelog.Table{Version: 1, Origin: "mysql", Database: "app", Name: "t", Key: []int{0, 8}}
	add := func(name, source string, typ changelog.Type, nullable bool, def ...changelog.Value) {
		c := changelog.Column{Name: name, SourceType: source, Type: typ, Nullable: nullable}
		if len(def) > 0 {
			c.Default = &changelog.Default{Value: def[0]}
			if def[0].IsUnchanged() {
				c.Default.Text = "CURRENT_TIMESTAMP"
			}
		}
		t.Columns = append(t.Columns, c)
	}
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
	return t
}
