package jsonx

import (
	"math/bits"
	"slices"
)

// pairs has the digits of 00 to 99.
const pairs = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899"

// powers are those of ten.
var powers = [20]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}

// AppendUint appends the digits of v, where they belong: strconv writes them somewhere else first and copies them, which is a large part of a row's time.
func AppendUint(dst []byte, v uint64) []byte {
	n := (bits.Len64(v|1)*1233)>>12 + 1 // the digits of the largest number with that many bits, or one less
	if n > 1 && v < powers[n-1] {
		n--
	}
	i := len(dst) + n
	dst = slices.Grow(dst, n)[:i]
	for v >= 100 {
		rest := v / 100
		two := (v - rest*100) * 2
		v = rest
		i -= 2
		dst[i], dst[i+1] = pairs[two], pairs[two+1]
	}
	if v >= 10 {
		dst[i-2], dst[i-1] = pairs[v*2], pairs[v*2+1]
		return dst
	}
	dst[i-1] = '0' + byte(v)
	return dst
}

// AppendInt appends v as AppendUint does.
func AppendInt(dst []byte, v int64) []byte {
	if v < 0 {
		return AppendUint(append(dst, '-'), -uint64(v))
	}
	return AppendUint(dst, uint64(v))
}
