package shape

import (
	"math"
	"strings"
	"testing"

	"cdcbridge/changelog"
)

// goods is a table with a column of each kind that a filter can compare, and of some that it cannot.
func goods(origin string) *changelog.Table {
	column := func(name, source string, typ changelog.Type) changelog.Column {
		return changelog.Column{Name: name, Type: typ, SourceType: source, Nullable: true}
	}
	of := func(k changelog.Kind) changelog.Type { return changelog.Type{Kind: k} }
	return &changelog.Table{Origin: origin, Database: "shop", Name: "goods", Key: []int{0}, Columns: []changelog.Column{
		column("id", "bigint", of(changelog.KindInt)), column("qty", "int unsigned", of(changelog.KindUint)), column("price", "decimal(10,2)", of(changelog.KindDecimal)),
		column("weight", "double", of(changelog.KindFloat64)), column("status", "varchar(20)", of(changelog.KindString)), column("kind", "enum('a','b')", of(changelog.KindEnum)),
		column("active", "boolean", of(changelog.KindBool)), column("day", "date", of(changelog.KindDate)), column("made", "datetime(6)", of(changelog.KindDateTime)),
		column("seen", "timestamp", of(changelog.KindTimestamp)), column("took", "time", of(changelog.KindTime)), column("doc", "json", of(changelog.KindJSON)),
		column("Größe", "text", of(changelog.KindString)), column("ref", "uuid", of(changelog.KindString)), column("code", "char(5)", changelog.Type{Kind: changelog.KindString, Fixed: true}),
		column("ratio", "float", of(changelog.KindFloat32)), column("addr", "inet", of(changelog.KindString)),
	}}
}

func good() changelog.Row {
	text := func(s string) changelog.Value { return changelog.String([]byte(s)) }
	return changelog.Row{
		changelog.Int(7), changelog.Uint(math.MaxUint64), changelog.Decimal([]byte("-12.50")), changelog.Float64(0.1), text("Draft"), changelog.Enum(2, []byte("b")),
		changelog.Bool(true), changelog.Date(changelog.DaysFromCivil(2024, 5, 6)), changelog.DateTime(changelog.Civil{Year: 2024, Month: 5, Day: 6, Hour: 7, Micro: 500000}.Micros()),
		changelog.Timestamp(changelog.Civil{Year: 2024, Month: 5, Day: 6, Hour: 7}.Micros()), changelog.Time(-3_600_000_001), changelog.JSON([]byte("{}")),
		changelog.Null(), text("6f9619ff-8b86-d011-b42d-00cf4fc964ff"), text("ab   "), changelog.Float32(0.1), text("::1"),
	}
}

