package postgres

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"cdcbridge/changelog"
)

// Numbers of built-in types that the tests use.
const (
	oidBool, oidBytea, oidChar, oidName       = 16, 17, 18, 19
	oidInt8, oidInt2, oidInt4                 = 20, 21, 23
	oidText, oidOID, oidJSON, oidXML          = 25, 26, 114, 142
	oidFloat4, oidFloat8, oidMoney            = 700, 701, 790
	oidBpchar, oidVarchar                     = 1042, 1043
	oidDate, oidTime, oidTimestamp            = 1082, 1083, 1114
	oidTimestampTZ, oidInterval, oidTimeTZ    = 1184, 1186, 1266
	oidBit, oidVarbit, oidNumeric, oidUUID    = 1560, 1562, 1700, 2950
	oidJSONB, oidInt4Range                    = 3802, 3904
	oidInt4Array, oidTextArray, oidBoxArray   = 1007, 1009, 1020
	oidNumericArray, oidBoolArray, oidIntVec  = 1231, 1000, 22
	oidTimestampTZArray, oidInt4RangeArray    = 1185, 3905
	oidHstore, oidVector, oidGeometry, oidMap = 70001, 70002, 70003, 70004
	oidHstoreArray, oidMood, oidMoodArray     = 70005, 70006, 70007
	oidPrice, oidPriceArray, oidPrices        = 70010, 70011, 70012 // numeric(10,2), its array, a domain over numeric(10,2)[]
	oidPricesArray, oidDiscount, oidHalfvec   = 70013, 70014, 70015 // an array of arrays by way of a domain, a domain over a domain
	oidPair, oidPairArray                     = 70016, 70017        // a composite type
)

// testBook knows what a database with the extensions and a few types of its own has.
func testBook() *typeBook {
	tb := newTypeBook()
	for _, row := range [][]string{
		{"70001", "public", "hstore", "b", "public.hstore", "0", "-1", "0", ","},
		{"70005", "public", "_hstore", "b", "public.hstore[]", "0", "-1", "70001", ","},
		{"70002", "public", "vector", "b", "public.vector", "0", "-1", "0", ","},
		{"70015", "public", "halfvec", "b", "public.halfvec", "0", "-1", "0", ","},
		{"70003", "gis", "geometry", "b", "gis.geometry", "0", "-1", "0", ":"},
		{"70006", "public", "mood", "e", "public.mood", "0", "-1", "0", ","},
		{"70007", "public", "_mood", "b", "public.mood[]", "0", "-1", "70006", ","},
		{"70010", "public", "price", "d", "public.price", "1700", strconv.Itoa(numericModifier(10, 2)), "0", ","},
		{"70011", "public", "_price", "b", "public.price[]", "0", "-1", "70010", ","},
		{"70012", "public", "prices", "d", "public.prices", "1231", strconv.Itoa(numericModifier(10, 2)), "0", ","},
		{"70013", "public", "_prices", "b", "public.prices[]", "0", "-1", "70012", ","},
		{"70014", "public", "discount", "d", "public.discount", "70010", "-1", "0", ","},
		{"70016", "Odd s", "pair", "c", `"Odd s".pair`, "0", "-1", "0", ","},
		{"70017", "Odd s", "_pair", "b", `"Odd s".pair[]`, "0", "-1", "70016", ","},
	} {
		if _, _, err := tb.learn(row); err != nil {
			panic(err)
		}
	}
	return tb
}

func numericModifier(precision, scale int) int {
	return precision<<16 | scale&0x7ff + modifierHeader
}

