package jsonx

import "bytes"

// AppendText appends the text of a JSON string literal that is known to be valid, as Unquote gives it.
func AppendText(dst, raw []byte) []byte {
	text := raw[1 : len(raw)-1]
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:i]...)
		n := 2
		if text[i+1] == 'u' {
			n = 6
			if i+12 <= len(text) && text[i+6] == '\\' && text[i+7] == 'u' { // perhaps the other half of a character
				n = 12
			}
		}
		if n == 12 && !pair(text[i:]) {
			n = 6
		}
		dst = unescape(dst, text[i:i+n])
		text = text[i+n:]
	}
}

// pair reports that text begins with the escapes of two halves that make a character.
func pair(text []byte) bool {
	high, low := hex4(text[2:]), hex4(text[8:])
	return high >= 0xD800 && high < 0xDC00 && low >= 0xDC00 && low < 0xE000
}
