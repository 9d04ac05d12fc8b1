package mysql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cdcbridge/capture/mysql/schema"
	"cdcbridge/internal/fault"
)

// This file makes of a table's schema what a TABLE_MAP would say of it, so that one code prepares the table for all: rows that
// were read, rows that the log describes, and rows that it does not describe, of one shape have one changelog.Table.

// layoutOf describes the table as the log of the product does. collations are the server's, by name.
func layoutOf(t *schema.Table, collations map[string]uint32, mariadb bool) (tableLayout, []columnFacts, error) {
	n := len(t.Columns)
	l := tableLayout{mariadb: mariadb, columns: make([]columnLayout, n), meta: tableMetadata{
		unsigned: make([]bool, n), collations: make([]uint32, n), names: make([][]byte, n), labels: make([][][]byte, n), geometry: make([]int, n),
		dimensions: make([]int, n), invisible: make([]bool, n), labelsUTF8: true,
	}}
	facts := make([]columnFacts, n)
	for i, c := range t.Columns {
		if err := l.describe(i, c, collations); err != nil {
			return l, nil, fmt.Errorf("column %q: %w", c.Name, err)
		}
		facts[i] = columnFacts{Name: c.Name, ColumnType: c.ColumnType, Generated: c.Generated}
	}
	for _, p := range keyOf(t).Parts {
		i := slices.IndexFunc(t.Columns, func(c schema.Column) bool { return c.Name == p.Column })
		if i < 0 {
			return l, nil, fmt.Errorf("the key has the column %q, which the table has not", p.Column)
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
	"uuid": {typ: typeString, meta: 16}, "inet6": {typ: typeString, meta: 16}, "inet4": {typ: typeString, meta: 4},
}

func (l *tableLayout) describe(i int, c schema.Column, collations map[string]uint32) error {
	col, m := &l.columns[i], &l.meta
	m.names[i], m.invisible[i] = []byte(c.Name), c.Invisible
	var known bool
	if *col, known = plainTypes[c.DataType]; !known {
		if m.geometry[i] = slices.Index(geometryNames[:], c.DataType); m.geometry[i] < 0 {
			return unsupportedName(c)
		}
		*col = columnLayout{typ: typeGeometry, meta: 4}
	}
	if l.mariadb && col.typ == typeVector { // where it is bytes to the log
		return l.vectorBytes(i, c)
	}
	col.nullable = c.Nullable
	m.unsigned[i] = strings.Contains(afterParentheses(c.ColumnType), "unsigned")
	m.collations[i] = collationBinary
	if c.Collation != "" {
		if m.collations[i] = collations[c.Collation]; m.collations[i] == 0 {
			return fmt.Errorf("the collation %q is not in the catalogue", c.Collation)
		}
	}
	switch col.typ {
	case typeString, typeVarchar:
		if natives[c.DataType] == 0 {
			col.meta = uint16(c.Octets)
		}
	case typeNewDecimal:
		col.meta = uint16(c.Precision<<8 | c.Scale)
	case typeBit:
		col.meta = uint16(c.Precision/8<<8 | c.Precision%8)
	case typeTime2, typeDateTime2, typeTimestamp2:
		col.meta = uint16(c.FSP)
	case typeVector:
		if _, args, ok := strings.Cut(c.ColumnType, "("); ok {
			var err error
			if m.dimensions[i], err = strconv.Atoi(strings.TrimSuffix(args, ")")); err != nil {
				return err
			}
		}
	case typeEnum, typeSet:
		if len(c.Labels) == 0 {
			return fmt.Errorf("the type %q has no list of labels", abbreviate(c.ColumnType, 80))
		}
		for _, label := range c.Labels {
			m.labels[i] = append(m.labels[i], []byte(label))
		}
		col.meta = packedWidth(col.typ, len(c.Labels))
	}
	if c.Compressed {
		col.compress()
	}
	return nil
}

// vectorBytes describes a VECTOR of MariaDB, which the log has as VARBINARY.
func (l *tableLayout) vectorBytes(i int, c schema.Column) error {
	var n uint16
	if _, err := fmt.Sscanf(c.ColumnType, "vector(%d)", &n); err != nil {
		return fmt.Errorf("the type %q: %w", c.ColumnType, err)
	}
	l.columns[i] = columnLayout{typ: typeVarchar, meta: 4 * n, nullable: c.Nullable}
	l.meta.collations[i] = collationBinary
	return nil
}

// compress makes a column one whose values are compressed, with a byte in front of each.
func (l *columnLayout) compress() {
	if l.typ == typeVarchar {
		l.typ, l.meta = typeVarcharCompressed, l.meta+1
	} else {
		l.typ = typeBlobCompressed
	}
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

func unsupportedName(c schema.Column) error {
	return fault.NewFinal(fault.UnsupportedType, "preparing a table's decoder", fmt.Errorf("column %q has the type %s", c.Name, c.ColumnType),
		"This release does not know the type. Leave the table out of tables, or upgrade cdcbridge.")
}
