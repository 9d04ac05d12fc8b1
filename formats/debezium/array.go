package debezium

import (
	"crypto/md5"
	"fmt"
	"strconv"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

// array chooses for the elements. An array of several dimensions is written as arrays in one another.
func (k compiler) array(c *column, in *changelog.Column) error {
	if in.Type.Elem == nil {
		return refuse(fault.Internal, "Report this with the table's definition.", "an array of unknown elements")
	}
	elem := *in.Type.Elem
	elem.Nullable = true
	c.elem = new(column)
	if err := k.column(c.elem, &elem); err != nil {
		return err
	}
	c.write(appendArray, arraySchema(c.elem.schema.opt()))
	c.placeholder = k.unavailableArray(&elem, c.elem)
	return nil
}

func appendArray(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	dst = append(dst, '[')
	elems := v.Elems()
	for i := range elems {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		switch e := &elems[i]; e.Kind() {
		case c.elem.kind:
			dst, err = c.elem.append(dst, c.elem, e)
		case changelog.KindNull:
			dst = append(dst, "null"...)
		case changelog.KindArray:
			dst, err = appendArray(dst, c, e)
		default:
			err = malformed("a value of kind %d in an array of kind %d", e.Kind(), c.elem.kind)
		}
		if err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

// unavailableArray is what Debezium writes for an array that the log did not carry. Arrays of other types have no such value.
func (k compiler) unavailableArray(in *changelog.Column, elem *column) []byte {
	switch {
	case in.SourceType == "uuid": // the UUID that Java makes of the placeholder as a name
		return fmt.Appendf(nil, "[%q]", nameUUID(k.placeholder))
	case in.Type.Kind == changelog.KindInt, in.Type.Kind == changelog.KindDate && k.cfg.TimePrecisionMode != timeISO: // characters as numbers
		codes := []byte{'['}
		for i, b := range k.placeholder {
			if i > 0 {
				codes = append(codes, ',')
			}
			codes = strconv.AppendInt(codes, int64(int8(b)), 10)
		}
		return append(codes, ']')
	case elem.placeholder != nil && in.Type.Kind != changelog.KindMap:
		return fmt.Appendf(nil, "[%s]", elem.placeholder)
	}
	return nil
}

// nameUUID is the UUID that Java makes of bytes as a name.
func nameUUID(name []byte) string {
	sum := md5.Sum(name)
	sum[6], sum[8] = sum[6]&0x0F|0x30, sum[8]&0x3F|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:])
}

// hstore chooses how a map is written.
func (k compiler) hstore(c *column) {
	text := jsonx.AppendString(nil, k.placeholder)
	from := fmt.Appendf(nil, `{%s:%s}`, text, text)
	if k.cfg.HstoreHandlingMode == hstoreMap {
		c.write(appendMap, mapSchema(stringSchema, stringSchema.opt()))
		c.placeholder = from
		return
	}
	c.write(appendMapText, jsonSchema)
	c.placeholder = jsonx.AppendString(nil, from)
}

// appendMap writes an object of texts and nulls, in the database's order.
func appendMap(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	return appendPairs(dst, v, jsonx.AppendString)
}

// appendMapText writes io.debezium.data.Json of the same object.
func appendMapText(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	from := len(dst)
	dst, err := appendPairs(dst, v, jsonx.AppendInnerString)
	return jsonx.Requote(dst, from, jsonx.AppendString), err
}

func appendPairs(dst []byte, v *changelog.Value, literal func(dst, text []byte) []byte) ([]byte, error) {
	pairs := v.Elems()
	if len(pairs)%2 != 0 {
		return dst, malformed("a map of %d keys and values", len(pairs))
	}
	dst = append(dst, '{')
	for i := 0; i < len(pairs); i += 2 {
		key, value := &pairs[i], &pairs[i+1]
		if key.Kind() != changelog.KindString || value.Kind() != changelog.KindString && !value.IsNull() {
			return dst, malformed("a map of kind %d to kind %d", key.Kind(), value.Kind())
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(literal(dst, key.Bytes()), ':')
		if value.IsNull() {
			dst = append(dst, "null"...)
		} else {
			dst = literal(dst, value.Bytes())
		}
	}
	return append(dst, '}'), nil
}
