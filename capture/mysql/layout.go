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
}

func (l *tableLayout) describe(i int, c schema.Column, collations map[string]uint32) error {
	col, m := &l.columns[i], &l.meta
	m.names[i], m.invisible[i] = []byte(c.Name), c.Invisible && !l.mariadb // whose log does not say it
	var err error
	if *col, err = l.plain(i, c); err != nil {
		return err
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
		if col.meta == 0 {
			col.meta = uint16(c.Octets)
		}
	case typeVarcharCompressed:
		col.meta = uint16(c.Octets + 1) // the byte that says how it is compressed
	case typeNewDecimal:
		col.meta = uint16(c.Precision<<8 | c.Scale)
	case typeBit:
		col.meta = uint16(c.Precision/8<<8 | c.Precision%8)
	case typeTime2, typeDateTime2, typeTimestamp2:
		col.meta = uint16(c.FSP)
	case typeVector:
		if m.dimensions[i], err = dimensions(c.ColumnType); err != nil {
			return err
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
	return nil
}

// plain gives the type of a column, and the metadata where that does not depend on the column.
func (l *tableLayout) plain(i int, c schema.Column) (columnLayout, error) {
	col, known := plainTypes[c.DataType]
	switch width, native := natives[c.DataType]; {
	case l.mariadb && native:
		return columnLayout{typ: typeString, meta: uint16(width)}, nil
	case l.mariadb && c.DataType == "vector":
		n, err := dimensions(c.ColumnType)
		return columnLayout{typ: typeVarchar, meta: uint16(4 * n)}, err
	case l.mariadb && c.Compressed && col.typ == typeVarchar:
		return columnLayout{typ: typeVarcharCompressed}, nil
	case l.mariadb && c.Compressed && col.typ == typeBlob:
		return columnLayout{typ: typeBlobCompressed, meta: col.meta}, nil
	case known:
		return col, nil
	}
	name := c.DataType
	if name == longCollection {
		name, l.meta.longNames = geometryNames[len(geometryNames)-1], true
	}
	if l.meta.geometry[i] = slices.Index(geometryNames[:], name); l.meta.geometry[i] < 0 {
		return columnLayout{}, unsupportedName(c)
	}
	return columnLayout{typ: typeGeometry, meta: 4}, nil
}

// dimensions reads "vector(5)".
func dimensions(columnType string) (int, error) {
	_, args, _ := strings.Cut(columnType, "(")
	args, _, _ = strings.Cut(args, ")")
	return strconv.Atoi(args)
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
