package debezium

import (
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
	c.append, c.elem = appendArray, new(column)
	if err := k.column(c.elem, &elem); err != nil {
		return err
	}
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
		return []byte(`["b68a35a7-17ad-35b3-af2a-ae46edb4545a"]`)
	case in.Type.Kind == changelog.KindInt, in.Type.Kind == changelog.KindDate && k.cfg.TimePrecisionMode != timeISO: // characters as numbers
		codes := []byte{'['}
		for i := range len(unavailable) {
			if i > 0 {
				codes = append(codes, ',')
			}
			codes = strconv.AppendUint(codes, uint64(unavailable[i]), 10)
		}
		return append(codes, ']')
	case elem.placeholder != nil && in.Type.Kind != changelog.KindMap:
		return fmt.Appendf(nil, "[%s]", elem.placeholder)
	}
	return nil
}

// hstore chooses how a map is written.
func (k compiler) hstore(c *column) {
	c.append = appendMapText
	from := fmt.Appendf(nil, `{%q:%q}`, unavailable, unavailable)
	c.placeholder = jsonx.AppendString(nil, from)
	if k.cfg.HstoreHandlingMode == hstoreMap {
		c.append, c.placeholder = appendMap, from
	}
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
