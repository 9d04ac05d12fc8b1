package jsonx

import (
	"encoding/binary"
	"math/bits"
)

// AppendUint appends the digits of v. It makes eight at once, in a word that goes where they belong: strconv writes them one after the other,
// somewhere else first, which is a large part of a row's time.
func AppendUint(dst []byte, v uint64) []byte {
	const word = 1e8
	switch {
	case v < 10:
		return append(dst, '0'+byte(v))
	case v < word:
		return appendFirst(dst, uint32(v))
	case v < word*word:
		dst = appendFirst(dst, uint32(v/word))
	default:
		dst = appendFirst(dst, uint32(v/(word*word)))
		dst = binary.LittleEndian.AppendUint64(dst, digits(uint32(v/word%word))|ones*'0')
	}
	return binary.LittleEndian.AppendUint64(dst, digits(uint32(v%word))|ones*'0')
}

// AppendInt appends v as AppendUint does.
func AppendInt(dst []byte, v int64) []byte {
	if v < 0 {
		return AppendUint(append(dst, '-'), -uint64(v))
	}
	return AppendUint(dst, uint64(v))
}

// appendFirst appends a number of at most eight digits without the zeros before it.
func appendFirst(dst []byte, v uint32) []byte {
	d := digits(v)
	zeros := bits.TrailingZeros64(d|1<<56) / 8
	dst = binary.LittleEndian.AppendUint64(dst, (d|ones*'0')>>(8*zeros))
	return dst[:len(dst)-zeros]
}

// digits gives the eight digits of a number below 10^8, the first one in the lowest byte. It divides all parts of the word at once: by
// 10 000, by 100 and by 10, the latter two by a multiplication that is right for numbers as small as the parts are.
func digits(v uint32) uint64 {
	n := uint64(v/10_000) | uint64(v%10_000)<<32
	q := n * 5243 >> 19 & 0x0000007F_0000007F
	n = q | (n-q*100)<<16
	q = n * 103 >> 10 & 0x000F000F_000F000F
	return q | (n-q*10)<<8
}
