package postgres

import (
	"fmt"
	"strings"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// columnType is how the values of one column, or the elements of one array, are decoded. It is immutable once made and may
// be shared.
type columnType struct {
	typ    changelog.Type
	source string // the text of format_type: "numeric(10,2)", "public.mood"; of a domain: its base type's
	decode decodeFunc

	elem  *columnType // arrays: the elements
	delim byte        // arrays: what stands between two elements
	unit  int64       // times: microseconds that the declared precision counts in
}

// decodeFunc turns the server's text of one value that is not NULL into dst. The text lives in the batch, so dst may borrow
// from it; memory for anything else comes from the batch. Text that the type cannot print is an error.
type decodeFunc func(c *columnType, text []byte, dst *changelog.Value, b *changelog.Batch) error

// prepareFunc fills a columnType whose source is the type's bare name for a type modifier; -1 stands for none.
type prepareFunc func(c *columnType, modifier int32) error

// typeBook knows the data types of one database: the built-in ones by their fixed numbers, the others by their rows of
// pg_type and by what the log says of them. One goroutine uses it.
//
//	column type ─ domain ─▶ base type ─ array ─▶ element type ─▶ … ─▶ built-in, extension by name, or text
type typeBook struct {
	facts map[uint32]typeFacts
	said  map[uint32]typeName
}

// typeFacts is one row of pg_type.
type typeFacts struct {
	typeName
	kind     byte     // typtype: 'b' base, 'c' composite, 'd' domain, 'e' enum, 'p' pseudo, 'r' range, 'm' multirange
	source   string   // format_type without a modifier
	base     uint32   // domains: the type below, else 0
	modifier int32    // domains: the modifier of the type below, -1: none
	elem     uint32   // types that print as arrays: the element's type, else 0
	delim    byte     // what stands between two values of the type within an array
	labels   []string // enums
}

// typeName is a type's name. The schema is "" for pg_catalog, as in the log.
type typeName struct{ schema, name string }

// maxTypeDepth bounds domains over arrays of domains over …: no schema made on purpose is as deep.
const maxTypeDepth = 16

// newTypeBook knows the built-in types.
func newTypeBook() *typeBook {
	return &typeBook{facts: map[uint32]typeFacts{}, said: map[uint32]typeName{}}
}

// named takes what a Type message of the log says of a type: its own number, and the name of the type itself or, of a
// domain, of the type at the bottom. The name is that of the time when the log was written, and wins over the catalogue's.
func (tb *typeBook) named(oid uint32, schema, name string) {
	if schema == "pg_catalog" {
		schema = ""
	}
	tb.said[oid] = typeName{schema, name}
}

// column makes the decoder for a column of the type. A type without a decoder of its own is text, exactly as the server
// prints it. The error is a fault: the type has gone from the catalogue, and its values cannot be read without it.
func (tb *typeBook) column(oid uint32, modifier int32) (columnType, error) {
	return tb.resolve(oid, modifier, 0)
}

func (tb *typeBook) resolve(oid uint32, modifier int32, depth int) (columnType, error) {
	if depth > maxTypeDepth {
		return columnType{}, typeUnknown("type %d is nested more than %d deep", oid, maxTypeDepth)
	}
	if t, array := builtinOf(oid); t != nil {
		c, err := t.column(modifier)
		if err != nil || !array {
			return c, err
		}
		return arrayOf(c, t.delimiter()), nil
	}
	f, known := tb.facts[oid]
	switch {
	case !known:
		return tb.gone(oid)
	case f.kind == 'd':
		return tb.domain(oid, f, modifier, depth)
	case f.elem != 0:
		elem, err := tb.resolve(f.elem, modifier, depth+1)
		if err != nil {
			return columnType{}, err
		}
		return arrayOf(elem, tb.delimiter(f.elem)), nil
	}
	if said, ok := tb.said[oid]; ok && said != f.typeName {
		if err := renamed(said, f.typeName, oid); err != nil {
			return columnType{}, err
		}
		f.typeName, f.source = said, said.quoted()
	}
	c := columnType{source: f.source, typ: changelog.Type{Labels: f.labels}}
	prepare := prepareText
	if f.kind == 'b' {
		prepare = extensionType(f.name)
	}
	return c, prepare(&c, modifier)
}

// domain resolves a domain to its base type. A domain's own modifier is the base type's; a domain over a domain has none.
func (tb *typeBook) domain(oid uint32, f typeFacts, modifier int32, depth int) (columnType, error) {
	if modifier < 0 {
		modifier = f.modifier
	}
	c, err := tb.resolve(f.base, modifier, depth+1)
	if said, ok := tb.said[oid]; ok && err == nil && depth == 0 {
		return c, renamed(said, tb.bottom(oid), oid)
	}
	return c, err
}

// bottom is the name of the type below all domains, as the log tells it.
func (tb *typeBook) bottom(oid uint32) typeName {
	for range maxTypeDepth {
		f, ok := tb.facts[oid]
		if !ok {
			break
		}
		if f.kind != 'd' {
			if said, ok := tb.said[oid]; ok {
				return said
			}
			return f.typeName
		}
		oid = f.base
	}
	t, array := builtinOf(oid)
	switch {
	case t == nil:
		return typeName{}
	case array:
		return typeName{name: "_" + t.name}
	}
	return typeName{name: t.name}
}

// gone makes the decoder of a type that the catalogue does not have any more. The log gives the name of the base type and
// no modifier: enough for text and for whatever prints the same under every modifier, too little for the rest.
func (tb *typeBook) gone(oid uint32) (columnType, error) {
	said, ok := tb.said[oid]
	if !ok {
		return columnType{}, typeUnknown("neither the catalogue nor the log names type %d", oid)
	}
	if said.schema == "" {
		if t := builtinNamed(said.name); t != nil && !t.modified {
			return t.column(-1)
		}
	} else if said.isText() {
		c := columnType{source: said.quoted()}
		return c, prepareText(&c, -1)
	}
	return columnType{}, typeUnknown("a type over %s has gone from the catalogue", said.quoted())
}

// renamed judges a difference between the name in the log and the one in the catalogue. A new name or schema is harmless; but
// when one of the two is more than its text, the number may have been given to another type.
func renamed(said, now typeName, oid uint32) error {
	if said.name == now.name && (said.schema == "") == (now.schema == "") || said.isText() && now.isText() {
		return nil
	}
	return typeUnknown("type %d is %s in the log and %s in the catalogue", oid, said.quoted(), now.quoted())
}

// isText tells, for a user's type of which nothing but the name is known, that it can only be text: no extension's type that
// is more, and no array, whose names begin with an underscore.
func (n typeName) isText() bool {
	_, extension := extensionTypes[n.name]
	return n.schema != "" && n.name != "" && !extension && !strings.HasPrefix(n.name, "_")
}

// delimiter is what stands between two values of the type within an array.
func (tb *typeBook) delimiter(oid uint32) byte {
	if f, ok := tb.facts[oid]; ok {
		return f.delim
	}
	if t, array := builtinOf(oid); t != nil && !array {
		return t.delimiter()
	}
	return ','
}

// quoted is the name as SQL writes it. Words that SQL reserves are not quoted: it is for people.
func (n typeName) quoted() string {
	if n.schema == "" {
		return quoteName(n.name)
	}
	return quoteName(n.schema) + "." + quoteName(n.name)
}

func typeUnknown(format string, args ...any) error {
	return fault.NewFinal(fault.SchemaUnknown, "preparing a column's decoder", fmt.Errorf(format, args...),
		"The log was written while the type was another one or still existed. Leave the table out of tables, or start the pipeline anew behind this point.")
}
