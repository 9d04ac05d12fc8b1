package upsert

import (
	"strconv"

	"cdcbridge/changelog"
)

// hasText reports whether values of a kind have a form in an outbox message. NULL has, as a null.
func hasText(k changelog.Kind) bool {
	_, ok := appendColumn(nil, &changelog.Type{Kind: k}, nil)
	return ok
}

// appendColumn appends what a column is in a message: texts, documents and bytes as they are, numbers in decimal, truth values as
// true and false, times as in ISO 8601, with Z where they are points in time. A nil value appends nothing. ok is false for kinds
// that have no such form.
func appendColumn(dst []byte, typ *changelog.Type, v *changelog.Value) (text []byte, ok bool) {
	kind := typ.Kind
	if v == nil {
		v = &changelog.Value{}
	} else {
		kind = v.Kind()
	}
	switch kind {
	case changelog.KindNull:
		return dst, true
	case changelog.KindString, changelog.KindBytes, changelog.KindJSON, changelog.KindEnum, changelog.KindSet, changelog.KindBitString:
		return append(dst, v.Bytes()...), true
	case changelog.KindDecimal:
		if v.Form() == changelog.FormNormal {
			return append(dst, v.Bytes()...), true
		}
		return appendForm(dst, v.Form()), true
	case changelog.KindBool:
		return strconv.AppendBool(dst, v.Bool()), true
	case changelog.KindInt:
		return strconv.AppendInt(dst, v.Int(), 10), true
	case changelog.KindUint:
		return strconv.AppendUint(dst, v.Uint(), 10), true
	case changelog.KindFloat32:
		return strconv.AppendFloat(dst, float64(v.Float32()), 'g', -1, 32), true
	case changelog.KindFloat64:
		return strconv.AppendFloat(dst, v.Float64(), 'g', -1, 64), true
	case changelog.KindTime:
		return changelog.AppendSpan(dst, v.Int(), typ.FSP), true
	case changelog.KindDate, changelog.KindDateTime, changelog.KindTimestamp:
		return appendMoment(dst, typ, v), true
	}
	return dst, false
}

func appendMoment(dst []byte, typ *changelog.Type, v *changelog.Value) []byte {
	if f := v.Form(); f != changelog.FormNormal && f != changelog.FormZeroParts {
		return appendForm(dst, f)
	}
	c := v.Civil()
	if dst = changelog.AppendDate(dst, c); v.Kind() == changelog.KindDate {
		return dst
	}
	dst = changelog.AppendClock(append(dst, 'T'), c, typ.FSP)
	if v.Kind() == changelog.KindTimestamp {
		dst = append(dst, 'Z')
	}
	return dst
}

// appendForm appends what PostgreSQL calls a value that is none.
func appendForm(dst []byte, f changelog.Form) []byte {
	switch f {
	case changelog.FormPosInf:
		return append(dst, "infinity"...)
	case changelog.FormNegInf:
		return append(dst, "-infinity"...)
	}
	return append(dst, "NaN"...)
}