// show writes a value so that every kind and form looks different.
func show(v changelog.Value) string {
	switch v.Form() {
	case changelog.FormPosInf:
		return "+inf " + strconv.Itoa(int(v.Kind()))
	case changelog.FormNegInf:
		return "-inf " + strconv.Itoa(int(v.Kind()))
	case changelog.FormNaN:
		return "nan"
	}
	switch v.Kind() {
	case changelog.KindNull:
		return "null"
	case changelog.KindBool:
		return strconv.FormatBool(v.Bool())
	case changelog.KindInt:
		return "int " + strconv.FormatInt(v.Int(), 10)
	case changelog.KindUint:
		return "uint " + strconv.FormatUint(v.Uint(), 10)
	case changelog.KindFloat32:
		return "f32 " + strconv.FormatFloat(float64(v.Float32()), 'g', -1, 32)
	case changelog.KindFloat64:
		return "f64 " + strconv.FormatFloat(v.Float64(), 'g', -1, 64)
	case changelog.KindDecimal:
		return "dec " + string(v.Bytes())
	case changelog.KindString:
		return "str " + string(v.Bytes())
	case changelog.KindJSON:
		return "json " + string(v.Bytes())
	case changelog.KindBitString:
		return "bits " + string(v.Bytes())
	case changelog.KindBytes:
		return "bytes " + hex.EncodeToString(v.Bytes())
	case changelog.KindVector:
		return "vector " + hex.EncodeToString(v.Bytes())
	case changelog.KindGeometry:
		return fmt.Sprintf("srid %d wkb %x", v.Uint(), v.Bytes())
	case changelog.KindDate:
		return "date " + string(changelog.AppendDate(nil, v.Civil()))
	case changelog.KindDateTime, changelog.KindTimestamp:
		prefix := map[changelog.Kind]string{changelog.KindDateTime: "wall ", changelog.KindTimestamp: "utc "}[v.Kind()]
		c := v.Civil()
		return string(changelog.AppendClock(append(changelog.AppendDate([]byte(prefix), c), ' '), c, 6))
	case changelog.KindTime:
		return string(changelog.AppendSpan([]byte("time "), v.Int(), 6))
	case changelog.KindTimeTZ:
		return fmt.Sprintf("%s %+d", changelog.AppendSpan(nil, v.Int(), 6), v.Offset())
	case changelog.KindInterval:
		months, days, micros := v.Interval()
		return fmt.Sprintf("%dmon %dd %dus", months, days, micros)
	case changelog.KindArray, changelog.KindMap:
		parts := make([]string, len(v.Elems()))
		for i, e := range v.Elems() {
			parts[i] = show(e)
		}
		if v.Kind() == changelog.KindMap {
			return "map[" + strings.Join(parts, "|") + "]"
		}
		return "[" + strings.Join(parts, "|") + "]"
	}
	return fmt.Sprintf("kind %d", v.Kind())
}

// valueCase is one text of a type and what it must become; no want means that it must be refused.
type valueCase struct {
	oid      uint32
	modifier int
	text     string
	want     string
}

func checkValues(t *testing.T, cases []valueCase) {
	t.Helper()
	tb := testBook()
	for _, tc := range cases {
		c, err := tb.column(tc.oid, int32(tc.modifier))
		if err != nil {
			t.Errorf("type %d: %v", tc.oid, err)
			continue
		}
		b := changelog.NewBatch()
		var v changelog.Value
		err = c.decode(&c, []byte(tc.text), &v, b)
		switch {
		case tc.want == "" && err == nil:
			t.Errorf("%s %q became %s", c.source, tc.text, show(v))
		case tc.want == "":
			if !utf8.ValidString(err.Error()) || len(err.Error()) > 400 {
				t.Errorf("%s %q: the error %q", c.source, tc.text, err)
			}
		case err != nil:
			t.Errorf("%s %q: %v", c.source, tc.text, err)
		case show(v) != tc.want || v.Kind() != c.typ.Kind:
			t.Errorf("%s %q: got %s (kind %d), want %s (kind %d)", c.source, tc.text, show(v), v.Kind(), tc.want, c.typ.Kind)
		}
		b.Release()
	}
}

func TestNumbers(t *testing.T) { checkValues(t, numberCases) }

