package schema

import (
	"fmt"
	"strconv"
	"strings"
)

// digits are the widths that types of whole numbers have when no width is said.
var digits = map[string][2]int{"tinyint": {4, 3}, "smallint": {6, 5}, "mediumint": {9, 8}, "int": {11, 10}, "bigint": {20, 20}}

// column makes a column of its definition in a table with the default collation.
func (c context) column(d *definition, collation string) (Column, error) {
	col := Column{
		Name: d.name, DataType: d.typ.name, Generated: d.generated, Virtual: d.virtual, Invisible: d.invisible, Compressed: d.compressed,
		Nullable: d.null != notNull && !d.primary && !d.increments,
	}
	if d.typ.name == "timestamp" && d.null == unsaid && c.server.ImplicitTimestamps && !d.generated {
		col.Nullable = false
	}
	var err error
	if textual(d.typ.name) {
		if col.Collation, err = c.choose(d.charset, collation); err != nil {
			return Column{}, fmt.Errorf("making the column %s: %w", d.name, err)
		}
	}
	c.shape(&col, d.typ)
	if col.ColumnType == "" {
		return Column{}, fmt.Errorf("making the column %s: the type %s is not known", d.name, d.typ.name)
	}
	return col, nil
}

// textual reports the types that have a collation.
func textual(t string) bool {
	switch t {
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set":
		return true
	}
	return false
}

// shape fills in what a type says of a column of which the collation is known.
func (c context) shape(col *Column, t dataType) {
	col.ColumnType = t.name
	switch t.name {
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		c.integer(col, t)
	case "decimal":
		if t.length <= 0 {
			t.length = 10
		}
		col.Precision, col.Scale = t.length, max(t.decimals, 0)
		col.ColumnType = fmt.Sprintf("decimal(%d,%d)", col.Precision, col.Scale)
	case "float", "double":
		col.floating(t)
	case "bit":
		col.Precision = max(t.length, 1)
		col.ColumnType = fmt.Sprintf("bit(%d)", col.Precision)
	case "year":
		if c.server.widths() {
			col.ColumnType = "year(4)"
		}
		return // never printed as unsigned
	case "time", "datetime", "timestamp":
		if col.FSP = max(t.length, 0); col.FSP > 0 {
			col.ColumnType = fmt.Sprintf("%s(%d)", t.name, col.FSP)
		}
	case "vector":
		if t.length < 0 {
			t.length = 2048
		}
		col.ColumnType = fmt.Sprintf("vector(%d)", t.length)
	case "enum", "set":
		col.Labels = t.labels
		col.ColumnType = t.name + "(" + labelList(t.labels) + ")"
		if !c.server.MariaDB && c.server.Version >= 80000 {
			c.unCollate(col)
		}
	case "char", "varchar", "binary", "varbinary", "tinytext", "text", "mediumtext", "longtext", "tinyblob", "blob", "mediumblob", "longblob":
		c.stringShape(col, t)
	}
	if t.unsigned {
		col.ColumnType += " unsigned"
	}
	if t.zerofill {
		col.ColumnType += " zerofill"
	}
	if col.Compressed {
		col.ColumnType += " /*M!100301 COMPRESSED*/"
	}
}

func (col *Column) floating(t dataType) {
	if t.decimals >= 0 {
		col.ColumnType = fmt.Sprintf("%s(%d,%d)", t.name, t.length, t.decimals)
	} else if t.name == "float" && t.length > 24 {
		col.DataType, col.ColumnType = "double", "double"
	}
}

// widths reports a server that writes the widths of whole numbers.
func (s *Server) widths() bool { return s.MariaDB || s.Version < 80019 }

func (c context) integer(col *Column, t dataType) {
	w := t.length
	if w <= 0 {
		w = digits[t.name][0]
		if t.unsigned {
			w = digits[t.name][1]
		}
	}
	if c.server.widths() || t.zerofill || t.name == "tinyint" && w == 1 && !t.unsigned {
		col.ColumnType = fmt.Sprintf("%s(%d)", t.name, w)
	}
}

// stringShape is the type of characters or bytes: by its size, and by its character set, which may be none.
func (c context) stringShape(col *Column, t dataType) {
	w := 1
	if textual(t.name) {
		w = width(c.charsetOf(col.Collation))
	}
	name, length := t.name, t.length
	switch name {
	case "char", "binary":
		if length < 0 {
			length = 1
		}
	case "text", "blob":
		if length > 0 || length == 0 && !c.server.MariaDB && c.server.Version >= 80000 {
			name = blobOf(name, length*w)
		}
		length = -1
	case "varchar", "varbinary":
		if length*w > 65535 {
			name = blobOf(map[string]string{"varchar": "text", "varbinary": "blob"}[name], length*w)
			length = -1
		}
	default:
		length = -1
	}
	if col.Collation == "binary" {
		name = bytesOf(name)
	}
	c.unCollate(col)
	col.DataType, col.ColumnType = name, name
	if length >= 0 {
		col.Octets = length * w
		col.ColumnType = name + "(" + strconv.Itoa(length) + ")"
	}
}

// unCollate: what has no character set has no collation.
func (c context) unCollate(col *Column) {
	if col.Collation == "binary" {
		col.Collation = ""
	}
}

// blobOf gives the smallest of the types of text, or of bytes, that holds so many octets.
func blobOf(name string, octets int) string {
	switch {
	case octets <= 255:
		return "tiny" + name
	case octets <= 65535:
		return name
	case octets <= 1<<24-1:
		return "medium" + name
	}
	return "long" + name
}

// bytesOf gives the type of bytes that takes the place of a type of characters.
func bytesOf(name string) string {
	switch name {
	case "char":
		return "binary"
	case "varchar":
		return "varbinary"
	}
	return strings.Replace(name, "text", "blob", 1)
}

// labelList writes labels as the server does.
func labelList(labels []string) string {
	var b strings.Builder
	for i, l := range labels {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\'')
		b.WriteString(labelEscapes.Replace(l))
		b.WriteByte('\'')
	}
	return b.String()
}

var labelEscapes = strings.NewReplacer("'", "''", "\\", "\\\\", "\x00", "\\0", "\n", "\\n", "\r", "\\r")

// sizes are the octets that the types of long text hold.
var sizes = map[string]int{"tinytext": 255, "text": 65535, "mediumtext": 1<<24 - 1, "longtext": 1<<32 - 1}

// convert gives the column another collation, as CONVERT TO does: types grow so that all characters still fit.
func (c context) convert(col Column, collation string) Column {
	if col.Collation == "" || col.Collation == "binary" || !textual(col.DataType) {
		return col
	}
	before, after := width(c.charsetOf(col.Collation)), width(c.charsetOf(collation))
	t := dataType{name: col.DataType, length: col.Octets / before, decimals: -1, labels: col.Labels}
	if size := sizes[col.DataType]; size > 0 {
		t.length = -1
		if octets := size / before * after; octets > size || col.DataType != "longtext" {
			t.name = blobOf("text", min(octets, 1<<32-1))
		}
	}
	col.Collation, col.Octets = collation, 0
	c.shape(&col, t)
	return col
}
