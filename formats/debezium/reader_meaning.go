package debezium

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"cdcbridge/changelog"
)

// described makes a column of the schema of its field. Nullable is what the schema allows to be null.
func described(f *field, connector string) changelog.Column {
	c := changelog.Column{Name: f.name, Nullable: f.optional, Comment: f.doc}
	k := meaning{s: &f.schema, postgres: connector == postgres}
	c.Type, c.SourceType = k.typ()
	switch source := f.parameter("__debezium.source.column.type"); {
	case source == "":
	case c.Type.FSP > 0:
		k.refineTime(&c)
	case !k.postgres:
		k.refine(&c, strings.ToLower(source))
	}
	return c
}

// refineTime applies the number of fraction digits that propagated types tell: as length on MySQL, as scale on PostgreSQL.
func (k meaning) refineTime(c *changelog.Column) {
	text := k.s.parameter(k.either("__debezium.source.column.length", "__debezium.source.column.scale"))
	n, err := strconv.Atoi(text)
	if text == "" && !k.postgres {
		n, err = 0, nil
	}
	if err != nil || n < 0 || n > 6 {
		return
	}
	before := fmt.Sprintf("(%d)", c.Type.FSP)
	after := fmt.Sprintf("(%d)", n)
	if n == 0 && !k.postgres {
		after = ""
	}
	c.Type.FSP, c.SourceType = n, strings.Replace(c.SourceType, before, after, 1)
}

// meaning finds the type that a schema means.
type meaning struct {
	s        *schema
	postgres bool
}

// either chooses a name of a type by the kind of database.
func (k meaning) either(mysql, postgres string) string {
	if k.postgres {
		return postgres
	}
	return mysql
}

func (k meaning) typ() (changelog.Type, string) {
	s := k.s
	of := func(kind changelog.Kind, mysql, postgres string) (changelog.Type, string) {
		return changelog.Type{Kind: kind}, k.either(mysql, postgres)
	}
	time := func(kind changelog.Kind, fsp int, mysql, postgres string) (changelog.Type, string) {
		return changelog.Type{Kind: kind, FSP: fsp}, k.either(fmt.Sprintf("%s(%d)", mysql, fsp), fmt.Sprintf(postgres, fsp))
	}
	const clock, stamp = "time(%d) without time zone", "timestamp(%d) without time zone"
	switch s.name {
	case "org.apache.kafka.connect.data.Decimal", "io.debezium.data.VariableScaleDecimal":
		return k.decimal()
	case "io.debezium.time.Date", "io.debezium.time.IsoDate", "org.apache.kafka.connect.data.Date":
		return of(changelog.KindDate, "date", "date")
	case "io.debezium.time.Time", "org.apache.kafka.connect.data.Time":
		return time(changelog.KindTime, 3, "time", clock)
	case "io.debezium.time.MicroTime", "io.debezium.time.NanoTime", "io.debezium.time.IsoTime":
		return time(changelog.KindTime, 6, "time", clock)
	case "io.debezium.time.Timestamp", "org.apache.kafka.connect.data.Timestamp":
		return time(changelog.KindDateTime, 3, "datetime", stamp)
	case "io.debezium.time.MicroTimestamp", "io.debezium.time.NanoTimestamp", "io.debezium.time.IsoTimestamp":
		return time(changelog.KindDateTime, 6, "datetime", stamp)
	case "io.debezium.time.ZonedTimestamp":
		return time(changelog.KindTimestamp, 6, "timestamp", "timestamp(%d) with time zone")
	case "io.debezium.time.ZonedTime":
		return changelog.Type{Kind: changelog.KindTimeTZ, FSP: 6}, "time with time zone"
	case "io.debezium.time.Year":
		return changelog.Type{Kind: changelog.KindInt, Bits: 16, Year: true}, "year"
	case "io.debezium.time.MicroDuration", "io.debezium.time.Interval":
		return changelog.Type{Kind: changelog.KindInterval, FSP: 6}, "interval"
	case "io.debezium.data.Json":
		return of(changelog.KindJSON, "json", "jsonb")
	case "io.debezium.data.Xml", "io.debezium.data.Uuid", "io.debezium.data.Ltree", "io.debezium.data.Tsvector":
		return changelog.Type{Kind: changelog.KindString}, strings.ToLower(s.name[len("io.debezium.data."):])
	case "io.debezium.data.SparseDoubleVector":
		return changelog.Type{Kind: changelog.KindString}, fmt.Sprintf("public.sparsevec(%d)", math.MaxInt16)
	case "io.debezium.data.FloatVector", "io.debezium.data.DoubleVector":
		return of(changelog.KindVector, "vector", "public.vector")
	case "io.debezium.data.geometry.Geometry", "io.debezium.data.geometry.Geography":
		return of(changelog.KindGeometry, "geometry", "public.geometry")
	case "io.debezium.data.geometry.Point":
		if k.postgres {
			return changelog.Type{Kind: changelog.KindString}, "point"
		}
		return changelog.Type{Kind: changelog.KindGeometry}, "point"
	case "io.debezium.data.Bits", "io.debezium.data.Enum", "io.debezium.data.EnumSet":
		return k.parametrised()
	}
	return k.plain()
}

