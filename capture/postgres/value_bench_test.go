package postgres

import (
	"testing"

	"cdcbridge/changelog"
)

// benchRow is a value of every scalar type, as most rows have them.
var benchRow = []valueCase{
	{oid: oidInt8, modifier: -1, text: "9007199254740993"}, {oid: oidInt4, modifier: -1, text: "-12345"}, {oid: oidInt2, modifier: -1, text: "7"}, {oid: oidBool, modifier: -1, text: "t"}, {oid: oidOID, modifier: -1, text: "16384"},
	{oid: oidFloat8, modifier: -1, text: "0.30000000000000004"}, {oid: oidFloat4, modifier: -1, text: "1.5"}, {oid: oidNumeric, modifier: numericModifier(10, 2), text: "-12345.67"}, {oid: oidNumeric, modifier: -1, text: "NaN"}, {oid: oidMoney, modifier: -1, text: "-$1,234,567.89"},
	{oid: oidText, modifier: -1, text: "a text of some length, as they are"}, {oid: oidVarchar, modifier: 24, text: "café"}, {oid: oidUUID, modifier: -1, text: "0f8fad5b-d9cb-469f-a165-70867728950e"}, {oid: oidMood, modifier: -1, text: "happy"},
	{oid: oidDate, modifier: -1, text: "2024-05-06"}, {oid: oidTime, modifier: -1, text: "07:08:09.123456"}, {oid: oidTimeTZ, modifier: -1, text: "07:08:09+02"}, {oid: oidTimestamp, modifier: 3, text: "2024-05-06 07:08:09.123"},
	{oid: oidTimestampTZ, modifier: -1, text: "2024-05-06 07:08:09.123456+00"}, {oid: oidTimestampTZ, modifier: -1, text: "infinity"}, {oid: oidInterval, modifier: -1, text: "1 year 2 mons 3 days 04:05:06.78"},
	{oid: oidBytea, modifier: -1, text: `\x00112233445566778899aabbccddeeff`}, {oid: oidJSONB, modifier: -1, text: `{"a": [1, 2, {"b": null}]}`}, {oid: oidBit, modifier: 3, text: "101"}, {oid: oidVarbit, modifier: -1, text: "1010101"},
}

// benchNested are the types whose values are made of others.
var benchNested = []valueCase{
	{oid: oidInt4Array, modifier: -1, text: "{1,2,NULL,4,5,6,7,8}"}, {oid: oidTextArray, modifier: -1, text: `{{"a b","c\"d"},{e,NULL}}`}, {oid: oidHstore, modifier: -1, text: `"a"=>"1", "b\"c"=>NULL`},
	{oid: oidVector, modifier: 4, text: "[0.1,-0.25,3e-05,4]"}, {oid: oidGeometry, modifier: -1, text: pointLE},
}

type preparedValue struct {
	columnType
	text []byte
}

func prepared(t testing.TB, cases []valueCase) []preparedValue {
	tb := testBook()
	var out []preparedValue
	for _, tc := range cases {
		c, err := tb.column(tc.oid, int32(tc.modifier))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, preparedValue{c, []byte(tc.text)})
	}
	return out
}

func decodeAll(t testing.TB, values []preparedValue, row changelog.Row, b *changelog.Batch) {
	for i := range values {
		v := &values[i]
		if err := v.decode(&v.columnType, v.text, &row[i], b); err != nil {
			t.Fatal(err)
		}
	}
}

func TestValuesAreDecodedWithoutAllocation(t *testing.T) {
	for name, cases := range map[string][]valueCase{"scalar": benchRow, "nested": benchNested} {
		values := prepared(t, cases)
		b := changelog.NewBatch()
		row := make(changelog.Row, len(values))
		// What goes into the batch is taken from its slabs; a new slab is one allocation for thousands of values.
		if n := testing.AllocsPerRun(100, func() { decodeAll(t, values, row, b) }); n != 0 {
			t.Errorf("%s: %v allocations a row", name, n)
		}
		b.Release()
	}
}

func benchmarkValues(b *testing.B, cases []valueCase) {
	values := prepared(b, cases)
	batch := changelog.NewBatch()
	row := make(changelog.Row, len(values))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%1000 == 0 {
			batch.Release()
			batch = changelog.NewBatch()
		}
		decodeAll(b, values, row, batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(values)), "ns/value")
}

func BenchmarkNumbers(b *testing.B)  { benchmarkValues(b, benchRow[:7]) }
func BenchmarkDecimals(b *testing.B) { benchmarkValues(b, benchRow[7:10]) }
func BenchmarkTexts(b *testing.B)    { benchmarkValues(b, benchRow[10:14]) }
func BenchmarkTimes(b *testing.B)    { benchmarkValues(b, benchRow[14:21]) }
func BenchmarkBytes(b *testing.B)    { benchmarkValues(b, benchRow[21:25]) }
func BenchmarkArray(b *testing.B)    { benchmarkValues(b, benchNested[:2]) }
func BenchmarkHstore(b *testing.B)   { benchmarkValues(b, benchNested[2:3]) }
func BenchmarkVector(b *testing.B)   { benchmarkValues(b, benchNested[3:4]) }
func BenchmarkGeometry(b *testing.B) { benchmarkValues(b, benchNested[4:]) }
