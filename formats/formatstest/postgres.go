package formatstest

import (
	"math"
	"strings"

	"cdcbridge/changelog"
)

// postgresColumns is one column of every kind that PostgreSQL has, with ordinary and extreme values.
func postgresColumns() []column {
	cols := postgresNumbers()
	cols = append(cols, postgresTexts()...)
	cols = append(cols, postgresTimes()...)
	cols = append(cols, postgresBits()...)
	return append(cols, postgresNested()...)
}

func decimals(v ...string) []changelog.Value {
	return each(v, func(s string) changelog.Value { return changelog.Decimal([]byte(s)) })
}

func strs(v ...string) []changelog.Value {
	return each(v, func(s string) changelog.Value { return changelog.String([]byte(s)) })
}

func numeric(precision, scale int) changelog.Type {
	return changelog.Type{Kind: changelog.KindDecimal, Precision: precision, Scale: scale}
}

func postgresNumbers() []column {
	integer := func(bits int) changelog.Type { return changelog.Type{Kind: changelog.KindInt, Bits: bits} }
	ints := func(v ...int64) []changelog.Value { return each(v, changelog.Int) }
	special := []changelog.Value{changelog.NaN(), changelog.Infinite(changelog.KindDecimal, true), changelog.Infinite(changelog.KindDecimal, false)}
	return []column{
		col("flag", "boolean", changelog.Type{Kind: changelog.KindBool}, changelog.Bool(false), changelog.Bool(true)),
		col("small", "smallint", integer(16), ints(-32768, 0, 32767)...),
		col("int", "integer", integer(32), ints(math.MinInt32, -1, 0, math.MaxInt32)...),
		col("big", "bigint", integer(64), ints(math.MinInt64, -1, 0, 9007199254740993, math.MaxInt64)...),
		col("oid", "oid", changelog.Type{Kind: changelog.KindUint, Bits: 32}, each([]uint64{0, 4000000000}, changelog.Uint)...),
		col("real", "real", changelog.Type{Kind: changelog.KindFloat32, Bits: 32}, each([]float32{0, 0.1, -1.5, math.MaxFloat32, 16777216, 123456.7, 1e6}, changelog.Float32)...).
			sameKey(changelog.Float32(0), changelog.Float32(float32(math.Copysign(0, -1)))),
		col("double", "double precision", changelog.Type{Kind: changelog.KindFloat64, Bits: 64},
			each([]float64{0, 0.1, 1e-5, 1e15, -math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), math.NaN()}, changelog.Float64)...).
			sameKey(changelog.Float64(math.Copysign(0, -1)), changelog.Float64(0)),
		col("numeric_10_2", "numeric(10,2)", numeric(10, 2), decimals("0.00", "12.34", "-1.28", "99999999.99")...).orRefused(changelog.NaN()),
		col("numeric_5_m2", "numeric(5,-2)", numeric(5, -2), decimals("0", "12300", "-9999900")...),
		col("numeric_2_5", "numeric(2,5)", numeric(2, 5), decimals("0.00000", "0.00012", "-0.00099")...),
		col("numeric", "numeric", numeric(0, 0), decimals("0", "1.1", "-1.1", "10.1111", "100", "0.00000000000000000000000000001", "-123456789012345678901234567890.5")...).
			sameKey(decimals("1.1", "1.10", "1.1000")...).
			orRefused(append(special, decimals("1"+strings.Repeat("0", 400), "0."+strings.Repeat("0", 400)+"1")...)...),
		col("money", "money", numeric(19, 2), decimals("1234.11", "-92233720368547758.08", "0.00")...),
	}
}

func postgresTexts() []column {
	text := changelog.Type{Kind: changelog.KindString}
	raw := func(v ...string) []changelog.Value {
		return each(v, func(s string) changelog.Value { return changelog.Bytes([]byte(s)) })
	}
	document := func(s string) changelog.Value { return changelog.JSON([]byte(s)) }
	return []column{
		col("text", "text", text, strs("", " ", "é漢字", "😀 and more text", "\x01\x1f\x7f", "\"\\/<>&'\b\f\n\r\t", "\u2028", "null", "NULL", strings.Repeat("line\n", 300))...).
			orLossy(strs("a\xff", "a\xfe")...),
		col("varchar", "character varying(20)", changelog.Type{Kind: changelog.KindString, Length: 20}, strs("", "abc")...),
		col("bpchar", "character(4)", changelog.Type{Kind: changelog.KindString, Length: 4, Fixed: true}, strs("    ", "ab  ")...),
		col("citext", "public.citext", text, strs("Ab", "ab")...),
		col("uuid", "uuid", text, strs("0f8fad5b-d9cb-469f-a165-70867728950e", "00000000-0000-0000-0000-000000000000")...),
		col("inet", "inet", text, strs("192.168.2.0/12", "::1")...),
		col("xml", "xml", text, strs(`<?xml version="1.0"?><a b="c"/>`, "<a/>")...).neverKey(),
		col("mood", "public.mood", text, strs("happy", "it's, \"so\"")...),
		col("tsrange", "tsrange", text, strs(`["2019-03-31 15:30:00",infinity)`, "empty")...),
		col("point", "point", text, strs("(1,2)", "(-1.5,1e+20)")...).neverKey(),
		col("bytea", "bytea", changelog.Type{Kind: changelog.KindBytes}, raw("", "\x00", "\x00\x01\xff", "\xc2\x80")...),
		col("json", "json", changelog.Type{Kind: changelog.KindJSON}, each([]string{`null`, `{ "b" : 1, "a":[1, 2.50] }`, `"null"`, "\"😀\\u0001\""}, document)...).neverKey(),
		col("jsonb", "jsonb", changelog.Type{Kind: changelog.KindJSON}, each([]string{`null`, `{"a": [1, 2.50], "b": null}`}, document)...),
	}
}

