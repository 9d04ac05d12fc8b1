package postgres

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

func TestTypesOfColumns(t *testing.T) {
	tb := testBook()
	type typ = changelog.Type
	dec := typ{Kind: changelog.KindDecimal, Precision: 10, Scale: 2}
	elem := func(of typ, source string) typ {
		return typ{Kind: changelog.KindArray, Elem: &changelog.Column{Type: of, SourceType: source, Nullable: true}}
	}
	for _, tc := range []struct {
		oid      uint32
		modifier int
		source   string
		want     typ
	}{
		{oidBool, -1, "boolean", typ{Kind: changelog.KindBool}},
		{oidInt2, -1, "smallint", typ{Kind: changelog.KindInt, Bits: 16}}, {oidInt4, -1, "integer", typ{Kind: changelog.KindInt, Bits: 32}}, {oidInt8, -1, "bigint", typ{Kind: changelog.KindInt, Bits: 64}},
		{oidOID, -1, "oid", typ{Kind: changelog.KindUint, Bits: 32}}, {oidFloat4, -1, "real", typ{Kind: changelog.KindFloat32}}, {oidFloat8, -1, "double precision", typ{Kind: changelog.KindFloat64}},
		{oidNumeric, -1, "numeric", typ{Kind: changelog.KindDecimal}}, {oidNumeric, numericModifier(10, 2), "numeric(10,2)", dec}, {oidNumeric, numericModifier(5, -2), "numeric(5,-2)", typ{Kind: changelog.KindDecimal, Precision: 5, Scale: -2}},
		{oidNumeric, numericModifier(1000, 1000), "numeric(1000,1000)", typ{Kind: changelog.KindDecimal, Precision: 1000, Scale: 1000}}, {oidNumeric, numericModifier(1000, -1000), "numeric(1000,-1000)", typ{Kind: changelog.KindDecimal, Precision: 1000, Scale: -1000}},
		{oidMoney, -1, "money", typ{Kind: changelog.KindDecimal, Precision: 19, Scale: 2}},
		{oidText, -1, "text", typ{Kind: changelog.KindString}}, {oidVarchar, -1, "character varying", typ{Kind: changelog.KindString}}, {oidVarchar, 13, "character varying(9)", typ{Kind: changelog.KindString, Length: 9}},
		{oidBpchar, 14, "character(10)", typ{Kind: changelog.KindString, Length: 10, Fixed: true}}, {oidBpchar, -1, "bpchar", typ{Kind: changelog.KindString}}, {oidChar, -1, `"char"`, typ{Kind: changelog.KindString}},
		{oidBytea, -1, "bytea", typ{Kind: changelog.KindBytes}}, {oidJSON, -1, "json", typ{Kind: changelog.KindJSON}}, {oidJSONB, -1, "jsonb", typ{Kind: changelog.KindJSON}},
		{oidDate, -1, "date", typ{Kind: changelog.KindDate}}, {oidTime, -1, "time without time zone", typ{Kind: changelog.KindTime, FSP: 6}}, {oidTime, 3, "time(3) without time zone", typ{Kind: changelog.KindTime, FSP: 3}},
		{oidTimeTZ, 0, "time(0) with time zone", typ{Kind: changelog.KindTimeTZ}}, {oidTimestamp, 3, "timestamp(3) without time zone", typ{Kind: changelog.KindDateTime, FSP: 3}},
		{oidTimestampTZ, -1, "timestamp with time zone", typ{Kind: changelog.KindTimestamp, FSP: 6}}, {oidTimestampTZ, 6, "timestamp(6) with time zone", typ{Kind: changelog.KindTimestamp, FSP: 6}},
		{oidInterval, -1, "interval", typ{Kind: changelog.KindInterval, FSP: 6}}, {oidInterval, 0x7fff<<16 | 3, "interval(3)", typ{Kind: changelog.KindInterval, FSP: 3}},
		{oidInterval, 6<<16 | 0xffff, "interval year to month", typ{Kind: changelog.KindInterval, FSP: 6}}, {oidInterval, 0x1c08<<16 | 2, "interval day to second(2)", typ{Kind: changelog.KindInterval, FSP: 2}},
		{oidBit, 7, "bit(7)", typ{Kind: changelog.KindBitString, Bits: 7, Fixed: true}}, {oidBit, -1, `"bit"`, typ{Kind: changelog.KindBitString}}, {oidVarbit, 70, "bit varying(70)", typ{Kind: changelog.KindBitString, Bits: 70}}, {oidVarbit, -1, "bit varying", typ{Kind: changelog.KindBitString}},
		{oidInt4Array, -1, "integer[]", elem(typ{Kind: changelog.KindInt, Bits: 32}, "integer")}, {oidNumericArray, numericModifier(10, 2), "numeric(10,2)[]", elem(dec, "numeric(10,2)")},
		{oidMood, -1, "public.mood", typ{Kind: changelog.KindString}}, {oidMoodArray, -1, "public.mood[]", elem(typ{Kind: changelog.KindString}, "public.mood")}, {oidPair, -1, `"Odd s".pair`, typ{Kind: changelog.KindString}},
		{oidPrice, -1, "numeric(10,2)", dec}, {oidDiscount, -1, "numeric(10,2)", dec}, {oidPriceArray, -1, "numeric(10,2)[]", elem(dec, "numeric(10,2)")}, {oidPrices, -1, "numeric(10,2)[]", elem(dec, "numeric(10,2)")},
		{oidHstore, -1, "public.hstore", typ{Kind: changelog.KindMap}}, {oidVector, 3, "public.vector(3)", typ{Kind: changelog.KindVector, Length: 3}}, {oidVector, -1, "public.vector", typ{Kind: changelog.KindVector}}, {oidHalfvec, 3, "public.halfvec(3)", typ{Kind: changelog.KindString}},
		{oidGeometry, -1, "gis.geometry", typ{Kind: changelog.KindGeometry}}, {oidGeometry, 4326<<8 | 1<<2, "gis.geometry(Point,4326)", typ{Kind: changelog.KindGeometry}}, {oidGeometry, 3<<2 | 2 | 1, "gis.geometry(PolygonZM)", typ{Kind: changelog.KindGeometry}},
	} {
		c, err := tb.column(tc.oid, int32(tc.modifier))
		if err != nil || c.source != tc.source || !reflect.DeepEqual(c.typ, tc.want) || c.decode == nil {
			t.Errorf("type %d with %d: got %q %+v, %v; want %q %+v", tc.oid, tc.modifier, c.source, c.typ, err, tc.source, tc.want)
		}
	}
}

