package mysql

import (
	"bytes"
	"strconv"

	"cdcbridge/changelog"
)

// text prepares CHAR, VARCHAR and the TEXT types.
func (d columnDef) text(col *changelog.Column, dec *column) error {
	cs, err := charsetOf(d.collation)
	if err != nil {
		return err
	}
	dec.charset = cs
	col.Type.Kind, col.Type.Charset = changelog.KindString, cs.name
	dec.decode = decodeText
	length := int(d.layout.meta)
	switch d.layout.typ {
	case typeString:
		col.Type.Length, col.Type.Fixed = length/cs.maxLen, true
		col.SourceType = "char(" + strconv.Itoa(col.Type.Length) + ")"
		dec.prefix, dec.decode = lengthPrefix(length), decodeChar
		return nil
	case typeVarchar, typeVarString:
		col.Type.Length = length / cs.maxLen
		col.SourceType = "varchar(" + strconv.Itoa(col.Type.Length) + ")"
		dec.prefix = lengthPrefix(length)
	default:
		err = d.blobPrefix(col, dec, "text")
	}
	if cs.ascii {
		dec.fast = fastText
	}
	return err
}

// lengthPrefix is how many bytes the length of a string takes whose longest value has so many bytes.
func lengthPrefix(longest int) int {
	if longest > 255 {
		return 2
	}
	return 1
}

var blobSizes = [5]string{"", "tiny", "", "medium", "long"}

// blobPrefix takes the bytes of a BLOB's or TEXT's length, which are also what tells the four sizes of the type apart.
func (d columnDef) blobPrefix(col *changelog.Column, dec *column, name string) error {
	n := int(d.layout.meta)
	if n < 1 || n > 4 {
		return d.bad("a length of %d bytes", n)
	}
	dec.prefix = n
	col.SourceType = blobSizes[n] + name
	return nil
}

func decodeText(c *column, p []byte, dst *changelog.Value, b *changelog.Batch) error {
	text, err := c.charset.text(b, p)
	*dst = changelog.String(text)
	return err
}

// decodeChar drops the spaces that CHAR is padded with, as SELECT does.
func decodeChar(c *column, p []byte, dst *changelog.Value, b *changelog.Batch) error {
	text, err := c.charset.text(b, p)
	*dst = changelog.String(bytes.TrimRight(text, " "))
	return err
}
