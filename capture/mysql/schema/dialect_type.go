package schema

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// dataType is a type as a statement writes it.
type dataType struct {
	name     string // DATA_TYPE, before the character set has its say: "char" may become "binary"
	length   int    // -1: not said
	decimals int    // -1: not said
	unsigned bool
	zerofill bool
	labels   []string
}

// simpleTypes are the types of one word, and what information_schema calls them.
var simpleTypes = map[string]string{
	"tinyint": "tinyint", "int1": "tinyint", "smallint": "smallint", "int2": "smallint", "mediumint": "mediumint", "int3": "mediumint",
	"middleint": "mediumint", "int": "int", "integer": "int", "int4": "int", "bigint": "bigint", "int8": "bigint",
	"decimal": "decimal", "dec": "decimal", "numeric": "decimal", "fixed": "decimal",
	"float": "float", "float4": "float", "double": "double", "float8": "double", "bit": "bit",
	"date": "date", "time": "time", "datetime": "datetime", "timestamp": "timestamp", "year": "year",
	"varchar": "varchar", "varcharacter": "varchar", "binary": "binary", "varbinary": "varbinary",
	"tinyblob": "tinyblob", "blob": "blob", "mediumblob": "mediumblob", "longblob": "longblob",
	"tinytext": "tinytext", "text": "text", "mediumtext": "mediumtext", "longtext": "longtext",
	"geometry": "geometry", "point": "point", "linestring": "linestring", "polygon": "polygon", "multipoint": "multipoint",
	"multilinestring": "multilinestring", "multipolygon": "multipolygon",
}

// mariaTypes are those that MariaDB alone has.
var mariaTypes = map[string]string{
	"uuid": "uuid", "inet4": "inet4", "inet6": "inet6", "xmltype": "xmltype", "varchar2": "varchar", "raw": "varbinary", "clob": "longtext",
}

// columnType takes the type of a column, and the attributes that some types stand for.
func (r *reader) columnType(d *definition) {
	d.typ = dataType{length: -1, decimals: -1}
	t := &d.typ
	w := strings.ToLower(r.peek().text)
	if r.peek().kind != word {
		r.fail("a type")
		return
	}
	if r.at(1).punct('.') { // mariadb_schema.date: the type as MariaDB itself has it
		if w != "mariadb_schema" || !r.server.MariaDB {
			r.fail("a type")
			return
		}
		r.pos += 2
		w = strings.ToLower(r.peek().text)
	}
	r.pos++
	switch w {
	case "bool", "boolean":
		t.name, t.length = "tinyint", 1
	case "serial":
		t.name, t.unsigned = "bigint", true
		d.null, d.increments, d.unique = notNull, true, true
	case "real":
		t.name = "double"
		if r.mode&modeRealAsFloat != 0 {
			t.name = "float"
		}
	case "char", "character", "nchar", "nvarchar", "national":
		r.charType(w, d)
	case "long":
		r.longType(t)
	case "enum", "set":
		t.name = w
		r.labels(t)
	case "json":
		r.jsonType(d)
	case "geometrycollection", "geomcollection":
		t.name = "geometrycollection"
		if !r.server.MariaDB && r.server.Version >= 80000 {
			t.name = "geomcollection"
		}
	case "vector":
		t.name = "vector"
	case "number":
		r.numberType(t)
	default:
		r.simpleType(w, t)
	}
	r.size(t)
}

func (r *reader) simpleType(w string, t *dataType) {
	t.name = simpleTypes[w]
	if t.name == "" && r.server.MariaDB {
		t.name = mariaTypes[w]
	}
	if t.name == "" {
		r.pos--
		r.fail("a type")
		return
	}
	if r.server.MariaDB && r.mode&modeOracle != 0 {
		switch w {
		case "date":
			t.name = "datetime"
		case "blob":
			t.name = "longblob"
		}
	}
	if w == "double" {
		r.accept("PRECISION")
	}
}

