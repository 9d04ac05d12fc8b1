package debezium

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// KeyLinkHeaders names Debezium's headers.
func (e *encoder) KeyLinkHeaders() (newKey, oldKey string) {
	return "__debezium.newkey", "__debezium.oldkey"
}

// AppendKeyLink appends the key as Connect's default converter of headers (SimpleHeaderConverter) writes it: without schema, and with
// nothing in its texts escaped but the quote and the backslash.
func (e *encoder) AppendKeyLink(dst, key []byte) []byte {
	const payload = `,"payload":` // no name or text can have it: their quotes are escaped
	if e.schemas.key != nil {
		if i := bytes.Index(key, []byte(payload)); i >= 0 {
			key = key[i+len(payload) : len(key)-1]
		}
	}
	for {
		i := bytes.IndexByte(key, '\\')
		if i < 0 || i+1 == len(key) {
			return append(dst, key...)
		}
		dst = append(dst, key[:i]...)
		dst, key = appendUnescaped(dst, key[i:])
	}
}

// appendUnescaped appends what the escape at the beginning of text stands for, and returns what follows it.
func appendUnescaped(dst, text []byte) (grown, rest []byte) {
	switch text[1] {
	case 'b':
		return append(dst, '\b'), text[2:]
	case 'f':
		return append(dst, '\f'), text[2:]
	case 'n':
		return append(dst, '\n'), text[2:]
	case 'r':
		return append(dst, '\r'), text[2:]
	case 't':
		return append(dst, '\t'), text[2:]
	case 'u':
		if r, ok := unitOf(text); ok {
			if low, ok := unitOf(text[6:]); ok && utf16.IsSurrogate(r) {
				return utf8.AppendRune(dst, utf16.DecodeRune(r, low)), text[12:]
			}
			return utf8.AppendRune(dst, r), text[6:]
		}
	}
	return append(dst, text[:2]...), text[2:]
}

// unitOf reads the \uXXXX at the beginning of text.
func unitOf(text []byte) (unit rune, ok bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	for _, c := range text[2:6] {
		digit := bytes.IndexByte([]byte("0123456789ABCDEF"), c)
		if digit < 0 {
			return 0, false
		}
		unit = unit<<4 | rune(digit)
	}
	return unit, true
}
