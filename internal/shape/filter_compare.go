package shape

import (
	"bytes"
	"cmp"
	"math"
	"strconv"
	"unicode/utf8"

	"cdcbridge/changelog"
)

// compare is a comparison of a column with a constant or another column.
type compare struct {
	op    comparison
	class class
	left  int
	right int // -1: value
	value changelog.Value
	fixed bool // texts are filled up with spaces, which do not count
}

func (c *compare) of(row changelog.Row) truth {
	a, b := at(row, c.left), &c.value
	if c.right >= 0 {
		b = at(row, c.right)
	}
	switch {
	case a.IsUnchanged() || b.IsUnchanged():
		return anyTruth
	case a.IsNull() || b.IsNull():
		return nullOnly
	}
	return truthOf(c.op.holds(c.order(a, b)))
}

func (c *compare) order(a, b *changelog.Value) int {
	switch c.class {
	case numberClass:
		return compareNumbers(a, b)
	case timeClass:
		return compareTimes(a, b)
	case truthClass:
		return cmp.Compare(a.Uint(), b.Uint())
	}
	x, y := a.Bytes(), b.Bytes()
	if c.fixed {
		x, y = bytes.TrimRight(x, " "), bytes.TrimRight(y, " ")
	}
	return bytes.Compare(x, y)
}

// special orders what is no ordinary number or time: -infinity first, then what is ordinary, infinity, and last NaN, which is equal to itself, as
// PostgreSQL has it.
func special(v *changelog.Value) int {
	switch v.Form() {
	case changelog.FormNegInf:
		return -1
	case changelog.FormPosInf:
		return 1
	case changelog.FormNaN:
		return 2
	}
	if k := v.Kind(); k == changelog.KindFloat32 || k == changelog.KindFloat64 {
		switch f := float(v); {
		case math.IsInf(f, -1):
			return -1
		case math.IsInf(f, 1):
			return 1
		case math.IsNaN(f):
			return 2
		}
	}
	return 0
}

func compareNumbers(a, b *changelog.Value) int {
	ka, kb := a.Kind(), b.Kind()
	if ka == changelog.KindInt && kb == changelog.KindInt {
		return cmp.Compare(a.Int(), b.Int())
	}
	if x, y := special(a), special(b); x != 0 || y != 0 {
		return cmp.Compare(x, y)
	}
	if isFloat(ka) || isFloat(kb) {
		return cmp.Compare(float(a), float(b))
	}
	var ba, bb [24]byte // an integer fits
	return compareDigits(digits(ba[:0], a), digits(bb[:0], b))
}

func isFloat(k changelog.Kind) bool { return k == changelog.KindFloat32 || k == changelog.KindFloat64 }

// float is a number as databases compare it with one that is inexact.
func float(v *changelog.Value) float64 {
	switch v.Kind() {
	case changelog.KindFloat32:
		return float64(v.Float32())
	case changelog.KindFloat64:
		return v.Float64()
	case changelog.KindInt:
		return float64(v.Int())
	case changelog.KindDecimal:
		f, _ := strconv.ParseFloat(textOf(v.Bytes()), 64) // ±Inf beyond what there is, which orders right
		return f
	}
	return float64(v.Uint())
}

// digits is an exact number in plain digits.
func digits(dst []byte, v *changelog.Value) []byte {
	switch v.Kind() {
	case changelog.KindInt:
		return strconv.AppendInt(dst, v.Int(), 10)
	case changelog.KindDecimal:
		return v.Bytes()
	}
	return strconv.AppendUint(dst, v.Uint(), 10)
}

// compareDigits compares numbers of any length, whatever zeros they begin and end with.
func compareDigits(a, b []byte) int {
	na, wa, fa := splitDigits(a)
	nb, wb, fb := splitDigits(b)
	if na != nb {
		if na {
			return -1
		}
		return 1
	}
	order := cmp.Compare(len(wa), len(wb))
	if order == 0 {
		order = bytes.Compare(wa, wb)
	}
	if order == 0 {
		order = bytes.Compare(fa, fb)
	}
	if na {
		return -order
	}
	return order
}

// splitDigits gives a number's sign and its digits before and behind the point without zeros that do not count. Zero has no sign.
func splitDigits(text []byte) (negative bool, whole, fraction []byte) {
	if len(text) > 0 && text[0] == '-' {
		negative, text = true, text[1:]
	}
	whole, fraction, _ = bytes.Cut(text, []byte{'.'})
	whole, fraction = bytes.TrimLeft(whole, "0"), bytes.TrimRight(fraction, "0")
	return negative && len(whole)+len(fraction) > 0, whole, fraction
}

func compareTimes(a, b *changelog.Value) int {
	if x, y := special(a), special(b); x != 0 || y != 0 {
		return cmp.Compare(x, y)
	}
	if a.Form() == changelog.FormZeroParts || b.Form() == changelog.FormZeroParts {
		x, y := a.Civil(), b.Civil()
		return cmp.Or(cmp.Compare(x.Year, y.Year), cmp.Compare(x.Month, y.Month), cmp.Compare(x.Day, y.Day), cmp.Compare(x.Hour, y.Hour),
			cmp.Compare(x.Minute, y.Minute), cmp.Compare(x.Second, y.Second), cmp.Compare(x.Micro, y.Micro))
	}
	return cmp.Compare(a.Int(), b.Int())
}

// like is a match with a pattern: % is any run of characters, _ is one, and behind a backslash each is itself.
type like struct {
	column  int
	pattern string
}

func (l like) of(row changelog.Row) truth {
	switch v := at(row, l.column); {
	case v.IsUnchanged():
		return anyTruth
	case v.IsNull():
		return nullOnly
	default:
		return truthOf(matches(textOf(v.Bytes()), l.pattern))
	}
}

// matches goes back to the last % only, which is enough.
func matches(s, p string) bool {
	si, pi, star, mark := 0, 0, -1, 0
	for si < len(s) {
		if pi < len(p) && p[pi] == '%' {
			star, mark = pi, si
			pi++
			continue
		}
		if n, m := step(s[si:], p[pi:]); m > 0 {
			si, pi = si+n, pi+m
			continue
		}
		if star < 0 {
			return false
		}
		_, size := utf8.DecodeRuneInString(s[mark:])
		mark += size
		pi, si = star+1, mark
	}
	for pi < len(p) && p[pi] == '%' {
		pi++
	}
	return pi == len(p)
}

// step matches one character of s, which has some, with one of p that is no %. It gives how long they are; 0, 0 for no match.
func step(s, p string) (n, m int) {
	if p == "" {
		return 0, 0
	}
	_, n = utf8.DecodeRuneInString(s)
	if p[0] == '_' {
		return n, 1
	}
	if p[0] == '\\' && len(p) > 1 {
		p, m = p[1:], 1
	}
	_, size := utf8.DecodeRuneInString(p)
	if s[:n] != p[:size] {
		return 0, 0
	}
	return n, m + size
}
