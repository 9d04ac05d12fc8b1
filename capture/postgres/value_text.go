package postgres

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"cdcbridge/changelog"
)

// prepareText prepares every type whose values are the server's own text.
func prepareText(c *columnType, _ int32) error {
	c.typ.Kind, c.decode = changelog.KindString, decodeText
	return nil
}

// prepareChar prepares char(n), whose values have their blanks. Without n, bpchar takes any length.
func prepareChar(c *columnType, modifier int32) error {
	c.typ.Kind, c.decode = changelog.KindString, decodeText
	if modifier > modifierHeader {
		c.typ.Length, c.typ.Fixed = int(modifier-modifierHeader), true
		c.source = "character(" + strconv.Itoa(c.typ.Length) + ")"
	}
	return nil
}

func prepareVarchar(c *columnType, modifier int32) error {
	c.typ.Kind, c.decode = changelog.KindString, decodeText
	if modifier > modifierHeader {
		c.typ.Length = int(modifier - modifierHeader)
		c.source += "(" + strconv.Itoa(c.typ.Length) + ")"
	}
	return nil
}

// prepareHalfvec prepares pgvector's types without a kind of their own; the modifier is the dimension.
func prepareHalfvec(c *columnType, modifier int32) error {
	c.typ.Kind, c.decode = changelog.KindString, decodeText
	c.source = sized(c.source, modifier)
	return nil
}

func prepareJSON(c *columnType, _ int32) error {
	c.typ.Kind, c.decode = changelog.KindJSON, decodeJSON
	return nil
}

// prepareBit prepares bit(n). Without n, which only a domain can lack, it takes any length.
func prepareBit(c *columnType, modifier int32) error {
	c.typ.Kind, c.decode = changelog.KindBitString, decodeBits
	if modifier > 0 {
		c.typ.Bits, c.typ.Fixed = int(modifier), true
		c.source = "bit(" + strconv.Itoa(c.typ.Bits) + ")"
	}
	return nil
}

func prepareVarbit(c *columnType, modifier int32) error {
	c.typ.Kind, c.typ.Bits, c.decode = changelog.KindBitString, max(int(modifier), 0), decodeBits
	c.source = sized(c.source, modifier)
	return nil
}

func sized(source string, modifier int32) string {
	if modifier <= 0 {
		return source
	}
	return source + "(" + strconv.Itoa(int(modifier)) + ")"
}

func decodeText(_ *columnType, text []byte, dst *changelog.Value, _ *changelog.Batch) error {
	if !utf8.Valid(text) { // a database in SQL_ASCII stores any bytes as text
		return notUTF8(text)
	}
	*dst = changelog.String(text)
	return nil
}

func decodeJSON(c *columnType, text []byte, dst *changelog.Value, _ *changelog.Batch) error {
	if len(text) == 0 {
		return malformed(text, c.source)
	}
	if !utf8.Valid(text) {
		return notUTF8(text)
	}
	*dst = changelog.JSON(text)
	return nil
}

func notUTF8(text []byte) error {
	at := 0
	for at < len(text) {
		r, n := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && n <= 1 {
			break
		}
		at += n
	}
	return fmt.Errorf("a text is not UTF-8 from byte %d of %d on", at, len(text))
}

func decodeBits(c *columnType, text []byte, dst *changelog.Value, _ *changelog.Batch) error {
	if c.typ.Bits > 0 && (len(text) > c.typ.Bits || c.typ.Fixed && len(text) < c.typ.Bits) {
		return malformed(text, c.source)
	}
	for _, ch := range text {
		if ch != '0' && ch != '1' {
			return malformed(text, c.source)
		}
	}
	*dst = changelog.BitString(text)
	return nil
}
