package mysql

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"

	"cdcbridge/changelog"
)

// Limits of DECIMAL in every version of the server.
const (
	maxPrecision    = 65
	maxScale        = 38                       // 30 on MySQL
	maxDecimalText  = 1 + 1 + 1 + maxPrecision // sign, a zero before the point, the point, digits
	maxDecimalBytes = 4 * 9
)

// decimalBytes is how many bytes a group of 0-9 digits takes.
var decimalBytes = [10]int{0, 1, 1, 2, 2, 3, 3, 4, 4, 4}

// decimal prepares a DECIMAL column.
func (d columnDef) decimal(col *changelog.Column, dec *column) error {
	precision, scale := int(d.layout.meta>>8), int(d.layout.meta&0xff)
	width, ok := decimalWidth(precision, scale)
	if !ok {
		return d.bad("DECIMAL(%d,%d)", precision, scale)
	}
	col.Type.Kind, col.Type.Precision, col.Type.Scale = changelog.KindDecimal, precision, scale
	col.SourceType = d.sign("decimal(" + strconv.Itoa(precision) + "," + strconv.Itoa(scale) + ")")
	dec.digits, dec.scale, dec.width, dec.decode = precision-scale, scale, width, decodeDecimal
	if 0 < dec.digits && dec.digits <= 18 && scale <= 9 {
		dec.decode = decodeShortDecimal
	}
	return nil
}

// decimalWidth is how many bytes the value of a DECIMAL takes.
func decimalWidth(precision, scale int) (int, bool) {
	if precision < 1 || precision > maxPrecision || scale > maxScale || scale > precision {
		return 0, false
	}
	digits := precision - scale
	return digits/9*4 + decimalBytes[digits%9] + scale/9*4 + decimalBytes[scale%9], true
}

func decodeDecimal(c *column, p []byte, dst *changelog.Value, b *changelog.Batch) error {
	var buf [maxDecimalText]byte
	text, err := appendDecimal(buf[:0], p, c.digits, c.scale)
	if err != nil {
		return err
	}
	*dst = changelog.Decimal(b.Copy(text))
	return nil
}

// decodeShortDecimal is decodeDecimal for 1-18 digits before the point and up to nine after it: two numbers, of which the text
// is made from its end.
func decodeShortDecimal(c *column, p []byte, dst *changelog.Value, b *changelog.Batch) error {
	var flip uint64 // what turns a negative number's bits into those of a positive one
	if p[0]&0x80 == 0 {
		flip = math.MaxUint64
	}
	size := c.digits
	if size > 9 {
		size -= 9
	}
	n := decimalBytes[size]
	whole := bigEndian(p[:n]) ^ 1<<(8*n-1)
	p = p[n:]
	if whole = (whole ^ flip) & (1<<(8*n) - 1); whole >= powersOf10[size] {
		return decimalFault(whole, size)
	}
	if c.digits > 9 {
		g := uint64(binary.BigEndian.Uint32(p) ^ uint32(flip))
		if g >= powersOf10[9] {
			return decimalFault(g, 9)
		}
		whole, p = whole*powersOf10[9]+g, p[4:]
	}
	part := (bigEndian(p) ^ flip) & (1<<(8*len(p)) - 1)
	if part >= powersOf10[c.scale] {
		return decimalFault(part, c.scale)
	}
	negative := flip != 0 && whole|part != 0

	var text [1 + 18 + 1 + 9]byte
	i := len(text)
	for range c.scale {
		i--
		text[i] = byte('0' + part%10)
		part /= 10
	}
	if c.scale > 0 {
		i--
		text[i] = '.'
	}
	for {
		i--
		text[i] = byte('0' + whole%10)
		if whole /= 10; whole == 0 {
			break
		}
	}
	if negative {
		i--
		text[i] = '-'
	}
	*dst = changelog.Decimal(b.Copy(text[i:]))
	return nil
}

func decimalFault(group uint64, size int) error {
	return fmt.Errorf("%w: %d in %d digits", errDecimalGroup, group, size)
}

var errDecimalGroup = errors.New("a group of decimal digits is out of range")

// appendDecimal appends the plain text of a DECIMAL with so many digits before and after the point. Digits are stored in
// big-endian groups of nine, counted from the point, so the first and the last group may be smaller. The highest bit is
// the sign, inverted; a negative number has all bits inverted.
func appendDecimal(dst, p []byte, digits, scale int) ([]byte, error) {
	negative := p[0]&0x80 == 0
	var raw [maxDecimalBytes]byte
	mask := byte(0)
	if negative {
		mask = 0xff
	}
	p = raw[:copy(raw[:], p)]
	for i := range p {
		p[i] ^= mask
	}
	p[0] ^= 0x80
	start := len(dst)
	if negative {
		dst = append(dst, '-')
	}
	zero := len(dst)
	var union uint64 // all groups or-ed: zero has no sign
	for n := digits; n > 0; {
		size := n % 9
		if size == 0 {
			size = 9
		}
		g, rest, err := decimalGroup(p, size)
		if err != nil {
			return nil, err
		}
		if len(dst) > zero {
			dst = appendDigits(dst, g, size)
		} else if g != 0 {
			dst = strconv.AppendUint(dst, g, 10)
		}
		union |= g
		p, n = rest, n-size
	}
	if len(dst) == zero {
		dst = append(dst, '0')
	}
	if scale > 0 {
		dst = append(dst, '.')
	}
	for n := scale; n > 0; {
		size := min(n, 9)
		g, rest, err := decimalGroup(p, size)
		if err != nil {
			return nil, err
		}
		dst = appendDigits(dst, g, size)
		union |= g
		p, n = rest, n-size
	}
	if negative && union == 0 {
		dst = append(dst[:start], dst[start+1:]...)
	}
	return dst, nil
}

var powersOf10 = [...]uint64{1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000}

func decimalGroup(p []byte, size int) (uint64, []byte, error) {
	n := decimalBytes[size]
	g := bigEndian(p[:n])
	if g >= powersOf10[size] {
		return 0, nil, decimalFault(g, size)
	}
	return g, p[n:], nil
}

// appendDigits appends the last n digits of v, zeros included.
func appendDigits(dst []byte, v uint64, n int) []byte {
	var d [9]byte
	for i := n - 1; i >= 0; i-- {
		d[i] = byte('0' + v%10)
		v /= 10
	}
	return append(dst, d[:n]...)
}