var numberCases = []valueCase{
	{oidBool, -1, "t", "true"}, {oidBool, -1, "f", "false"}, {oidBool, -1, "true", ""}, {oidBool, -1, "", ""}, {oidBool, -1, "T", ""},
	{oidInt2, -1, "-32768", "int -32768"}, {oidInt2, -1, "32767", "int 32767"}, {oidInt2, -1, "32768", ""}, {oidInt2, -1, "-32769", ""},
	{oidInt4, -1, "-2147483648", "int -2147483648"}, {oidInt4, -1, "2147483648", ""}, {oidInt4, -1, "0", "int 0"},
	{oidInt8, -1, "-9223372036854775808", "int -9223372036854775808"}, {oidInt8, -1, "9223372036854775807", "int 9223372036854775807"},
	{oidInt8, -1, "9223372036854775808", ""}, {oidInt8, -1, "-9223372036854775809", ""}, {oidInt8, -1, "18446744073709551616", ""},
	{oidInt8, -1, "99999999999999999999", ""}, {oidInt8, -1, "", ""}, {oidInt8, -1, "-", ""}, {oidInt8, -1, "+1", ""}, {oidInt8, -1, "1 ", ""}, {oidInt8, -1, "1a", ""},
	{oidOID, -1, "4294967295", "uint 4294967295"}, {oidOID, -1, "4294967296", ""}, {oidOID, -1, "-1", ""},
	{oidFloat4, -1, "0.1", "f32 0.1"}, {oidFloat4, -1, "1e-45", "f32 1e-45"}, {oidFloat4, -1, "3.4028235e+38", "f32 3.4028235e+38"}, {oidFloat4, -1, "-0", "f32 -0"},
	{oidFloat4, -1, "NaN", "f32 NaN"}, {oidFloat4, -1, "-Infinity", "f32 -Inf"}, {oidFloat4, -1, "1e39", ""}, {oidFloat4, -1, "1", "f32 1"},
	{oidFloat8, -1, "5e-324", "f64 5e-324"}, {oidFloat8, -1, "1.7976931348623157e+308", "f64 1.7976931348623157e+308"}, {oidFloat8, -1, "Infinity", "f64 +Inf"},
	{oidFloat8, -1, "NaN", "f64 NaN"}, {oidFloat8, -1, "1e+16", "f64 1e+16"}, {oidFloat8, -1, "0.30000000000000004", "f64 0.30000000000000004"},
	{oidFloat8, -1, "inf", ""}, {oidFloat8, -1, "nan", ""}, {oidFloat8, -1, "0x1p4", ""}, {oidFloat8, -1, "1_0", ""}, {oidFloat8, -1, "", ""}, {oidFloat8, -1, "1e400", ""}, {oidFloat8, -1, "1 ", ""},
	{oidFloat8, -1, strings.Repeat("1", 40), ""},
}

func TestDecimals(t *testing.T) { checkValues(t, decimalCases) }

// many is the longest whole number that a numeric can be.
var many = strings.Repeat("9", 131072)

var decimalCases = []valueCase{
	{oidNumeric, -1, "12.340", "dec 12.340"}, {oidNumeric, -1, "-0.00000000000000000001", "dec -0.00000000000000000001"}, {oidNumeric, -1, many, "dec " + many},
	{oidNumeric, -1, "NaN", "nan"}, {oidNumeric, -1, "Infinity", "+inf 7"}, {oidNumeric, -1, "-Infinity", "-inf 7"}, {oidNumeric, numericModifier(10, 2), "NaN", "nan"},
	{oidNumeric, numericModifier(10, 2), "-1.50", "dec -1.50"}, {oidNumeric, numericModifier(10, 2), "1.5", ""}, {oidNumeric, numericModifier(10, 2), "1.500", ""}, {oidNumeric, numericModifier(10, 2), "1", ""},
	{oidNumeric, numericModifier(5, -2), "12300", "dec 12300"}, {oidNumeric, numericModifier(5, -2), "12300.0", ""}, {oidNumeric, numericModifier(2, 4), "0.0012", "dec 0.0012"},
	{oidNumeric, numericModifier(5, 0), "12345", "dec 12345"},
	{oidNumeric, -1, "", ""}, {oidNumeric, -1, "-", ""}, {oidNumeric, -1, ".5", ""}, {oidNumeric, -1, "5.", ""}, {oidNumeric, -1, "1e5", ""}, {oidNumeric, -1, "1.2.3", ""}, {oidNumeric, -1, "+1", ""}, {oidNumeric, -1, "-NaN", ""}, {oidNumeric, -1, "1,5", ""},
	{oidMoney, -1, "$0.00", "dec 0.00"}, {oidMoney, -1, "-$1,234.56", "dec -1234.56"}, {oidMoney, -1, "$999.99", "dec 999.99"}, {oidMoney, -1, "-$92,233,720,368,547,758.08", "dec -92233720368547758.08"},
	{oidMoney, -1, "$1234.56", ""}, {oidMoney, -1, "$1,23.56", ""}, {oidMoney, -1, "$1,2345.56", ""}, {oidMoney, -1, "($1.00)", ""}, {oidMoney, -1, "1,234.56 €", ""}, {oidMoney, -1, "$1.5", ""}, {oidMoney, -1, "$1", ""}, {oidMoney, -1, "", ""},
	{oidMoney, -1, "$,123.00", ""}, {oidMoney, -1, "$1.000", ""}, {oidMoney, -1, "$-1.00", ""}, {oidMoney, -1, "$1,234", ""},
}