func (k meaning) decimal() (changelog.Type, string) {
	if k.s.typ == "struct" {
		return changelog.Type{Kind: changelog.KindDecimal}, k.either("decimal", "numeric")
	}
	scale, _ := strconv.Atoi(k.s.parameter("scale"))
	precision, err := strconv.Atoi(k.s.parameter("connect.decimal.precision"))
	if err != nil || precision <= 0 {
		precision = 65
	}
	return changelog.Type{Kind: changelog.KindDecimal, Precision: precision, Scale: scale},
		fmt.Sprintf("%s(%d,%d)", k.either("decimal", "numeric"), precision, scale)
}

// parametrised is for types whose schema has parameters.
func (k meaning) parametrised() (changelog.Type, string) {
	switch k.s.name {
	case "io.debezium.data.Bits":
		n, err := strconv.Atoi(k.s.parameter("length"))
		switch {
		case !k.postgres && err == nil && n > 0 && n <= 64:
			return changelog.Type{Kind: changelog.KindBits, Bits: n}, fmt.Sprintf("bit(%d)", n)
		case err != nil || n <= 0 || n > 83_886_080: // what bit varying without a limit has
			return changelog.Type{Kind: changelog.KindBitString}, "bit varying"
		}
		return changelog.Type{Kind: changelog.KindBitString, Bits: n, Fixed: true}, fmt.Sprintf("bit(%d)", n)
	case "io.debezium.data.EnumSet":
		labels := labelsOf(k.s.parameter("allowed"))
		return changelog.Type{Kind: changelog.KindSet, Labels: labels}, "set(" + quoteLabels(labels) + ")"
	}
	if k.postgres {
		return changelog.Type{Kind: changelog.KindString}, "text"
	}
	labels := labelsOf(k.s.parameter("allowed"))
	return changelog.Type{Kind: changelog.KindEnum, Labels: labels}, "enum(" + quoteLabels(labels) + ")"
}

// labelsOf parts the labels, in which recent releases (3.6 was seen to) escape commas. Before, a label with a comma cannot be told.
func labelsOf(allowed string) []string {
	var labels []string
	label := []byte{}
	for i := 0; i < len(allowed); i++ {
		switch c := allowed[i]; {
		case c == '\\' && i+1 < len(allowed) && (allowed[i+1] == ',' || allowed[i+1] == '\\'):
			i++
			label = append(label, allowed[i])
		case c == ',':
			labels, label = append(labels, string(label)), label[:0]
		default:
			label = append(label, c)
		}
	}
	return append(labels, string(label))
}

func quoteLabels(labels []string) string {
	quoted := make([]string, len(labels))
	for i, l := range labels {
		quoted[i] = "'" + strings.ReplaceAll(l, "'", "''") + "'"
	}
	return strings.Join(quoted, ",")
}

// plain is for schemas that say no more than a type of Connect.
func (k meaning) plain() (changelog.Type, string) {
	integer := func(bits int, mysql, postgres string) (changelog.Type, string) {
		return changelog.Type{Kind: changelog.KindInt, Bits: bits}, k.either(mysql, postgres)
	}
	switch k.s.typ {
	case "boolean":
		return changelog.Type{Kind: changelog.KindBool}, "boolean"
	case "int8":
		return integer(8, "tinyint", "smallint")
	case "int16":
		return integer(16, "smallint", "smallint")
	case "int32":
		return integer(32, "int", "integer")
	case "int64":
		return integer(64, "bigint", "bigint")
	case "float":
		return changelog.Type{Kind: changelog.KindFloat32, Bits: 32}, k.either("float", "real")
	case "double":
		return changelog.Type{Kind: changelog.KindFloat64, Bits: 64}, k.either("double", "double precision")
	case "string":
		return changelog.Type{Kind: changelog.KindString}, k.either("longtext", "text")
	case "bytes":
		return changelog.Type{Kind: changelog.KindBytes}, k.either("longblob", "bytea")
	case "map":
		if s := k.s; s.keys != nil && s.keys.typ == "string" && s.elem != nil && s.elem.typ == "string" {
			return changelog.Type{Kind: changelog.KindMap}, "public.hstore"
		}
	case "array":
		if k.s.elem != nil {
			elem := described(&field{schema: *k.s.elem}, k.either("mysql", postgres))
			return changelog.Type{Kind: changelog.KindArray, Elem: &elem}, elem.SourceType + "[]"
		}
	}
	return changelog.Type{Kind: changelog.KindJSON}, documentType
}

// refine applies what propagated types say of a column of MySQL beyond its schema.
func (k meaning) refine(c *changelog.Column, source string) {
	length, scale := k.s.parameter("__debezium.source.column.length"), k.s.parameter("__debezium.source.column.scale")
	name, rest, _ := strings.Cut(source, " ")
	size := ""
	if length != "" && !strings.Contains(name, "(") {
		if size = "(" + length + ")"; scale != "" && scale != "0" {
			size = "(" + length + "," + scale + ")"
		}
	}
	if name == "enum" || name == "set" {
		return
	}
	n, err := strconv.Atoi(length)
	switch bits := map[string]int{"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "integer": 32, "bigint": 64}[name]; {
	case bits > 0 && c.Type.Kind == changelog.KindInt:
		if c.Type.Bits = bits; strings.Contains(rest, "unsigned") {
			c.Type.Kind = changelog.KindUint
		}
	case err == nil && (c.Type.Kind == changelog.KindString || c.Type.Kind == changelog.KindBytes):
		c.Type.Length, c.Type.Fixed = n, name == "char" || name == "binary"
	}
	if c.SourceType = name + size; rest != "" {
		c.SourceType += " " + rest
	}
}
