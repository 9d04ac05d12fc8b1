package plain

import (
	"bytes"
	"strconv"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

func appendBool(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	return strconv.AppendBool(dst, v.Uint() != 0), nil
}

func appendInt(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	_, _, n, _ := v.Raw()
	return jsonx.AppendInt(dst, int64(n)), nil
}

func appendUint(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	return jsonx.AppendUint(dst, v.Uint()), nil
}

func appendUintText(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	return append(jsonx.AppendUint(append(dst, '"'), v.Uint()), '"'), nil
}

// natural chooses for unsigned numbers. Those of 64 bits can exceed what most readers of JSON have room for.
func (k compiler) natural(bits int) appendFunc {
	if bits == 64 && k.cfg.BigintUnsignedHandlingMode == numberString {
		return appendUintText
	}
	return appendUint
}

// float chooses for floating-point numbers. In a key zero has no sign: to databases both zeros are one.
func (k compiler) float(kind changelog.Kind) appendFunc {
	single := kind == changelog.KindFloat32
	switch {
	case single && k.key:
		return appendFloatKey
	case single:
		return appendFloat
	case k.key:
		return appendDoubleKey
	}
	return appendDouble
}

func appendFloat(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	return appendFloat32(dst, v.Float32()), nil
}

func appendFloat32(dst []byte, f float32) []byte {
	if !jsonx.IsFinite(float64(f)) {
		return append(jsonx.AppendJavaFloat(append(dst, '"'), f), '"')
	}
	return jsonx.AppendJavaFloat(dst, f)
}

func appendFloatKey(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	if v.Float32() == 0 {
		return append(dst, "0.0"...), nil
	}
	return appendFloat32(dst, v.Float32()), nil
}

func appendDouble(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	return appendFloat64(dst, v.Float64()), nil
}

func appendFloat64(dst []byte, f float64) []byte {
	if !jsonx.IsFinite(f) {
		return append(jsonx.AppendJavaDouble(append(dst, '"'), f), '"')
	}
	return jsonx.AppendJavaDouble(dst, f)
}

func appendDoubleKey(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	if v.Float64() == 0 {
		return append(dst, "0.0"...), nil
	}
	return appendFloat64(dst, v.Float64()), nil
}

// decimal chooses how a decimal is written. A column without limits has values each with a scale of its own: 1.1 and 1.10 are one
// key of it.
func (k compiler) decimal(c *column, t *changelog.Type) {
	k.special(c, `"Infinity"`, `"-Infinity"`, `"NaN"`)
	trimmed := k.key && t.Precision == 0
	switch number := k.cfg.DecimalHandlingMode == numberNumber; {
	case number && trimmed:
		c.append = appendTrimmedNumber
	case number:
		c.append = appendNumber
	case trimmed:
		c.append = appendTrimmedText
	default:
		c.append = appendDecimalText
	}
}

func appendDecimalText(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	return appendDigits(dst, c, v, `"`, v.Bytes())
}

func appendTrimmedText(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	return appendDigits(dst, c, v, `"`, trimFraction(v.Bytes()))
}

func appendNumber(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	return appendDigits(dst, c, v, "", v.Bytes())
}

func appendTrimmedNumber(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	return appendDigits(dst, c, v, "", trimFraction(v.Bytes()))
}

// appendDigits writes a decimal's text, which is always a number in JSON's grammar.
func appendDigits(dst []byte, c *column, v *changelog.Value, quote string, digits []byte) ([]byte, error) {
	dst, done := ordinary(dst, c, v)
	if done {
		return dst, nil
	}
	if !isDecimal(digits) {
		return dst, malformed("%.100q is no decimal", v.Bytes())
	}
	return append(append(append(dst, quote...), digits...), quote...), nil
}

// isDecimal reports digits with perhaps a sign, and perhaps a point among them.
func isDecimal(text []byte) bool {
	if len(text) > 0 && text[0] == '-' {
		text = text[1:]
	}
	point := bytes.IndexByte(text, '.')
	whole := text
	if point >= 0 {
		whole = text[:point]
		if point == len(text)-1 || !allDigits(text[point+1:]) {
			return false
		}
	}
	return len(whole) > 0 && allDigits(whole) && (whole[0] != '0' || len(whole) == 1)
}

func allDigits(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// trimFraction drops zeros at the end of a fraction, and a point that is left without digits.
func trimFraction(text []byte) []byte {
	if bytes.IndexByte(text, '.') < 0 {
		return text
	}
	for text[len(text)-1] == '0' {
		text = text[:len(text)-1]
	}
	return bytes.TrimSuffix(text, []byte("."))
}
