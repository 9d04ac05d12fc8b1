package schema

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// alterKeys keeps the indexes that are not dropped, over the columns that they are over now. One that loses all its columns is
// gone.
func (d *draft) alterKeys(old *draft, ch *changes) error {
	for _, k := range old.keys {
		if slices.ContainsFunc(ch.keyDrops, func(n string) bool { return strings.EqualFold(n, k.Name) }) {
			continue
		}
		for _, n := range ch.keyNames {
			if strings.EqualFold(n[0], k.Name) {
				k.Name = n[1]
				break
			}
		}
		var parts []Part
		for _, p := range k.Parts {
			if p.Column == "" {
				parts = append(parts, p)
			} else if col := d.heir(p.Column); col != nil {
				if col.changed && (spatial(col.before.DataType) || spatial(col.DataType)) && (d.server.MariaDB || d.server.Version < 80000) {
					return errUncertain // how much of it the index takes is anybody's guess
				}
				part := d.keptPart(p, col)
				if k.Hash && p.Prefix == 0 { // a hash is of the whole
					part.Prefix = 0
				}
				parts = append(parts, part)
			}
		}
		if len(parts) > 0 {
			k.Parts = parts
			d.keys = append(d.keys, k)
		}
	}
	return nil
}

// heir gives the column that takes the place of one in indexes: by what it was, or by its name.
func (d *draft) heir(name string) *draftColumn {
	for i := range d.columns {
		c := &d.columns[i]
		if c.was != "" && strings.EqualFold(c.was, name) || c.was == "" && strings.EqualFold(c.Name, name) {
			return c
		}
	}
	return nil
}

// keptPart gives a part of an index over a column that may have another type now.
func (d *draft) keptPart(p Part, col *draftColumn) Part {
	p.Column = col.Name
	if !col.changed {
		return p
	}
	if p.Prefix == 0 && !long(col.before.DataType) && d.prefixed(col) {
		p.Prefix = d.chars(col.before)
	}
	if !prefixable(col.DataType) || !prefixable(col.before.DataType) || !long(col.DataType) && d.chars(&col.Column) <= p.Prefix {
		p.Prefix = 0
	}
	return p
}

// prefixed reports that an index over the whole of a column goes on over as much of what takes its place. That is so of text
// without a limited length, where the server needs a length, and of numbers with labels, which it takes for texts.
func (d *draft) prefixed(col *draftColumn) bool {
	if long(col.DataType) {
		return !d.server.MariaDB
	}
	if len(col.before.Labels) == 0 {
		return false
	}
	longest, sum := 0, len(col.before.Labels)-1
	for _, l := range col.before.Labels {
		n := utf8.RuneCountInString(l)
		longest, sum = max(longest, n), sum+n
	}
	if col.before.DataType == "set" {
		longest = sum
	}
	return longest*width(d.charsetOf(col.before.Collation)) != col.before.size()
}

func spatial(t string) bool {
	switch t {
	case "geometry", "point", "linestring", "polygon", "geometrycollection":
		return true
	}
	return strings.HasPrefix(t, "multi")
}

// wide reports the character sets of which ASCII is no part.
func wide(charset string) bool {
	return charset == "ucs2" || charset == "utf32" || strings.HasPrefix(charset, "utf16")
}

// long reports the types of text and bytes without a limited length.
func long(t string) bool { return strings.HasSuffix(t, "text") || strings.HasSuffix(t, "blob") }

func prefixable(t string) bool {
	return long(t) || t == "enum" || t == "set" || t == "char" || t == "varchar" || t == "binary" || t == "varbinary"
}
