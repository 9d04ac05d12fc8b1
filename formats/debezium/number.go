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
	_, _, n, _ := v.Raw()
	return jsonx.AppendInt(dst, int64(n)), nil
}

func appendUint(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	return jsonx.AppendUint(dst, v.Uint()), nil
}

// int chooses for signed integers.
func (k compiler) int(c *column, in *changelog.Column) {
	switch {
	case in.Type.Year:
		c.write(appendInt, int32Schema.named("io.debezium.time.Year"))
	case in.Type.Bits == 8, in.Type.Bits == 16:
		c.write(appendInt, int16Schema)
	case in.Type.Bits == 24, in.Type.Bits == 32:
		c.write(appendInt, int32Schema)
	default:
		c.write(appendInt, int64Schema)
	}
}

// uint chooses for unsigned integers, which have the next larger signed type. Only 64-bit ones can exceed it.
func (k compiler) uint(c *column, in *changelog.Column) error {
	switch in.Type.Bits {
	case 8:
		c.write(appendUint, int16Schema)
	case 16, 24:
		c.write(appendUint, int32Schema)
	case 32:
		c.write(appendUint, int64Schema)
	case 64:
		k.bigint(c)
	default:
		return refuse(fault.Internal, "Report this with the table's definition.", "an unsigned integer of %d bits", in.Type.Bits)
	}
	return nil
}

func (k compiler) bigint(c *column) {
	switch k.cfg.BigintUnsignedHandlingMode {
	case bigintPrecise:
		c.write(appendUintPrecise, decimalSchema(20, 0))
	case bigintString:
		c.write(appendUintText, stringSchema)
	default:
		c.write(appendInt, int64Schema) // wraps
	}
}

func appendUintPrecise(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	var buf [9]byte
	binary.BigEndian.PutUint64(buf[1:], v.Uint())
	return jsonx.AppendBase64(dst, minimalBytes(buf[:])), nil
}

func appendUintText(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	dst = jsonx.AppendUint(append(dst, '"'), v.Uint())
	return append(dst, '"'), nil
}

// float chooses for floating-point numbers.
func (k compiler) float(c *column, in *changelog.Column) {
	double := in.Type.Kind == changelog.KindFloat64
	switch {
	case !double && strings.HasPrefix(in.SourceType, "float(") && strings.Contains(in.SourceType, ","):
		c.write(appendFloatAsDouble, doubleSchema) // FLOAT(M,D) is a double in Debezium
	case double && k.key:
		c.write(appendDoubleKey, doubleSchema)
	case double:
		c.write(appendDouble, doubleSchema)
	case k.key:
		c.write(appendFloatKey, floatSchema)
	default:
		c.write(appendFloat, floatSchema)
	}
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

func bitsSchema(n int) schema {
	return bytesSchema.named("io.debezium.data.Bits").with("length", strconv.Itoa(n))
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
