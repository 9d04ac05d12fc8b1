package shape

import (
	"encoding/binary"
	"strconv"

	"cdcbridge/changelog"
)

// hasText reports that values of the kind have one text that appendValue writes.
func hasText(k changelog.Kind) bool {
	switch k {
	case changelog.KindGeometry, changelog.KindVector, changelog.KindArray, changelog.KindMap:
		return false
	}
	return true
}

// appendValue appends the text of a value. It depends on the value alone, not on the type of its column: an INT and a BIGINT of 7 have
// one text, and so have equal texts of two databases. Bytes are themselves.
func appendValue(dst []byte, v *changelog.Value) []byte {
	kind, form, n, b := v.Raw()
	switch form {
	case changelog.FormPosInf:
		return append(dst, "infinity"...)
	case changelog.FormNegInf:
		return append(dst, "-infinity"...)
	case changelog.FormNaN:
		return append(dst, "NaN"...)
	}
	switch kind {
	case changelog.KindBool:
		return strconv.AppendBool(dst, n != 0)
	case changelog.KindInt:
		return strconv.AppendInt(dst, int64(n), 10)
	case changelog.KindUint, changelog.KindBits:
		return strconv.AppendUint(dst, n, 10)
	case changelog.KindFloat32:
		return strconv.AppendFloat(dst, float64(v.Float32()), 'g', -1, 32)
	case changelog.KindFloat64:
		return strconv.AppendFloat(dst, v.Float64(), 'g', -1, 64)
	case changelog.KindDate:
		return changelog.AppendDate(dst, v.Civil())
	case changelog.KindDateTime, changelog.KindTimestamp:
		c := v.Civil()
		dst = append(changelog.AppendDate(dst, c), ' ')
		return changelog.AppendClock(dst, c, 6)
	case changelog.KindTime:
		return changelog.AppendSpan(dst, v.Int(), 6)
	case changelog.KindTimeTZ:
		dst = append(changelog.AppendSpan(dst, v.Int(), 6), ' ')
		return strconv.AppendInt(dst, int64(v.Offset()), 10)
	case changelog.KindInterval:
		months, days, micros := v.Interval()
		dst = append(strconv.AppendInt(dst, int64(months), 10), ' ')
		dst = append(strconv.AppendInt(dst, int64(days), 10), ' ')
		return strconv.AppendInt(dst, micros, 10)
	case changelog.KindDecimal, changelog.KindString, changelog.KindBytes, changelog.KindJSON, changelog.KindEnum, changelog.KindSet, changelog.KindBitString:
		return append(dst, b...)
	}
	return append(binary.AppendUvarint(dst, n), b...) // no column of such a kind is hashed
}