func TestTexts(t *testing.T) { checkValues(t, textCases) }

var textCases = []valueCase{
	{oidText, -1, "", "str "}, {oidText, -1, "é😀\x01", "str é😀\x01"}, {oidText, -1, "a\xff", ""}, {oidBpchar, 10, "ab    ", "str ab    "}, {oidVarchar, 9, "abc", "str abc"},
	{oidName, -1, "n", "str n"}, {oidChar, -1, "", "str "}, {oidChar, -1, `\303`, `str \303`}, {oidUUID, -1, "0f8fad5b-d9cb-469f-a165-70867728950e", "str 0f8fad5b-d9cb-469f-a165-70867728950e"},
	{oidXML, -1, "<a/>", "str <a/>"}, {oidInt4Range, -1, "[1,5)", "str [1,5)"}, {oidIntVec, -1, "1 2", "str 1 2"}, {oidMood, -1, "so so", "str so so"}, {oidPair, -1, `(1,"a b")`, `str (1,"a b")`},
	{oidHalfvec, 3, "[1,2,3]", "str [1,2,3]"},
	{oidJSON, -1, `{"a" : 1}`, `json {"a" : 1}`}, {oidJSONB, -1, "null", "json null"}, {oidJSON, -1, "", ""}, {oidJSON, -1, "\"\xff\"", ""},
	{oidBit, 3, "101", "bits 101"}, {oidBit, 3, "10", ""}, {oidBit, 3, "1010", ""}, {oidBit, 3, "1a1", ""}, {oidVarbit, -1, "", "bits "}, {oidVarbit, 3, "10", "bits 10"}, {oidVarbit, 3, "1010", ""},
	{oidVarbit, -1, strings.Repeat("10", 5000), "bits " + strings.Repeat("10", 5000)}, {oidBit, -1, "1", "bits 1"},
}

func TestTimes(t *testing.T) { checkValues(t, timeCases) }

