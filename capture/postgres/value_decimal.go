package postgres

import (
	"fmt"

	"cdcbridge/changelog"
)

// modifierHeader is what the modifiers of numeric, char and varchar count on top, so that 0 is no modifier of theirs.
const modifierHeader = 4

// prepareNumeric splits the modifier: precision in the upper half, scale as a signed number of 11 bits below (15+).
func prepareNumeric(c *columnType, modifier int32) error {
	c.typ.Kind, c.decode = changelog.KindDecimal, decodeNumeric
	if modifier < modifierHeader {
		return nil
	}
	m := modifier - modifierHeader
	c.typ.Precision = int(m >> 16 & 0xffff)
	c.typ.Scale = int(m&0x7ff^0x400) - 0x400
	if c.typ.Precision == 0 {
		return fmt.Errorf("the modifier %d of a numeric", modifier)
	}
	c.source = fmt.Sprintf("%s(%d,%d)", c.source, c.typ.Precision, c.typ.Scale)
	return nil
}

// prepareMoney is right for lc_monetary C, under which every server prints two digits after the point.
func prepareMoney(c *columnType, _ int32) error {
	c.typ.Kind, c.typ.Precision, c.typ.Scale, c.decode = changelog.KindDecimal, 19, 2, decodeMoney
	return nil
}

func decodeNumeric(c *columnType, text []byte, dst *changelog.Value, _ *changelog.Batch) error {
	digits, _ := cutMinus(text)
	whole := countDigits(digits)
	if whole == 0 {
		return decodeOddNumeric(c, text, dst)
	}
	fraction := 0
	if len(digits) > whole {
		fraction = countDigits(digits[whole+1:])
		if digits[whole] != '.' || fraction == 0 || whole+1+fraction != len(digits) {
			return malformed(text, c.source)
		}
	}
	// Every value is stored with the digits that its column declares; what counts on them writes scale-less integers.
	if c.typ.Precision > 0 && fraction != max(c.typ.Scale, 0) {
		return malformed(text, c.source)
	}
	*dst = changelog.Decimal(text)
	return nil
}

func decodeOddNumeric(c *columnType, text []byte, dst *changelog.Value) error {
	switch string(text) {
	case "NaN":
		*dst = changelog.NaN()
	case "Infinity":
		*dst = changelog.Infinite(changelog.KindDecimal, true)
	case "-Infinity":
		*dst = changelog.Infinite(changelog.KindDecimal, false)
	default:
		return malformed(text, c.source)
	}
	return nil
}

func countDigits(text []byte) int {
	n := 0
	for n < len(text) && text[n]-'0' <= 9 {
		n++
	}
	return n
}

// decodeMoney takes "$" and the commas between thousands out of "-$1,234.56".
func decodeMoney(c *columnType, text []byte, dst *changelog.Value, b *changelog.Batch) error {
	rest, negative := cutMinus(text)
	if len(rest) < len("$0.00") || rest[0] != '$' {
		return malformed(text, c.source)
	}
	rest = rest[1:]
	out := b.Grab(len(text))[:0]
	if negative {
		out = append(out, '-')
	}
	group := countDigits(rest)
	if group < 1 || group > 3 {
		return malformed(text, c.source)
	}
	out, rest = append(out, rest[:group]...), rest[group:]
	for len(rest) > 0 && rest[0] == ',' {
		if countDigits(rest[1:]) != 3 {
			return malformed(text, c.source)
		}
		out, rest = append(out, rest[1:4]...), rest[4:]
	}
	if len(rest) != 3 || rest[0] != '.' || countDigits(rest[1:]) != 2 {
		return malformed(text, c.source)
	}
	*dst = changelog.Decimal(append(out, rest...))
	return nil
}
