package mysql

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/capture/mysql/schema"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// ordersTable is what the catalogue says of a table with a column of each common type.
func ordersTable() *schema.Table {
	col := func(name, typ, columnType string, more ...string) schema.Column {
		f := []string{"c", "1", name, typ, columnType, "YES", "", "", "", "", "", "", ""}
		for i, into := range []int{6, 10, 7, 8, 9} {
			if i < len(more) {
				f[into] = more[i]
			}
		}
		c, err := describeColumn(f)
		if err != nil {
			panic(err)
		}
		return c
	}
	const utf8mb4 = "utf8mb4_0900_ai_ci"
	d := &schema.Table{Engine: "InnoDB", Columns: []schema.Column{
		col("id", "bigint", "bigint"), col("n", "int", "int unsigned"), col("status", "varchar", "varchar(16)", "64", utf8mb4), col("code", "char", "char(4)", "4", "latin1_swedish_ci"),
		col("total", "decimal", "decimal(10,2)", "", "", "10", "2"), col("rate", "double", "double"), col("small", "float", "float"), col("day", "date", "date"),
		col("at", "datetime", "datetime(3)", "", "", "", "", "3"), col("stamp", "timestamp", "timestamp(6)", "", "", "", "", "6"), col("span", "time", "time", "", "", "", "", "0"),
		col("kind", "enum", "enum('a','b')", "", utf8mb4), col("flags", "set", "set('x','y')", "", utf8mb4), col("bits", "bit", "bit(10)", "", "", "10"), col("raw", "varbinary", "varbinary(20)", "20"),
		col("doc", "json", "json"), col("shape", "point", "point"),
	}}
	d.Columns[0].Nullable = false
	d.Unique = []schema.Index{unique("PRIMARY", "id")}
	return d
}

// unique makes an index over whole columns; one after "-" is descending.
func unique(name string, columns ...string) schema.Index {
	x := schema.Index{Name: name}
	for _, c := range columns {
		c, descending := strings.CutPrefix(c, "-")
		x.Parts = append(x.Parts, schema.Part{Column: c, Descending: descending})
	}
	return x
}

func testReader() *reader {
	src := newSource(NewConfig().(*Config), capture.Env{})
	src.facts = &serverFacts{}
	return &reader{src: src, collations: map[string]uint32{"utf8mb4_0900_ai_ci": 255, "latin1_swedish_ci": 8, "utf8mb4_bin": 46, "utf16_general_ci": 54}, tables: map[tableName]*scanTable{}, paces: map[tableName]*pace{}}
}

