package typed

import (
	"bytes"
	"errors"
	"strconv"

	"cdcbridge/changelog"
)

// maxDigits is more than any database has on one side of the point: PostgreSQL's 131072 before it.
const maxDigits = 200_000

// maxExponent bounds what few bytes can become. Who has more digits writes them.
const maxExponent = 1000

var (
	errScale  = errors.New("the decimal has more fraction digits than the column")
	errDigits = errors.New("the decimal has more digits than the column")
)

// readDecimal reads a number or the text of one, and gives it the column's scale.
func readDecimal(v *Values, c *Column, raw []byte) (changelog.Value, error) {
	switch string(raw) {
	case `"NaN"`:
		return changelog.NaN(), nil
	case `"Infinity"`:
		return changelog.Infinite(changelog.KindDecimal, true), nil
	case `"-Infinity"`:
		return changelog.Infinite(changelog.KindDecimal, false), nil
	}
	text := digits(raw)
	if !isNumber(text) {
		return changelog.Value{}, mistyped(raw, "decimal")
	}
	t := &c.of.Type
	if plain(text, t) {
		return changelog.Decimal(v.batch.Copy(text)), nil
	}
	if cap(v.scratch) < 2*len(text) {
		v.scratch = make([]byte, 0, 2*len(text)+64)
	}
	n, err := parseDecimal(v.scratch[:0], text)
	if err != nil {
		return changelog.Value{}, err
	}
	if t.Precision > 0 {
		if err := n.fit(t.Precision, t.Scale); err != nil {
			return changelog.Value{}, err
		}
	}
	return changelog.Decimal(n.append(v.batch.Grab(n.len())[:0])), nil
}

// plain reports a number that is as the column has it: not zero, with exactly its scale and no more digits than fit anyway.
func plain(text []byte, t *changelog.Type) bool {
	if t.Precision == 0 || t.Scale <= 0 || t.Scale > t.Precision {
		return false
	}
	if text[0] == '-' {
		text = text[1:]
	}
	point := len(text) - t.Scale - 1
	return point > 0 && point <= t.Precision-t.Scale && text[point] == '.' && text[0] != '0' && bytes.IndexByte(text, 'e') < 0 && bytes.IndexByte(text, 'E') < 0
}

// decimal is a number by its digits, the last scale of which are behind the point.
type decimal struct {
	neg    bool
	digits []byte // without leading zeros, one at least
	scale  int    // not negative
}

// parseDecimal takes a number in JSON's grammar apart. Its digits go to room.
func parseDecimal(room, text []byte) (decimal, error) {
	n := decimal{neg: text[0] == '-', digits: room}
	if n.neg {
		text = text[1:]
	}
	exponent := 0
	if e := bytes.IndexAny(text, "eE"); e >= 0 {
		var err error
		if exponent, err = strconv.Atoi(view(text[e+1:])); err != nil || exponent > maxExponent || exponent < -maxExponent {
			return n, errDigits
		}
		text = text[:e]
	}
	whole, fraction, _ := bytes.Cut(text, []byte{'.'})
	if len(whole)+len(fraction) > 2*maxDigits {
		return n, errDigits
	}
	n.digits = append(append(n.digits, whole...), fraction...)
	for n.scale = len(fraction) - exponent; n.scale < 0; n.scale++ {
		n.digits = append(n.digits, '0')
	}
	for len(n.digits) > 1 && n.digits[0] == '0' {
		n.digits = n.digits[1:]
	}
	if n.digits[0] == '0' {
		n.neg = false
	}
	if len(n.digits) > 2*maxDigits || n.scale > maxDigits {
		return n, errDigits
	}
	return n, nil
}

// fit gives the number the scale of a column, if that changes nothing. A scale below zero is a number of zeros before the point.
func (n *decimal) fit(precision, scale int) error {
	most := precision
	if scale < 0 {
		most, scale = precision-scale, 0
	}
	for ; n.scale > scale; n.scale-- {
		last := len(n.digits) - 1
		if n.digits[last] != '0' {
			return errScale
		}
		if last > 0 {
			n.digits = n.digits[:last]
		}
	}
	zero := n.digits[0] == '0'
	for ; n.scale < scale; n.scale++ {
		if !zero {
			n.digits = append(n.digits, '0')
		}
	}
	if len(n.digits) > most && !zero {
		return errDigits
	}
	return nil
}

func (n *decimal) len() int { return len(n.digits) + n.scale + 3 }

func (n *decimal) append(dst []byte) []byte {
	if n.neg {
		dst = append(dst, '-')
	}
	whole := len(n.digits) - n.scale
	if n.scale == 0 {
		return append(dst, n.digits...)
	}
	if whole <= 0 {
		dst = append(dst, "0."...)
		for ; whole < 0; whole++ {
			dst = append(dst, '0')
		}
		return append(dst, n.digits...)
	}
	return append(append(append(dst, n.digits[:whole]...), '.'), n.digits[whole:]...)
}
