package formatstest

import (
	"math"
	"slices"
	"strings"

	"cdcbridge/changelog"
)

// column is one column of the fixture.
type column struct {
	changelog.Column
	values []changelog.Value // pairwise different, and different in the message too
	lossy  []changelog.Value // valid input that a format may write like another value, but not in a key
	maybe  []changelog.Value // valid input that a format may refuse, or write like another value
	oneKey []changelog.Value // different values that are one key to the database
	noKey  bool              // the database allows no key of this type
}

// all gives the values in the order of the fields, without those of oneKey.
func (c *column) all() []changelog.Value { return slices.Concat(c.values, c.lossy, c.maybe) }

func col(name, source string, typ changelog.Type, values ...changelog.Value) column {
	return column{
		Column: changelog.Column{Name: name, Type: typ, SourceType: source, Nullable: true},
		values: values,
	}
}

// each makes values of numbers or texts.
func each[T any](of []T, mk func(T) changelog.Value) []changelog.Value {
	out := make([]changelog.Value, len(of))
	for i := range of {
		out[i] = mk(of[i])
	}
	return out
}

func (c column) orLossy(values ...changelog.Value) column {
	c.lossy = values
	return c
}

func (c column) orRefused(values ...changelog.Value) column {
	c.maybe = values
	return c
}

func (c column) sameKey(values ...changelog.Value) column {
	c.oneKey = values
	return c
}

func (c column) neverKey() column {
	c.noKey = true
	return c
}

// mysqlColumns is one column of every kind that MySQL has, with ordinary and extreme values.
func mysqlColumns() []column {
	cols := numbers()
	cols = append(cols, texts()...)
	cols = append(cols, times()...)
	return append(cols, nested()...)
}

func numbers() []column {
	integer := func(bits int) changelog.Type { return changelog.Type{Kind: changelog.KindInt, Bits: bits} }
	natural := func(bits int) changelog.Type { return changelog.Type{Kind: changelog.KindUint, Bits: bits} }
	ints := func(v ...int64) []changelog.Value { return each(v, changelog.Int) }
	uints := func(v ...uint64) []changelog.Value { return each(v, changelog.Uint) }
	decimals := func(v ...string) []changelog.Value {
		return each(v, func(s string) changelog.Value { return changelog.Decimal([]byte(s)) })
	}
	bits := func(v ...uint64) []changelog.Value { return each(v, changelog.Bits) }
	return []column{
		col("flag", "boolean", changelog.Type{Kind: changelog.KindBool}, changelog.Bool(false), changelog.Bool(true)),
		col("tiny1", "tinyint(1)", integer(8), ints(0, 1, -128, 127)...),
		col("tiny", "tinyint", integer(8), ints(-128, 0, 127)...),
		col("tiny_u", "tinyint unsigned", natural(8), uints(0, 255)...),
		col("small", "smallint", integer(16), ints(-32768, 0, 32767)...),
		col("small_u", "smallint unsigned", natural(16), uints(0, 65535)...),
		col("medium", "mediumint", integer(24), ints(-8388608, 0, 8388607)...),
		col("medium_u", "mediumint unsigned", natural(24), uints(0, 16777215)...),
		col("int", "int", integer(32), ints(math.MinInt32, -1, 0, math.MaxInt32)...),
		col("int_u", "int unsigned", natural(32), uints(0, math.MaxUint32)...),
		col("big", "bigint", integer(64), ints(math.MinInt64, -1, 0, 9007199254740993, math.MaxInt64)...),
		col("big_u", "bigint unsigned", natural(64), uints(0, 1, math.MaxInt64, math.MaxInt64+1, math.MaxUint64)...),
		col("year", "year", changelog.Type{Kind: changelog.KindInt, Bits: 16, Year: true}, ints(0, 1901, 2024, 2155)...),
		col("float", "float", changelog.Type{Kind: changelog.KindFloat32, Bits: 32}, changelog.Float32(0), changelog.Float32(0.1),
			changelog.Float32(-1.5), changelog.Float32(math.MaxFloat32), changelog.Float32(math.SmallestNonzeroFloat32), changelog.Float32(16777216)),
		col("float_md", "float(7,4)", changelog.Type{Kind: changelog.KindFloat32, Bits: 32}, changelog.Float32(0), changelog.Float32(999.9999)),
		col("double", "double", changelog.Type{Kind: changelog.KindFloat64, Bits: 64}, changelog.Float64(0), changelog.Float64(0.1),
			changelog.Float64(1e10), changelog.Float64(-math.MaxFloat64), changelog.Float64(math.SmallestNonzeroFloat64), changelog.Float64(9999999),
			changelog.Float64(math.Inf(1)), changelog.Float64(math.Inf(-1)), changelog.Float64(math.NaN())).
			sameKey(changelog.Float64(0), changelog.Float64(math.Copysign(0, -1))),
		col("decimal", "decimal(10,2)", changelog.Type{Kind: changelog.KindDecimal, Precision: 10, Scale: 2},
			decimals("0.00", "0.01", "-0.01", "12.34", "-1.28", "1.27", "1.28", "99999999.99", "-99999999.99")...),
		col("decimal_0", "decimal(20,0)", changelog.Type{Kind: changelog.KindDecimal, Precision: 20},
			decimals("0", "-1", "255", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "99999999999999999999")...),
		col("decimal_65", "decimal(65,30)", changelog.Type{Kind: changelog.KindDecimal, Precision: 65, Scale: 30},
			decimals("0.000000000000000000000000000000", "-0.000000000000000000000000000001", "1.000000000000000000000000000000",
				"99999999999999999999999999999999999.999999999999999999999999999999", "-99999999999999999999999999999999999.999999999999999999999999999999")...),
		col("bit1", "bit(1)", changelog.Type{Kind: changelog.KindBits, Bits: 1}, bits(0, 1)...),
		col("bit10", "bit(10)", changelog.Type{Kind: changelog.KindBits, Bits: 10}, bits(0, 1, 0x201, 0x3FF)...),
		col("bit64", "bit(64)", changelog.Type{Kind: changelog.KindBits, Bits: 64}, bits(0, 1, math.MaxUint64)...),
	}
}

