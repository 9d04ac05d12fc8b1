package canal

import (
	"math"
	"strconv"
	"strings"

	"cdcbridge/changelog"
)

// Numbers of java.sql.Types.
const (
	sqlBit       = -7
	sqlTinyint   = -6
	sqlBigint    = -5
	sqlChar      = 1
	sqlDecimal   = 3
	sqlInteger   = 4
	sqlSmallint  = 5
	sqlReal      = 7
	sqlDouble    = 8
	sqlVarchar   = 12
	sqlBoolean   = 16
	sqlDate      = 91
	sqlTime      = 92
	sqlTimestamp = 93
	sqlOther     = 1111
	sqlArray     = 2003
	sqlBlob      = 2004
	sqlClob      = 2005
)

// sqlType is what a column contributes to the message's sqlType. Canal promotes an unsigned number that exceeds the
// signed range of its type to the next larger type, and types some NULLs differently, so the code may depend on the row.
type sqlType struct {
	base  int
	over  int    // for a number above limit
	limit uint64 // MaxUint64 for what is never promoted
	null  int    // for NULL
}

func fixedSQLType(code int) sqlType {
	return sqlType{base: code, over: code, limit: math.MaxUint64, null: code}
}

func (s sqlType) constant() bool { return s.over == s.base && s.null == s.base }

// code gives the code for one value.
func (s sqlType) code(v *changelog.Value) int {
	switch kind, _, n, _ := v.Raw(); {
	case kind == changelog.KindNull:
		return s.null
	case n > s.limit:
		return s.over
	}
	return s.base
}

// codes are the types of the kinds whose code depends on nothing else.
var codes = map[changelog.Kind]int{
	changelog.KindBool: sqlBoolean, changelog.KindBits: sqlBit, changelog.KindFloat32: sqlReal, changelog.KindFloat64: sqlDouble,
	changelog.KindDecimal: sqlDecimal, changelog.KindBytes: sqlBlob, changelog.KindGeometry: sqlBlob, changelog.KindVector: sqlVarchar,
	changelog.KindTimeTZ: sqlVarchar, changelog.KindInterval: sqlVarchar, changelog.KindBitString: sqlVarchar, changelog.KindArray: sqlVarchar, changelog.KindMap: sqlVarchar,
	changelog.KindDate: sqlDate, changelog.KindTime: sqlTime, changelog.KindDateTime: sqlTimestamp, changelog.KindTimestamp: sqlTimestamp,
}

// sqlTypeOf follows Canal, also where the type it names is odd (ENUM is INTEGER, SET is BIT). A form that is not Canal's
// gets the type of its text. False: there is no such type.
func (c *Config) sqlTypeOf(col *changelog.Column) (sqlType, bool) {
	t := &col.Type
	switch t.Kind {
	case changelog.KindInt, changelog.KindUint:
		return integerSQLType(t), t.Year || t.Bits > 0 && t.Bits <= 64
	case changelog.KindString:
		return fixedSQLType(textSQLType(col)), true
	case changelog.KindJSON:
		return sqlType{base: sqlVarchar, over: sqlVarchar, limit: math.MaxUint64, null: sqlOther}, true
	case changelog.KindEnum:
		if c.Enum == EnumLabel {
			return fixedSQLType(sqlVarchar), true
		}
		return fixedSQLType(sqlInteger), true
	case changelog.KindSet:
		if c.Set == SetLabel {
			return fixedSQLType(sqlVarchar), true
		}
		return sqlType{base: sqlBit, over: sqlBit, limit: math.MaxUint64, null: sqlBlob}, true
	}
	code, known := codes[t.Kind]
	return fixedSQLType(code), known
}

func integerSQLType(t *changelog.Type) sqlType {
	if t.Year {
		return fixedSQLType(sqlVarchar)
	}
	s := sqlType{limit: math.MaxUint64}
	if t.Bits > 0 {
		s.limit = 1<<(t.Bits-1) - 1
	}
	switch {
	case t.Bits <= 8:
		s.base, s.over = sqlTinyint, sqlSmallint
	case t.Bits <= 16:
		s.base, s.over = sqlSmallint, sqlInteger
	case t.Bits <= 24:
		s.base, s.over = sqlInteger, sqlInteger
	case t.Bits <= 32:
		s.base, s.over = sqlInteger, sqlBigint
	default:
		s.base, s.over = sqlBigint, sqlDecimal
	}
	if t.Kind == changelog.KindInt {
		return fixedSQLType(s.base)
	}
	s.null = s.base
	return s
}

func textSQLType(col *changelog.Column) int {
	name, _, _ := strings.Cut(typeText(col), "(")
	switch {
	case strings.HasSuffix(name, "text"):
		return sqlClob
	case col.Type.Fixed:
		return sqlChar
	}
	return sqlVarchar
}

// sqlTypes renders the object sqlType. parts is empty when no column's code depends on the row: then tail is all of it.
type sqlTypes struct {
	parts []sqlPart
	tail  []byte
}

type sqlPart struct {
	before []byte // constant text up to the code
	col    int
	typ    sqlType
}

func newSQLTypes(cols []column) sqlTypes {
	var s sqlTypes
	text := []byte{'{'}
	for i := range cols {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, cols[i].name...)
		if cols[i].sql.constant() {
			text = strconv.AppendInt(text, int64(cols[i].sql.base), 10)
			continue
		}
		s.parts = append(s.parts, sqlPart{before: text, col: i, typ: cols[i].sql})
		text = nil
	}
	s.tail = append(text, '}')
	return s
}

func (s *sqlTypes) append(dst []byte, im *image) []byte {
	for i := range s.parts {
		p := &s.parts[i]
		dst = append(dst, p.before...)
		dst = strconv.AppendInt(dst, int64(p.typ.code(im.at(p.col))), 10)
	}
	return append(dst, s.tail...)
}
