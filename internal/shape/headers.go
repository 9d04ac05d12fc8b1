package shape

import (
	"encoding/base64"
	"unicode/utf8"

	"cdcbridge/changelog"
)

// appendHeaders appends the headers of a record as a JSON object: {"trace":"abc","none":null,"bin":{"base64":"AP8="}}. A value is a
// text where it is one. Of several headers with one name the last counts, as for Flink and most consumers.
func appendHeaders(dst []byte, list []changelog.RecordHeader) []byte {
	dst = append(dst, '{')
	first := true
	for i := range list {
		h := &list[i]
		if overridden(list[i+1:], h.Name) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(appendText(dst, bytesOf(h.Name)), ':')
		switch {
		case h.Value == nil:
			dst = append(dst, "null"...)
		case utf8.Valid(h.Value):
			dst = appendText(dst, h.Value)
		default:
			dst = append(dst, `{"base64":"`...)
			dst = append(base64.StdEncoding.AppendEncode(dst, h.Value), `"}`...)
		}
	}
	return append(dst, '}')
}

func overridden(later []changelog.RecordHeader, name string) bool {
	for i := range later {
		if later[i].Name == name {
			return true
		}
	}
	return false
}

// appendText appends a JSON text. What is no UTF-8, which only a name can have here, becomes U+FFFD.
func appendText(dst, text []byte) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for len(text) > 0 {
		c := text[0]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(text)
			dst, text = utf8.AppendRune(dst, r), text[n:]
			continue
		}
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c < ' ' || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			dst = append(dst, c)
		}
		text = text[1:]
	}
	return append(dst, '"')
}
