package canal

import (
	"strconv"
	"strings"

	"cdcbridge/changelog"
)

// typeText taken apart: name "decimal", args "10,2", rest "unsigned".
type typeParts struct{ name, args, rest string }

func splitType(text string) typeParts {
	open := strings.IndexByte(text, '(')
	if open < 0 {
		name, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
		return typeParts{name: strings.ToLower(name), rest: strings.ToLower(rest)}
	}
	end := closing(text, open)
	return typeParts{strings.ToLower(strings.TrimSpace(text[:open])), text[open+1 : end], strings.ToLower(text[min(end+1, len(text)):])}
}

// closing finds the parenthesis that closes the one at open, outside of quotes; the end if there is none.
func closing(text string, open int) int {
	quoted := false
	for i := open + 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\'':
			quoted = !quoted
		case c == ')' && !quoted:
			return i
		}
	}
	return len(text)
}

// numbers gives up to two numbers of "10,2"; -1 for one that is not there.
func (p *typeParts) numbers() (a, b int) {
	first, second, _ := strings.Cut(p.args, ",")
	return number(first), number(second)
}

func number(s string) int {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < -1<<20 || n > 1<<20 {
		return -1
	}
	return n
}

// mysqlIntegers are the integer types by name, with their bits.
var mysqlIntegers = map[string]int{
	"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "integer": 32, "bigint": 64,
	"int1": 8, "int2": 16, "int3": 24, "int4": 32, "int8": 64, "bool": 8, "boolean": 8,
}

// mysqlKinds are the types whose name says all.
var mysqlKinds = map[string]changelog.Kind{
	"float": changelog.KindFloat32, "double": changelog.KindFloat64, "real": changelog.KindFloat64, "double precision": changelog.KindFloat64,
	"json": changelog.KindJSON, "date": changelog.KindDate, "time": changelog.KindTime, "datetime": changelog.KindDateTime, "timestamp": changelog.KindTimestamp,
	"binary": changelog.KindBytes, "varbinary": changelog.KindBytes, "tinyblob": changelog.KindBytes, "blob": changelog.KindBytes, "mediumblob": changelog.KindBytes, "longblob": changelog.KindBytes,
	"geometry": changelog.KindGeometry, "point": changelog.KindGeometry, "linestring": changelog.KindGeometry, "polygon": changelog.KindGeometry, "multipoint": changelog.KindGeometry,
	"multilinestring": changelog.KindGeometry, "multipolygon": changelog.KindGeometry, "geometrycollection": changelog.KindGeometry, "geomcollection": changelog.KindGeometry,
	"vector": changelog.KindVector, "enum": changelog.KindEnum, "set": changelog.KindSet, "bit": changelog.KindBits,
	"decimal": changelog.KindDecimal, "numeric": changelog.KindDecimal, "dec": changelog.KindDecimal, "fixed": changelog.KindDecimal,
}

// mysqlType reads the type of a column of MySQL or MariaDB, as Canal and TiCDC write it: in any case, perhaps without its length.
// sqlType is the code of java.sql.Types that comes with it, 0 for none. What is not known is a text. loose tells that a temporal
// type does not say how many digits its fraction has.
func mysqlType(text string, sqlType int64) (t changelog.Type, loose bool) {
	p := splitType(text)
	if p.name == "double" && strings.HasPrefix(p.rest, "precision") || p.name == "national" {
		p.rest = ""
	}
	if bits := mysqlIntegers[p.name]; bits > 0 {
		return mysqlInteger(&p, bits, sqlType), false
	}
	if p.name == "year" {
		return changelog.Type{Kind: changelog.KindInt, Bits: 16, Year: true}, false
	}
	a, b := p.numbers()
	t.Kind = mysqlKinds[p.name]
	switch t.Kind {
	case changelog.KindNull:
		return mysqlText(&p, a, sqlType), false
	case changelog.KindFloat32, changelog.KindFloat64:
		t = mysqlFloat(t.Kind, a, b)
	case changelog.KindDecimal:
		t.Precision, t.Scale = max(a, 0), max(b, 0)
	case changelog.KindBits:
		if t.Bits = a; a < 1 || a > 64 {
			t.Bits = 64
		}
	case changelog.KindBytes:
		t.Length, t.Fixed = max(a, 0), p.name == "binary"
	case changelog.KindVector:
		t.Length = max(a, 0)
	case changelog.KindTime, changelog.KindDateTime, changelog.KindTimestamp:
		t.FSP, loose = min(max(a, 0), 6), a < 0
	case changelog.KindEnum, changelog.KindSet:
		t = labelled(t.Kind, p.args, sqlType)
	}
	return t, loose
}

// mysqlText is a text, or what we do not know: bytes if its code says that.
func mysqlText(p *typeParts, length int, sqlType int64) changelog.Type {
	t := changelog.Type{Kind: changelog.KindString, Length: max(length, 0)}
	t.Fixed = p.name == "char" || p.name == "character" && !strings.HasPrefix(p.rest, "varying")
	if sqlType == sqlBlob {
		t.Kind = changelog.KindBytes
	}
	return t
}

// mysqlFloat is a floating-point number. FLOAT(25) and longer are doubles; FLOAT(7,4) is none.
func mysqlFloat(kind changelog.Kind, digits, scale int) changelog.Type {
	if kind == changelog.KindFloat64 || digits > 24 && scale < 0 {
		return changelog.Type{Kind: changelog.KindFloat64, Bits: 64}
	}
	return changelog.Type{Kind: changelog.KindFloat32, Bits: 32}
}

func mysqlInteger(p *typeParts, bits int, sqlType int64) changelog.Type {
	switch {
	case sqlType == sqlBoolean:
		return changelog.Type{Kind: changelog.KindBool}
	case strings.Contains(p.rest, "unsigned") || strings.Contains(p.rest, "zerofill"):
		return changelog.Type{Kind: changelog.KindUint, Bits: bits}
	}
	return changelog.Type{Kind: changelog.KindInt, Bits: bits}
}

// labelled is an ENUM or a SET. Without its labels, which TiCDC leaves out, it is what the message has of it: the text of its
// label, or its number.
func labelled(kind changelog.Kind, args string, sqlType int64) changelog.Type {
	labels := labelsOf(args)
	switch {
	case len(labels) > 0:
		return changelog.Type{Kind: kind, Labels: labels}
	case sqlType == sqlVarchar:
		return changelog.Type{Kind: changelog.KindString}
	case kind == changelog.KindEnum:
		return changelog.Type{Kind: changelog.KindUint, Bits: 16}
	}
	return changelog.Type{Kind: changelog.KindUint, Bits: 64}
}

// labelsOf reads 'a','it”s'. Nil: that is no list of labels.
func labelsOf(args string) []string {
	var labels []string
	for {
		args = strings.TrimSpace(args)
		if args == "" || args[0] != '\'' {
			return nil
		}
		w := words{rest: args}
		w.quote('\'')
		labels = append(labels, w.text)
		if args = strings.TrimSpace(w.rest); args == "" {
			return labels
		}
		if args[0] != ',' {
			return nil
		}
		args = args[1:]
	}
}