var timeCases = []valueCase{
	{oidDate, -1, "2024-02-29", "date 2024-02-29"}, {oidDate, -1, "0001-01-01", "date 0001-01-01"}, {oidDate, -1, "0001-12-31 BC", "date 0000-12-31"}, {oidDate, -1, "0044-03-15 BC", "date -0043-03-15"},
	{oidDate, -1, "4714-11-24 BC", "date -4713-11-24"}, {oidDate, -1, "0005-02-29 BC", "date -0004-02-29"}, {oidDate, -1, "5874897-12-31", "date +5874897-12-31"}, {oidDate, -1, "10000-01-01", "date +10000-01-01"},
	{oidDate, -1, "infinity", "+inf 11"}, {oidDate, -1, "-infinity", "-inf 11"},
	{oidDate, -1, "2023-02-29", ""}, {oidDate, -1, "1900-02-29", ""}, {oidDate, -1, "2024-13-01", ""}, {oidDate, -1, "2024-00-01", ""}, {oidDate, -1, "2024-01-00", ""}, {oidDate, -1, "0000-01-01", ""}, {oidDate, -1, "0004-02-29 BC", ""},
	{oidDate, -1, "24-01-01", ""}, {oidDate, -1, "02024-01-01", ""}, {oidDate, -1, "01/02/2024", ""}, {oidDate, -1, "2024-01-01 00:00:00", ""}, {oidDate, -1, "2024-1-01", ""}, {oidDate, -1, "12345678-01-01", ""}, {oidDate, -1, "", ""}, {oidDate, -1, "Infinity", ""}, {oidDate, -1, " BC", ""},
	{oidTime, -1, "00:00:00", "time 00:00:00.000000"}, {oidTime, -1, "24:00:00", "time 24:00:00.000000"}, {oidTime, -1, "23:59:59.999999", "time 23:59:59.999999"}, {oidTime, 3, "07:08:09.12", "time 07:08:09.120000"}, {oidTime, 3, "07:08:09.1234", ""}, {oidTime, 0, "07:08:09.5", ""},
	{oidTime, -1, "24:00:00.1", ""}, {oidTime, -1, "24:00:01", ""}, {oidTime, -1, "12:60:00", ""}, {oidTime, -1, "12:00:60", ""}, {oidTime, -1, "1:00:00", ""}, {oidTime, -1, "12:00", ""}, {oidTime, -1, "12:00:00.", ""}, {oidTime, -1, "12:00:00.1234567", ""}, {oidTime, -1, "12:00:00+00", ""}, {oidTime, -1, "", ""},
	{oidTimeTZ, -1, "12:34:56.789+02", "12:34:56.789000 +7200"}, {oidTimeTZ, -1, "00:00:00-00:19:32", "00:00:00.000000 -1172"}, {oidTimeTZ, -1, "24:00:00+15:59:59", "24:00:00.000000 +57599"}, {oidTimeTZ, -1, "12:00:00.5-03:30", "12:00:00.500000 -12600"}, {oidTimeTZ, 0, "01:02:03-15:59", "01:02:03.000000 -57540"},
	{oidTimeTZ, -1, "12:00:00", ""}, {oidTimeTZ, -1, "12:00:00+16", ""}, {oidTimeTZ, -1, "12:00:00+02:60", ""}, {oidTimeTZ, -1, "12:00:00+2", ""}, {oidTimeTZ, -1, "12:00:00 UTC", ""}, {oidTimeTZ, -1, "12:00:00+02:", ""}, {oidTimeTZ, -1, "12:00:00+02.30", ""}, {oidTimeTZ, -1, "12:00:00+02:00:0a", ""},
	{oidTimestamp, -1, "2024-05-06 07:08:09.123456", "wall 2024-05-06 07:08:09.123456"}, {oidTimestamp, -1, "4714-11-24 00:00:00 BC", "wall -4713-11-24 00:00:00.000000"}, {oidTimestamp, 3, "2024-05-06 07:08:09.12", "wall 2024-05-06 07:08:09.120000"},
	{oidTimestamp, -1, "20240-01-01 00:00:00", "wall +20240-01-01 00:00:00.000000"}, {oidTimestamp, -1, "294247-01-08 23:59:59.999999", "wall +294247-01-08 23:59:59.999999"}, {oidTimestamp, -1, "infinity", "+inf 13"}, {oidTimestamp, -1, "-infinity", "-inf 13"},
	{oidTimestamp, -1, "294276-12-31 23:59:59.999999", ""}, {oidTimestamp, -1, "2024-05-06 24:00:00", ""}, {oidTimestamp, -1, "2024-05-06T07:08:09", ""}, {oidTimestamp, -1, "2024-05-06", ""}, {oidTimestamp, -1, "2024-05-06 ", ""}, {oidTimestamp, 3, "2024-05-06 07:08:09.1234", ""}, {oidTimestamp, -1, "2024-05-06 07:08:09+00", ""}, {oidTimestamp, -1, "", ""},
	{oidTimestampTZ, -1, "2024-05-06 07:08:09.1+00", "utc 2024-05-06 07:08:09.100000"}, {oidTimestampTZ, -1, "2024-05-06 07:08:09-03:30", "utc 2024-05-06 10:38:09.000000"}, {oidTimestampTZ, -1, "0044-03-15 10:00:00+00 BC", "utc -0043-03-15 10:00:00.000000"},
	{oidTimestampTZ, -1, "infinity", "+inf 14"}, {oidTimestampTZ, -1, "-infinity", "-inf 14"}, {oidTimestampTZ, -1, "2024-05-06 07:08:09", ""}, {oidTimestampTZ, -1, "2024-05-06 07:08:09 UTC", ""}, {oidTimestampTZ, -1, "Mon May 06 07:08:09 2024 UTC", ""}, {oidTimestampTZ, -1, "294276-12-31 23:59:59+00", ""},
}

