package mysql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cdcbridge/internal/fault"
)

// This file makes of the catalogue's description of a table what a TABLE_MAP would say of it, so that one code prepares the
// table for both: a row that was read and the same row from the log have one changelog.Table.

// layout describes the table as the log does. collations are the server's, by name.
func (d *description) layout(collations map[string]uint32) (tableLayout, []columnFacts, error) {
	n := len(d.columns)
	l := tableLayout{columns: make([]columnLayout, n), meta: tableMetadata{
		unsigned: make([]bool, n), collations: make([]uint32, n), names: make([][]byte, n), labels: make([][][]byte, n), geometry: make([]int, n),
		dimensions: make([]int, n), invisible: make([]bool, n), labelsUTF8: true,
	}}
	facts := make([]columnFacts, n)
	for i, c := range d.columns {
		if err := l.describe(i, c, collations); err != nil {
			return l, nil, fmt.Errorf("column %q: %w", c.name, err)
		}
		facts[i] = columnFacts{Name: c.name, ColumnType: c.columnType, Generated: c.generated}
	}
	for _, p := range d.key() {
		i := slices.IndexFunc(d.columns, func(c describedColumn) bool { return c.name == p.column })
		if i < 0 {
			return l, nil, fmt.Errorf("the key has the column %q, which the table has not", p.column)
		}
		l.meta.key = append(l.meta.key, i)
	}
	return l, facts, nil
}

// plainTypes are the types whose layout needs nothing more, and those of which describe tells the rest.
var plainTypes = map[string]columnLayout{
	"tinyint": {typ: typeTiny}, "smallint": {typ: typeShort}, "mediumint": {typ: typeInt24}, "int": {typ: typeLong}, "bigint": {typ: typeLongLong},
	"float": {typ: typeFloat, meta: 4}, "double": {typ: typeDouble, meta: 8}, "year": {typ: typeYear}, "date": {typ: typeNewDate},
	"decimal": {typ: typeNewDecimal}, "bit": {typ: typeBit}, "time": {typ: typeTime2}, "datetime": {typ: typeDateTime2}, "timestamp": {typ: typeTimestamp2},
	"char": {typ: typeString}, "binary": {typ: typeString}, "varchar": {typ: typeVarchar}, "varbinary": {typ: typeVarchar}, "enum": {typ: typeEnum}, "set": {typ: typeSet},
	"tinytext": {typ: typeBlob, meta: 1}, "text": {typ: typeBlob, meta: 2}, "mediumtext": {typ: typeBlob, meta: 3}, "longtext": {typ: typeBlob, meta: 4},
	"tinyblob": {typ: typeBlob, meta: 1}, "blob": {typ: typeBlob, meta: 2}, "mediumblob": {typ: typeBlob, meta: 3}, "longblob": {typ: typeBlob, meta: 4},
	"json": {typ: typeJSON, meta: 4}, "vector": {typ: typeVector, meta: 4},
}

func (l *tableLayout) describe(i int, c describedColumn, collations map[string]uint32) error {
	col, m := &l.columns[i], &l.meta
	m.names[i], m.invisible[i] = []byte(c.name), strings.Contains(c.extra, "INVISIBLE")
	var known bool
	if *col, known = plainTypes[c.dataType]; !known {
		if m.geometry[i] = slices.Index(geometryNames[:], c.dataType); m.geometry[i] < 0 {
			return unsupportedName(c)
		}
		*col = columnLayout{typ: typeGeometry, meta: 4}
	}
	col.nullable = c.nullable == "YES"
	m.unsigned[i] = strings.Contains(afterParentheses(c.columnType), "unsigned")
	m.collations[i] = collationBinary
	if c.collation != "" {
		if m.collations[i] = collations[c.collation]; m.collations[i] == 0 {
			return fmt.Errorf("the collation %q is not in the catalogue", c.collation)
		}
	}
	var err error
	number := func(text string) (n int) {
		if text != "" && err == nil {
			n, err = strconv.Atoi(text)
		}
		return n
	}
	switch col.typ {
	case typeString, typeVarchar:
		col.meta = uint16(number(c.octets))
	case typeNewDecimal:
		col.meta = uint16(number(c.precision)<<8 | number(c.scale))
	case typeBit:
		n := number(c.precision)
		col.meta = uint16(n/8<<8 | n%8)
	case typeTime2, typeDateTime2, typeTimestamp2:
		col.meta = uint16(number(c.fsp))
	case typeVector:
		if _, args, ok := strings.Cut(c.columnType, "("); ok {
			m.dimensions[i] = number(strings.TrimSuffix(args, ")"))
		}
	case typeEnum, typeSet:
		m.labels[i], err = parseLabels(c.columnType)
		col.meta = packedWidth(col.typ, len(m.labels[i]))
	}
	return err
}

// packedWidth is how many bytes an ENUM or SET takes in a row.
func packedWidth(typ columnType, labels int) uint16 {
	switch {
	case typ == typeEnum && labels < 256:
		return 1
	case typ == typeEnum:
		return 2
	case labels > 32:
		return 8
	}
	return uint16(max(1, (labels+7)/8))
}

// afterParentheses is what follows the arguments of a type: " unsigned zerofill".
func afterParentheses(columnType string) string {
	return columnType[strings.LastIndexByte(columnType, ')')+1:]
}

// parseLabels reads "enum('small','it”s')" with the catalogue's escapes.
func parseLabels(columnType string) ([][]byte, error) {
	_, rest, _ := strings.Cut(columnType, "(")
	var labels [][]byte
	for rest != "" && rest[0] == '\'' {
		label := []byte{}
		i := 1
		for ; i < len(rest); i++ {
			b := rest[i]
			if b == '\'' {
				if i+1 >= len(rest) || rest[i+1] != '\'' {
					break
				}
				i++
			} else if b == '\\' && i+1 < len(rest) {
				i++
				b = rest[i]
				if at := strings.IndexByte("0nr", b); at >= 0 {
					b = "\x00\n\r"[at]
				}
			}
			label = append(label, b)
		}
		if i+1 >= len(rest) {
			break // no closing quote, or nothing after it
		}
		labels, rest = append(labels, label), strings.TrimPrefix(rest[i+1:], ",")
	}
	if rest != ")" || len(labels) == 0 {
		return nil, fmt.Errorf("the type %q has no list of labels", abbreviate(columnType, 80))
	}
	return labels, nil
}

func unsupportedName(c describedColumn) error {
	return fault.NewFinal(fault.UnsupportedType, "preparing a table's decoder", fmt.Errorf("column %q has the type %s", c.name, c.columnType),
		"This release does not know the type. Leave the table out of tables, or upgrade cdcbridge.")
}
