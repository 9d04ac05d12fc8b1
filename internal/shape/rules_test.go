package shape

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// people is a table whose columns are to be hidden.
func people(origin string) *changelog.Table {
	text := changelog.Type{Kind: changelog.KindString, Length: 50}
	return &changelog.Table{Origin: origin, Database: "crm", Name: "people", Key: []int{1, 0}, Columns: []changelog.Column{
		{Name: "id", Type: changelog.Type{Kind: changelog.KindInt, Bits: 64}, SourceType: "bigint"},
		{Name: "tenant", Type: changelog.Type{Kind: changelog.KindInt, Bits: 32}, SourceType: "int"},
		{Name: "mail", Type: text, SourceType: "varchar(50)", Default: &changelog.Default{Value: changelog.String([]byte("x@y")), Text: "x@y"}},
		{Name: "phone", Type: changelog.Type{Kind: changelog.KindUint, Bits: 64}, SourceType: "bigint unsigned"},
		{Name: "name", Type: text, SourceType: "varchar(50)"}, {Name: "born", Type: changelog.Type{Kind: changelog.KindDate}, SourceType: "date"},
		{Name: "photo", Type: changelog.Type{Kind: changelog.KindGeometry}, SourceType: "geometry"},
	}}
}

func person(v ...changelog.Value) changelog.Row {
	row := changelog.Row{changelog.Int(7), changelog.Int(1), changelog.String([]byte("a@b.c")), changelog.Uint(49123), changelog.String([]byte("Zoë Ümläut")),
		changelog.Date(changelog.DaysFromCivil(1990, 2, 3)), changelog.Null()}
	copy(row[2:], v)
	return row
}

func hidden() *Rules {
	return &Rules{Exclude: []string{"photo"}, Renames: []Rename{{"id", "person"}, {"mail", "id"}}, Masks: []Mask{
		{Columns: []string{"mail", "phone"}, With: WithHash, Salt: "s"}, {Columns: []string{"name"}, With: WithTruncate, Length: 3}, {Columns: []string{"born"}, With: WithNull}}}
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte("s" + text))
	return hex.EncodeToString(sum[:])
}

