package jsonx

import (
	"encoding/base64"
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
	"unsafe"
)

// dialect is how a JSON writer escapes.
type dialect struct {
	hex    string // digits of \u00XX escapes
	astral bool   // characters beyond U+FFFF are escaped as surrogate pairs
}

var (
	jackson = dialect{hex: "0123456789ABCDEF", astral: true}
	fast2   = dialect{hex: "0123456789abcdef"}
)

// AppendString appends text as a JSON string literal with its quotes, as Jackson writes it: short escapes for \b \t \n \f
// \r " and \, upper-case \u001F for other controls, surrogate pairs for characters beyond U+FFFF, everything else as it is.
func AppendString(dst, text []byte) []byte { return jackson.literal(dst, text) }

// AppendCanalString appends text as a JSON string literal with its quotes, as Canal's writer (fastjson2) does: like
// AppendString, but lower-case \u001f, and characters beyond U+FFFF stay raw.
func AppendCanalString(dst, text []byte) []byte { return fast2.literal(dst, text) }

// AppendEscaped appends what AppendString puts between the quotes.
func AppendEscaped(dst, text []byte) []byte { return jackson.escape(dst, text) }

// AppendEscapedText is AppendEscaped for text that is a string.
func AppendEscapedText(dst []byte, text string) []byte {
	return jackson.escape(dst, unsafe.Slice(unsafe.StringData(text), len(text))) // only read
}

// AppendCanalEscaped appends what AppendCanalString puts between the quotes.
func AppendCanalEscaped(dst, text []byte) []byte { return fast2.escape(dst, text) }

// AppendCanalLatin1 appends raw bytes as a JSON string literal in which each byte is one character U+0000 to U+00FF: how
// Canal writes binary columns.
func AppendCanalLatin1(dst, raw []byte) []byte {
	dst = append(dst, '"')
	for len(raw) > 0 {
		n := plainPrefix(raw)
		dst, raw = append(dst, raw[:n]...), raw[n:]
		if len(raw) == 0 {
			break
		}
		if c := raw[0]; c < utf8.RuneSelf {
			dst = fast2.appendASCII(dst, c)
		} else {
			dst = append(dst, 0xC0|c>>6, 0x80|c&0x3F)
		}
		raw = raw[1:]
	}
	return append(dst, '"')
}

// AppendBase64 appends raw as a JSON string literal of standard base64 with padding.
func AppendBase64(dst, raw []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, raw)
	return append(dst, '"')
}

func (d *dialect) literal(dst, text []byte) []byte {
	if plainPrefix(text) < len(text) {
		return append(d.escape(append(dst, '"'), text), '"')
	}
	n := len(dst)
	dst = slices.Grow(dst, len(text)+2)[:n+len(text)+2]
	dst[n], dst[len(dst)-1] = '"', '"'
	copy(dst[n+1:], text)
	return dst
}

func (d *dialect) escape(dst, text []byte) []byte {
	for {
		n := plainPrefix(text)
		dst, text = append(dst, text[:n]...), text[n:]
		if len(text) == 0 {
			return dst
		}
		if text[0] < utf8.RuneSelf {
			dst, text = d.appendASCII(dst, text[0]), text[1:]
			continue
		}
		n = multibytePrefix(text, d.astral)
		dst, text = append(dst, text[:n]...), text[n:]
		if n == 0 {
			r, size := utf8.DecodeRune(text)
			if size == 1 {
				dst = append(dst, "\uFFFD"...)
			} else {
				dst = d.appendSurrogates(dst, r)
			}
			text = text[size:]
		}
	}
}

// multibytePrefix counts the leading bytes of non-ASCII characters that are copied as they are.
func multibytePrefix(text []byte, astral bool) int {
	n := 0
	for n < len(text) && text[n] >= utf8.RuneSelf {
		r, size := utf8.DecodeRune(text[n:])
		if size == 1 || astral && r > 0xFFFF {
			break
		}
		n += size
	}
	return n
}

// plainPrefix counts the leading bytes that stand for themselves in every dialect: printable ASCII, U+007F, but no quote
// and no backslash. It looks at eight bytes at a time; the last eight overlap others.
func plainPrefix(text []byte) int {
	if len(text) < 8 {
		return bits.TrailingZeros64(specials(shortWord(text))) / 8
	}
	for n := 0; len(text)-n >= 8; n += 8 {
		if s := specials(binary.LittleEndian.Uint64(text[n:])); s != 0 {
			return n + bits.TrailingZeros64(s)/8
		}
	}
	n := len(text) - 8
	return n + bits.TrailingZeros64(specials(binary.LittleEndian.Uint64(text[n:])))/8
}

// specials marks the bytes of a word that do not stand for themselves, in their high bits. In each byte below 0x80 the high bit of the
// differences tells: byte < 0x20, byte == '"', byte == '\\'. Borrows can only raise a false alarm behind a true one.
func specials(w uint64) uint64 {
	return (w | (w - ones*0x20) | ((w ^ ones*'"') - ones) | ((w ^ ones*'\\') - ones)) & highs
}

// shortWord gives a text of less than eight bytes in a word, with zeros behind it.
func shortWord(text []byte) uint64 {
	n := len(text)
	switch {
	case n >= 4:
		return uint64(binary.LittleEndian.Uint32(text)) | uint64(binary.LittleEndian.Uint32(text[n-4:]))<<(8*(n-4))
	case n > 0:
		return uint64(text[0]) | uint64(text[n/2])<<(8*(n/2)) | uint64(text[n-1])<<(8*(n-1))
	}
	return 0
}

func (d *dialect) appendASCII(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\t':
		return append(dst, '\\', 't')
	case '\n':
		return append(dst, '\\', 'n')
	case '\f':
		return append(dst, '\\', 'f')
	case '\r':
		return append(dst, '\\', 'r')
	}
	return append(dst, '\\', 'u', '0', '0', d.hex[c>>4], d.hex[c&15])
}

func (d *dialect) appendSurrogates(dst []byte, r rune) []byte {
	r -= 0x10000
	dst = d.appendUnit(dst, 0xD800|r>>10)
	return d.appendUnit(dst, 0xDC00|r&0x3FF)
}

func (d *dialect) appendUnit(dst []byte, u rune) []byte {
	return append(dst, '\\', 'u', d.hex[u>>12], d.hex[u>>8&15], d.hex[u>>4&15], d.hex[u&15])
}
