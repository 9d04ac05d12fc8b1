package canal

import (
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// TestCanalsLosses has what a real Canal 1.1.7 made of these values, or by its rule would.
func TestCanalsLosses(t *testing.T) {
	c, coded := defaults(), defaults()
	c.Compat = CompatCanal
	coded.Compat, coded.Binary = CompatCanal, BinaryBase64
	decimal := func(precision, scale int) changelog.Type {
		return changelog.Type{Kind: changelog.KindDecimal, Precision: precision, Scale: scale}
	}
	text := func(charset string) changelog.Type {
		return changelog.Type{Kind: changelog.KindString, Charset: charset}
	}
	number := func(s string) changelog.Value { return changelog.Decimal([]byte(s)) }
	raw := func(s string) changelog.Value { return changelog.Bytes([]byte(s)) }
	fixed := changelog.Type{Kind: changelog.KindBytes, Length: 4, Fixed: true}
	for _, s := range []struct {
		config *Config
		source string
		typ    changelog.Type
		v      changelog.Value
		want   string
	}{
		{c, "decimal(10,2)", decimal(10, 2), number("12.30"), "12.30"},
		{c, "decimal(10,2)", decimal(10, 2), number("1.00"), "1.0"},
		{c, "decimal(10,2)", decimal(10, 2), number("0.00"), "0.0"},
		{c, "decimal(10,2)", decimal(10, 2), number("-120.00"), "-120.0"},
		{c, "decimal(10,2)", decimal(10, 2), number("-99999999.99"), "-99999999.99"},
		{c, "decimal(20,0)", decimal(20, 0), number("100"), "100"},
		{c, "decimal(20,9)", decimal(20, 9), number("1.000000000"), "1.000000000"},
		{c, "decimal(20,11)", decimal(20, 11), number("1.00000000000"), "1.000000000"},
		{c, "decimal(20,11)", decimal(20, 11), number("1.12300000000"), "1.123000000"},
		{c, "decimal(20,11)", decimal(20, 11), number("1.00000000010"), "1.00000000010"},
		{c, "decimal(65,30)", decimal(65, 30), number("0.000000000000000000000000000000"), "0.000000000000000000000000000"},
		{c, "binary(4)", fixed, raw("\x01\x00\x00\x00"), "\x01"},
		{c, "binary(4)", fixed, raw("\x00\x00\x00\x00"), ""},
		{c, "binary(4)", fixed, raw("\x00\x01\x02\xff"), "\x00\x01\x02ÿ"},
		{coded, "binary(4)", fixed, raw("\x01\x00\x00\x00"), "AQ=="},
		{c, "varbinary(4)", changelog.Type{Kind: changelog.KindBytes, Length: 4}, raw("\x01\x00"), "\x01\x00"},
		{c, "varchar(9)", text("utf8mb4"), str("café"), "café"},
		{c, "varchar(9)", text("latin1"), str("cafe"), "cafe"},
		{c, "varchar(9)", text("latin1"), str("café"), "caf\ufffd"},
		{c, "varchar(9)", text("latin1"), str("é1"), "\ufffd1"},
		{c, "varchar(9)", text("latin1"), str("Ã©"), "é"}, // two characters whose bytes are one in UTF-8
		{c, "varchar(9)", text("gbk"), str("漢"), "\ufffdh"},
		{c, "varchar(9)", text("utf16"), str("ab"), "\x00a\x00b"},
		{c, "varchar(9)", text("utf32"), str("é"), "\x00\x00\x00\ufffd"},
		{c, "varchar(9)", text("hp8"), str("é"), "é"},
	} {
		if got, _ := oneColumn(t, s.config, s.source, s.typ, s.v); got != s.want {
			t.Errorf("%s %s %q: got %q, want %q", s.source, s.typ.Charset, s.v.Bytes(), got, s.want)
		}
	}
	// Keys are whole whatever is asked, and what PostgreSQL has is nothing that Canal reads.
	table := &changelog.Table{Database: "d", Name: "t", Key: []int{0}, Columns: []changelog.Column{{Name: "c", Type: decimal(10, 2), SourceType: "decimal(10,2)"}}}
	row := changelog.Row{number("1.00")}
	key, err := compile(t, c, table, formats.Options{Key: table.Key}).AppendKey(nil, row)
	if err != nil || string(key) != `{"c":"1.00"}` {
		t.Errorf("the key is %s, %v", key, err)
	}
	table.Origin = postgres
	events, err := Decoder{}.DecodeAll(nil, []byte(value(t, compile(t, c, table, formats.Options{}), &changelog.Change{Op: changelog.Insert, After: row})))
	if err != nil || string(events[0].After[0].JSON) != `"1.00"` {
		t.Errorf("%v %v", events, err)
	}
}

func TestJavaReadsUTF8(t *testing.T) {
	for raw, want := range map[string]string{
		"":                     "",
		"a\xff\xfeb":           "a\ufffd\ufffdb",
		"\xe6\xbc":             "\ufffd",
		"\xe6\xbcx":            "\ufffdx",
		"\xe6x":                "\ufffdx",
		"\xe0\x80\x80":         "\ufffd\ufffd\ufffd",
		"\xed\xa0\x80x":        "\ufffdx",
		"\xf0\x9f\x98":         "\ufffd",
		"\xf0\x9f\x98x":        "\ufffdx",
		"\xf0\x80\x80\x80":     "\ufffd\ufffd\ufffd\ufffd",
		"\xf4\x90\x80\x80":     "\ufffd\ufffd\ufffd\ufffd",
		"\xf8\x88\x80\x80\x80": "\ufffd\ufffd\ufffd\ufffd\ufffd",
		"\xc0\x80\xc3":         "\ufffd\ufffd\ufffd",
		"ü😀\ufffd":             "ü😀\ufffd",
	} {
		if got := string(appendJavaUTF8(nil, []byte(raw))); got != want {
			t.Errorf("%q: got %q, want %q", raw, got, want)
		}
	}
}
