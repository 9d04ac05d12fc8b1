package typed

import (
	"errors"
	"math"
	"strconv"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

var errRange = errors.New("the number is out of the column's range")

func readBool(_ *Values, _ *Column, raw []byte) (changelog.Value, error) {
	switch string(raw) {
	case "true", "1", `"true"`:
		return changelog.Bool(true), nil
	case "false", "0", `"false"`:
		return changelog.Bool(false), nil
	}
	return changelog.Value{}, mistyped(raw, "boolean")
}

// digits takes the quotes off a number that was written as a text.
func digits(raw []byte) []byte {
	if len(raw) > 2 && raw[0] == '"' {
		return raw[1 : len(raw)-1]
	}
	return raw
}

func readInt(_ *Values, c *Column, raw []byte) (changelog.Value, error) {
	switch string(raw) { // Flink knows BOOLEAN where MySQL has TINYINT
	case "true":
		return changelog.Int(1), nil
	case "false":
		return changelog.Int(0), nil
	}
	n, err := jsonx.Int(digits(raw))
	if err != nil {
		return changelog.Value{}, mistyped(raw, "whole number")
	}
	if bits := c.of.Type.Bits; bits > 0 && bits < 64 && n>>(bits-1) != 0 && n>>(bits-1) != -1 {
		return changelog.Value{}, errRange
	}
	return changelog.Int(n), nil
}

func natural(bits int, raw []byte) (uint64, error) {
	text := digits(raw)
	n, err := strconv.ParseUint(view(text), 10, 64)
	if err != nil || len(text) > 1 && text[0] == '0' {
		return 0, mistyped(raw, "unsigned number")
	}
	if bits > 0 && bits < 64 && n>>bits != 0 {
		return 0, errRange
	}
	return n, nil
}

func readUint(_ *Values, c *Column, raw []byte) (changelog.Value, error) {
	n, err := natural(c.of.Type.Bits, raw)
	return changelog.Uint(n), err
}

func readBits(_ *Values, c *Column, raw []byte) (changelog.Value, error) {
	switch string(raw) {
	case "true", `"true"`:
		return changelog.Bits(1), nil
	case "false", `"false"`:
		return changelog.Bits(0), nil
	}
	n, err := natural(c.of.Type.Bits, raw)
	return changelog.Bits(n), err
}

func readFloat32(_ *Values, _ *Column, raw []byte) (changelog.Value, error) {
	f, err := float(raw, 32)
	return changelog.Float32(float32(f)), err
}

func readFloat64(_ *Values, _ *Column, raw []byte) (changelog.Value, error) {
	f, err := float(raw, 64)
	return changelog.Float64(f), err
}

// float reads a number, or one of the three words for what is none.
func float(raw []byte, bits int) (float64, error) {
	switch string(raw) {
	case `"NaN"`:
		return math.NaN(), nil
	case `"Infinity"`:
		return math.Inf(1), nil
	case `"-Infinity"`:
		return math.Inf(-1), nil
	}
	text := digits(raw)
	if !isNumber(text) {
		return 0, mistyped(raw, "number")
	}
	f, err := strconv.ParseFloat(view(text), bits)
	if err != nil {
		return 0, errRange
	}
	return f, nil
}

// isNumber reports that a text is a number as JSON has them.
func isNumber(text []byte) bool {
	if len(text) == 0 || text[0] != '-' && (text[0] < '0' || text[0] > '9') {
		return false
	}
	last := text[len(text)-1]
	return last >= '0' && last <= '9' && jsonx.Check(text) == nil
}