func bound(t *testing.T, text, origin string) test {
	t.Helper()
	f, err := ParseFilter(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	made, _, err := f.compile(goods(origin))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return made
}

func TestFilterOfARow(t *testing.T) {
	for text, want := range map[string]truth{
		"id = 7": trueOnly, "7 = id": trueOnly, "id <> 7": falseOnly, "id!=8": trueOnly, "id < 7.5": trueOnly, "7.5 > id": trueOnly, "6.5 >= id": falseOnly, "id > -1e3": trueOnly, "id = 70e-1": trueOnly,
		"id in (1, 7)": trueOnly, "id not in (1,2)": trueOnly, "id between 7 and 8": trueOnly, "id not between 7 and 8": falseOnly, "id between 8 and 7": falseOnly,
		"qty = 18446744073709551615": trueOnly, "qty > 18446744073709551614.9": trueOnly, "qty < 99999999999999999999": trueOnly, "qty > id": trueOnly, "id < qty": trueOnly, "qty > -1": trueOnly,
		"price = -12.5": trueOnly, "price < -12.49": trueOnly, "price > -100": trueOnly, "price < 0": trueOnly, "price = -012.500": trueOnly, "price < id": trueOnly,
		"weight = 0.1": trueOnly, "weight > id": falseOnly, "ratio = 0.1": falseOnly, "ratio > 0.1": trueOnly, "weight < ratio": trueOnly,
		"status = 'Draft'": trueOnly, "status = 'draft'": falseOnly, "status > 'Dr'": trueOnly, "status like 'D%t'": trueOnly, "status like '_raft'": trueOnly, "status like 'd%'": falseOnly,
		"status not like '%x%'": trueOnly, "status in ('a', 'Draft')": trueOnly, "status like 'Dr\\aft'": trueOnly, "status like 'Dr\\_ft'": falseOnly, "status like '%%'": trueOnly, "status like ''": falseOnly,
		"kind = 'b'": trueOnly, "kind <> 'b'": falseOnly, "kind like '_'": trueOnly,
		"active": trueOnly, "not active": falseOnly, "active = true": trueOnly, "active <> false": trueOnly,
		"day = '2024-05-06'": trueOnly, "day < '2024-05-07'": trueOnly, "day > '0000-00-00'": trueOnly, "day < 'infinity'": trueOnly, "day > '-infinity'": trueOnly,
		"made = '2024-05-06 07:00:00.5'": trueOnly, "made > '2024-05-06'": trueOnly, "made = '2024-05-06T07:00:00.5'": trueOnly,
		"seen = '2024-05-06 09:00:00+02:00'": trueOnly, "seen = '2024-05-06 09:00:00+02'": trueOnly, "seen = '2024-05-06T07:00Z'": trueOnly, "seen > '2024-05-06 07:00:00Z'": falseOnly,
		"took = '-01:00:00.000001'": trueOnly, "took < '00:00:00'": trueOnly, "took > '-838:59:59'": trueOnly,
		"doc is not null": trueOnly, "\"Größe\" is null": trueOnly, "`Größe` = 'x'": nullOnly, "Größe <> 'x'": nullOnly, "not Größe = 'x'": nullOnly, "Größe like '%'": nullOnly,
		"Größe = 'x' or id = 7": trueOnly, "Größe = 'x' and id = 8": falseOnly, "Größe in ('x') or id = 8": nullOnly, "id = 7 and (status = 'x' or kind = 'b')": trueOnly,
		"NOT (id = 7 AND NOT active)": trueOnly, "id = 8 or id = 9 and id = 7": falseOnly, "(id = 7 or id = 9) and id = 7": trueOnly, "status = 'it''s'": falseOnly,
		"ref = '6F9619FF-8B86-D011-B42D-00CF4FC964FF'": trueOnly, "code = 'ab'": trueOnly, "code = 'ab c'": falseOnly, "addr is null": falseOnly, "id = +7": trueOnly,
	} {
		if got := bound(t, text, "mysql").of(good()); got != want {
			t.Errorf("%s: %03b, want %03b", text, got, want)
		}
	}
	if got := bound(t, "id = true", "mysql").of(changelog.Row{changelog.Int(1)}); got != trueOnly {
		t.Errorf("TINYINT(1) is %03b", got)
	}
}

// TestFilterOfValuesThatAreNotThere: what the log lacks is nothing that matters where the rest decides.
func TestFilterOfValuesThatAreNotThere(t *testing.T) {
	row := good()
	for i := range row[1:] {
		row[i+1] = changelog.Unchanged()
	}
	for text, want := range map[string]truth{
		"status = 'x'": anyTruth, "status is null": trueOnly | falseOnly, "not status is null": trueOnly | falseOnly, "id = 7 or status = 'x'": trueOnly, "id = 8 and status = 'x'": falseOnly,
		"id = 7 and status = 'x'": anyTruth, "not (id = 8 and status = 'x')": trueOnly, "active": anyTruth, "id = 7 and status is null": trueOnly | falseOnly, "qty = id": anyTruth, "status like 'x'": anyTruth,
	} {
		for _, r := range []changelog.Row{row, row[:1]} {
			if got := bound(t, text, "mysql").of(r); got != want {
				t.Errorf("%s of %d values: %03b, want %03b", text, len(r), got, want)
			}
		}
	}
}

// TestTruthTables holds sets of truth values against SQL's tables, value by value.
func TestTruthTables(t *testing.T) {
	and := func(a, b truth) truth {
		switch {
		case a == falseOnly || b == falseOnly:
			return falseOnly
		case a == nullOnly || b == nullOnly:
			return nullOnly
		}
		return trueOnly
	}
	for a := truth(1); a <= anyTruth; a++ {
		for b := truth(1); b <= anyTruth; b++ {
			want := truth(0)
			for x := truth(1); x <= nullOnly; x <<= 1 {
				for y := truth(1); y <= nullOnly; y <<= 1 {
					if a&x != 0 && b&y != 0 {
						want |= and(x, y)
					}
				}
			}
			if got := a.and(b); got != want {
				t.Errorf("%03b and %03b is %03b, want %03b", a, b, got, want)
			}
			if got := a.not().and(b.not()).not(); got != a.or(b) {
				t.Errorf("%03b or %03b is %03b, want %03b", a, b, a.or(b), got)
			}
		}
		if a.not().not() != a {
			t.Errorf("not not %03b", a)
		}
	}
}

func TestSpecialNumbersAndTimes(t *testing.T) {
	table, text := goods("postgresql"), "price > 1e300"
	f, err := ParseFilter(text)
	if err != nil {
		t.Fatal(err)
	}
	made, _, err := f.compile(table)
	if err != nil {
		t.Fatal(err)
	}
	row := good()
	for _, c := range []struct {
		v    changelog.Value
		want truth
	}{{changelog.NaN(), trueOnly}, {changelog.Infinite(changelog.KindDecimal, true), trueOnly}, {changelog.Infinite(changelog.KindDecimal, false), falseOnly}} {
		row[2] = c.v
		if got := made.of(row); got != c.want {
			t.Errorf("%s: %03b", text, got)
		}
	}
	for _, c := range []struct{ a, b changelog.Value }{
		{changelog.Float64(math.Inf(-1)), changelog.Int(-5)}, {changelog.Float64(5), changelog.Float64(math.Inf(1))}, {changelog.Float64(math.Inf(1)), changelog.Float64(math.NaN())},
		{changelog.Uint(3), changelog.Decimal([]byte("3.001"))}, {changelog.Decimal([]byte("-3.001")), changelog.Int(-3)}, {changelog.Int(-1), changelog.Uint(math.MaxUint64)},
		{changelog.Decimal([]byte("0.1")), changelog.Float32(0.1)}, {changelog.Bits(1), changelog.Int(2)},
	} {
		if compareNumbers(&c.a, &c.b) != -1 || compareNumbers(&c.b, &c.a) != 1 || compareNumbers(&c.a, &c.a) != 0 {
			t.Errorf("%v and %v", c.a, c.b)
		}
	}
	if a, b := changelog.Decimal([]byte("-0.00")), changelog.Int(0); compareNumbers(&a, &b) != 0 {
		t.Error("-0.00 is not 0")
	}
	zero := changelog.ZeroParts(changelog.KindDate, changelog.Civil{Year: 2024, Month: 5})
	if first := changelog.Date(changelog.DaysFromCivil(2024, 5, 1)); compareTimes(&zero, &first) != -1 || compareTimes(&first, &zero) != 1 {
		t.Error("2024-05-00 is not before 2024-05-01")
	}
}

func TestFiltersThatAreWrong(t *testing.T) {
	for text, want := range map[string]string{
		"": "at character 1: the end is not expected here, but a column or a value", "id": "at character 1: column \"id\" of type bigint is no truth value",
		"id =": "at character 5: the end", "id = = 7": "at character 6: = is not expected", "id = 7 7": "at character 8: 7 is not expected here", "(id = 7": "at character 8: the end is not expected here, but )",
		"id = null": "at character 6: nothing is equal to null", "id is 7": "at character 7: 7 is not expected here, but null", "id like 7": "like needs a text", "id not 7": "but in, between or like", "id like id": "like needs a text",
		"id = 'x'": "column \"id\" of type bigint cannot be compared with the text 'x'", "status = 7": "cannot be compared with the number 7", "status > 7": "cannot", "nope = 7": "at character 1: the table has no column \"nope\"",
		"ID = 7": "no column \"ID\"", "status = 'x": "the quote ' has no end", "\"\" = 1": "a name is empty", "id = 7;": "';' has no meaning here", "id = 1.2.3": "1.2.3 is no number", "id = 1e999": "no number that can be compared", "id = 0x10": "no number",
		"7 = 7": "a comparison needs a column", "'x' is null": "at character 1: the text 'x' is not expected here, but a column", "true": "true is not expected here, but a column", "kind < 'b'": "has no order here", "active > false": "no order", "doc = 'x'": "only is null and is not null",
		"addr = 'x'": "only is null", "made = '2024-05-06 07:00:00Z'": "the column has no zone", "seen = '2024-05-06 07:00:00'": "say in which zone", "day = '2024-05-06 07:00:00'": "a date has no time of day", "day = '2024-13-01'": "not of the form", "took = '99:99:99'": "not of the form",
		"took = '1:2:3.1234567'": "six digits", "day = made": "cannot be compared", "id = status": "cannot be compared", "doc like 'x'": "is no text", "id in ()": "not expected", "id in 7": "but (", "id between 1 or 2": "but and", "and": "and is not expected", "- status": "but a number", "id = -'x'": "but a number",
		strings.Repeat("(", 200) + "id = 7" + strings.Repeat(")", 200): "within each other", strings.Repeat("not ", 200) + "active": "within each other",
	} {
		f, err := ParseFilter(text)
		if err == nil {
			_, _, err = f.compile(goods("mysql"))
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	f, err := ParseFilter("id = true")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.compile(goods("postgresql")); err == nil {
		t.Error("a number of PostgreSQL was compared with true")
	}
}

// TestFilterAllocatesNothing: it runs for each row.
func TestFilterAllocatesNothing(t *testing.T) {
	f := bound(t, "(id > 3.5 and qty > id and price < 0.25 and weight < 1 and status <> 'x' and status like '%a%t' and made > '2020-01-01' and kind in ('a','b') and ref <> 'x') or doc is null", "mysql")
	row := good()
	if n := testing.AllocsPerRun(100, func() {
		if !f.of(row).in() {
			t.Fatal("no match")
		}
	}); n != 0 {
		t.Errorf("%v allocations a row", n)
	}
}

func FuzzParseFilter(f *testing.F) {
	for _, s := range []string{"", "id = 7", "status <> 'draft' and (qty > 3 or note is null)", "not active or day between '2024-05-06' and 'x'", "\"a\"\"b\" like 'x\\%'", "id in (1,-2.5e3)", "((", "'", "é = 'ü'", "\xff = 1", "id = 1e400", "a.b"} {
		f.Add(s)
	}
	table, row := goods("mysql"), good()
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := ParseFilter(text)
		if err != nil {
			return
		}
		if parsed.String() != text {
			t.Errorf("%q became %q", text, parsed)
		}
		made, needs, err := parsed.compile(table)
		if err != nil {
			return
		}
		if len(needs) == 0 {
			t.Errorf("%q needs no column", text)
		}
		if got := made.of(row); got != trueOnly && got != falseOnly && got != nullOnly {
			t.Errorf("%q of a whole row is %03b", text, got)
		}
		if !matches(text, strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(text)) || !matches(text, "%") {
			t.Errorf("%q does not match itself", text)
		}
	})
}
