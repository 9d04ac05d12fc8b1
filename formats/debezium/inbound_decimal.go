package debezium

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math/big"
	"strconv"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

// maxDecimalDigits is more than any database has on one side of the point: PostgreSQL's 131072 before it.
const maxDecimalDigits = 200_000

// maxPadding is how many zeros the decimals of one record may have together that the record does not have: "1e99999" is short.
const maxPadding = 1 << 20

var (
	errScale  = errors.New("the decimal has more fraction digits than the column")
	errGiant  = errors.New("the decimal has more digits than any database")
	errNumber = errors.New("the text is no decimal")
)

// readDecimal reads a decimal in each of its forms: base64 of the unscaled number or the digits as a text, which only the
// options or the schema can tell apart; a number; an object with a scale of its own.
func readDecimal(r *reader, c *inbound, raw []byte) (changelog.Value, error) {
	switch {
	case raw[0] == '{':
		return readVariableScale(r, c, raw)
	case raw[0] != '"':
		return r.decimal(c, raw)
	case !c.text:
		if c.written < 0 {
			return changelog.Value{}, mistyped(raw, "decimal with a scale")
		}
		return r.scaled(c, raw, c.written)
	}
	switch string(raw) {
	case `"NaN"`, `"NAN"`:
		return changelog.NaN(), nil
	case `"Infinity"`, `"POSITIVE_INFINITY"`:
		return changelog.Infinite(changelog.KindDecimal, true), nil
	case `"-Infinity"`, `"NEGATIVE_INFINITY"`:
		return changelog.Infinite(changelog.KindDecimal, false), nil
	}
	text, err := r.peek(raw)
	if err != nil {
		return changelog.Value{}, err
	}
	if !isNumber(text) {
		return changelog.Value{}, errNumber
	}
	return r.decimal(c, text)
}

// isNumber reports that a text is a number as JSON has them.
func isNumber(text []byte) bool {
	return len(text) > 0 && (text[0] == '-' || text[0] >= '0' && text[0] <= '9') && jsonx.Check(text) == nil && text[len(text)-1] != ' '
}

// readVariableScale reads io.debezium.data.VariableScaleDecimal.
func readVariableScale(r *reader, c *inbound, raw []byte) (changelog.Value, error) {
	var scale, value []byte
	err := jsonx.EachField(raw, func(name, v []byte) error {
		switch {
		case string(name) == "scale" && scale == nil:
			scale = v
		case string(name) == "value" && value == nil:
			value = v
		default:
			return mistyped(raw, "decimal with a scale")
		}
		return nil
	})
	if err != nil {
		return changelog.Value{}, err
	}
	n, err := jsonx.Int(scale)
	if err != nil || n < -maxDecimalDigits || n > maxDecimalDigits {
		return changelog.Value{}, mistyped(raw, "decimal with a scale")
	}
	return r.scaled(c, value, int(n))
}

// scaled reads an unscaled number in base64 and gives it the column's scale.
func (r *reader) scaled(c *inbound, raw []byte, scale int) (changelog.Value, error) {
	p, err := r.unbase64(base64.StdEncoding, raw)
	if err != nil {
		return changelog.Value{}, err
	}
	v, err := r.unscaled(p, scale)
	if err != nil || c.scale < 0 || c.scale == scale {
		return v, err
	}
	return r.decimal(c, v.Bytes())
}

// unscaled makes a decimal of a big-endian two's complement.
func (r *reader) unscaled(p []byte, scale int) (changelog.Value, error) {
	if len(p) == 0 {
		return changelog.Value{}, errNumber
	}
	if len(p) > maxDecimalDigits/2 {
		return changelog.Value{}, errGiant
	}
	var digits [24]byte
	var text []byte
	neg := p[0] >= 0x80
	if len(p) <= 8 {
		var n int64
		if neg {
			n = -1
		}
		for _, b := range p {
			n = n<<8 | int64(b)
		}
		u := uint64(n)
		if neg {
			u = -u
		}
		text = strconv.AppendUint(digits[:0], u, 10)
	} else {
		n := new(big.Int).SetBytes(p)
		if neg {
			n.Sub(new(big.Int).Lsh(big.NewInt(1), uint(8*len(p))), n)
		}
		text = n.Append(nil, 10)
	}
	return r.pointed(text, scale, neg)
}

// pad counts zeros that the record does not have.
func (r *reader) pad(zeros int) error {
	if r.padding += max(zeros, 0); r.padding > maxPadding {
		return errGiant
	}
	return nil
}

// pointed puts the point into digits without leading zeros. A scale below zero means zeros behind them.
func (r *reader) pointed(digits []byte, scale int, neg bool) (changelog.Value, error) {
	if len(digits) == 1 && digits[0] == '0' {
		neg, scale = false, max(scale, 0)
	}
	zeros := max(scale+1-len(digits), 0)
	if err := r.pad(zeros + max(-scale, 0)); err != nil {
		return changelog.Value{}, err
	}
	out := r.batch.Grab(len(digits) + zeros + max(-scale, 0) + 2)[:0]
	if neg {
		out = append(out, '-')
	}
	whole := len(digits) - scale // of the digits, before the point
	if scale <= 0 {
		out = append(out, digits...)
		for range -scale {
			out = append(out, '0')
		}
		return changelog.Decimal(out), nil
	}
	if whole <= 0 {
		out = append(out, '0', '.')
		for range -whole {
			out = append(out, '0')
		}
		return changelog.Decimal(append(out, digits...)), nil
	}
	out = append(append(out, digits[:whole]...), '.')
	return changelog.Decimal(append(out, digits[whole:]...)), nil
}

// decimal makes a decimal of a number in JSON's grammar, with the column's scale.
func (r *reader) decimal(c *inbound, number []byte) (changelog.Value, error) {
	neg := number[0] == '-'
	if neg {
		number = number[1:]
	}
	exponent := 0
	if e := bytes.IndexAny(number, "eE"); e >= 0 {
		n, err := strconv.Atoi(view(number[e+1:]))
		if err != nil || n > maxDecimalDigits || n < -maxDecimalDigits {
			return changelog.Value{}, errGiant
		}
		exponent, number = n, number[:e]
	}
	var room [96]byte
	digits := append(room[:0], number...)
	scale := 0
	if point := bytes.IndexByte(digits, '.'); point >= 0 {
		scale = len(digits) - point - 1
		digits = append(digits[:point], digits[point+1:]...)
	}
	digits, scale = trimZeros(digits), scale-exponent
	for c.scale >= 0 && scale > c.scale {
		if digits[len(digits)-1] != '0' {
			return changelog.Value{}, errScale
		}
		if scale--; len(digits) > 1 {
			digits = digits[:len(digits)-1]
		}
	}
	if c.scale >= 0 {
		if err := r.pad(c.scale - scale); err != nil {
			return changelog.Value{}, err
		}
	}
	for c.scale >= 0 && scale < c.scale && len(digits) <= maxDecimalDigits {
		digits, scale = append(digits, '0'), scale+1
	}
	if len(digits) > maxDecimalDigits || len(digits)-scale > maxDecimalDigits {
		return changelog.Value{}, errGiant
	}
	return r.pointed(trimZeros(digits), scale, neg)
}

// trimZeros drops leading zeros of a number, but not its only digit.
func trimZeros(digits []byte) []byte {
	for len(digits) > 1 && digits[0] == '0' {
		digits = digits[1:]
	}
	return digits
}
