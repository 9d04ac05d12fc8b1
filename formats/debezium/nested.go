package debezium

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

// geometry chooses for what has a WKB. A column that can be anything else may always be null in Debezium's schema.
func (k compiler) geometry(c *column, in *changelog.Column) {
	switch name := bareType(in.SourceType); {
	case in.SourceType == "point" || strings.HasPrefix(in.SourceType, "point "):
		c.write(appendPoint, pointSchema())
	case name == "geography" && k.origin == postgres:
		c.write(appendGeometry, wkbSchema("Geography"))
	default:
		c.write(appendGeometry, wkbSchema("Geometry").opt())
	}
}

func wkbSchema(name string) schema {
	s := structSchema("io.debezium.data.geometry."+name, 1, bytesSchema.as("wkb"), int32Schema.opt().as("srid"))
	s.doc = name
	return s
}

func pointSchema() schema {
	s := structSchema("io.debezium.data.geometry.Point", 1, doubleSchema.as("x"), doubleSchema.as("y"), bytesSchema.opt().as("wkb"), int32Schema.opt().as("srid"))
	s.doc = "Geometry (POINT)"
	return s
}

// vector chooses for vectors. Debezium reads pgvector's as doubles, which are written alike.
func (k compiler) vector(c *column) {
	s := arraySchema(floatSchema).named("io.debezium.data.FloatVector")
	if k.origin == postgres {
		s = arraySchema(doubleSchema).named("io.debezium.data.DoubleVector")
	}
	c.write(appendVector, s)
}

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

// appendPointText writes a point of PostgreSQL, "(1,2.5)", as the same type.
func appendPointText(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	text := v.Bytes()
	comma := bytes.IndexByte(text, ',')
	if comma < 2 || text[0] != '(' || text[len(text)-1] != ')' {
		return dst, malformed("%.100q is no point", text)
	}
	var buf [64]byte // keeps the texts off the heap
	x, errX := strconv.ParseFloat(string(append(buf[:0], text[1:comma]...)), 64)
	y, errY := strconv.ParseFloat(string(append(buf[:0], text[comma+1:len(text)-1]...)), 64)
	if errX != nil || errY != nil {
		return dst, malformed("%.100q is no point", text)
	}
	var wkb [21]byte
	wkb[0], wkb[1] = 1, 1 // little-endian, point
	binary.LittleEndian.PutUint64(wkb[5:], math.Float64bits(x))
	binary.LittleEndian.PutUint64(wkb[13:], math.Float64bits(y))
	dst = appendJavaDouble(append(dst, `{"x":`...), x)
	dst = appendJavaDouble(append(dst, `,"y":`...), y)
	dst = jsonx.AppendBase64(append(dst, `,"wkb":`...), wkb[:])
	return append(dst, `,"srid":null}`...), nil
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
