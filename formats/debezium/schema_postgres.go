package debezium

import (
	"math"
	"strings"

	"cdcbridge/changelog"
)

// shortTypes are the names under which PostgreSQL's catalogue has the types that SQL calls otherwise.
var shortTypes = map[string]string{
	"boolean": "bool", "smallint": "int2", "integer": "int4", "bigint": "int8", "real": "float4", "double precision": "float8",
	"character": "bpchar", "character varying": "varchar", "bit varying": "varbit", `"bit"`: "bit", `"char"`: "char",
	"timestamp without time zone": "timestamp", "timestamp with time zone": "timestamptz",
	"time without time zone": "time", "time with time zone": "timetz",
}

// postgresType gives a type's name in the catalogue, and the length and scale that PostgreSQL's JDBC driver has for it: those
// are what Debezium writes.
func postgresType(in *changelog.Column) (typ string, length, scale int) {
	text := strings.TrimSuffix(in.SourceType, "[]")
	name, rest, modified := strings.Cut(text, "(")
	if modified {
		_, rest, _ = strings.Cut(rest, ")")
		name += rest // "timestamp(3) without time zone"
	}
	typ = strings.Trim(name[strings.LastIndexByte(name, '.')+1:], `"`)
	if short := shortTypes[name]; short != "" {
		typ = short
	}
	if in.Type.Kind == changelog.KindArray {
		length, scale = postgresSize(typ, &in.Type.Elem.Type, modified)
		return "_" + typ, length, scale
	}
	length, scale = postgresSize(typ, &in.Type, modified)
	return typ, length, scale
}

// fixedSizes are those of types without a modifier.
var fixedSizes = map[string][2]int{
	"int2": {5, 0}, "int4": {10, 0}, "oid": {10, 0}, "int8": {19, 0}, "float4": {8, 8}, "float8": {17, 17}, "bool": {1, 0}, "char": {1, 0}, "date": {13, 0},
}

// postgresSize is getPrecision, or getDisplaySize where that is 0, and getScale of the driver.
func postgresSize(typ string, t *changelog.Type, modified bool) (length, scale int) {
	fraction := func(n int) int { // of a time's text, with the point; the driver has room for two digits where there is one
		switch n {
		case 0:
			return 0
		case 1:
			return 3
		}
		return n + 1
	}
	if size, ok := fixedSizes[typ]; ok {
		return size[0], size[1]
	}
	switch typ {
	case "numeric":
		if !modified {
			return 131089, 0
		}
		return t.Precision, t.Scale
	case "time":
		return 8 + fraction(t.FSP), t.FSP
	case "timetz":
		return 8 + fraction(t.FSP) + 6, t.FSP
	case "timestamp":
		return 13 + 1 + 8 + fraction(t.FSP), t.FSP
	case "timestamptz":
		return 13 + 1 + 8 + fraction(t.FSP) + 6, t.FSP
	case "interval":
		return 49, t.FSP
	case "bit":
		return max(t.Bits, 1), 0
	case "bpchar", "varchar":
		if t.Length > 0 {
			return t.Length, 0
		}
	case "varbit":
		if t.Bits > 0 {
			return t.Bits, 0
		}
	}
	return math.MaxInt32, 0
}
