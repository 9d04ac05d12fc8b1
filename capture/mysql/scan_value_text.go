package mysql

import (
	"bytes"
	"unicode/utf8"
	"unsafe"

	"cdcbridge/changelog"
)

// The decoders of this file read what the text protocol sends as it is stored: with character_set_results=NULL the server
// converts nothing, so text comes in the column's character set as in the log. They copy what they keep.

func scanText(c *column, p []byte, dst *changelog.Value, b *changelog.Batch) error {
	text, err := c.charset.copied(b, p)
	*dst = changelog.String(text)
	return err
}

func scanChar(c *column, p []byte, dst *changelog.Value, b *changelog.Batch) error {
	text, err := c.charset.copied(b, p)
	*dst = changelog.String(bytes.TrimRight(text, " "))
	return err
}

// copied is text in memory of the batch.
func (c *charset) copied(b *changelog.Batch, raw []byte) ([]byte, error) {
	text, err := c.text(b, raw)
	if err == nil && unsafe.SliceData(text) == unsafe.SliceData(raw) {
		text = b.Copy(text)
	}
	return text, err
}

func scanBytes(_ *column, p []byte, dst *changelog.Value, b *changelog.Batch) error {
	*dst = changelog.Bytes(b.Copy(p))
	return nil
}

// scanNative takes the text of a value of MariaDB's UUID and INET types.
func scanNative(_ *column, p []byte, dst *changelog.Value, b *changelog.Batch) error {
	*dst = changelog.String(b.Copy(p))
	return nil
}

// scanJSON takes what the server prints, which is what decodeJSON makes of the log's binary form. MySQL 5.7 does not escape the line
// breaks of base64.
func scanJSON(_ *column, p []byte, dst *changelog.Value, b *changelog.Batch) error {
	if !utf8.Valid(p) {
		return errJSONText
	}
	if bytes.IndexByte(p, '\n') >= 0 {
		p = bytes.ReplaceAll(p, []byte("\n"), []byte(`\n`))
	}
	*dst = changelog.JSON(b.Copy(p))
	return nil
}

func scanGeometry(c *column, p []byte, dst *changelog.Value, b *changelog.Batch) error {
	return decodeGeometry(c, b.Copy(p), dst, b)
}

func scanVector(c *column, p []byte, dst *changelog.Value, b *changelog.Batch) error {
	return decodeVector(c, b.Copy(p), dst, b)
}

func scanEnum(c *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	n, err := parseUint(p)
	if err != nil {
		return err
	}
	return c.enum(n, dst)
}

func scanSet(c *column, p []byte, dst *changelog.Value, b *changelog.Batch) error {
	mask, err := parseUint(p)
	if err != nil {
		return err
	}
	return c.set(mask, dst, b)
}

// labelMark stands between the number and the text of a labelled value.
const labelMark = ':'

// labelled reads "number:text" of an ENUM or SET whose labels the catalogue cannot show: it has no characters beyond U+FFFF
// and puts question marks in their place.
func (c *column) labelled(p []byte, b *changelog.Batch) (n uint64, text []byte, err error) {
	digits, raw, _ := bytes.Cut(p, []byte{labelMark})
	if n, err = parseUint(digits); err == nil {
		text, err = c.charset.copied(b, raw)
	}
	return n, text, err
}

func scanLabelledEnum(c *column, p []byte, dst *changelog.Value, b *changelog.Batch) error {
	n, text, err := c.labelled(p, b)
	*dst = changelog.Enum(n, text)
	return err
}

func scanLabelledSet(c *column, p []byte, dst *changelog.Value, b *changelog.Batch) error {
	n, text, err := c.labelled(p, b)
	*dst = changelog.Set(n, text)
	return err
}
