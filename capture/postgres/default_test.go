package postgres

import (
	"strconv"
	"testing"

	"cdcbridge/changelog"
)

// TestDefaultForms reads constants, and leaves to the server what it would make of them.
func TestDefaultForms(t *testing.T) {
	const numeric, smallint, float8, varchar, bpchar, timestamp, boolean = 1700, 21, 701, 1043, 1042, 1114, 16
	names := map[uint32]string{numeric: "numeric", smallint: "smallint", float8: "double precision", varchar: "character varying", bpchar: "bpchar", timestamp: "timestamp without time zone", boolean: "boolean"}
	for _, c := range []struct {
		oid      uint32
		modifier int32
		text     string
		want     string // "": the server computes it
	}{
		{numeric, -1, "1.50", "1.50"}, {numeric, 10<<16 | 2 + 4, "1.5", "1.50"}, {numeric, 10<<16 | 2 + 4, "'-1'::integer", "-1.00"}, {numeric, 10<<16 | 2 + 4, "(0)::numeric", "0.00"}, {numeric, 10<<16 | 2 + 4, "1.505", ""}, {numeric, -1, "(1)::real", ""}, {numeric, -1, "(1 + 1)", ""}, {numeric, -1, "'NaN'::numeric", "NaN"},
		{smallint, -1, "5", "5"}, {smallint, -1, "'-5'::integer", "-5"}, {smallint, -1, "70000", ""}, {smallint, -1, "1.5", ""}, {smallint, -1, "", "none"}, {smallint, -1, "NULL::smallint", "NULL"}, {smallint, -1, "((5)::smallint)", ""}, {smallint, -1, "5)", ""},
		{varchar, 3 + 4, "'it''s'::character varying", ""}, {varchar, 4 + 4, "'it''s'::character varying", "it's"}, {varchar, -1, "'a::b'::character varying", "a::b"}, {varchar, -1, "('a'::text || 'b'::text)", ""}, {varchar, -1, "'a'::text", ""}, {varchar, -1, "('now'::text)::character varying", ""},
		{bpchar, 3 + 4, "'é'::bpchar", "é  "}, {boolean, -1, "true", "true"}, {boolean, -1, "false", "false"}, {boolean, -1, "(NOT true)", ""}, {varchar, -1, "'", ""}, {varchar, -1, "'a", ""}, {varchar, -1, "'a'::", ""},
		{timestamp, -1, "'2020-01-01 00:00:00'::timestamp without time zone", "1577836800000000"}, {timestamp, -1, "'2020-01-01'::date", ""}, {timestamp, -1, "('2020-01-01'::date)::timestamp without time zone", ""}, {timestamp, -1, "now()", ""},
	} {
		typ, err := newTypeBook().column(c.oid, c.modifier)
		if err != nil {
			t.Fatal(err)
		}
		got := "none"
		switch d := (defaultFacts{text: c.text, typ: names[c.oid]}).read(&typ); {
		case d == nil:
		case d.Text != c.text:
			t.Errorf("%s has become %s", c.text, d.Text)
		case d.Value.IsUnchanged():
			got = ""
		case d.Value.IsNull():
			got = "NULL"
		case d.Value.Form() == changelog.FormNaN:
			got = "NaN"
		case d.Value.Kind() == changelog.KindBool:
			got = map[bool]string{true: "true", false: "false"}[d.Value.Bool()]
		case d.Value.Kind() == changelog.KindInt || d.Value.Kind() == changelog.KindDateTime:
			got = strconv.FormatInt(d.Value.Int(), 10)
		default:
			got = string(d.Value.Bytes())
		}
		if got != c.want {
			t.Errorf("%s DEFAULT %s: %q, want %q", names[c.oid], c.text, got, c.want)
		}
	}
}

// FuzzDefault: whatever the catalogue says, a default is of the column's kind, NULL, or computed.
func FuzzDefault(f *testing.F) {
	oids := []uint32{16, 17, 20, 21, 23, 25, 114, 700, 701, 1007, 1009, 1042, 1043, 1082, 1083, 1114, 1184, 1186, 1231, 1266, 1560, 1562, 1700}
	for i, s := range []string{"'{1,2}'::integer[]", "(1.5)::numeric", "'\\x00'::bytea", "NULL::text", "'1 day'::interval", "nextval('s'::regclass)", "'''", "-1", "()", "'a'::b::c"} {
		f.Add(uint8(i), s, "numeric", int32(-1))
	}
	f.Fuzz(func(t *testing.T, which uint8, text, typ string, modifier int32) {
		c, err := newTypeBook().column(oids[int(which)%len(oids)], modifier)
		if err != nil || c.typ.Length > 1<<20 || c.typ.Scale > 1<<20 {
			return
		}
		d := defaultFacts{text: text, typ: typ, full: typ}.read(&c)
		if d == nil != (text == "") || d != nil && !d.Value.IsNull() && !d.Value.IsUnchanged() && d.Value.Kind() != c.typ.Kind {
			t.Errorf("%q as %s: %+v", text, c.source, d)
		}
	})
}