// charType takes what follows CHAR and its relatives.
func (r *reader) charType(w string, d *definition) {
	d.typ.name = "char"
	if w == "nchar" || w == "nvarchar" || w == "national" {
		d.charset.charset = "utf8"
	}
	if w == "national" && !r.acceptOne("CHAR", "CHARACTER") {
		if !r.acceptOne("VARCHAR", "VARCHARACTER") {
			r.fail("CHAR or VARCHAR")
		}
		d.typ.name = "varchar"
		return
	}
	if w == "nvarchar" || r.accept("VARYING") || w == "nchar" && r.acceptOne("VARCHAR", "VARCHARACTER") {
		d.typ.name = "varchar"
	}
}

// longType takes what follows LONG.
func (r *reader) longType(t *dataType) {
	t.name = "mediumtext"
	switch {
	case r.accept("VARBINARY"):
		t.name = "mediumblob"
	case r.acceptOne("VARCHAR", "VARCHARACTER"), r.accept("CHAR", "VARYING"), r.accept("CHARACTER", "VARYING"):
	}
}

// jsonType: MariaDB's JSON is a text.
func (r *reader) jsonType(d *definition) {
	d.typ.name = "json"
	if r.server.MariaDB {
		d.typ.name = "longtext"
		d.charset = charsetChoice{charset: "utf8mb4", collation: "utf8mb4_bin"}
	}
}

// numberType is MariaDB's NUMBER, of which the size decides what it is.
func (r *reader) numberType(t *dataType) {
	t.name = "decimal"
	if !r.server.MariaDB {
		r.pos--
		r.fail("a type")
	}
	if !r.peek().punct('(') {
		t.name = "double"
	}
}

// size takes (n), (n,m), UNSIGNED, SIGNED and ZEROFILL.
func (r *reader) size(t *dataType) {
	if t.name != "enum" && t.name != "set" && r.peek().punct('(') {
		r.expectPunct('(')
		if t.name == "decimal" && r.peek().punct('*') {
			r.pos++ // Oracle's NUMBER(*,2)
			t.length = 38
		} else {
			t.length = r.number()
		}
		if r.acceptPunct(',') {
			t.decimals = r.number()
		}
		r.expectPunct(')')
	}
	for numeric(t.name) {
		switch {
		case r.accept("UNSIGNED"):
			t.unsigned = true
		case r.accept("SIGNED"):
		case r.accept("ZEROFILL"):
			t.unsigned, t.zerofill = true, true
		default:
			return
		}
	}
}

func numeric(name string) bool {
	switch name {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "year":
		return true
	}
	return false
}

// labels takes the labels of ENUM and SET.
func (r *reader) labels(t *dataType) {
	r.expectPunct('(')
	for r.err == nil {
		t.labels = append(t.labels, strings.TrimRight(r.label(), " "))
		if !r.acceptPunct(',') {
			break
		}
	}
	r.expectPunct(')')
}

// label takes a text or the number of its bytes: 'a', 0x61, x'61', b'01100001'.
func (r *reader) label() string {
	t := r.peek()
	if t.kind != word {
		return r.text()
	}
	r.pos++
	var raw []byte
	var err error
	switch w := strings.ToLower(t.text); {
	case strings.HasPrefix(w, "0x"):
		raw, err = hex.DecodeString(w[2:])
	case w == "x" && r.peek().kind == text && r.peek().glued:
		raw, err = hex.DecodeString(r.text())
	case w == "n" && r.peek().kind == text && r.peek().glued:
		return r.text()
	case strings.HasPrefix(w, "0b"):
		raw, err = bits(w[2:])
	case w == "b" && r.peek().kind == text && r.peek().glued:
		raw, err = bits(r.text())
	default:
		r.pos--
		r.fail("a label")
	}
	// The bytes are in the character set of the column, so that only ASCII is certain.
	if err != nil || strings.ContainsFunc(string(raw), func(c rune) bool { return c >= utf8.RuneSelf }) {
		r.pos--
		r.fail("a label of letters")
	}
	return string(raw)
}

// bits gives the bytes of a binary number.
func bits(s string) ([]byte, error) {
	s = strings.Repeat("0", (8-len(s)%8)%8) + s
	out := make([]byte, 0, len(s)/8)
	for ; s != ""; s = s[8:] {
		n, err := strconv.ParseUint(s[:8], 2, 8)
		if err != nil {
			return nil, fmt.Errorf("reading a binary number: %w", err)
		}
		out = append(out, byte(n))
	}
	return out, nil
}
