package mysql

import (
	"fmt"
	"strings"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// columnDef is everything that a TABLE_MAP says of one column.
type columnDef struct {
	name      string
	layout    columnLayout
	unsigned  bool
	collation uint32
	labels    [][]byte
	utf8      bool // labels are
	geometry  int
	longNames bool // geometries have the names of MariaDB and MySQL before 8.0
	dimension int
	native    string // uuid, inet6 or inet4
	bare      bool   // serverFacts.bareJSON
}

func (l tableLayout) def(i int) columnDef {
	m := l.meta
	d := columnDef{name: string(m.names[i]), layout: l.columns[i], bare: l.bare}
	if m.unsigned != nil {
		d.unsigned = m.unsigned[i]
	}
	if m.collations != nil {
		d.collation = m.collations[i]
	}
	if m.labels != nil {
		d.labels, d.utf8 = m.labels[i], m.labelsUTF8
	}
	if m.geometry != nil {
		d.geometry, d.longNames = m.geometry[i], m.longNames || l.mariadb
	}
	if m.dimensions != nil {
		d.dimension = m.dimensions[i]
	}
	if m.natives != nil {
		d.native = m.natives[i]
	}
	return d
}

// prepare describes column i and makes its decoder.
func (s *shape) prepare(i int, l tableLayout) error {
	d, col, dec := l.def(i), &s.table.Columns[i], &s.columns[i]
	col.Name, dec.name = d.name, d.name
	col.Nullable = d.layout.nullable
	col.Invisible = l.meta.invisible != nil && l.meta.invisible[i]
	if d.layout.typ.character() && d.layout.typ != typeVector && d.collation == 0 {
		return d.undescribed("character set")
	}
	switch d.layout.typ {
	case typeTiny, typeShort, typeInt24, typeLong, typeLongLong, typeFloat, typeDouble, typeNewDecimal, typeBit:
		if d.layout.typ != typeBit && l.meta.unsigned == nil {
			return d.undescribed("signedness")
		}
		return d.number(col, dec)
	case typeYear, typeDate, typeNewDate, typeTime, typeTime2, typeDateTime, typeDateTime2, typeTimestamp, typeTimestamp2:
		return d.temporal(col, dec)
	case typeVarchar, typeVarString, typeString, typeTinyBlob, typeBlob, typeMediumBlob, typeLongBlob:
		if d.native != "" {
			return d.address(col, dec)
		}
		if d.collation == collationBinary {
			return d.bytes(col, dec)
		}
		return d.text(col, dec)
	case typeVarcharCompressed, typeBlobCompressed:
		return d.compressed(col, dec)
	case typeEnum, typeSet:
		return d.enumOrSet(col, dec)
	case typeJSON:
		return d.json(col, dec)
	case typeGeometry:
		return d.spatial(col, dec)
	case typeVector:
		return d.vector(col, dec)
	}
	return unsupportedType(d.name, d.layout.typ)
}

// bad is for metadata that no server writes.
func (d columnDef) bad(format string, args ...any) error {
	return badEvent("preparing a table's decoder", "column %q: %s", d.name, fmt.Sprintf(format, args...))
}

// undescribed is for a column of which binlog_row_metadata=FULL would have said more.
func (d columnDef) undescribed(what string) error {
	return fault.NewFinal(fault.SchemaUnknown, "preparing a table's decoder", fmt.Errorf("the log has no %s of column %q", what, d.name),
		"Run SET GLOBAL binlog_row_metadata = FULL (cdcbridge validate says how it stays on this server). Rows that were logged before cannot be decoded: start after them with a new snapshot.")
}

// decorate takes what the catalogue knows beyond the log. The catalogue shows the present, and the log may be older: a
// type that is not the log's own, written in more detail, is left out.
func decorate(col *changelog.Column, facts []columnFacts) {
	for i := range facts {
		f := &facts[i]
		if f.Name != col.Name || plainType(f.ColumnType) != plainType(col.SourceType) {
			continue
		}
		col.SourceType, col.Generated = f.ColumnType, f.Generated
		return
	}
}

// plainType takes away from a column type what TABLE_MAP does not have: the display width of integers and YEAR, the
// (M,D) of FLOAT and DOUBLE, ZEROFILL, and what MariaDB puts in comments.
func plainType(t string) string {
	if i := strings.Index(t, " /*"); i >= 0 { // MariaDB: COMPRESSED, and temporal types in the format of old releases
		t = t[:i]
	}
	t = strings.TrimSuffix(t, " zerofill")
	name, rest, ok := strings.Cut(t, "(")
	if !ok {
		return t
	}
	switch name {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "year", "float", "double":
		if _, after, ok := strings.Cut(rest, ")"); ok {
			return name + after
		}
	}
	return t
}
