package canal

import (
	"strings"

	"cdcbridge/changelog"
)

// serverKinds are the types of PostgreSQL by name, without arguments. Every other type is a text.
var serverKinds = map[string]changelog.Type{
	"boolean": {Kind: changelog.KindBool}, "smallint": {Kind: changelog.KindInt, Bits: 16}, "integer": {Kind: changelog.KindInt, Bits: 32},
	"bigint": {Kind: changelog.KindInt, Bits: 64}, "oid": {Kind: changelog.KindUint, Bits: 32},
	"real": {Kind: changelog.KindFloat32, Bits: 32}, "double precision": {Kind: changelog.KindFloat64, Bits: 64},
	"numeric": {Kind: changelog.KindDecimal}, "money": {Kind: changelog.KindDecimal, Precision: 19, Scale: 2},
	"bytea": {Kind: changelog.KindBytes}, "json": {Kind: changelog.KindJSON}, "jsonb": {Kind: changelog.KindJSON},
	"date": {Kind: changelog.KindDate}, "interval": {Kind: changelog.KindInterval, FSP: 6},
	"time without time zone": {Kind: changelog.KindTime, FSP: 6}, "time with time zone": {Kind: changelog.KindTimeTZ, FSP: 6},
	"timestamp without time zone": {Kind: changelog.KindDateTime, FSP: 6}, "timestamp with time zone": {Kind: changelog.KindTimestamp, FSP: 6},
	"bit": {Kind: changelog.KindBitString, Bits: 1, Fixed: true}, "bit varying": {Kind: changelog.KindBitString},
	"character": {Kind: changelog.KindString, Fixed: true, Length: 1}, "hstore": {Kind: changelog.KindMap},
	"geometry": {Kind: changelog.KindGeometry}, "geography": {Kind: changelog.KindGeometry}, "vector": {Kind: changelog.KindVector},
}

// serverOnly are names of types that MySQL does not write, beside those with a schema and arrays.
var serverOnly = map[string]bool{
	"boolean": true, "integer": true, "real": true, "double precision": true, "numeric": true, "money": true, "oid": true, "bytea": true, "jsonb": true,
	"interval": true, "time without time zone": true, "time with time zone": true, "timestamp without time zone": true, "timestamp with time zone": true,
	"bit varying": true, "character": true, "character varying": true, "name": true, "inet": true, "cidr": true, "macaddr": true, "macaddr8": true, "xml": true,
	"int4range": true, "int8range": true, "numrange": true, "tsrange": true, "tstzrange": true, "daterange": true, "tsvector": true, "tsquery": true,
	"pg_lsn": true, "box": true, "circle": true, "line": true, "lseg": true, "path": true, "\"char\"": true,
}

// serverName is the name of PostgreSQL's type "time(3) without time zone" without its arguments, and these.
func serverName(text string) (name, args string) {
	open := strings.IndexByte(text, '(')
	end := strings.IndexByte(text, ')')
	if open < 0 || end < open {
		return text, ""
	}
	return text[:open] + text[end+1:], text[open+1 : end]
}

// mysqlOnly are names of types that PostgreSQL does not write.
var mysqlOnly = map[string]bool{
	"tinyint": true, "mediumint": true, "int": true, "year": true, "float": true, "double": true, "decimal": true, "varchar": true, "char": true,
	"datetime": true, "timestamp": true, "time": true, "binary": true, "varbinary": true, "tinytext": true, "mediumtext": true, "longtext": true,
	"tinyblob": true, "blob": true, "mediumblob": true, "longblob": true, "enum": true, "set": true, "inet4": true, "inet6": true,
}

// isMySQLType reports that PostgreSQL has no such type.
func isMySQLType(text string) bool {
	p := splitType(text)
	return mysqlOnly[p.name] && !strings.Contains(p.rest, "time zone") && p.rest != "precision" && !strings.HasSuffix(text, "[]") || strings.Contains(p.rest, "unsigned")
}

// isServerType reports that only PostgreSQL has a type of that name, or with that code of java.sql.Types.
func isServerType(text string, sqlType int64) bool {
	if strings.HasSuffix(text, "[]") {
		return true
	}
	name, _ := serverName(text)
	switch name {
	case "boolean":
		return sqlType == sqlBoolean
	case "bit", "point", "polygon":
		return sqlType == sqlVarchar
	}
	return serverOnly[name] || strings.Contains(name, ".")
}

// serverType reads a type as PostgreSQL's format_type writes it. A domain is taken for a text: the message does not say what it
// is of.
func serverType(text string) changelog.Type {
	if elem, is := strings.CutSuffix(text, "[]"); is {
		return changelog.Type{Kind: changelog.KindArray, Elem: &changelog.Column{Type: serverType(elem), SourceType: elem}}
	}
	name, args := serverName(text)
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		switch name[i+1:] {
		case "hstore", "geometry", "geography", "vector":
			name = name[i+1:]
		}
	}
	if strings.HasPrefix(name, "interval ") { // "interval day to second"
		name = "interval"
	}
	p := typeParts{args: args}
	a, _ := p.numbers()
	t, known := serverKinds[name]
	if !known {
		return changelog.Type{Kind: changelog.KindString, Length: max(a, 0)}
	}
	if args == "" {
		return t
	}
	switch t.Kind {
	case changelog.KindDecimal:
		first, second, _ := strings.Cut(args, ",")
		t.Precision, t.Scale = max(number(first), 0), scaleOf(second)
	case changelog.KindBitString:
		t.Bits = max(a, 0)
	case changelog.KindString, changelog.KindVector:
		t.Length = max(a, 0)
	case changelog.KindTime, changelog.KindTimeTZ, changelog.KindDateTime, changelog.KindTimestamp, changelog.KindInterval:
		t.FSP = min(max(a, 0), 6)
	}
	return t
}

// scaleOf reads the scale of a numeric, which may be negative.
func scaleOf(s string) int {
	s = strings.TrimSpace(s)
	if rest, negative := strings.CutPrefix(s, "-"); negative {
		return -max(number(rest), 0)
	}
	return max(number(s), 0)
}
