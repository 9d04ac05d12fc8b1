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
