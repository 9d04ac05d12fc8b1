package changelog

import "encoding/binary"

// AppendIdentity appends bytes that are equal for two values exactly when Equal says that they are. They mean nothing else.
func (v Value) AppendIdentity(dst []byte) []byte {
	dst = binary.AppendUvarint(append(dst, byte(v.kind), byte(v.form)), v.n)
	if v.kind == KindArray || v.kind == KindMap {
		elems := v.Elems()
		dst = binary.AppendUvarint(dst, uint64(len(elems)))
		for _, e := range elems {
			dst = e.AppendIdentity(dst)
		}
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(len(v.b)))
	return append(dst, v.b...)
}