func TestIntervals(t *testing.T) { checkValues(t, intervalCases) }

var intervalCases = []valueCase{
	{oidInterval, -1, "00:00:00", "0mon 0d 0us"}, {oidInterval, -1, "1 year 2 mons 3 days 04:05:06.78", "14mon 3d 14706780000us"}, {oidInterval, -1, "-1 years -2 mons +3 days -04:05:06.78", "-14mon 3d -14706780000us"},
	{oidInterval, -1, "1 mon", "1mon 0d 0us"}, {oidInterval, -1, "-1 days", "0mon -1d 0us"}, {oidInterval, -1, "-1 days +00:00:01", "0mon -1d 1000000us"}, {oidInterval, -1, "-00:00:00.000001", "0mon 0d -1us"}, {oidInterval, -1, "1 day", "0mon 1d 0us"},
	{oidInterval, -1, "178956970 years 7 mons 2147483647 days 2562047788:00:54.775807", "2147483647mon 2147483647d 9223372036854775807us"},
	{oidInterval, -1, "-178956970 years -8 mons -2147483648 days -2562047788:00:54.775808", "-2147483648mon -2147483648d -9223372036854775808us"},
	{oidInterval, -1, "infinity", "+inf 21"}, {oidInterval, -1, "-infinity", "-inf 21"},
	{oidInterval, -1, "", ""}, {oidInterval, -1, "1", ""}, {oidInterval, -1, "1 ", ""}, {oidInterval, -1, "1 day ", ""}, {oidInterval, -1, "1 days", ""}, {oidInterval, -1, "2 day", ""}, {oidInterval, -1, "1 fortnight", ""}, {oidInterval, -1, "1 day 1 day", ""}, {oidInterval, -1, "1 day 1 mon", ""},
	{oidInterval, -1, "00:00:00 1 day", ""}, {oidInterval, -1, "00:00:00 00:00:00", ""}, {oidInterval, -1, "178956970 years 8 mons", ""}, {oidInterval, -1, "2147483648 days", ""}, {oidInterval, -1, "2562047788:00:54.775808", ""}, {oidInterval, -1, "9999999999:00:00", ""},
	{oidInterval, -1, "P1Y2M", ""}, {oidInterval, -1, "@ 1 day", ""}, {oidInterval, -1, "--1 days", ""}, {oidInterval, -1, "1 day-04:00:00", ""}, {oidInterval, -1, "04:60:00", ""}, {oidInterval, -1, "1 dayx", ""},
}

func TestBytesAndExtensions(t *testing.T) { checkValues(t, bytesCases) }

// One point in both byte orders.
const pointLE, pointBE = "0101000020E6100000000000000000F03F0000000000000040", "0020000001000010E63FF00000000000004000000000000000"