func texts() []column {
	text := func(v ...string) []changelog.Value {
		return each(v, func(s string) changelog.Value { return changelog.String([]byte(s)) })
	}
	raw := func(v ...string) []changelog.Value {
		return each(v, func(s string) changelog.Value { return changelog.Bytes([]byte(s)) })
	}
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	labels := []string{"new", "it's, \"x\"", "día"}
	enum := func(i uint64) changelog.Value {
		if i == 0 {
			return changelog.Enum(0, []byte{})
		}
		return changelog.Enum(i, []byte(labels[i-1]))
	}
	return []column{
		col("char", "char(8)", changelog.Type{Kind: changelog.KindString, Length: 8, Fixed: true, Charset: "utf8mb4"}, text("", "abc", "null")...),
		col("varchar", "varchar(255)", changelog.Type{Kind: changelog.KindString, Length: 255, Charset: "utf8mb4"},
			text("", " ", "trailing  ", "é漢字", "😀 and more text", "\x00\x01\x1f\x7f", "\"\\/<>&'\b\f\n\r\t", "\u2028\u2029\u0085", "\U0010FFFF", "null", "__debezium_unavailable_value")...).
			orLossy(text("a\xff", "a\xfe", "a\uFFFD", "\xed\xa0\xbd\xed\xb8\x80", "\xe6\xbc")...),
		col("longtext", "longtext", changelog.Type{Kind: changelog.KindString, Charset: "utf8mb4"}, text("", strings.Repeat("a line of it\n", 300))...),
		col("binary", "binary(4)", changelog.Type{Kind: changelog.KindBytes, Length: 4, Fixed: true}, raw("\x00\x00\x00\x00", "\x01\x00\x00\x00", "abcd", "\xff\xfe\xfd\xfc")...),
		col("varbinary", "varbinary(300)", changelog.Type{Kind: changelog.KindBytes, Length: 300}, raw("", "\x00", "\x00\x00", "\x80", "\xc2\x80", string(all))...),
		col("enum", "enum('new','it''s, \"x\"','día')", changelog.Type{Kind: changelog.KindEnum, Labels: labels}, enum(0), enum(1), enum(2), enum(3)),
		col("set", "set('a','b','c')", changelog.Type{Kind: changelog.KindSet, Labels: []string{"a", "b", "c"}},
			changelog.Set(0, []byte{}), changelog.Set(1, []byte("a")), changelog.Set(5, []byte("a,c")), changelog.Set(7, []byte("a,b,c"))),
		col("json", "json", changelog.Type{Kind: changelog.KindJSON}, changelog.JSON([]byte(`null`)), changelog.JSON([]byte(`{"a": [1, 2.50, "x y, \"z\": \u0001"], "b": {}}`)),
			changelog.JSON([]byte(`"null"`)), changelog.JSON([]byte(`12345678901234567890.10`)), changelog.JSON([]byte("\"😀 \u2028\""))).neverKey(),
	}
}

