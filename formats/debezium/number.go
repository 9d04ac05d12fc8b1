package debezium

import (
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

func appendBool(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	if v.Uint() != 0 {
		return append(dst, "true"...), nil
	}
	return append(dst, "false"...), nil
}

func appendInt(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	return strconv.AppendInt(dst, v.Int(), 10), nil
}

func appendUint(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	return strconv.AppendUint(dst, v.Uint(), 10), nil
}

// uint chooses for unsigned integers. Only 64-bit ones can exceed the signed type that Debezium has for them.
func (k compiler) uint(in *changelog.Column) (appendFunc, error) {
	switch in.Type.Bits {
	case 8, 16, 24, 32:
		return appendUint, nil
	case 64:
	default:
		return nil, refuse(fault.Internal, "Report this with the table's definition.", "an unsigned integer of %d bits", in.Type.Bits)
	}
	switch k.cfg.BigintUnsignedHandlingMode {
	case bigintPrecise:
		return appendUintPrecise, nil
	case bigintString:
		return appendUintText, nil
	}
	return appendInt, nil // wraps
}

func appendUintPrecise(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	var buf [9]byte
	binary.BigEndian.PutUint64(buf[1:], v.Uint())
	return jsonx.AppendBase64(dst, minimalBytes(buf[:])), nil
}

func appendUintText(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	dst = strconv.AppendUint(append(dst, '"'), v.Uint(), 10)
	return append(dst, '"'), nil
}

// float chooses for floating-point numbers.
func (k compiler) float(in *changelog.Column) appendFunc {
	double := in.Type.Kind == changelog.KindFloat64
	switch {
	case !double && strings.HasPrefix(in.SourceType, "float(") && strings.Contains(in.SourceType, ","):
		return appendFloatAsDouble // FLOAT(M,D) is a double in Debezium
	case double && k.key:
		return appendDoubleKey
	case double:
		return appendDouble
	case k.key:
		return appendFloatKey
	}
	return appendFloat
}

// appendFloatKey writes zero without its sign: to databases both zeros are one key.
func appendFloatKey(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	if v.Float32() == 0 {
		return append(dst, "0.0"...), nil
	}
	return appendFloat(dst, c, v)
}

func appendDoubleKey(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	if v.Float64() == 0 {
		return append(dst, "0.0"...), nil
	}
	return appendDouble(dst, c, v)
}

func appendFloat(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	f := v.Float32()
	if !jsonx.IsFinite(float64(f)) {
		return append(jsonx.AppendJavaFloat(append(dst, '"'), f), '"'), nil
	}
	return jsonx.AppendJavaFloat(dst, f), nil
}

func appendFloatAsDouble(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	return appendJavaDouble(dst, float64(v.Float32())), nil
}

func appendDouble(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	return appendJavaDouble(dst, v.Float64()), nil
}

// appendJavaDouble quotes what JSON has no number for, as Connect's JSON converter does.
func appendJavaDouble(dst []byte, f float64) []byte {
	if !jsonx.IsFinite(f) {
		return append(jsonx.AppendJavaDouble(append(dst, '"'), f), '"')
	}
	return jsonx.AppendJavaDouble(dst, f)
}

// appendBits writes BIT(n) as io.debezium.data.Bits: little-endian bytes.
func appendBits(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	var buf [8]byte
	binary.LittleEndian.PutUint64(buf[:], v.Uint())
	dst = base64.StdEncoding.AppendEncode(append(dst, '"'), buf[:c.bytes])
	return append(dst, '"'), nil
}

// floorDiv divides towards minus infinity: instants before 1970 belong to the unit in which they lie.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
