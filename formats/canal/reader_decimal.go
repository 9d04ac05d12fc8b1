package canal

import (
	"bytes"
	"fmt"
	"strconv"

	"cdcbridge/changelog"
)

// maxExponent bounds what a number with an exponent may be written out to: more than any column has, and less than harms.
const maxExponent = 20_000

// decimal reads a decimal and writes it out as the column has it: without exponent, with every digit of its scale.
func (p *parser) decimal(c *cell, text []byte) (changelog.Value, error) {
	t := &c.col.Type
	if c.server || t.Precision == 0 {
		switch string(text) {
		case "NaN":
			return changelog.NaN(), nil
		case "Infinity":
			return changelog.Infinite(changelog.KindDecimal, true), nil
		case "-Infinity":
			return changelog.Infinite(changelog.KindDecimal, false), nil
		}
	}
	whole, fraction, negative, err := splitDecimal(text)
	if err != nil {
		return changelog.Value{}, err
	}
	whole = bytes.TrimLeft(whole, "0")
	if t.Precision > 0 {
		most := t.Precision - t.Scale
		if len(whole) > max(most, 0) {
			return changelog.Value{}, errNumber
		}
		if scale := max(t.Scale, 0); len(fraction) > scale {
			if len(bytes.Trim(fraction[scale:], "0")) > 0 {
				return changelog.Value{}, fmt.Errorf("%w: its fraction has more digits than the column", errNumber)
			}
			fraction = fraction[:scale]
		}
	}
	zeros := 0
	if t.Precision > 0 {
		zeros = max(t.Scale-len(fraction), 0)
	}
	out := p.b.Grab(len(whole) + len(fraction) + zeros + len("-0."))[:0]
	if negative && (len(whole) > 0 || len(bytes.Trim(fraction, "0")) > 0) {
		out = append(out, '-')
	}
	if len(whole) == 0 {
		whole = []byte("0")
	}
	out = append(out, whole...)
	if len(fraction)+zeros > 0 {
		out = append(append(out, '.'), fraction...)
	}
	for range zeros {
		out = append(out, '0')
	}
	return changelog.Decimal(out), nil
}

// splitDecimal takes "-12.30" or "1.23E+1" apart. Without an exponent the parts are those of text.
func splitDecimal(text []byte) (whole, fraction []byte, negative bool, err error) {
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		negative, text = text[0] == '-', text[1:]
	}
	exponent := 0
	if i := bytes.IndexAny(text, "eE"); i >= 0 {
		if exponent, err = strconv.Atoi(string(text[i+1:])); err != nil || exponent > maxExponent || exponent < -maxExponent {
			return nil, nil, false, errNumber
		}
		text = text[:i]
	}
	whole, fraction, point := bytes.Cut(text, []byte("."))
	if len(whole)+len(fraction) == 0 || point && len(fraction) == 0 || !digits(whole) || !digits(fraction) {
		return nil, nil, false, errNumber
	}
	switch {
	case exponent > 0:
		all := append(bytes.Clone(whole), fraction...)
		all = append(all, bytes.Repeat([]byte("0"), max(exponent-len(fraction), 0))...)
		whole, fraction = all[:len(whole)+exponent], all[len(whole)+exponent:]
	case exponent < 0:
		all := append(bytes.Repeat([]byte("0"), max(-exponent-len(whole), 0)), whole...)
		all = append(all, fraction...)
		n := len(all) - len(fraction) + exponent
		whole, fraction = all[:n], all[n:]
	}
	return whole, fraction, negative, nil
}

func digits(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
