package debezium

import (
	"encoding/base64"
	"errors"
	"math"
	"strconv"
	"unsafe"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

var errRange = errors.New("the number is out of the column's range")

// view sees bytes as a string for the length of one call.
func view(p []byte) string { return unsafe.String(unsafe.SliceData(p), len(p)) }

func readBool(_ *reader, _ *inbound, raw []byte) (changelog.Value, error) {
	switch string(raw) {
	case "true", "1": // MySQL's BOOL is a number unless a DDL statement said otherwise
		return changelog.Bool(true), nil
	case "false", "0":
		return changelog.Bool(false), nil
	}
	return changelog.Value{}, mistyped(raw, "boolean")
}

func readInt(_ *reader, c *inbound, raw []byte) (changelog.Value, error) {
	switch string(raw) {
	case "true":
		return changelog.Int(1), nil
	case "false":
		return changelog.Int(0), nil
	}
	n, err := jsonx.Int(digitsOf(raw))
	if err != nil {
		return changelog.Value{}, mistyped(raw, "whole number")
	}
	bits := c.column.Type.Bits
	if c.column.Type.Year {
		bits = 64
	}
	if bits < 64 && n>>(bits-1) != 0 && n>>(bits-1) != -1 {
		return changelog.Value{}, errRange
	}
	return changelog.Int(n), nil
}

// digitsOf takes the quotes off a number that was written as a text.
func digitsOf(raw []byte) []byte {
	if len(raw) > 2 && raw[0] == '"' {
		return raw[1 : len(raw)-1]
	}
	return raw
}

// readUint reads an unsigned number: as such, as a text, in the precise form of a decimal, or, from 2^63 on, negative.
func readUint(r *reader, c *inbound, raw []byte) (changelog.Value, error) {
	bits := c.column.Type.Bits
	if raw[0] == '"' && !c.text {
		return readUintPrecise(r, raw)
	}
	digits := digitsOf(raw)
	if raw[0] == '-' && bits == 64 {
		n, err := jsonx.Int(digits)
		if err != nil {
			return changelog.Value{}, mistyped(raw, "whole number")
		}
		return changelog.Uint(uint64(n)), nil
	}
	n, err := strconv.ParseUint(view(digits), 10, 64)
	if err != nil || len(digits) > 1 && digits[0] == '0' {
		return changelog.Value{}, mistyped(raw, "unsigned number")
	}
	if bits < 64 && n>>bits != 0 {
		return changelog.Value{}, errRange
	}
	return changelog.Uint(n), nil
}

func readUintPrecise(r *reader, raw []byte) (changelog.Value, error) {
	p, err := r.unbase64(base64.StdEncoding, raw)
	if err != nil {
		return changelog.Value{}, err
	}
	if len(p) == 9 && p[0] == 0 {
		p = p[1:]
	} else if len(p) == 0 || len(p) > 8 || p[0] >= 0x80 {
		return changelog.Value{}, errRange
	}
	var n uint64
	for _, b := range p {
		n = n<<8 | uint64(b)
	}
	return changelog.Uint(n), nil
}

func readFloat32(_ *reader, _ *inbound, raw []byte) (changelog.Value, error) {
	f, err := parseFloat(raw, 32)
	return changelog.Float32(float32(f)), err
}

func readFloat64(_ *reader, _ *inbound, raw []byte) (changelog.Value, error) {
	f, err := parseFloat(raw, 64)
	return changelog.Float64(f), err
}

// parseFloat reads a number, or one of the three words that Connect's JSON converter has for what is none.
func parseFloat(raw []byte, bits int) (float64, error) {
	switch string(raw) {
	case `"NaN"`:
		return math.NaN(), nil
	case `"Infinity"`:
		return math.Inf(1), nil
	case `"-Infinity"`:
		return math.Inf(-1), nil
	}
	if raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return 0, mistyped(raw, "number")
	}
	f, err := strconv.ParseFloat(view(raw), bits)
	if err != nil {
		return 0, errRange
	}
	return f, nil
}

// readBits reads io.debezium.data.Bits of up to 64 bits, or a boolean for one.
func readBits(r *reader, c *inbound, raw []byte) (changelog.Value, error) {
	n := c.column.Type.Bits
	if n == 1 && raw[0] != '"' {
		v, err := readBool(r, c, raw)
		return changelog.Bits(v.Uint()), err
	}
	p, err := r.unbase64(base64.StdEncoding, raw)
	if err != nil {
		return changelog.Value{}, err
	}
	var v uint64
	for i, b := range p {
		if b == 0 {
			continue
		}
		if i >= 8 {
			return changelog.Value{}, errRange
		}
		v |= uint64(b) << (8 * i)
	}
	if n < 64 && v>>n != 0 {
		return changelog.Value{}, errRange
	}
	return changelog.Bits(v), nil
}

// readBitString reads the same of any length, the text of 0s and 1s that keys have, or a boolean.
func readBitString(r *reader, c *inbound, raw []byte) (changelog.Value, error) {
	typ := &c.column.Type
	switch string(raw) {
	case "true":
		return changelog.BitString([]byte("1")), nil
	case "false":
		return changelog.BitString([]byte("0")), nil
	}
	if !typ.Fixed && bitText(raw) && c.text {
		text, err := r.text(raw)
		return changelog.BitString(text), err
	}
	p, err := r.unbase64(base64.StdEncoding, raw)
	if err != nil {
		return changelog.Value{}, err
	}
	n := typ.Bits
	if !typ.Fixed {
		n = significant(p)
	} else if significant(p) > n {
		return changelog.Value{}, errRange
	}
	text := r.batch.Grab(n)
	for i := range text {
		at := n - 1 - i
		text[i] = '0'
		if at/8 < len(p) {
			text[i] += p[at/8] >> (at % 8) & 1
		}
	}
	return changelog.BitString(text), nil
}

// significant counts the bits of a little-endian number up to the highest that is set.
func significant(p []byte) int {
	for i := len(p) - 1; i >= 0; i-- {
		for bit := 7; bit >= 0; bit-- {
			if p[i]>>bit != 0 {
				return i*8 + bit + 1
			}
		}
	}
	return 0
}

func bitText(raw []byte) bool {
	if len(raw) < 2 || raw[0] != '"' {
		return false
	}
	for _, c := range raw[1 : len(raw)-1] {
		if c != '0' && c != '1' {
			return false
		}
	}
	return true
}
