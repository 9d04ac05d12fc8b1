package debezium

import (
	"testing"

	"cdcbridge/changelog"
)

// TestSchemasAreDebeziumsForMariaDB is TestSchemasAreDebeziums with the classes of its connector for MariaDB, 3.5.0, whose parser
// refuses a table with an INET4, an INET6 or a VECTOR.
func TestSchemasAreDebeziumsForMariaDB(t *testing.T) {
	checkConnectSchemas(t, "mariadb-propagated", connectMariaDBTable(), mode(func(c *Config) {
		_ = c.Schemas.ColumnPropagateSourceType.UnmarshalText([]byte(`.*`))
	}))
}

func connectMariaDBTable() *changelog.Table {
	type typ = changelog.Type
	t := builder{&changelog.Table{Version: 1, Origin: "mariadb", Database: "app", Name: "t", Key: []int{0, 5}}}
	add := t.add
	integer := func(bits int) changelog.Type { return changelog.Type{Kind: changelog.KindInt, Bits: bits} }
	natural := func(bits int) changelog.Type { return changelog.Type{Kind: changelog.KindUint, Bits: bits} }
	temporal := func(kind changelog.Kind, fsp int) changelog.Type { return changelog.Type{Kind: kind, FSP: fsp} }
	text := typ{Kind: changelog.KindString}
	now := changelog.Unchanged()
	const stamp = 1714979289_000_000

	add("id", "bigint(20)", integer(64), false)
	add("tiny1", "tinyint(1)", integer(8), true, changelog.Int(1))
	add("tiny_u", "tinyint(3) unsigned", natural(8), false, changelog.Uint(7))
	add("small_u", "smallint(5) unsigned zerofill", natural(16), true, changelog.Null())
	add("medium", "mediumint(9)", integer(24), true, changelog.Null())
	add("i", "int(11)", integer(32), false, changelog.Int(-5))
	add("i_u", "int(10) unsigned", natural(32), true, changelog.Null())
	add("big_u", "bigint(20) unsigned", natural(64), true, changelog.Uint(7))
	add("f", "float", typ{Kind: changelog.KindFloat32}, true, changelog.Float32(1.5))
	add("fmd", "float(7,4)", typ{Kind: changelog.KindFloat32}, true)
	add("d", "double", typ{Kind: changelog.KindFloat64}, false, changelog.Float64(0.1))
	add("dec", "decimal(10,2)", typ{Kind: changelog.KindDecimal, Precision: 10, Scale: 2}, false, changelog.Decimal([]byte("12.34")))
	add("bit1", "bit(1)", typ{Kind: changelog.KindBits, Bits: 1}, true, changelog.Bits(1))
	add("bit10", "bit(10)", typ{Kind: changelog.KindBits, Bits: 10}, true, changelog.Bits(0x201))
	add("vc", "varchar(255)", text, false, changelog.String([]byte("it is")))
	add("vz", "varchar(20) /*M!100301 COMPRESSED*/", text, true)
	add("tx", "longtext", text, true, changelog.String([]byte("text")))
	add("js", "longtext", text, true)
	add("bin", "binary(4)", typ{Kind: changelog.KindBytes, Length: 4, Fixed: true}, true)
	add("bl", "blob", typ{Kind: changelog.KindBytes}, true)
	add("e", "enum('new','it''s, x')", typ{Kind: changelog.KindEnum, Labels: []string{"new", "it's, x"}}, false, changelog.Enum(1, []byte("new")))
	add("s", "set('a','b','c')", typ{Kind: changelog.KindSet, Labels: []string{"a", "b", "c"}}, true, changelog.Set(5, []byte("a,c")))
	add("y", "year(4)", typ{Kind: changelog.KindInt, Bits: 16, Year: true}, true, changelog.Int(2024))
	add("da", "date", temporal(changelog.KindDate, 0), true, changelog.Date(19849))
	add("ti6", "time(6)", temporal(changelog.KindTime, 6), true)
	add("dt", "datetime", temporal(changelog.KindDateTime, 0), true, now)
	add("dt3", "datetime(3)", temporal(changelog.KindDateTime, 3), false, now)
	add("dt6", "datetime(6)", temporal(changelog.KindDateTime, 6), true, changelog.DateTime(stamp+123_456))
	add("ts", "timestamp", temporal(changelog.KindTimestamp, 0), true, now)
	add("ts3", "timestamp(3)", temporal(changelog.KindTimestamp, 3), false, now)
	add("ts6", "timestamp(6)", temporal(changelog.KindTimestamp, 6), false, changelog.Timestamp(stamp+120_000))
	add("u", "uuid", text, true, changelog.Unchanged())
	t.Columns[len(t.Columns)-1].Default.Text = "uuid()"
	add("p", "point", typ{Kind: changelog.KindGeometry}, false)
	add("g", "geometry", typ{Kind: changelog.KindGeometry}, true)
	return t.Table
}