func TestModifiersThatNoServerHas(t *testing.T) {
	tb := testBook()
	for oid, modifier := range map[uint32]int32{oidNumeric: 4, oidTime: 7, oidTimestampTZ: 100, oidInterval: 1 << 16, oidGeometry: 40 << 2, oidInt4Array + 0: 0} {
		if _, err := tb.column(oid, modifier); (err == nil) != (oid == oidInt4Array) {
			t.Errorf("type %d with %d: %v", oid, modifier, err)
		}
	}
}

func TestBuiltinTableIsConsistent(t *testing.T) {
	seen := map[uint32]string{}
	for _, b := range builtins {
		for _, oid := range []uint32{b.oid, b.array} {
			if other := seen[oid]; other != "" && oid != 0 {
				t.Errorf("%s and %s share %d", other, b.name, oid)
			}
			seen[oid] = b.name
		}
		if builtinNamed(b.name) == nil {
			t.Errorf("%s is not found by name", b.name)
		}
		c, err := newTypeBook().column(b.array, -1)
		if err != nil || c.typ.Kind != changelog.KindArray || c.elem.decode == nil {
			t.Errorf("array of %s: %+v, %v", b.name, c, err)
		}
	}
}

// catalogue answers like pg_type and counts the questions.
type catalogue struct {
	rows   map[string][]string
	labels [][]string
	asked  []string
	fail   error
}

func (c *catalogue) query(_ context.Context, sql string, args ...string) ([][]string, error) {
	if sql == labelQuery {
		return c.labels, c.fail
	}
	c.asked = append(c.asked, args[0])
	var out [][]string
	for oid := range strings.SplitSeq(strings.Trim(args[0], "{}"), ",") {
		if row := c.rows[oid]; row != nil {
			out = append(out, row)
		}
	}
	return out, c.fail
}