func times() []column {
	const second = 1_000_000
	stamp := int64(1714979289) * second // 2024-05-06 07:08:09
	temporal := func(kind changelog.Kind, fsp int) changelog.Type { return changelog.Type{Kind: kind, FSP: fsp} }
	clock := func(mk func(int64) changelog.Value, v ...int64) []changelog.Value { return each(v, mk) }
	zero := func(kind changelog.Kind) []changelog.Value {
		return []changelog.Value{changelog.ZeroParts(kind, changelog.Civil{}), changelog.ZeroParts(kind, changelog.Civil{Year: 2024, Day: 6})}
	}
	first := changelog.Civil{Year: 1, Month: 1, Day: 1}.Micros()
	last := changelog.Civil{Year: 9999, Month: 12, Day: 31, Hour: 23, Minute: 59, Second: 59}.Micros()
	span := int64(838*3600+59*60+59) * second
	return []column{
		col("date", "date", temporal(changelog.KindDate, 0), clock(changelog.Date, 0, 19849, -141428, 2932896, -719162)...).orLossy(zero(changelog.KindDate)...),
		col("time", "time", temporal(changelog.KindTime, 0), clock(changelog.Time, 0, 25689*second, -second, 24*3600*second, span, -span)...),
		col("time_6", "time(6)", temporal(changelog.KindTime, 6), clock(changelog.Time, 0, 1, -1, 25689*second+123456, 24*3600*second+1)...),
		col("datetime", "datetime", temporal(changelog.KindDateTime, 0), clock(changelog.DateTime, 0, stamp, first, last)...).orLossy(zero(changelog.KindDateTime)...),
		col("datetime_3", "datetime(3)", temporal(changelog.KindDateTime, 3), clock(changelog.DateTime, 0, stamp+120_000, stamp+1000, -1000, first)...).orLossy(zero(changelog.KindDateTime)...),
		col("datetime_6", "datetime(6)", temporal(changelog.KindDateTime, 6), clock(changelog.DateTime, 0, stamp+123_456, stamp+1, last+999_999, first)...).orLossy(zero(changelog.KindDateTime)...),
		col("timestamp", "timestamp", temporal(changelog.KindTimestamp, 0), clock(changelog.Timestamp, 0, second, stamp, 2147483647*second)...).orLossy(zero(changelog.KindTimestamp)[0]),
		col("timestamp_3", "timestamp(3)", temporal(changelog.KindTimestamp, 3), clock(changelog.Timestamp, 0, second, stamp+120_000)...).orLossy(zero(changelog.KindTimestamp)[0]),
		col("timestamp_6", "timestamp(6)", temporal(changelog.KindTimestamp, 6), clock(changelog.Timestamp, 0, stamp+123_456, stamp+100_000)...).orLossy(zero(changelog.KindTimestamp)[0]),
	}
}

func nested() []column {
	// POINT(1 2) and LINESTRING(0 0, 1 1), little-endian.
	point := []byte("\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x00\x00\x00\x00\x00\x00\x40")
	line := append([]byte("\x01\x02\x00\x00\x00\x02\x00\x00\x00"), make([]byte, 16)...)
	line = append(line, "\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x00\x00\x00\x00\x00\xf0\x3f"...)
	geometry := changelog.Type{Kind: changelog.KindGeometry}
	return []column{
		col("point", "point", geometry, changelog.Geometry(0, point), changelog.Geometry(4326, point)).neverKey(),
		col("geometry", "geometry", geometry, changelog.Geometry(0, point), changelog.Geometry(0, line), changelog.Geometry(3857, line)).neverKey(),
		col("vector", "vector(2)", changelog.Type{Kind: changelog.KindVector, Length: 2}, changelog.Vector([]byte("\x00\x00\x80\x3f\x00\x00\x20\x40")),
			changelog.Vector([]byte("\x00\x00\x80\x3f")), changelog.Vector([]byte{})).neverKey(),
	}
}
