package jsonx

import "slices"

// Name is what stands before the value of a member: a brace or a comma, the name and a colon.
type Name struct {
	text  []byte
	short [32]byte // the text, if it fits
}

// NewName makes one of the text as it is to be written.
func NewName(text []byte) Name {
	n := Name{text: text}
	copy(n.short[:], text)
	return n
}

// NewMember makes the one that stands before the value of an object's first or another member.
func NewMember(first bool, name string) Name {
	text := []byte{','}
	if first {
		text[0] = '{'
	}
	return NewName(append(AppendString(text, []byte(name)), ':'))
}

// Append copies as many bytes as most names have at most, which is faster than as many as this one has.
func (n *Name) Append(dst []byte) []byte {
	if len(n.text) > len(n.short) {
		return append(dst, n.text...)
	}
	from := len(dst)
	dst = slices.Grow(dst, len(n.short))
	*(*[len(n.short)]byte)(dst[from : from+len(n.short)]) = n.short
	return dst[:from+len(n.text)]
}
