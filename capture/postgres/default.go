package postgres

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"cdcbridge/changelog"
)

// This file reads defaults as pg_get_expr writes them. A constant is a literal in the text form of its type, which is the form of
// values too, with that type behind it: 'abc'::text, 5, '-1.5'::numeric, true, '2020-01-01'::date. What the column's own type then
// does to it (a cast from another type, digits that are rounded away) the server would compute; so it would everything else.

// defaultFacts are what the catalogue says of a column's default. The log has nothing of it.
type defaultFacts struct {
	text     string // of pg_get_expr, of a domain's default when the column has none; "": there is none
	typ      string // the column's type without modifier, as a cast has it
	full     string // and with it
	base     string // of a domain: the type below
	identity bool
}

// numbered reports a column whose values come from a sequence of its own.
func (d defaultFacts) numbered() bool { return d.identity || strings.HasPrefix(d.text, "nextval(") }

// read gives the default of a column of the type, nil when there is none.
func (d defaultFacts) read(c *columnType) *changelog.Default {
	if d.text == "" || d.identity {
		return nil
	}
	out := &changelog.Default{Value: changelog.Unchanged(), Text: d.text}
	literal, cast := splitCast(d.text)
	if literal == "NULL" {
		out.Value = changelog.Null()
		return out
	}
	text, ok := d.constant(literal, cast, c)
	if !ok {
		return out
	}
	b := changelog.NewBatch()
	defer b.Release()
	var v changelog.Value
	if err := c.decode(c, text, &v, b); err == nil && !c.cuts(text) {
		out.Value = kept(v)
	}
	return out
}

// splitCast splits "'abc'::character varying" and "(5)::numeric". Without a cast, or with several, the type is "".
func splitCast(text string) (literal, cast string) {
	literal = text
	if strings.HasPrefix(text, "'") {
		end := 1
		for end < len(text) && (text[end] != '\'' || end+1 < len(text) && text[end+1] == '\'') {
			end += 1 + b2i(text[end] == '\'')
		}
		if end >= len(text) {
			return text, ""
		}
		literal, cast = text[:end+1], text[end+1:]
	} else if at := strings.Index(text, "::"); at >= 0 {
		literal, cast = text[:at], text[at:]
	}
	cast, ok := strings.CutPrefix(cast, "::")
	if !ok || strings.Contains(cast, "::") {
		return text, ""
	}
	return literal, cast
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// numbers are the types of which another number is made without loss, if its text is still one of the other type's.
var numbers = map[string][]string{
	"smallint": {"integer", "bigint", "numeric"}, "integer": {"smallint", "bigint", "numeric"}, "bigint": {"smallint", "integer", "numeric"},
	"numeric": {"smallint", "integer", "bigint"}, "real": {"smallint", "integer", "bigint", "numeric"}, "double precision": {"smallint", "integer", "bigint", "numeric"},
}

// constant gives the text of a value; false: it is no constant of a type that is as good as the column's.
func (d defaultFacts) constant(literal, cast string, c *columnType) ([]byte, bool) {
	typ := d.typ
	if d.base != "" {
		typ = d.base
	}
	text, quoted := []byte(literal), strings.HasPrefix(literal, "'")
	switch {
	case quoted && d.same(cast, typ), (quoted || number(literal)) && d.lossless(cast, typ, quoted):
	case cast == "" && typ == "boolean" && (literal == "true" || literal == "false"):
		return text[:1], true
	default:
		return nil, false
	}
	if quoted {
		text = []byte(strings.ReplaceAll(literal[1:len(literal)-1], "''", "'"))
	} else {
		text = bytes.Trim(text, "()")
	}
	return c.padded(text), true
}

// same reports a cast to the column's type.
func (d defaultFacts) same(cast, typ string) bool {
	return cast != "" && (cast == d.typ || cast == d.full || cast == d.base || cast == `"bit"` && typ == "bit varying")
}

// lossless reports that a number is one of the column's too.
func (d defaultFacts) lossless(cast, typ string, quoted bool) bool {
	return numbers[typ] != nil && (cast == typ || cast == d.full || cast == "" && !quoted || slices.Contains(numbers[typ], cast))
}

// number reports a number, which has parentheses before a cast.
func number(s string) bool {
	if inner, ok := strings.CutPrefix(s, "("); ok {
		if s, ok = strings.CutSuffix(inner, ")"); !ok {
			return false
		}
	}
	return s != "" && strings.Trim(s, "0123456789.e+-") == ""
}

// padded brings a constant to the length that values of the column have.
func (c *columnType) padded(text []byte) []byte {
	t := &c.typ
	switch {
	case t.Kind == changelog.KindString && t.Fixed:
		return append(text, bytes.Repeat([]byte(" "), max(0, t.Length-utf8.RuneCount(text)))...)
	case t.Kind == changelog.KindDecimal && t.Precision > 0 && t.Scale > 0 && number(string(text)):
		_, fraction, point := bytes.Cut(text, []byte("."))
		missing := max(0, t.Scale-len(fraction))
		if !point {
			text = append(text, '.')
		}
		return append(text, bytes.Repeat([]byte("0"), missing)...)
	}
	return text
}

// cuts reports text that is too long for the column, which the server refuses, digits before the point that it rounds, and elements
// of arrays that it may make longer.
func (c *columnType) cuts(text []byte) bool {
	t := &c.typ
	if c.elem != nil {
		e := &c.elem.typ
		return e.Length > 0 || e.Fixed || e.Kind == changelog.KindDecimal && e.Precision > 0
	}
	return t.Kind == changelog.KindString && t.Length > 0 && utf8.RuneCount(text) > t.Length || t.Kind == changelog.KindDecimal && t.Scale < 0
}

// kept is a value that borrows from nothing.
func kept(v changelog.Value) changelog.Value {
	if v.Form() != changelog.FormNormal {
		return v
	}
	raw := append([]byte{}, v.Bytes()...)
	switch v.Kind() {
	case changelog.KindDecimal:
		return changelog.Decimal(raw)
	case changelog.KindString:
		return changelog.String(raw)
	case changelog.KindBytes:
		return changelog.Bytes(raw)
	case changelog.KindJSON:
		return changelog.JSON(raw)
	case changelog.KindBitString:
		return changelog.BitString(raw)
	case changelog.KindGeometry:
		return changelog.Geometry(uint32(v.Uint()), raw)
	case changelog.KindVector:
		return changelog.Vector(raw)
	case changelog.KindInterval:
		months, days, micros := v.Interval()
		return changelog.Interval(make([]byte, 16), months, days, micros)
	case changelog.KindArray, changelog.KindMap:
		elems := slices.Clone(v.Elems())
		for i := range elems {
			elems[i] = kept(elems[i])
		}
		if v.Kind() == changelog.KindMap {
			return changelog.Map(elems)
		}
		return changelog.Array(elems)
	}
	return v
}