func columnsOf(t *changelog.Table) string {
	var all []string
	for _, c := range t.Columns {
		text := c.Name + " " + c.SourceType
		if c.Nullable {
			text += " null"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// TestTableInItsNewForm: formats see a table as if it had been made that way.
func TestTableInItsNewForm(t *testing.T) {
	for origin, want := range map[string]string{
		"mysql":      "person bigint, tenant int, id varchar(64), phone varchar(64), name varchar(3), born date null, db varchar(255)",
		"postgresql": "person bigint, tenant int, id character varying(64), phone character varying(64), name character varying(3), born date null, db character varying(255)",
	} {
		table := people(origin)
		s, err := Compile(table, Want{Key: []int{0, 1}, Rules: hidden(), Metadata: []Metadata{{"db", Database, Field}}, Upsert: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := columnsOf(s.Table); got != want {
			t.Errorf("%s: got %s, want %s", origin, got, want)
		}
		if !slices.Equal(s.Key, []int{0, 1}) || !slices.Equal(s.Table.Key, []int{1, 0}) || s.Table.Columns[2].Default != nil || s.Table.FullName() != "crm.people" {
			t.Errorf("%s: key %v, primary key %v, default %v", origin, s.Key, s.Table.Key, s.Table.Columns[2].Default)
		}
		if len(table.Columns) != 7 || table.Columns[2].Name != "mail" {
			t.Error("the table itself has changed")
		}
	}
	s, err := Compile(people("mysql"), Want{Key: []int{4}, Rules: &Rules{Include: []string{"phone", "name", "tenant"}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := columnsOf(s.Table); got != "tenant int, phone bigint unsigned, name varchar(50)" || !slices.Equal(s.Key, []int{2}) || s.Table.Key != nil {
		t.Errorf("got %s, key %v, primary key %v", got, s.Key, s.Table.Key)
	}
}

func TestRowsInTheirNewForm(t *testing.T) {
	s, err := Compile(people("mysql"), Want{Key: []int{1, 0}, Rules: hidden(), Metadata: []Metadata{{"op", Op, Field}}, Upsert: true})
	if err != nil {
		t.Fatal(err)
	}
	var sh Shaper
	if err := sh.Begin(s, Source{Txn: &changelog.Txn{}}); err != nil {
		t.Fatal(err)
	}
	lacks := changelog.Unchanged()
	for name, c := range map[string]struct {
		row           changelog.Row
		before, after []string
	}{
		"whole":    {person(), []string{"7", "1", hashOf("a@b.c"), hashOf("49123"), "Zoë", "NULL", "u"}, []string{"7", "1", hashOf("a@b.c"), hashOf("49123"), "Zoë", "NULL", "u"}},
		"nulls":    {person(changelog.Null(), changelog.Null(), changelog.Null(), changelog.Null()), []string{"7", "1", "NULL", "NULL", "NULL", "NULL", "u"}, []string{"7", "1", "NULL", "NULL", "NULL", "NULL", "u"}},
		"in part":  {person(lacks, lacks, lacks, lacks), []string{"7", "1", "?", "?", "?", "?", "u"}, []string{"7", "1", "?", "?", "?", "NULL", "u"}},
		"key only": {person()[:2], []string{"7", "1", "?", "?", "?", "?", "u"}, []string{"7", "1", "?", "?", "?", "NULL", "u"}},
	} {
		ch := sh.Extend(&changelog.Change{Op: changelog.Update, Before: c.row, After: c.row}, nil)
		sh.SetOp("u")
		if got := texts(ch.Before); !slices.Equal(got, c.before) {
			t.Errorf("%s: before %q, want %q", name, got, c.before)
		}
		if got := texts(ch.After); !slices.Equal(got, c.after) {
			t.Errorf("%s: after %q, want %q", name, got, c.after)
		}
	}
	update := &changelog.Change{Op: changelog.Update, Before: person(), After: person()}
	if got := texts(sh.Bare(update).After); got[2] != "a@b.c" {
		t.Errorf("a bare row has %q", got)
	}
	sh.Extend(update, nil)
	if n := testing.AllocsPerRun(100, func() { sh.Extend(update, nil); sh.SetOp("u") }); n != 0 {
		t.Errorf("%v allocations a row", n)
	}
}

func TestRulesThatDoNotFitTheTable(t *testing.T) {
	filter, err := ParseFilter("nope = 1")
	if err != nil {
		t.Fatal(err)
	}
	for want, r := range map[string]Rules{
		`no column "a"`:                           {Include: []string{"a"}},
		`no column "b"`:                           {Exclude: []string{"b"}},
		`no column "c"`:                           {Masks: []Mask{{Columns: []string{"c"}, With: WithNull}}},
		`no column "d"`:                           {Renames: []Rename{{"d", "e"}}},
		`column "id" is a part of the key`:        {Exclude: []string{"id"}},
		`column "tenant" is a part of the key`:    {Include: []string{"id"}},
		`"tenant" is a part of the key, which`:    {Masks: []Mask{{Columns: []string{"tenant"}, With: WithNull}}},
		`"mail" and "name" would both be called`:  {Renames: []Rename{{"mail", "name"}}},
		`"photo" of type geometry has no single`:  {Masks: []Mask{{Columns: []string{"photo"}, With: WithHash}}},
		`"phone" of type bigint unsigned is no t`: {Masks: []Mask{{Columns: []string{"phone"}, With: WithTruncate, Length: 1}}},
		`at character 1: the table has no column`: {Filter: filter},
	} {
		if _, err := Compile(people("mysql"), Want{Key: []int{0, 1}, Rules: &r}); !fault.Is(err, fault.Config) || !fault.IsFinal(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestTextsThatAreHashed: one value has one text, whatever its column's type is, and values of a kind that differ have others.
func TestTextsThatAreHashed(t *testing.T) {
	day := changelog.DaysFromCivil(2024, 5, 6)
	at := changelog.Civil{Year: 2024, Month: 5, Day: 6, Hour: 7, Minute: 8, Second: 9, Micro: 10}.Micros()
	for _, c := range []struct {
		v    changelog.Value
		want string
	}{
		{changelog.Int(-7), "-7"}, {changelog.Uint(7), "7"}, {changelog.Bits(5), "5"}, {changelog.Bool(true), "true"}, {changelog.Float32(0.1), "0.1"}, {changelog.Float64(1e300), "1e+300"}, {changelog.Decimal([]byte("1.50")), "1.50"},
		{changelog.String([]byte("é")), "é"}, {changelog.Bytes([]byte{0, 255}), "\x00\xff"}, {changelog.JSON([]byte(`{"a": 1}`)), `{"a": 1}`}, {changelog.Date(day), "2024-05-06"}, {changelog.DateTime(at), "2024-05-06 07:08:09.000010"},
		{changelog.Timestamp(at), "2024-05-06 07:08:09.000010"}, {changelog.Time(-1), "-00:00:00.000001"}, {changelog.TimeTZ(1, -60), "00:00:00.000001 -60"}, {changelog.Interval(make([]byte, 16), 1, -2, 3), "1 -2 3"}, {changelog.BitString([]byte("010")), "010"},
		{changelog.Enum(1, []byte("a")), "a"}, {changelog.Set(3, []byte("a,b")), "a,b"}, {changelog.Infinite(changelog.KindDate, true), "infinity"}, {changelog.Infinite(changelog.KindDate, false), "-infinity"}, {changelog.NaN(), "NaN"},
		{changelog.ZeroParts(changelog.KindDate, changelog.Civil{}), "0000-00-00"},
	} {
		if got := string(appendValue(nil, &c.v)); got != c.want || !hasText(c.v.Kind()) {
			t.Errorf("%v is %q, want %q", c.v, got, c.want)
		}
	}
	for _, k := range []changelog.Kind{changelog.KindArray, changelog.KindMap, changelog.KindVector, changelog.KindGeometry} {
		if hasText(k) {
			t.Errorf("kind %d", k)
		}
	}
}
