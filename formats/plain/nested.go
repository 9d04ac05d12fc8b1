package plain

import (
	"encoding/binary"
	"math"
	"strconv"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

// appendGeometry writes WKB and SRID, the names being those of debezium-json.
func appendGeometry(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	dst = jsonx.AppendBase64(append(dst, `{"wkb":`...), v.Bytes())
	if v.Uint() == 0 {
		return append(dst, `,"srid":null}`...), nil
	}
	return append(strconv.AppendUint(append(dst, `,"srid":`...), v.Uint(), 10), '}'), nil
}

func appendVector(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	p := v.Bytes()
	if len(p)%4 != 0 {
		return dst, malformed("a vector of %d bytes", len(p))
	}
	dst = append(dst, '[')
	for i := 0; i < len(p); i += 4 {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendFloat32(dst, math.Float32frombits(binary.LittleEndian.Uint32(p[i:])))
	}
	return append(dst, ']'), nil
}

// appendArray writes further dimensions as arrays in the array.
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

// appendMap writes an object of texts and nulls, in the database's order.
func appendMap(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	return appendPairs(dst, v, jsonx.AppendString)
}

// appendMapText writes the same object as a text.
func appendMapText(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	from := len(dst)
	dst, err := appendPairs(dst, v, jsonx.AppendInnerString)
	if err != nil {
		return dst, err
	}
	return jsonx.Requote(dst, from, jsonx.AppendString), nil
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