func TestLoadingFollowsDomainsAndArrays(t *testing.T) {
	server := &catalogue{rows: map[string][]string{
		"80001": {"80001", "public", "d", "d", "public.d", "80002", "-1", "0", ","},
		"80002": {"80002", "public", "_e", "b", "public.e[]", "0", "-1", "80003", ","},
		"80003": {"80003", "public", "e", "e", "public.e", "0", "-1", "0", ","},
	}, labels: [][]string{{"80003", "low"}, {"80003", "high"}}}
	tb := newTypeBook()
	ctx := context.Background()
	if err := tb.load(ctx, server, []uint32{oidInt4, 80001, 80001, oidTextArray, 99999, 0}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"{80001,99999}", "{80002}", "{80003}"}; !slices.Equal(server.asked, want) {
		t.Errorf("asked for %q, want %q", server.asked, want)
	}
	c, err := tb.column(80001, -1)
	if err != nil || c.source != "public.e[]" || c.typ.Elem.SourceType != "public.e" || !slices.Equal(c.typ.Elem.Type.Labels, []string{"low", "high"}) {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := tb.column(99999, -1); !fault.Is(err, fault.SchemaUnknown) || !fault.IsFinal(err) {
		t.Errorf("a type that nobody names: %v", err)
	}
	server.asked = nil
	if err := tb.load(ctx, server, []uint32{80001, 80003, oidBool}); err != nil || server.asked != nil {
		t.Errorf("asked again for %q, %v", server.asked, err)
	}
	server.fail = errors.New("gone away")
	if err := tb.load(ctx, server, []uint32{99999}); !errors.Is(err, server.fail) {
		t.Error(err)
	}
	server.fail, server.rows["99999"] = nil, []string{"99999", "public"}
	if err := tb.load(ctx, server, []uint32{99999}); err == nil {
		t.Error("a short row was taken")
	}
}

func TestTypesThatTheLogNames(t *testing.T) {
	for name, tc := range map[string]struct {
		oid          uint32
		schema, name string
		source       string // "" for a refusal
	}{
		"enum gone":                     {90001, "public", "colour", "public.colour"},
		"enum with an odd name gone":    {90001, "My s", `co"lour`, `"My s"."co""lour"`},
		"domain over integer gone":      {90001, "", "int4", "integer"},
		"domain over text gone":         {90001, "pg_catalog", "text", "text"},
		"domain over numeric gone":      {90001, "", "numeric", ""},
		"domain over timestamp gone":    {90001, "", "timestamp", ""},
		"array of a user's type gone":   {90001, "public", "_colour", ""},
		"array of a built-in type gone": {90001, "", "_int4", ""},
		"hstore gone":                   {90001, "public", "hstore", ""},
		"no name":                       {90001, "public", "", ""},
		"enum renamed":                  {oidMood, "public", "temper", "public.temper"},
		"enum moved":                    {oidMood, "other", "mood", "other.mood"},
		"hstore moved":                  {oidHstore, "other", "hstore", "other.hstore"},
		"enum was hstore":               {oidMood, "public", "hstore", ""},
		"hstore was text":               {oidHstore, "public", "words", ""},
		"domain as it is":               {oidPrice, "", "numeric", "numeric(10,2)"},
		"domain over domain as it is":   {oidDiscount, "", "numeric", "numeric(10,2)"},
		"domain over array as it is":    {oidPrices, "", "_numeric", "numeric(10,2)[]"},
		"domain was over integer":       {oidPrice, "", "int4", ""},
		"array as it is":                {oidMoodArray, "public", "_mood", "public.mood[]"},
		"array renamed with its enum":   {oidMoodArray, "public", "_temper", "public.mood[]"},
		"built-in":                      {oidInt4, "", "int4", "integer"},
	} {
		tb := testBook()
		tb.named(tc.oid, tc.schema, tc.name)
		c, err := tb.column(tc.oid, -1)
		switch {
		case tc.source == "" && !fault.Is(err, fault.SchemaUnknown):
			t.Errorf("%s: got %q, %v", name, c.source, err)
		case tc.source != "" && (err != nil || c.source != tc.source || c.decode == nil):
			t.Errorf("%s: got %q, %v; want %q", name, c.source, err, tc.source)
		}
	}
}

func TestTypesNestedTooDeep(t *testing.T) {
	tb := newTypeBook()
	tb.facts[80001] = typeFacts{kind: 'd', base: 80001}
	if _, err := tb.column(80001, -1); !fault.Is(err, fault.SchemaUnknown) {
		t.Error(err)
	}
	tb.named(80001, "", "text")
	if _, err := tb.column(80001, -1); !fault.Is(err, fault.SchemaUnknown) {
		t.Error(err)
	}
}
