package debezium

import (
	"strconv"

	"cdcbridge/formats/internal/jsonx"
)

// schema is a schema of Kafka Connect. It is built and rendered once per table version, or once per kind of record.
type schema struct {
	typ        string   // "int8" … "int64", "float", "double", "boolean", "string", "bytes", "array", "map", "struct"
	fields     []field  // struct
	keys       *schema  // map
	elem       *schema  // array: items, map: values
	optional   bool     // may be null
	name       string   // what the value means, or the struct's name; "": none
	version    int      // of what name says; 0: none
	doc        string   // "": none
	parameters []string // names and values in turn
	def        []byte   // default as a payload is written; nil: none
}

// field is one field of a struct.
type field struct {
	name string
	schema
}

// The schemas that have nothing but a type.
var (
	int16Schema   = schema{typ: "int16"}
	int32Schema   = schema{typ: "int32"}
	int64Schema   = schema{typ: "int64"}
	floatSchema   = schema{typ: "float"}
	doubleSchema  = schema{typ: "double"}
	booleanSchema = schema{typ: "boolean"}
	stringSchema  = schema{typ: "string"}
	bytesSchema   = schema{typ: "bytes"}
)

// structSchema makes the schema of an object. version 0 is none.
func structSchema(name string, version int, fields ...field) schema {
	return schema{typ: "struct", name: name, version: version, fields: fields}
}

// arraySchema makes the schema of an array.
func arraySchema(elem schema) schema { return schema{typ: "array", elem: &elem} }

// mapSchema makes the schema of a map.
func mapSchema(keys, values schema) schema { return schema{typ: "map", keys: &keys, elem: &values} }

// opt makes the schema of a value that may be null.
func (s schema) opt() schema {
	s.optional = true
	return s
}

// named says what the value means. Every such meaning of Debezium's has version 1.
func (s schema) named(name string) schema {
	s.name, s.version = name, 1
	return s
}

// with adds a parameter.
func (s schema) with(name, value string) schema {
	s.parameters = append(s.parameters[:len(s.parameters):len(s.parameters)], name, value)
	return s
}

// as makes a field of the schema.
func (s schema) as(name string) field { return field{name: name, schema: s} }

// append renders the schema as Connect's JSON converter does, with the properties in its order. name is that of the struct's
// field which has the schema, "" of any other.
func (s *schema) append(dst []byte, name string) []byte {
	property := func(name string) { dst = append(append(append(dst, `,"`...), name...), `":`...) }
	text := func(s string) { dst = append(jsonx.AppendEscapedText(append(dst, '"'), s), '"') }
	dst = append(append(append(dst, `{"type":"`...), s.typ...), '"')
	switch s.typ {
	case "struct":
		property("fields")
		dst = append(dst, '[')
		for i := range s.fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = s.fields[i].append(dst, s.fields[i].name)
		}
		dst = append(dst, ']')
	case "array":
		property("items")
		dst = s.elem.append(dst, "")
	case "map":
		property("keys")
		dst = s.keys.append(dst, "")
		property("values")
		dst = s.elem.append(dst, "")
	}
	property("optional")
	dst = strconv.AppendBool(dst, s.optional)
	if s.name != "" {
		property("name")
		text(s.name)
	}
	if s.version != 0 {
		property("version")
		dst = strconv.AppendInt(dst, int64(s.version), 10)
	}
	if s.doc != "" {
		property("doc")
		text(s.doc)
	}
	if len(s.parameters) > 0 {
		property("parameters")
		for i := 0; i+1 < len(s.parameters); i += 2 {
			dst = append(dst, "{,"[min(i, 1)])
			text(s.parameters[i])
			dst = append(dst, ':')
			text(s.parameters[i+1])
		}
		dst = append(dst, '}')
	}
	if s.def != nil {
		property("default")
		dst = append(dst, s.def...)
	}
	if name != "" {
		property("field")
		text(name)
	}
	return append(dst, '}')
}

// wrapping is what stands before each payload of one schema; nil when schemas are off.
//
//	dst = w.open(dst)
//	dst = append(dst, payload...)
//	dst = w.close(dst)
type wrapping []byte

// wrap renders a schema once for all payloads of it. enabled is Config.SchemasEnable or Config.KeySchemasEnable.
func wrap(enabled bool, s *schema) wrapping {
	if !enabled {
		return nil
	}
	return append(s.append([]byte(`{"schema":`), ""), `,"payload":`...)
}

func (w wrapping) open(dst []byte) []byte { return append(dst, w...) }

func (w wrapping) close(dst []byte) []byte {
	if w == nil {
		return dst
	}
	return append(dst, '}')
}
