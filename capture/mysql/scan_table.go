package mysql

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"cdcbridge/capture/mysql/schema"
	"cdcbridge/changelog"
)

// scanTable is a table as a reader selects from it. It is good as long as the same statement would make the table.
type scanTable struct {
	name    tableName
	create  string
	engine  string
	table   *changelog.Table
	columns []scanColumn
	exprs   []string // what is selected: one expression for each column
	list    string   // all of them
	key     scanKey
	index   string // that its key is, also if chunks cannot be read by it; "": there is none
	keyList string // the same for the key alone
}

// scanColumn decodes one column from text.
type scanColumn struct {
	column
	part int // the column's place in the key, -1: not in it
}

// newScanTable describes and prepares a table.
func (r *reader) newScanTable(name tableName, create string) (*scanTable, error) {
	d, err := r.describe(name)
	if err != nil {
		return nil, err
	}
	now, err := catalog{r.conn, r.src.filter}.read(&name)
	if err != nil {
		return nil, r.tableFault(name, err)
	}
	if f := now[name]; f != nil {
		r.src.words.put(name, f.words)
	}
	return r.prepare(name, create, d)
}

// prepare prepares a table. Its changelog.Table comes from shapes, so that it is the log's when nothing has changed.
func (r *reader) prepare(name tableName, create string, d *schema.Table) (*scanTable, error) {
	l, facts, err := layoutOf(d, r.collations, r.src.facts.mariadb)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", name, err)
	}
	sh, err := l.shape(name, facts)
	if err != nil {
		return nil, err
	}
	t := &scanTable{name: name, create: create, engine: d.Engine, table: r.src.version(name, sh), columns: make([]scanColumn, len(sh.columns))}
	list := make([]string, len(sh.columns))
	for i := range sh.columns {
		c := &t.columns[i]
		c.column, c.part = sh.columns[i], -1
		list[i] = c.fromText(l.columns[i], d.Columns[i])
	}
	t.exprs, t.list = list, strings.Join(list, ",")
	key := keyOf(d)
	t.index = key.Name
	if readable(key) {
		t.key.index = key.Name
		var keyList []string
		for j, p := range key.Parts {
			i := slices.IndexFunc(d.Columns, func(c schema.Column) bool { return c.Name == p.Column })
			t.columns[i].part = j
			keyList = append(keyList, list[i])
			part := newKeyPart(&t.table.Columns[i], d.Columns[i], p.Descending)
			if part.form == formTimestamp && !r.src.facts.mariadb && r.src.facts.number < 80000 {
				part.form = formTimeText
			}
			t.key.parts = append(t.key.parts, part)
		}
		t.keyList = strings.Join(keyList, ",")
	}
	return t, nil
}

// fromText makes a decoder of the log's form one of the text protocol's and gives the expression to select: the column
// itself, or something whose text says more.
func (c *scanColumn) fromText(l columnLayout, d schema.Column) string {
	name := quoteName(d.Name)
	switch l.typ {
	case typeTiny, typeShort, typeInt24, typeLong, typeLongLong, typeYear:
		c.decode = scanInt
		if l.typ != typeYear && strings.Contains(afterParentheses(d.ColumnType), "unsigned") {
			c.decode = scanUint
		}
		if l.typ == typeYear && d.ColumnType == "year(2)" { // of MariaDB, which prints two digits
			name = "YEAR(MAKEDATE(" + name + ",1))"
		}
	case typeFloat: // whose own text has six digits
		c.decode, name = scanFloat, name+"*1e0"
	case typeDouble: // with (M,D) its own text has D digits after the point
		c.decode, name = scanDouble, name+"*1e0"
	case typeNewDecimal:
		c.decode = scanDecimal
	case typeBit:
		c.decode, name = scanBits, "CAST("+name+" AS UNSIGNED)"
	case typeNewDate:
		c.decode = scanDate
	case typeTime2:
		c.decode = scanTime
	case typeDateTime2:
		c.decode = scanDateTime
	case typeTimestamp2:
		c.decode = scanTimestamp
	case typeEnum, typeSet:
		return c.labelsFromText(l.typ, name)
	case typeJSON:
		c.decode = scanJSON
	case typeGeometry:
		c.decode = scanGeometry
	case typeVector:
		c.decode = scanVector
	default:
		c.decode = c.stringFromText(l, d)
	}
	return name
}

// stringFromText makes a decoder of text or bytes.
func (c *scanColumn) stringFromText(l columnLayout, d schema.Column) decodeFunc {
	switch _, native := natives[d.DataType]; {
	case native:
		return scanNative
	case c.charset == nil:
		return scanBytes
	case l.typ == typeString:
		return scanChar
	}
	return scanText
}

// beyondBMP are the character sets with characters beyond U+FFFF.
var beyondBMP = []string{"utf8mb4", "utf16", "utf16le", "utf32", "gb18030"}

func (c *scanColumn) labelsFromText(typ columnType, name string) string {
	number := "CAST(" + name + " AS UNSIGNED)"
	doubtful := c.charset != nil && slices.Contains(beyondBMP, c.charset.name) && slices.ContainsFunc(c.labels, func(l []byte) bool { return bytes.IndexByte(l, '?') >= 0 })
	switch {
	case typ == typeEnum && doubtful:
		c.decode = scanLabelledEnum
	case typ == typeEnum:
		c.decode = scanEnum
	case doubtful:
		c.decode = scanLabelledSet
	default:
		c.decode = scanSet
	}
	if doubtful {
		return "CONCAT(" + number + ",'" + string(labelMark) + "',CAST(" + name + " AS BINARY))"
	}
	return number
}

// newKeyPart describes a column of the key.
func newKeyPart(c *changelog.Column, d schema.Column, descending bool) keyPart {
	p := keyPart{name: c.Name, descending: descending, form: formNumber, order: "int"}
	switch c.Type.Kind {
	case changelog.KindBits:
		p.order = "bit"
	case changelog.KindDecimal:
		p.form, p.order = formDecimal, "decimal"
	case changelog.KindFloat32, changelog.KindFloat64:
		p.form, p.order = formFloat, "float"
	case changelog.KindDate:
		p.form, p.order = formDate, "date"
	case changelog.KindTime:
		p.form, p.order = formTime, "time"
	case changelog.KindDateTime, changelog.KindTimestamp:
		p.form, p.order = formTimestamp, d.DataType
	case changelog.KindString:
		p.form, p.charset, p.order = formText, c.Type.Charset, "text "+d.Collation
	case changelog.KindBytes:
		p.form, p.order = formBytes, "binary"
	case changelog.KindEnum, changelog.KindSet:
		p.form, p.order = formLabels, fmt.Sprintf("%s %08x", d.DataType, crc32.ChecksumIEEE([]byte(d.ColumnType)))
		p.values = valuesOf(c.Type)
	}
	if c.Type.Year {
		p.order = "year"
	}
	if descending {
		p.order += " desc"
	}
	return p
}

// valuesOf is how many numbers an ENUM or SET can have, 0 included, and 0 when they are too many to be listed.
func valuesOf(t changelog.Type) uint64 {
	n := uint64(len(t.Labels)) + 1
	if t.Kind == changelog.KindSet {
		n = 1 << min(len(t.Labels), 63)
	}
	if n > mostListed {
		return 0
	}
	return n
}
