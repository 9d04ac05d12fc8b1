package mysql

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"unsafe"

	"cdcbridge/changelog"
)

// The decoders of this file read numbers as the text protocol prints them.

// maxFastDigits is how many decimal digits fit an int64 whatever they are.
const maxFastDigits = 18

func scanInt(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	d := p
	negative := len(d) > 0 && d[0] == '-'
	if negative {
		d = d[1:]
	}
	n, ok := fastUint(d)
	if !ok {
		v, err := strconv.ParseInt(transient(p), 10, 64)
		if err != nil {
			return badNumber(p)
		}
		*dst = changelog.Int(v)
		return nil
	}
	v := int64(n)
	if negative {
		v = -v
	}
	*dst = changelog.Int(v)
	return nil
}

func scanUint(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	v, err := parseUint(p)
	*dst = changelog.Uint(v)
	return err
}

func scanBits(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	v, err := parseUint(p)
	*dst = changelog.Bits(v)
	return err
}

// fastUint reads digits that are too few to overflow.
func fastUint(p []byte) (uint64, bool) {
	if len(p) == 0 || len(p) > maxFastDigits {
		return 0, false
	}
	var n uint64
	for _, b := range p {
		d := b - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + uint64(d)
	}
	return n, true
}

func parseUint(p []byte) (uint64, error) {
	if n, ok := fastUint(p); ok {
		return n, nil
	}
	n, err := strconv.ParseUint(transient(p), 10, 64)
	if err != nil {
		return 0, badNumber(p)
	}
	return n, nil
}

// scanFloat reads the double that a FLOAT widens to, which is exact.
func scanFloat(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	v, err := strconv.ParseFloat(transient(p), 64)
	if err != nil || float64(float32(v)) != v {
		return badNumber(p)
	}
	*dst = changelog.Float32(float32(v))
	return nil
}

func scanDouble(_ *column, p []byte, dst *changelog.Value, _ *changelog.Batch) error {
	v, err := strconv.ParseFloat(transient(p), 64)
	if err != nil || math.IsNaN(v) {
		return badNumber(p)
	}
	*dst = changelog.Float64(v)
	return nil
}

// scanDecimal drops what only the display has: the zeros of ZEROFILL, and the sign of a zero.
func scanDecimal(_ *column, p []byte, dst *changelog.Value, b *changelog.Batch) error {
	text, ok := plainDecimal(p)
	if !ok {
		return badNumber(p)
	}
	*dst = changelog.Decimal(b.Copy(text))
	if text[0] == '-' && len(bytes.Trim(text, "-0.")) == 0 {
		*dst = changelog.Decimal(dst.Bytes()[1:])
	}
	return nil
}

// plainDecimal checks a decimal and cuts superfluous zeros off its front, where no sign is then.
func plainDecimal(p []byte) ([]byte, bool) {
	d := p
	if len(d) > 0 && d[0] == '-' {
		d = d[1:]
	}
	point := -1
	for i, b := range d {
		switch {
		case b-'0' <= 9:
		case b == '.' && point < 0:
			point = i
		default:
			return nil, false
		}
	}
	whole := len(d)
	if point >= 0 {
		whole = point
	}
	if whole == 0 || point == len(d)-1 || len(p) > 2*maxDecimalText {
		return nil, false
	}
	if len(d) == len(p) {
		for whole > 1 && p[0] == '0' {
			p = p[1:]
			whole--
		}
	}
	return p, true
}

// transient is p as a string for a callee that does not keep it.
func transient(p []byte) string { return unsafe.String(unsafe.SliceData(p), len(p)) }

func badNumber(p []byte) error { return fmt.Errorf("the number %.80q", p) }
