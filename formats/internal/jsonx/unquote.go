package jsonx

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// Unquote gives the text of a JSON string literal as UTF-8. Without escapes in it, the result is a part of raw. An escaped
// surrogate without its partner becomes U+FFFD; raw bytes that are not UTF-8 stay as they are.
func Unquote(raw []byte) ([]byte, error) {
	s := scanner{doc: raw}
	lit, err := s.str()
	if err != nil {
		return nil, err
	}
	if err := s.end(); err != nil {
		return nil, err
	}
	text := lit[1 : len(lit)-1]
	i := bytes.IndexByte(text, '\\')
	if i < 0 {
		return text, nil
	}
	return unescape(append(make([]byte, 0, len(text)), text[:i]...), text[i:]), nil
}

var errSurrogate = errors.New("half of a surrogate pair stands alone in a text")

// AppendUnquoted appends the text of a string literal that an Index or a scanner has found to be one. It is never longer than
// raw. An escaped surrogate without its partner is no character: an error, and what was appended is to be dropped.
func AppendUnquoted(dst, raw []byte) ([]byte, error) {
	text := raw[1 : len(raw)-1]
	i := bytes.IndexByte(text, '\\')
	if i < 0 {
		return append(dst, text...), nil
	}
	if loneSurrogate(text[i:]) {
		return dst, errSurrogate
	}
	return unescape(append(dst, text[:i]...), text[i:]), nil
}

// loneSurrogate looks at the escapes of a text that the scanner has checked.
func loneSurrogate(text []byte) bool {
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 {
			return false
		}
		if text[i+1] != 'u' {
			text = text[i+2:]
			continue
		}
		r := hex4(text[i+2:])
		text = text[i+6:]
		if !utf16.IsSurrogate(r) {
			continue
		}
		if len(text) < 6 || text[0] != '\\' || text[1] != 'u' || utf16.DecodeRune(r, hex4(text[2:])) == utf8.RuneError {
			return true
		}
		text = text[6:]
	}
}

// Int reads a raw value that is a whole number without exponent and fits 64 bits.
func Int(raw []byte) (int64, error) {
	digits, neg := raw, false
	if len(digits) > 0 && digits[0] == '-' {
		digits, neg = digits[1:], true
	}
	if len(digits) == 0 || len(digits) > 19 {
		return 0, fmt.Errorf("%.40q is no 64-bit number", raw)
	}
	var n uint64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%.40q is no whole number", raw)
		}
		n = n*10 + uint64(c-'0')
	}
	switch {
	case neg && n <= 1<<63:
		return -int64(n), nil
	case !neg && n < 1<<63:
		return int64(n), nil
	}
	return 0, fmt.Errorf("%.40q is no 64-bit number", raw)
}

// unescape appends text, whose escapes the scanner has checked.
func unescape(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		if text[i] != '\\' {
			dst = append(dst, text[i])
			i++
			continue
		}
		c := text[i+1]
		i += 2
		switch c {
		case 'b':
			dst = append(dst, '\b')
		case 't':
			dst = append(dst, '\t')
		case 'n':
			dst = append(dst, '\n')
		case 'f':
			dst = append(dst, '\f')
		case 'r':
			dst = append(dst, '\r')
		case 'u':
			r := hex4(text[i:])
			i += 4
			if utf16.IsSurrogate(r) {
				low := utf8.RuneError
				if i+6 <= len(text) && text[i] == '\\' && text[i+1] == 'u' {
					low = utf16.DecodeRune(r, hex4(text[i+2:]))
				}
				if r = low; low != utf8.RuneError {
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func hex4(p []byte) rune {
	return rune(hexValue(p[0])<<12 | hexValue(p[1])<<8 | hexValue(p[2])<<4 | hexValue(p[3]))
}

func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
