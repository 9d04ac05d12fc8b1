package mysql

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// This file is about the types of MariaDB of which a value has a text of its own and the log shows only bytes: UUID, INET6 and INET4.
// In the log they are BINARY(16) and BINARY(4), whatever the metadata, so the catalogue decides what a column is.

// natives are these types with the width of their values.
var natives = map[string]int{"uuid": 16, "inet6": 16, "inet4": 4}

// ambiguous reports a table of which the log alone does not say how to read it.
func (l *tableLayout) ambiguous() bool {
	for i := range l.columns {
		if l.mayBeNative(i) || l.mariadb && l.columns[i].oldTemporal() {
			return true
		}
	}
	return false
}

func (l *tableLayout) mayBeNative(i int) bool {
	c := l.columns[i]
	return l.mariadb && c.typ == typeString && (c.meta == 16 || c.meta == 4) && l.meta.collations != nil && l.meta.collations[i] == collationBinary
}

// oldTemporal reports a temporal type in the format of MySQL 5.5 and MariaDB 5.3 (mysql56_temporal_format=OFF). Of MariaDB such a
// column may have a fraction, of which the log says nothing.
func (c columnLayout) oldTemporal() bool {
	return c.typ == typeTime || c.typ == typeDateTime || c.typ == typeTimestamp
}

// readNatives finds out which columns of the log's BINARY(16) and BINARY(4) are of these types, and looks for columns that cannot
// be read.
func (l *tableLayout) readNatives(name tableName, facts []columnFacts) error {
	for i, c := range l.columns {
		if !l.mayBeNative(i) && (!l.mariadb || !c.oldTemporal()) {
			continue
		}
		column, has := string(l.meta.names[i]), ""
		for _, f := range facts {
			if f.Name == column {
				has = f.ColumnType
			}
		}
		if c.oldTemporal() {
			if strings.Contains(has, "(") {
				return oldTemporalFault(name, column, has)
			}
			continue
		}
		width, native := natives[has]
		if native && width == int(c.meta) {
			if l.meta.natives == nil {
				l.meta.natives = make([]string, len(l.columns))
			}
			l.meta.natives[i] = has
			continue
		}
		if has != "binary("+strconv.Itoa(int(c.meta))+")" {
			return nativeFault(name, column, int(c.meta), has)
		}
	}
	return nil
}

func oldTemporalFault(table tableName, column, has string) error {
	return fault.NewFinal(fault.UnsupportedType, "preparing a table's decoder", fmt.Errorf("column %q of %s has the type %s, and its fraction is logged in the format of MariaDB 5.3", column, table, has),
		"Run SET GLOBAL mysql56_temporal_format=ON and ALTER TABLE … FORCE, and snapshot the table again.")
}

func nativeFault(table tableName, column string, width int, has string) error {
	if has == "" {
		has = "no such column"
	}
	return fault.NewFinal(fault.SchemaUnknown, "preparing a table's decoder",
		fmt.Errorf("the log has %d bytes in column %q of %s, which may be BINARY, UUID or INET, and the catalogue has %s", width, column, table, has),
		"The table was changed after these rows were logged, so that nothing tells what their bytes mean. Snapshot the table again.")
}

// address prepares a column of these types. Its values have the text that the server shows.
func (d columnDef) address(col *changelog.Column, dec *column) error {
	col.Type.Kind, col.Type.Charset, col.SourceType = changelog.KindString, "ascii", d.native
	dec.prefix, dec.width = lengthPrefix(int(d.layout.meta)), int(d.layout.meta)
	switch d.native {
	case "uuid":
		dec.decode = decodeUUID
	case "inet6":
		dec.decode = decodeInet6
	case "inet4":
		dec.decode = decodeInet4
	default:
		return unsupportedType(d.name, d.layout.typ)
	}
	return nil
}

// addressBytes puts the zero bytes back that the log leaves out at the end.
func addressBytes(c *column, p []byte) (out [16]byte, err error) {
	if len(p) > c.width {
		return out, fmt.Errorf("%d bytes in a value of %d", len(p), c.width)
	}
	copy(out[:], p)
	return out, nil
}

func decodeUUID(c *column, p []byte, dst *changelog.Value, b *changelog.Batch) error {
	u, err := addressBytes(c, p)
	*dst = changelog.String(appendUUID(b.Grab(36)[:0], u))
	return err
}

func decodeInet4(c *column, p []byte, dst *changelog.Value, b *changelog.Batch) error {
	a, err := addressBytes(c, p)
	*dst = changelog.String(appendInet4(b.Grab(15)[:0], a[:4]))
	return err
}

func decodeInet6(c *column, p []byte, dst *changelog.Value, b *changelog.Batch) error {
	a, err := addressBytes(c, p)
	*dst = changelog.String(appendInet6(b.Grab(45)[:0], a[:]))
	return err
}

func appendInet4(dst, a []byte) []byte {
	for i, n := range a {
		if i > 0 {
			dst = append(dst, '.')
		}
		dst = strconv.AppendUint(dst, uint64(n), 10)
	}
	return dst
}

// appendInet6 writes an address as the server does: the first of the longest runs of zero words, be it one word, is "::", and
// what is IPv4 in the last two words is written so where that run begins the address and fills all before it, but for ffff.
func appendInet6(dst, a []byte) []byte {
	var words [8]uint16
	for i := range words {
		words[i] = binary.BigEndian.Uint16(a[2*i:])
	}
	gap, length := -1, 0
	for i := 0; i < len(words); i++ {
		n := 0
		for i+n < len(words) && words[i+n] == 0 {
			n++
		}
		if n > length {
			gap, length = i, n
		}
		i += n
	}
	for i := 0; i < len(words); i++ {
		switch {
		case i == gap:
			if i == 0 {
				dst = append(dst, ':')
			}
			dst = append(dst, ':')
			i += length - 1
		case i == 6 && gap == 0 && (length == 6 || length == 5 && words[5] == 0xffff):
			return appendInet4(dst, a[12:])
		default:
			dst = strconv.AppendUint(dst, uint64(words[i]), 16)
			if i < len(words)-1 {
				dst = append(dst, ':')
			}
		}
	}
	return dst
}
