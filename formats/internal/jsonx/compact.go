package jsonx

// AppendCompact appends the JSON document doc without the white space between its tokens. It does not check doc; what is
// inside of string literals stays untouched.
func AppendCompact(dst, doc []byte) []byte {
	return compact(dst, doc, appendAll)
}

// AppendCompactString appends a JSON string literal, in Jackson's style, whose text is the document doc without the white
// space between its tokens.
func AppendCompactString(dst, doc []byte) []byte {
	dst = append(dst, '"')
	dst = compact(dst, doc, AppendEscaped)
	return append(dst, '"')
}

func appendAll(dst, p []byte) []byte { return append(dst, p...) }

func compact(dst, doc []byte, emit func(dst, p []byte) []byte) []byte {
	from, inString := 0, false
	for i := 0; i < len(doc); i++ {
		switch c := doc[i]; {
		case inString:
			switch c {
			case '\\':
				i++
			case '"':
				inString = false
			}
		case c == '"':
			inString = true
		case c == ' ' || c == '\n' || c == '\t' || c == '\r':
			dst = emit(dst, doc[from:i])
			from = i + 1
		}
	}
	return emit(dst, doc[from:])
}

// AppendSpaced appends the document doc as MySQL prints it: without white space but one space behind each comma and colon.
// It does not check doc; what is inside of string literals stays untouched.
func AppendSpaced(dst, doc []byte) []byte {
	inString := false
	for i := 0; i < len(doc); i++ {
		c := doc[i]
		switch {
		case inString:
			if c == '\\' && i+1 < len(doc) {
				dst = append(dst, c)
				i++
				c = doc[i]
			} else if c == '"' {
				inString = false
			}
			dst = append(dst, c)
		case c == ' ' || c == '\n' || c == '\t' || c == '\r':
		case c == ',' || c == ':':
			dst = append(dst, c, ' ')
		default:
			inString = c == '"'
			dst = append(dst, c)
		}
	}
	return dst
}

// SpacedLen is no less than what AppendSpaced appends for doc.
func SpacedLen(doc []byte) int {
	n := len(doc)
	for _, c := range doc {
		if c == ',' || c == ':' {
			n++
		}
	}
	return n
}