var bytesCases = []valueCase{
	{oidBytea, -1, `\x`, "bytes "}, {oidBytea, -1, `\x0001fF`, "bytes 0001ff"}, {oidBytea, -1, `\x0`, ""}, {oidBytea, -1, `\x0g`, ""}, {oidBytea, -1, `abc`, ""}, {oidBytea, -1, ``, ""}, {oidBytea, -1, `\000`, ""},
	{oidVector, -1, "[1,2.5,-3e-05]", "vector 0000803f0000204082a8fbb7"}, {oidVector, 3, "[1,2.5,-3e-05]", "vector 0000803f0000204082a8fbb7"}, {oidVector, 2, "[1,2,3]", ""}, {oidVector, -1, "[]", ""}, {oidVector, -1, "[1,]", ""}, {oidVector, -1, "[1,NaN]", ""},
	{oidVector, -1, "[1,Infinity]", ""}, {oidVector, -1, "{1,2}", ""}, {oidVector, -1, "[1,2", ""}, {oidVector, -1, "[1 ,2]", ""}, {oidVector, -1, "[[1]]", ""}, {oidVector, -1, "[1e39]", ""}, {oidVector, -1, "", ""},
	{oidGeometry, -1, pointLE, "srid 4326 wkb 0101000000000000000000f03f0000000000000040"}, {oidGeometry, -1, pointBE, "srid 4326 wkb 00000000013ff00000000000004000000000000000"},
	{oidGeometry, -1, "0101000000000000000000F03F0000000000000040", "srid 0 wkb 0101000000000000000000f03f0000000000000040"}, {oidGeometry, -1, "010700000000000000", "srid 0 wkb 010700000000000000"},
	{oidGeometry, -1, "01010000A0E6100000000000000000F03F00000000000000400000000000000840", "srid 4326 wkb 0101000080000000000000f03f00000000000000400000000000000840"},
	{oidGeometry, -1, "", ""}, {oidGeometry, -1, "0101", ""}, {oidGeometry, -1, "0201000000000000000000F03F", ""}, {oidGeometry, -1, pointLE[1:], ""}, {oidGeometry, -1, "0101000020E610000000", ""}, {oidGeometry, -1, "POINT(1 2)", ""},
	{oidHstore, -1, "", "map[]"}, {oidHstore, -1, `"a"=>"1"`, "map[str a|str 1]"}, {oidHstore, -1, `""=>"", "c"=>NULL, "a\"b"=>"\\", "NULL"=>"NULL", "k=>v"=>"x, y"`, `map[str |str |str c|null|str a"b|str \|str NULL|str NULL|str k=>v|str x, y]`},
	{oidHstore, -1, `a=>1`, ""}, {oidHstore, -1, `"a"`, ""}, {oidHstore, -1, `"a"=>`, ""}, {oidHstore, -1, `"a"=>"1`, ""}, {oidHstore, -1, `"a"=>"1","b"=>"2"`, ""}, {oidHstore, -1, `"a"=>"1", `, ""}, {oidHstore, -1, `"a"=>null`, ""}, {oidHstore, -1, `"a"=>NULLs`, ""}, {oidHstore, -1, `"a"=>"1" "b"=>"2"`, ""},
	{oidHstore, -1, `>`, ""}, {oidHstore, -1, `"a\`, ""}, {oidHstore, -1, "\"\xff\"=>\"1\"", ""},
}

func TestArrays(t *testing.T) { checkValues(t, arrayCases) }

// deep has as many dimensions as an array can have.
var deep = strings.Repeat("{", 6) + "1" + strings.Repeat("}", 6)

var arrayCases = []valueCase{
	{oidInt4Array, -1, "{}", "[]"}, {oidInt4Array, -1, "{1,NULL,-3}", "[int 1|null|int -3]"}, {oidInt4Array, -1, "{{1,2},{3,NULL}}", "[[int 1|int 2]|[int 3|null]]"}, {oidInt4Array, -1, "[0:1][-2:-1]={{1,2},{3,4}}", "[[int 1|int 2]|[int 3|int 4]]"}, {oidInt4Array, -1, "[5:5]={7}", "[int 7]"},
	{oidInt4Array, -1, deep, "[[[[[[int 1]]]]]]"}, {oidInt4Array, -1, "{" + deep + "}", ""},
	{oidTextArray, -1, `{"","NULL","null","a\"b","a\\b","a b","a,b","{",é,NULL,x}`, `[str |str NULL|str null|str a"b|str a\b|str a b|str a,b|str {|str é|null|str x]`}, {oidTextArray, -1, `{null}`, "[str null]"}, {oidTextArray, -1, "{\"\n\"}", "[str \n]"},
	{oidBoxArray, -1, "{(1,1),(0,0);(2,2),(1,1)}", "[str (1,1),(0,0)|str (2,2),(1,1)]"}, {oidInt4RangeArray, -1, `{"[1,5)",empty}`, "[str [1,5)|str empty]"}, {oidBoolArray, -1, "{t,f}", "[true|false]"},
	{oidNumericArray, numericModifier(10, 2), "{1.50,NaN}", "[dec 1.50|nan]"}, {oidNumericArray, numericModifier(10, 2), "{1.5}", ""}, {oidTimestampTZArray, 0, `{"2024-05-06 07:08:09+00",infinity}`, "[utc 2024-05-06 07:08:09.000000|+inf 14]"},
	{oidHstoreArray, -1, `{{"\"a\"=>\"1\""}}`, "[[map[str a|str 1]]]"}, {oidHstoreArray, -1, `{""}`, "[map[]]"}, {oidMoodArray, -1, `{happy,"so so"}`, "[str happy|str so so]"}, {oidPairArray, -1, `{"(1,\"a b\")"}`, `[str (1,"a b")]`},
	{oidPriceArray, -1, "{1.50,NULL}", "[dec 1.50|null]"}, {oidPriceArray, -1, "{1.5}", ""}, {oidPrices, -1, "{1.50}", "[dec 1.50]"}, {oidPrices, -1, "{1.5}", ""}, {oidPricesArray, -1, `{"{1.50,2.50}","{}"}`, "[[dec 1.50|dec 2.50]|[]]"}, {oidDiscount, -1, "0.10", "dec 0.10"}, {oidDiscount, -1, "0.1", ""},
	{oidInt4Array, -1, "", ""}, {oidInt4Array, -1, "{", ""}, {oidInt4Array, -1, "{1", ""}, {oidInt4Array, -1, "{1,", ""}, {oidInt4Array, -1, "{1,}", ""}, {oidInt4Array, -1, "{,1}", ""}, {oidInt4Array, -1, "{1}}", ""}, {oidInt4Array, -1, "{1}x", ""}, {oidInt4Array, -1, "{{1,2},{3}}", ""}, {oidInt4Array, -1, "{{1},2}", ""}, {oidInt4Array, -1, "{1,{2}}", ""},
	{oidInt4Array, -1, "{{}}", ""}, {oidInt4Array, -1, "{{1}{2}}", ""}, {oidInt4Array, -1, "{{1}x{2}}", ""}, {oidInt4Array, -1, "[0:1]{1,2}", ""}, {oidInt4Array, -1, "[0:1][0:1]={1,2}", ""}, {oidInt4Array, -1, "[0]={1}", ""}, {oidInt4Array, -1, "[0:x]={1}", ""}, {oidInt4Array, -1, "[0:1", ""}, {oidInt4Array, -1, "[0:1]", ""},
	{oidInt4Array, -1, "{a}", ""}, {oidTextArray, -1, `{"a}`, ""}, {oidTextArray, -1, `{"a"b}`, ""}, {oidTextArray, -1, `{a"b"}`, ""}, {oidTextArray, -1, `{a\b}`, ""}, {oidTextArray, -1, `{"a\`, ""}, {oidTextArray, -1, "{\"\xff\"}", ""}, {oidTextArray, -1, `1`, ""}, {oidTextArray, -1, `{{a,b},{c,"d}`, ""},
}

func TestFloatsComeBackBitForBit(t *testing.T) {
	c, _ := newTypeBook().column(oidFloat8, -1)
	for _, f := range []float64{math.Pi, -math.Pi, 1.0 / 3, math.MaxFloat64, math.SmallestNonzeroFloat64, 2.2250738585072014e-308, 1e22, 123456789012345678} {
		var v changelog.Value
		if err := c.decode(&c, strconv.AppendFloat(nil, f, 'g', -1, 64), &v, nil); err != nil || math.Float64bits(v.Float64()) != math.Float64bits(f) {
			t.Errorf("%v became %v, %v", f, v.Float64(), err)
		}
	}
}
