package postgres

import (
	"fmt"
	"strconv"

	"cdcbridge/changelog"
)

func prepareBool(c *columnType, _ int32) error {
	c.typ.Kind, c.decode = changelog.KindBool, decodeBool
	return nil
}

func prepareInt2(c *columnType, _ int32) error { return prepareInt(c, 16) }
func prepareInt4(c *columnType, _ int32) error { return prepareInt(c, 32) }
func prepareInt8(c *columnType, _ int32) error { return prepareInt(c, 64) }

func prepareInt(c *columnType, bits int) error {
	c.typ.Kind, c.typ.Bits, c.decode = changelog.KindInt, bits, decodeInt
	return nil
}

func prepareOID(c *columnType, _ int32) error {
	c.typ.Kind, c.typ.Bits, c.decode = changelog.KindUint, 32, decodeOID
	return nil
}

func prepareFloat4(c *columnType, _ int32) error {
	c.typ.Kind, c.decode = changelog.KindFloat32, decodeFloat4
	return nil
}

func prepareFloat8(c *columnType, _ int32) error {
	c.typ.Kind, c.decode = changelog.KindFloat64, decodeFloat8
	return nil
}

func decodeBool(_ *columnType, text []byte, dst *changelog.Value, _ *changelog.Batch) error {
	if len(text) != 1 || text[0] != 't' && text[0] != 'f' {
		return malformed(text, "boolean")
	}
	*dst = changelog.Bool(text[0] == 't')
	return nil
}

func decodeInt(c *columnType, text []byte, dst *changelog.Value, _ *changelog.Batch) error {
	digits, negative := cutMinus(text)
	n, ok := parseUint(digits)
	limit := uint64(1) << (c.typ.Bits - 1)
	if !ok || n > limit || n == limit && !negative {
		return malformed(text, c.source)
	}
	if negative {
		n = -n
	}
	*dst = changelog.Int(int64(n))
	return nil
}

func decodeOID(c *columnType, text []byte, dst *changelog.Value, _ *changelog.Batch) error {
	n, ok := parseUint(text)
	if !ok || n > 1<<32-1 {
		return malformed(text, c.source)
	}
	*dst = changelog.Uint(n)
	return nil
}

func decodeFloat4(c *columnType, text []byte, dst *changelog.Value, _ *changelog.Batch) error {
	f, ok := parseFloat(text, 32)
	if !ok {
		return malformed(text, c.source)
	}
	*dst = changelog.Float32(float32(f))
	return nil
}

func decodeFloat8(c *columnType, text []byte, dst *changelog.Value, _ *changelog.Batch) error {
	f, ok := parseFloat(text, 64)
	if !ok {
		return malformed(text, c.source)
	}
	*dst = changelog.Float64(f)
	return nil
}

// maxFloatText is more than any float prints as, and what the compiler still keeps on the stack.
const maxFloatText = 32

// parseFloat reads what extra_float_digits=3 prints: the shortest text that gives the number back, so nothing is lost.
func parseFloat(text []byte, bits int) (float64, bool) {
	if len(text) > maxFloatText {
		return 0, false
	}
	switch string(text) {
	case "NaN", "Infinity", "-Infinity":
	default:
		// strconv reads more than the server prints: "inf", hexadecimal, underscores.
		for _, ch := range text {
			if (ch < '0' || ch > '9') && ch != '-' && ch != '+' && ch != '.' && ch != 'e' {
				return 0, false
			}
		}
	}
	f, err := strconv.ParseFloat(string(text), bits)
	return f, err == nil
}

// parseUint reads decimal digits and nothing else.
func parseUint(text []byte) (uint64, bool) {
	const fit = 19 // digits of which any number fits
	if len(text) == 0 || len(text) > fit+1 {
		return 0, false
	}
	var n uint64
	for _, ch := range text[:min(len(text), fit)] {
		d := uint64(ch - '0')
		if d > 9 {
			return 0, false
		}
		n = n*10 + d
	}
	if len(text) <= fit {
		return n, true
	}
	d := uint64(text[fit] - '0')
	if d > 9 || n > (1<<64-1)/10 || n*10 > 1<<64-1-d {
		return 0, false
	}
	return n*10 + d, true
}

func cutMinus(text []byte) (rest []byte, negative bool) {
	if len(text) > 0 && text[0] == '-' {
		return text[1:], true
	}
	return text, false
}

// malformed says what the server sent, shortened, for a type that does not print so.
func malformed(text []byte, typ string) error {
	const most = 40
	if len(text) > most {
		return fmt.Errorf("%q… (%d bytes) is not the text of a %s", text[:most], len(text), typ)
	}
	return fmt.Errorf("%q is not the text of a %s", text, typ)
}
