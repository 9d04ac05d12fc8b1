package jsonx

// inner is how Jackson escapes into characters and not into bytes: characters beyond U+FFFF stay raw.
var inner = dialect{hex: "0123456789ABCDEF"}

// AppendInnerString is AppendString for a literal that becomes part of a document which is itself written as a text: as
// Jackson writes such a document, characters beyond U+FFFF are escaped by the outer text only.
func AppendInnerString(dst, text []byte) []byte {
	dst = append(dst, '"')
	dst = inner.escape(dst, text)
	return append(dst, '"')
}

// Requote replaces dst[from:] by the literal of it. A value whose raw form has to be put together first is so built where
// the capacity usually is, without memory of its own. The literal function appends to its first argument and only reads its
// second.
func Requote(dst []byte, from int, literal func(dst, raw []byte) []byte) []byte {
	to := len(dst)
	dst = literal(dst, dst[from:to])
	n := copy(dst[from:], dst[to:])
	return dst[:from+n]
}