func scanTableOf(t testing.TB, d *schema.Table) *scanTable {
	t.Helper()
	table, err := testReader().prepare(tableName{"shop", "t"}, "", d)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// textRow writes a row of the text protocol; "\xff" is NULL.
func textRow(values ...string) []byte {
	var p []byte
	for _, v := range values {
		switch n := len(v); {
		case v == "\xff":
			p = append(p, nullLength)
			continue
		case n < 251:
			p = append(p, byte(n))
		case n < 1<<16:
			p = binary.LittleEndian.AppendUint16(append(p, 0xfc), uint16(n))
		default:
			p = append(p, 0xfd, byte(n), byte(n>>8), byte(n>>16))
		}
		p = append(p, v...)
	}
	return p
}

var (
	sampleRow = textRow("-42", "4000000000", "Zürich", "a\xe9", "-12.30", "0.1", "1.100000023841858", "2024-02-29", "2024-05-06 07:08:09.120", "2024-05-06 07:08:09.123456", "-838:59:59", "2", "3", "513",
		"\x00\xff", `{"a": "ü"}`, "\x00\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x00\x00\x00\x00\x00\x00\x40")
	nullRow = textRow("7", "\xff", "\xff", "\xff", "\xff", "\xff", "\xff", "\xff", "\xff", "\xff", "\xff", "\xff", "\xff", "\xff", "\xff", "\xff", "\xff")
)

func TestTextRows(t *testing.T) {
	table := scanTableOf(t, ordersTable())
	b := changelog.NewBatch()
	key := make([][]byte, 1)
	packet := bytes.Clone(sampleRow)
	row, err := table.row(b, packet, key)
	if err != nil {
		t.Fatal(err)
	}
	for i := range packet { // the connection's buffer is used again
		packet[i] = 'X'
	}
	at := func(y int32, month, day uint8) int64 { return changelog.DaysFromCivil(y, month, day) }
	micros := at(2024, 5, 6)*day + 7*hour + 8*minute + 9*second
	want := changelog.Row{
		changelog.Int(-42), changelog.Uint(4000000000), changelog.String([]byte("Zürich")), changelog.String([]byte("aé")), changelog.Decimal([]byte("-12.30")), changelog.Float64(0.1), changelog.Float32(1.1),
		changelog.Date(at(2024, 2, 29)), changelog.DateTime(micros + 120000), changelog.Timestamp(micros + 123456), changelog.Time(-(838*hour + 59*minute + 59*second)), changelog.Enum(2, []byte("b")), changelog.Set(3, []byte("x,y")),
		changelog.Bits(513), changelog.Bytes([]byte{0, 255}), changelog.JSON([]byte(`{"a": "ü"}`)), changelog.Geometry(0, row[16].Bytes()),
	}
	for i := range want {
		if !row[i].Equal(want[i]) || row[i].Kind() != table.table.Columns[i].Type.Kind {
			t.Errorf("column %s: %v %q, want %v", table.columns[i].name, row[i], row[i].Bytes(), want[i])
		}
	}
	if string(key[0]) != "-42" || row[16].Bytes()[0] != 1 {
		t.Errorf("key %q, shape %x", key[0], row[16].Bytes())
	}
	if row, err = table.row(b, nullRow, key); err != nil || !row[16].IsNull() || !row[1].IsNull() || row[0].Int() != 7 {
		t.Errorf("%v %v", row, err)
	}
	for n := range sampleRow {
		if _, err := table.row(b, sampleRow[:n], key); err == nil {
			t.Errorf("%d bytes of a row are one", n)
		}
	}
	if _, err := table.row(b, append(bytes.Clone(sampleRow), 0), key); err == nil {
		t.Error("a column too much")
	}
}

// TestTextValues reads what the server prints in rare cases, and refuses what it never prints.
func TestTextValues(t *testing.T) {
	zero := func(kind changelog.Kind, c changelog.Civil) changelog.Value { return changelog.ZeroParts(kind, c) }
	c := &column{labels: [][]byte{[]byte("a"), []byte("b")}, charset: &charset{name: "utf8mb4"}}
	for _, tc := range []struct {
		decode decodeFunc
		text   string
		want   changelog.Value
	}{
		{scanInt, "-9223372036854775808", changelog.Int(math.MinInt64)}, {scanInt, "9223372036854775807", changelog.Int(math.MaxInt64)}, {scanInt, "00000000000000000042", changelog.Int(42)}, {scanInt, "0000", changelog.Int(0)},
		{scanUint, "18446744073709551615", changelog.Uint(math.MaxUint64)}, {scanUint, "00000000000000000007", changelog.Uint(7)},
		{scanDecimal, "-0.00", changelog.Decimal([]byte("0.00"))}, {scanDecimal, "0001234.500", changelog.Decimal([]byte("1234.500"))}, {scanDecimal, "000.5", changelog.Decimal([]byte("0.5"))}, {scanDecimal, "-0.05", changelog.Decimal([]byte("-0.05"))}, {scanDecimal, "0000", changelog.Decimal([]byte("0"))},
		{scanFloat, "-0", changelog.Float32(float32(math.Copysign(0, -1)))}, {scanFloat, "1.401298464324817e-45", changelog.Float32(math.SmallestNonzeroFloat32)}, {scanDouble, "1.7976931348623157e308", changelog.Float64(math.MaxFloat64)},
		{scanDate, "0000-00-00", zero(changelog.KindDate, changelog.Civil{})}, {scanDate, "2023-02-31", zero(changelog.KindDate, changelog.Civil{Year: 2023, Month: 2, Day: 31})},
		{scanDateTime, "2024-00-10 01:02:03.5", zero(changelog.KindDateTime, changelog.Civil{Year: 2024, Day: 10, Hour: 1, Minute: 2, Second: 3, Micro: 500000})},
		{scanTimestamp, "0000-00-00 00:00:00.000", zero(changelog.KindTimestamp, changelog.Civil{})}, {scanTimestamp, "1970-01-01 00:00:01", changelog.Timestamp(second)},
		{scanTime, "00:00:00", changelog.Time(0)}, {scanTime, "-00:00:00.000001", changelog.Time(-1)}, {scanTime, "838:59:59.000000", changelog.Time(838*hour + 59*minute + 59*second)}, {scanTime, "100:00:00", changelog.Time(100 * hour)},
		{scanEnum, "0", changelog.Enum(0, []byte{})}, {scanSet, "0", changelog.Set(0, []byte{})}, {scanLabelledEnum, "2:😀:x", changelog.Enum(2, []byte("😀:x"))}, {scanLabelledSet, "9223372036854775808:", changelog.Set(1<<63, []byte{})},
		{scanChar, "a  ", changelog.String([]byte("a"))}, {scanText, "", changelog.String([]byte{})},
	} {
		b := changelog.NewBatch()
		var got changelog.Value
		if err := tc.decode(c, []byte(tc.text), &got, b); err != nil || !got.Equal(tc.want) {
			t.Errorf("%q: %v %q %v, want %v", tc.text, got, got.Bytes(), err, tc.want)
		}
	}
	for _, bad := range []struct {
		decode decodeFunc
		texts  []string
	}{
		{scanInt, []string{"", "-", "1.0", "9223372036854775808", "1e3", " 1", "+-1"}}, {scanUint, []string{"", "-1", "18446744073709551616"}}, {scanBits, []string{"", "x"}},
		{scanDecimal, []string{"", "-", ".", "1.", ".5", "1e5", "1.2.3", strings.Repeat("1", 500)}}, {scanFloat, []string{"", "0.1", "nan", "1e39"}}, {scanDouble, []string{"", "nan", "1e309"}},
		{scanDate, []string{"", "2024-05-6", "2024/05/06", "2024-05-06 ", "aaaa-bb-cc"}}, {scanDateTime, []string{"", "2024-05-06", "2024-05-06 24:00:00", "2024-05-06 07:08:09.", "2024-05-06 07:08:09.1234567", "2024-05-06T07:08:09"}},
		{scanTimestamp, []string{"", "2024-00-06 00:00:00", "2024-05-06 00:60:00"}}, {scanTime, []string{"", "1:2:3", "00:60:00", "a00:00:00", "1000:00:00", "--1:00:00"}},
		{scanEnum, []string{"", "3", "a"}}, {scanSet, []string{"4", ""}}, {scanJSON, []string{"\xff"}}, {scanText, []string{"\xff"}}, {scanGeometry, []string{"", "\x00\x00\x00\x00\x01"}}, {scanVector, []string{"\x00"}}, {scanLabelledEnum, []string{"", "x:y", "1:\xff"}},
	} {
		for _, text := range bad.texts {
			var got changelog.Value
			if err := bad.decode(c, []byte(text), &got, changelog.NewBatch()); err == nil {
				t.Errorf("%q is %v", text, got)
			}
		}
	}
}

func TestReadingAllocatesNothingPerRow(t *testing.T) {
	table := scanTableOf(t, ordersTable())
	key := make([][]byte, 1)
	b := changelog.NewBatch()
	rows := func() {
		for range 500 {
			if _, err := table.row(b, sampleRow, key); err != nil {
				t.Fatal(err)
			}
		}
		b.Release()
		b = changelog.NewBatch()
	}
	rows()
	if n := testing.AllocsPerRun(20, rows); n > 5 {
		t.Errorf("%v allocations for 500 rows", n)
	}
}

func TestCursors(t *testing.T) {
	d := ordersTable()
	d.Columns = append(d.Columns, schema.Column{Name: "k16", DataType: "varchar", ColumnType: "varchar(10)", Octets: 40, Collation: "utf16_general_ci"})
	d.Unique = []schema.Index{unique("PRIMARY", "status", "-id", "k16", "raw")}
	k := scanTableOf(t, d).key
	for _, values := range [][]string{{"paid", "42", "\x00a", "plain"}, {"", "-1", "", ""}, {"x'41'", "0", "x'", "\xff\x00'\""}, {"é\n", "7"}, {"it's"}} {
		raw := make([][]byte, len(values))
		for i := range values {
			raw[i] = []byte(values[i])
		}
		c := k.cursor(raw)
		got, err := k.parse(c)
		if err != nil || !slices.EqualFunc(got, raw, bytes.Equal) {
			t.Errorf("%s: %q %v", c, got, err)
		}
	}
	if c := k.cursor([][]byte{[]byte("a"), []byte("5"), {0, 'b'}, []byte("c")}); c != `{"by":["status text utf8mb4_0900_ai_ci","id int desc","k16 text utf16_general_ci","raw binary"],"at":["a","5","x'0062'","c"]}` {
		t.Error(c)
	}
	good := k.cursor([][]byte{[]byte("a"), []byte("5")})
	for _, c := range []capture.Cursor{"{", "[]", "null", "7", good[:len(good)-3] + `","x'4"]}`, capture.Cursor(strings.Replace(string(good), `["a","5"]`, `[]`, 1)), capture.Cursor(strings.Replace(string(good), `"5"`, `"5","","",""`, 1)), capture.Cursor(strings.Replace(string(good), `"a"`, `"x'zz'"`, 1))} {
		if _, err := k.parse(c); !fault.IsFinal(err) && !errors.Is(err, capture.ErrKeyChanged) {
			t.Errorf("%s: %v", c, err)
		}
	}
	if _, err := k.parse(capture.Cursor(strings.Replace(string(good), "id int desc", "id int", 1))); !errors.Is(err, capture.ErrKeyChanged) {
		t.Error(err)
	}
	literals, err := k.literals([][]byte{[]byte("it's"), []byte("5")})
	if err != nil {
		t.Fatal(err)
	}
	if got := k.after(literals); got != "((`status`>_utf8mb4 X'69742773') OR (`status`=_utf8mb4 X'69742773' AND `id`<5))" {
		t.Error(got)
	}
	if got := k.upTo(literals); got != "((`status`<_utf8mb4 X'69742773') OR (`status`=_utf8mb4 X'69742773' AND `id`>=5))" {
		t.Error(got)
	}
	if got := k.orderBy(); got != " ORDER BY `status`,`id` DESC,`k16`,`raw`" {
		t.Error(got)
	}
}

// TestLiterals lets no constant through that is not of its type: a cursor comes from outside.
func TestLiterals(t *testing.T) {
	for form, texts := range map[literalForm][]string{
		formNumber: {"", "1 OR 1=1", "0x10", "1.5", "-", "--1"}, formLabels: {"-1", "a", ""}, formDecimal: {"", "1e5", "1.-5", "1.", ".5", "1;"}, formFloat: {"", "1;", "inf", "nan", "0x"},
		formDate: {"", "'", "2024-05-06'"}, formTime: {"x", "1'"}, formTimestamp: {"now()", "2024-05-06T"},
	} {
		p := keyPart{name: "k", form: form}
		for _, text := range texts {
			if got, err := p.literal([]byte(text)); err == nil {
				t.Errorf("form %d: %q gives %s", form, text, got)
			}
		}
	}
	for _, tc := range []struct {
		p    keyPart
		text string
		want string
	}{
		{keyPart{form: formFloat}, "1.1", "1.1e+00"}, {keyPart{form: formDecimal}, "-0.50", "-0.50"}, {keyPart{form: formNumber}, "0042", "0042"}, {keyPart{form: formTimestamp}, "0000-00-00 00:00:00.000", "TIMESTAMP'0000-00-00 00:00:00.000'"},
		{keyPart{form: formBytes}, "", "X''"}, {keyPart{form: formText, charset: "gbk"}, "'\x5c", "_gbk X'275c'"},
	} {
		if got, err := tc.p.literal([]byte(tc.text)); err != nil || got != tc.want {
			t.Errorf("%q: %s %v", tc.text, got, err)
		}
	}
	p := keyPart{name: "e", form: formLabels, values: 4}
	for _, tc := range []struct {
		greater, equal, descending bool
		want                       string
	}{{true, false, false, "`e` IN (2,3,4)"}, {false, true, false, "`e` IN (0,1,4)"}, {true, false, true, "`e` IN (0,4)"}, {false, true, true, "`e` IN (1,2,3,4)"}} {
		p.descending = tc.descending
		if got := p.compare("1", tc.greater, tc.equal); got != tc.want {
			t.Errorf("%+v: %s", tc, got)
		}
	}
}

func TestCut(t *testing.T) {
	for _, tc := range []struct {
		first, last string
		n           int
		want        string
	}{
		{"0", "100", 4, "25 50 75"}, {"100", "0", 4, "75 50 25"}, {"-100", "100", 2, "0"}, {"0", "18446744073709551615", 2, "9223372036854775807"}, {"-9223372036854775808", "9223372036854775807", 2, "-1"},
		{"5", "5", 4, ""}, {"0", "2", 4, ""}, {"", "", 4, ""}, {"1", "9", 1, ""}, {"1.5", "9", 2, ""},
	} {
		if got := strings.Join(cut(tc.first, tc.last, tc.n), " "); got != tc.want {
			t.Errorf("%s to %s: %s, want %s", tc.first, tc.last, got, tc.want)
		}
	}
}

func TestPace(t *testing.T) {
	p := &pace{}
	c := capture.Chunk{Bytes: 4 << 20, Time: 200 * time.Millisecond}
	if n := p.next(c); n != firstRows {
		t.Error(n)
	}
	// Rows of 2 µs and 500 bytes: the size decides. Then of 1 ms: the time does. Then of 1 MB.
	for _, row := range []struct {
		took time.Duration
		size int
		want int
	}{{2 * time.Microsecond, 500, 8556}, {time.Millisecond, 500, 200}, {time.Millisecond, 1 << 20, 5}} {
		n := 0
		for range 10 {
			p.learn(p.rows, time.Duration(p.rows)*row.took, p.rows, p.rows*row.size)
			n = p.next(c)
		}
		if n < row.want*9/10 || n > row.want*11/10 {
			t.Errorf("%+v: %d rows", row, n)
		}
	}
	known := &pace{}
	c.Table.Rows, c.Table.Bytes = 1000, 1000<<20
	if n := known.next(c); n != 4 {
		t.Errorf("rows of a known size: %d", n)
	}
	known.learn(0, time.Second, 0, 0)
	if n := known.next(c); n < 1 || n > mostRows {
		t.Errorf("after nothing: %d", n)
	}
}

func TestLabels(t *testing.T) {
	for text, want := range map[string][]string{
		"enum('a','b')": {"a", "b"}, "set('it''s','a,b','','(x)')": {"it's", "a,b", "", "(x)"}, `enum('back\\slash','new\nline','nul\0','\r','\'')`: {`back\slash`, "new\nline", "nul\x00", "\r", "'"},
	} {
		got, err := parseLabels(text)
		if err != nil || len(got) != len(want) {
			t.Errorf("%s: %q %v", text, got, err)
			continue
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%s: %q", text, got)
			}
		}
	}
	for _, text := range []string{"", "enum", "enum(", "enum()", "enum('a'", "enum('a',)x", "enum('a", "enum(a)", `enum('a\`} {
		if got, err := parseLabels(text); err == nil {
			t.Errorf("%s: %q", text, got)
		}
	}
}

func TestDescriptions(t *testing.T) {
	d := ordersTable()
	prefixed := unique("c", "status")
	prefixed.Parts[0].Prefix = 5
	d.Columns[1].Nullable, d.Columns[2].Nullable = false, false
	d.Unique = []schema.Index{unique("d", "code"), prefixed, unique("b", "n"), unique("a", "id", "n")}
	if !ambiguous(d) || !slices.Equal(readableKey(d), []string{"n"}) {
		t.Errorf("%v", readableKey(d))
	}
	prefixed.Name = "PRIMARY"
	d.Unique = append([]schema.Index{prefixed}, d.Unique...)
	if ambiguous(d) || readableKey(d) != nil || keyOf(d).Parts[0].Column != "status" {
		t.Errorf("%v %v", readableKey(d), keyOf(d))
	}
	parts := []uniquePart{{index: "a", column: "x", direction: "A"}, {index: "a", column: "y", direction: "D", prefix: "7"}, {index: "PRIMARY", column: "z", direction: "A"}, {index: "b", direction: "A"}}
	if got := uniqueIndexes(parts); len(got) != 3 || got[0].Name != "PRIMARY" || got[1].Parts[1] != (schema.Part{Column: "y", Prefix: 7, Descending: true}) || readable(got[2]) {
		t.Errorf("%+v", got)
	}
	if table := scanTableOf(t, d); len(table.key.parts) != 0 || !slices.Equal(table.table.Key, []int{2}) {
		t.Errorf("%+v", table.table)
	}
	d.Columns[3].Collation = "klingon_ci"
	if _, err := testReader().prepare(tableName{"shop", "t"}, "", d); err == nil {
		t.Error("an unknown collation")
	}
	d.Columns[3].DataType = "hologram"
	if _, err := testReader().prepare(tableName{"shop", "t"}, "", d); !fault.Is(err, fault.UnsupportedType) {
		t.Error(err)
	}
	create := "CREATE TABLE `t` (\n  `a` varchar(20) DEFAULT ' AUTO_INCREMENT=5'\n) ENGINE=InnoDB%s DEFAULT CHARSET=utf8mb4"
	if a, b := withoutCounter(fmt.Sprintf(create, " AUTO_INCREMENT=77")), withoutCounter(fmt.Sprintf(create, "")); a != b || !strings.Contains(a, "AUTO_INCREMENT=5'") {
		t.Error(a)
	}
}