func postgresTimes() []column {
	const second = int64(1_000_000)
	stamp := 1714979289 * second // 2024-05-06 07:08:09
	temporal := func(kind changelog.Kind, fsp int) changelog.Type { return changelog.Type{Kind: kind, FSP: fsp} }
	infinite := func(kind changelog.Kind) []changelog.Value {
		return []changelog.Value{changelog.Infinite(kind, true), changelog.Infinite(kind, false)}
	}
	caesar := changelog.Civil{Year: -43, Month: 3, Day: 15, Hour: 10}
	future := changelog.Civil{Year: 20240, Month: 1, Day: 1}
	days := func(c changelog.Civil) int64 { return changelog.DaysFromCivil(c.Year, c.Month, c.Day) }
	span := func(months, days int32, micros int64) changelog.Value {
		return changelog.Interval(make([]byte, 16), months, days, micros)
	}
	zoned := func(micros int64, offset int) changelog.Value { return changelog.TimeTZ(micros, offset) }
	return []column{
		col("date", "date", temporal(changelog.KindDate, 0), each([]int64{0, 19849, days(caesar), days(future)}, changelog.Date)...).orLossy(infinite(changelog.KindDate)...),
		col("time", "time without time zone", temporal(changelog.KindTime, 6), each([]int64{0, 25689*second + 123456, 86_399_999_999}, changelog.Time)...).orRefused(changelog.Time(86_400 * second)),
		col("time_3", "time(3) without time zone", temporal(changelog.KindTime, 3), each([]int64{0, 25689*second + 120000}, changelog.Time)...).orRefused(changelog.Time(86_400 * second)),
		col("timetz", "time with time zone", temporal(changelog.KindTimeTZ, 6), zoned(0, 0), zoned(25689*second+120_000, 0), zoned(36_000*second, 7200), zoned(86_400*second, 0)).
			orLossy(zoned(28_800*second, 0), zoned(86_399*second, -57_599), zoned(36_000*second, -19_800)),
		col("timestamp", "timestamp without time zone", temporal(changelog.KindDateTime, 6), each([]int64{0, stamp + 123456, caesar.Micros(), future.Micros()}, changelog.DateTime)...).orLossy(infinite(changelog.KindDateTime)...),
		col("timestamp_3", "timestamp(3) without time zone", temporal(changelog.KindDateTime, 3), each([]int64{0, stamp + 120000, -1000, future.Micros()}, changelog.DateTime)...).orLossy(infinite(changelog.KindDateTime)...),
		col("timestamptz", "timestamp with time zone", temporal(changelog.KindTimestamp, 6), each([]int64{0, stamp, caesar.Micros(), future.Micros()}, changelog.Timestamp)...).orLossy(infinite(changelog.KindTimestamp)...),
		col("timestamptz_0", "timestamp(0) with time zone", temporal(changelog.KindTimestamp, 0), each([]int64{0, stamp}, changelog.Timestamp)...).orLossy(infinite(changelog.KindTimestamp)...),
		col("interval", "interval", temporal(changelog.KindInterval, 6), span(0, 0, 0), span(14, 3, 14_706_780_000), span(-14, 3, -500_000), span(0, -1, 3600*second), span(0, 0, 1)).
			sameKey(span(1, 0, 0), span(0, 30, 0), span(0, 0, 720*3600*second), span(2, -31, 86_400*second)).
			orLossy(infinite(changelog.KindInterval)...).orRefused(span(math.MaxInt32, math.MaxInt32, math.MaxInt64), span(math.MinInt32, 0, 0)),
	}
}

