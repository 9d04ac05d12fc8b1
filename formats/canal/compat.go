package canal

import (
	"bytes"
	"unicode/utf8"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

// compatForm is the form with Canal's losses in place of a whole one.
func compatForm(f form, col *changelog.Column) form {
	switch {
	case f == formPlain && col.Type.Scale%decimalGroup != 0:
		return formCanalDecimal
	case f == formLatin1 && col.Type.Fixed:
		return formStripped
	case f == formBase64 && col.Type.Fixed:
		return formStripped64
	case f == formText && col.Type.Kind == changelog.KindString && misread(col.Type.Charset) != nil:
		return formMisread
	}
	return f
}

// decimalGroup is how many digits of a decimal's fraction the log keeps in one number. Canal leaves out the last group of
// less than these when it is zero.
const decimalGroup = 9

// appendCanalDecimal appends a decimal as Canal does: 1.00 is "1.0".
func appendCanalDecimal(dst, text []byte, scale int) []byte {
	tail := scale % decimalGroup
	point := len(text) - scale - 1
	if point < 0 || len(bytes.Trim(text[len(text)-tail:], "0")) > 0 {
		return append(dst, text...)
	}
	if scale > tail {
		return append(dst, text[:len(text)-tail]...)
	}
	if text[0] == '-' && len(bytes.Trim(text[1:point], "0")) == 0 {
		text, point = text[1:], point-1 // a zero has no sign for Java
	}
	return append(append(dst, text[:point]...), '.', '0')
}

// stripped is a BINARY value as the log has it, without the zero bytes at its end.
func stripped(raw []byte) []byte { return bytes.TrimRight(raw, "\x00") }

// appendMisread appends what Canal makes of a text in another character set: the literal of its bytes read as UTF-8.
func (c *column) appendMisread(dst, text []byte) []byte {
	if c.misread.ascii && plainASCII(text) {
		return jsonx.AppendCanalString(dst, text)
	}
	from := len(dst)
	dst = appendJavaUTF8(dst, c.misread.encode(text))
	return jsonx.Requote(dst, from, jsonx.AppendCanalString)
}

func plainASCII(text []byte) bool {
	for _, c := range text {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// appendJavaUTF8 appends raw with a replacement character for each sequence that is no UTF-8, cut as Java cuts them: what could
// have begun a character is one, and so is a character's half of two.
func appendJavaUTF8(dst, raw []byte) []byte {
	for len(raw) > 0 {
		if r, size := utf8.DecodeRune(raw); r != utf8.RuneError || size > 1 {
			dst, raw = append(dst, raw[:size]...), raw[size:]
			continue
		}
		dst, raw = append(dst, "\uFFFD"...), raw[malformed(raw):]
	}
	return dst
}

// malformed is the length of the sequence at the beginning of p, which is no character.
func malformed(p []byte) int {
	at := func(i int) byte { // 0 is no continuation
		if i < len(p) {
			return p[i]
		}
		return 0
	}
	more := func(i int) bool { return at(i)&0xC0 == 0x80 }
	switch lead := p[0]; {
	case lead&0xF0 == 0xE0:
		switch {
		case !more(1) || lead == 0xE0 && at(1) < 0xA0:
			return 1
		case !more(2):
			return 2
		}
		return 3 // a surrogate
	case lead >= 0xF0 && lead <= 0xF4:
		switch {
		case !more(1) || lead == 0xF0 && at(1) < 0x90 || lead == 0xF4 && at(1) >= 0x90:
			return 1
		case !more(2):
			return 2
		}
		return 3
	}
	return 1
}
