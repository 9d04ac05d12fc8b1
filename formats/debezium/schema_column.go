package debezium

import (
	"strconv"
	"strings"

	"cdcbridge/changelog"
)

// columnSchema is the schema of a column's field: that of its values with what the catalogue says of the column. c must be
// complete. partly says that values which the log does not have are null, whatever the column allows.
func (k compiler) columnSchema(t *changelog.Table, in *changelog.Column, c *column, partly bool) schema {
	s := *c.schema
	s.optional = s.optional || in.Nullable || partly || k.nullsSpecial(in)
	if k.cfg.Schemas.IncludeSchemaComments {
		s.doc = orElse(in.Comment, s.doc)
	}
	if !k.key && k.propagates(t, in) {
		s = k.propagate(s, in)
	}
	if !partly {
		s.def = k.defaultOf(in, c)
	}
	return s
}

func orElse(s, other string) string {
	if s != "" {
		return s
	}
	return other
}

// nullsSpecial tells that values other than NULL can be written as null.
func (k compiler) nullsSpecial(in *changelog.Column) bool {
	if k.cfg.SpecialValues != specialNull || k.key || k.origin != postgres {
		return false
	}
	switch in.Type.Kind {
	case changelog.KindDate, changelog.KindDateTime, changelog.KindTimestamp, changelog.KindInterval, changelog.KindDecimal:
		return true
	}
	return false
}

// propagates tells whether the column's source type is asked for, by the name of the column or by that of its type.
func (k compiler) propagates(t *changelog.Table, in *changelog.Column) bool {
	o := &k.cfg.Schemas
	if o.ColumnPropagateSourceType.match(t.FullName() + "." + in.Name) {
		return true
	}
	typ, _, _ := k.sourceType(in)
	return o.DatatypePropagateSourceType.match(t.FullName() + "." + typ)
}

// propagate adds the column's source type as Debezium names it.
func (k compiler) propagate(s schema, in *changelog.Column) schema {
	const prefix = "__debezium.source.column."
	typ, length, scale := k.sourceType(in)
	s = s.with(prefix+"type", strings.ToUpper(typ))
	if length != unset {
		s = s.with(prefix+"length", strconv.Itoa(length))
	}
	if scale != unset {
		s = s.with(prefix+"scale", strconv.Itoa(scale))
	}
	if k.cfg.Schemas.IncludeSchemaComments && in.Comment != "" {
		s = s.with(prefix+"comment", in.Comment)
	}
	return s.with(prefix+"name", in.Name)
}

// unset is a length or a scale that a type does not have.
const unset = -1

// sourceType is what Debezium calls the column's type, with its length and scale.
func (k compiler) sourceType(in *changelog.Column) (typ string, length, scale int) {
	if k.origin == postgres {
		return postgresType(in)
	}
	return mysqlType(in)
}

// mysqlType splits "decimal(10,2) unsigned" and the like. Debezium gives ENUM the length of one character, and SET that of
// all its labels being one character long.
func mysqlType(in *changelog.Column) (typ string, length, scale int) {
	text, _, _ := strings.Cut(in.SourceType, " /*")
	switch in.Type.Kind {
	case changelog.KindEnum:
		return "ENUM", 1, unset
	case changelog.KindSet:
		return "SET", max(0, 2*len(in.Type.Labels)-1), unset
	}
	name, rest, found := strings.Cut(text, "(")
	length, scale = unset, unset
	if found {
		var numbers string
		numbers, rest, _ = strings.Cut(rest, ")")
		first, second, two := strings.Cut(numbers, ",")
		length = number(first)
		if two {
			scale = number(second)
		}
		name += rest
	}
	return strings.ToUpper(strings.TrimSpace(name)), length, scale
}

func number(text string) int {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return unset
	}
	return n
}