func postgresBits() []column {
	bits := func(v ...string) []changelog.Value {
		return each(v, func(s string) changelog.Value { return changelog.BitString([]byte(s)) })
	}
	kind := func(n int, fixed bool) changelog.Type {
		return changelog.Type{Kind: changelog.KindBitString, Bits: n, Fixed: fixed}
	}
	return []column{
		col("bit1", "bit(1)", kind(1, true), bits("0", "1")...),
		col("bit7", "bit(7)", kind(7, true), bits("0000000", "1000000", "0000001")...),
		col("bit100", "bit(100)", kind(100, true), bits(strings.Repeat("0", 100), "1"+strings.Repeat("0", 99), strings.Repeat("01", 50))...),
		col("varbit1", "bit varying(1)", kind(1, false), bits("0", "1")...).orLossy(bits("")...),
		col("varbit", "bit varying", kind(0, false), bits("", "101", "1"+strings.Repeat("0", 20))...).orLossy(bits("0", "00", "0101")...),
	}
}

func postgresNested() []column {
	array := func(v ...changelog.Value) changelog.Value { return changelog.Array(v) }
	of := func(source string, typ changelog.Type) changelog.Type {
		return changelog.Type{Kind: changelog.KindArray, Elem: &changelog.Column{Type: typ, SourceType: source}}
	}
	hstore := func(v ...changelog.Value) changelog.Value { return changelog.Map(v) }
	pair := func(k, v string) changelog.Value {
		return hstore(changelog.String([]byte(k)), changelog.String([]byte(v)))
	}
	one, two, null := changelog.Int(1), changelog.Int(-2), changelog.Null()
	cols := []column{
		col("ints", "integer[]", of("integer", changelog.Type{Kind: changelog.KindInt, Bits: 32}), array(), array(one), array(one, null, two), array(array(one, two), array(null, one))),
		col("texts", "text[]", of("text", changelog.Type{Kind: changelog.KindString}), array(strs("")...), array(strs("a b", "NULL", "{x}", `q"\`, "é😀")...), array(null), array(strs("a,b")...), array(strs("a", "b")...)),
		col("numerics", "numeric[]", of("numeric", numeric(0, 0)), array(decimals("1.1", "-20")...), array(decimals("11")...)).
			sameKey(array(decimals("1.10", "2.0")...), array(decimals("1.1", "2")...)).orRefused(array(changelog.NaN(), null)),
		col("stamps", "timestamp with time zone[]", of("timestamp with time zone", changelog.Type{Kind: changelog.KindTimestamp, FSP: 6}), array(changelog.Timestamp(1714979289_120_000)), array(null, changelog.Timestamp(-1))).
			orLossy(array(changelog.Infinite(changelog.KindTimestamp, true))),
		col("blobs", "bytea[]", of("bytea", changelog.Type{Kind: changelog.KindBytes}), array(changelog.Bytes([]byte("\x00\xff"))), array(changelog.Bytes([]byte{}))),
		col("spans", "interval[]", of("interval", changelog.Type{Kind: changelog.KindInterval, FSP: 6}), array(changelog.Interval(make([]byte, 16), 14, -3, 500_000)), array(changelog.Interval(make([]byte, 16), 0, 1, 0))).
			sameKey(array(changelog.Interval(make([]byte, 16), 1, 0, 0)), array(changelog.Interval(make([]byte, 16), 0, 30, 0))),
		col("bits", "bit(3)[]", of("bit(3)", changelog.Type{Kind: changelog.KindBitString, Bits: 3, Fixed: true}), array(changelog.BitString([]byte("101"))), array(null)),
		col("flags", "boolean[]", of("boolean", changelog.Type{Kind: changelog.KindBool}), array(changelog.Bool(true), changelog.Bool(false), null), array(null)),
		col("boxes", "box[]", of("box", changelog.Type{Kind: changelog.KindString}), array(strs("(1,1),(0,0)", "(2,2),(0,0)")...), array()).neverKey(),
		col("hstore", "public.hstore", changelog.Type{Kind: changelog.KindMap}, hstore(), pair("k", "v"), pair(`a"\=>, é😀`, ""), hstore(changelog.String([]byte("n")), null), pair("n", "null")),
		col("hstores", "public.hstore[]", of("public.hstore", changelog.Type{Kind: changelog.KindMap}), array(pair("k", "v"), null), array(pair("k", "w"))),
	}
	for _, c := range nested() {
		switch c.Name {
		case "geometry":
			c.SourceType = "public.geometry(Geometry,3857)"
			cols = append(cols, c)
		case "vector":
			c.SourceType = "public.vector(2)"
			cols = append(cols, c)
		}
	}
	point := nested()[0].values
	return append(cols, col("geometries", "public.geometry[]", of("public.geometry", changelog.Type{Kind: changelog.KindGeometry}), array(point[0], point[1]), array(null)).neverKey())
}
