package jsonx

import (
	"math"
	"strconv"
)

// AppendJavaDouble appends the text of Java's Double.toString (JDK 19 and later: the shortest that reads back the same),
// for example 1.0E10, 1.0E-7, 123456.79. Not-a-number and the infinities come as the bare words NaN, Infinity, -Infinity,
// which are no JSON: the caller puts them in quotes.
func AppendJavaDouble(dst []byte, v float64) []byte { return appendJava(dst, v, 64) }

// AppendJavaFloat is AppendJavaDouble for Java's Float.toString.
func AppendJavaFloat(dst []byte, v float32) []byte { return appendJava(dst, float64(v), 32) }

// IsFinite reports whether v is neither NaN nor an infinity, that is whether its Java text is a JSON number.
func IsFinite(v float64) bool { return v-v == 0 }

func appendJava(dst []byte, v float64, bits int) []byte {
	switch {
	case v != v:
		return append(dst, "NaN"...)
	case v > math.MaxFloat64:
		return append(dst, "Infinity"...)
	case v < -math.MaxFloat64:
		return append(dst, "-Infinity"...)
	case v == 0 && math.Signbit(v):
		return append(dst, "-0.0"...)
	case v == 0:
		return append(dst, "0.0"...)
	}
	// Whole numbers of moderate size are the common case and need no shortest-digits search.
	if i := int64(v); float64(i) == v && i > -10_000_000 && i < 10_000_000 {
		return append(strconv.AppendInt(dst, i, 10), '.', '0')
	}
	var buf [32]byte
	sci := strconv.AppendFloat(buf[:0], v, 'e', -1, bits)
	if sci[0] == '-' {
		dst = append(dst, '-')
		sci = sci[1:]
	}
	if sci[1] == 'e' {
		// Java considers two digits where one would do: 4.9E-324 and not 5.0E-324.
		sci = strconv.AppendFloat(buf[:0], math.Abs(v), 'e', 1, bits)
	}
	e := 1
	for sci[e] != 'e' {
		e++
	}
	exp := 0
	for _, c := range sci[e+2:] {
		exp = exp*10 + int(c-'0')
	}
	if sci[e+1] == '-' {
		exp = -exp
	}
	sci[1] = sci[0] // digits without the point are sci[1:e]
	return appendJavaDigits(dst, trimZeros(sci[1:e]), exp)
}

// appendJavaDigits lays out d.ddd × 10^exp: plain from 10^-3 to below 10^7, with an exponent otherwise.
func appendJavaDigits(dst, digits []byte, exp int) []byte {
	switch {
	case exp >= 0 && exp < 7:
		whole := min(exp+1, len(digits))
		dst = append(dst, digits[:whole]...)
		for i := whole; i <= exp; i++ {
			dst = append(dst, '0')
		}
		return appendFractionDigits(dst, digits[whole:])
	case exp < 0 && exp >= -3:
		dst = append(dst, "0.000"[:1-exp]...)
		return append(dst, digits...)
	}
	dst = append(dst, digits[0])
	dst = append(appendFractionDigits(dst, digits[1:]), 'E')
	return strconv.AppendInt(dst, int64(exp), 10)
}

func appendFractionDigits(dst, digits []byte) []byte {
	if len(digits) == 0 {
		return append(dst, '.', '0')
	}
	return append(append(dst, '.'), digits...)
}

func trimZeros(digits []byte) []byte {
	for len(digits) > 1 && digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
	}
	return digits
}
