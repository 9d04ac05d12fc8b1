package mysql

import (
	"fmt"
	"math/bits"
	"strings"
	"unicode/utf8"

	"cdcbridge/changelog"
)

// enumOrSet prepares an ENUM or SET column. Labels are in the column's character set within the TABLE_MAP.
func (d columnDef) enumOrSet(col *changelog.Column, dec *column) error {
	if len(d.labels) == 0 {
		return d.undescribed("labels")
	}
	if d.collation == 0 {
		return d.undescribed("character set")
	}
	if d.collation != collationBinary {
		cs, err := charsetOf(d.collation)
		if err != nil {
			return err
		}
		dec.charset, col.Type.Charset = cs, cs.name
	} else {
		col.Type.Charset = "binary"
	}
	name, widest := "enum", 2
	col.Type.Kind, dec.decode = changelog.KindEnum, decodeEnum
	if d.layout.typ == typeSet {
		name, widest = "set", 8
		col.Type.Kind, dec.decode = changelog.KindSet, decodeSet
	}
	dec.width = int(d.layout.meta & 0xff)
	if dec.width < 1 || dec.width > widest || name == "set" && len(d.labels) > 64 {
		return d.bad("%s of %d bytes with %d labels", name, dec.width, len(d.labels))
	}
	quoted := make([]string, len(d.labels))
	for i, raw := range d.labels {
		label := append([]byte(nil), raw...)
		if dec.charset != nil && !d.utf8 {
			var err error
			if label, err = dec.charset.label(raw); err != nil {
				return d.bad("label %d: %v", i+1, err)
			}
		}
		if !utf8.Valid(label) { // CHARACTER SET binary
			return unsupportedType(d.name, d.layout.typ)
		}
		dec.labels = append(dec.labels, label)
		col.Type.Labels = append(col.Type.Labels, string(label))
		quoted[i] = "'" + strings.ReplaceAll(string(label), "'", "''") + "'"
	}
	col.SourceType = name + "(" + strings.Join(quoted, ",") + ")"
	return nil
}

// decodeEnum looks the label up. Index 0 is the empty text that the server stores for a value that is no label.
func decodeEnum(c *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	return c.enum(littleEndian(p), dst)
}

func (c *column) enum(n uint64, dst *changelog.Value) error {
	switch {
	case n == 0:
		*dst = changelog.Enum(0, []byte{})
	case n > uint64(len(c.labels)):
		return fmt.Errorf("the ENUM index %d of %d labels", n, len(c.labels))
	default:
		*dst = changelog.Enum(n, c.labels[n-1])
	}
	return nil
}

// decodeSet joins the labels of the bits that are set.
func decodeSet(c *column, p []byte, dst *changelog.Value, b *changelog.Batch) error {
	return c.set(littleEndian(p), dst, b)
}

func (c *column) set(mask uint64, dst *changelog.Value, b *changelog.Batch) error {
	if bits.Len64(mask) > len(c.labels) {
		return fmt.Errorf("the SET bits %x with %d labels", mask, len(c.labels))
	}
	if bits.OnesCount64(mask) == 1 {
		*dst = changelog.Set(mask, c.labels[bits.TrailingZeros64(mask)])
		return nil
	}
	size := 0
	for m := mask; m != 0; m &= m - 1 {
		size += 1 + len(c.labels[bits.TrailingZeros64(m)])
	}
	text := []byte{}
	if size > 0 {
		text = b.Grab(size - 1)[:0]
	}
	for m := mask; m != 0; m &= m - 1 {
		if m != mask {
			text = append(text, ',')
		}
		text = append(text, c.labels[bits.TrailingZeros64(m)]...)
	}
	*dst = changelog.Set(mask, text)
	return nil
}

// littleEndian reads up to eight bytes.
func littleEndian(p []byte) uint64 {
	var v uint64
	for i := len(p) - 1; i >= 0; i-- {
		v = v<<8 | uint64(p[i])
	}
	return v
}
