package debezium

import (
	"encoding/binary"
	"math"
	"strconv"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

// appendGeometry writes io.debezium.data.geometry.Geometry.
func appendGeometry(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	return appendWKB(append(dst, '{'), v), nil
}

// appendPoint writes io.debezium.data.geometry.Point: the coordinates in storage order, and the same as WKB.
func appendPoint(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	const size = 1 + 4 + 8 + 8
	wkb := v.Bytes()
	if len(wkb) != size || wkb[0] > 1 {
		return dst, malformed("a point of %d bytes", len(wkb))
	}
	var order binary.ByteOrder = binary.BigEndian
	if wkb[0] == 1 {
		order = binary.LittleEndian
	}
	if t := order.Uint32(wkb[1:]); t != 1 {
		return dst, malformed("a point whose WKB has type %d", t)
	}
	dst = appendJavaDouble(append(dst, `{"x":`...), math.Float64frombits(order.Uint64(wkb[5:])))
	dst = appendJavaDouble(append(dst, `,"y":`...), math.Float64frombits(order.Uint64(wkb[13:])))
	return appendWKB(append(dst, ','), v), nil
}

func appendWKB(dst []byte, v *changelog.Value) []byte {
	dst = jsonx.AppendBase64(append(dst, `"wkb":`...), v.Bytes())
	if v.Uint() == 0 {
		return append(dst, `,"srid":null}`...)
	}
	dst = strconv.AppendUint(append(dst, `,"srid":`...), v.Uint(), 10)
	return append(dst, '}')
}

// appendVector writes io.debezium.data.FloatVector.
func appendVector(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	p := v.Bytes()
	if len(p)%4 != 0 {
		return dst, malformed("a vector of %d bytes", len(p))
	}
	dst = append(dst, '[')
	for i := 0; i < len(p); i += 4 {
		if i > 0 {
			dst = append(dst, ',')
		}
		f := changelog.Float32(math.Float32frombits(binary.LittleEndian.Uint32(p[i:])))
		dst, _ = appendFloat(dst, c, &f)
	}
	return append(dst, ']'), nil
}
