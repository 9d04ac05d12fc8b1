package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"cdcbridge/changelog"
)

// appendValue appends a value of a source as JSON for people: numbers as numbers, decimals and times as texts, bytes as base64.
func appendValue(dst []byte, t *changelog.Type, v changelog.Value) []byte {
	switch v.Kind() {
	case changelog.KindNull, changelog.KindUnchanged:
		return append(dst, "null"...)
	case changelog.KindBool:
		return strconv.AppendBool(dst, v.Bool())
	case changelog.KindInt:
		return strconv.AppendInt(dst, v.Int(), 10)
	case changelog.KindUint:
		return strconv.AppendUint(dst, v.Uint(), 10)
	case changelog.KindFloat32:
		return appendFloat(dst, float64(v.Float32()), 32)
	case changelog.KindFloat64:
		return appendFloat(dst, v.Float64(), 64)
	case changelog.KindString, changelog.KindEnum, changelog.KindSet, changelog.KindBitString:
		return appendJSONText(dst, string(v.Bytes()))
	case changelog.KindJSON:
		return appendDocument(dst, v.Bytes())
	case changelog.KindBytes:
		return appendBase64(dst, v.Bytes())
	case changelog.KindBits:
		return fmt.Appendf(dst, `"%0*b"`, t.Bits, v.Uint())
	case changelog.KindGeometry:
		dst = strconv.AppendUint(append(dst, `{"srid":`...), v.Uint(), 10)
		return append(appendBase64(append(dst, `,"wkb":`...), v.Bytes()), '}')
	case changelog.KindVector, changelog.KindArray, changelog.KindMap:
		return appendElements(dst, t, v)
	}
	return appendJSONText(dst, string(appendText(nil, t, v)))
}

// appendText appends the text of a decimal or of a temporal value.
func appendText(dst []byte, t *changelog.Type, v changelog.Value) []byte {
	switch v.Form() {
	case changelog.FormPosInf:
		return append(dst, "infinity"...)
	case changelog.FormNegInf:
		return append(dst, "-infinity"...)
	case changelog.FormNaN:
		return append(dst, "NaN"...)
	}
	switch v.Kind() {
	case changelog.KindDecimal:
		return append(dst, v.Bytes()...)
	case changelog.KindDate:
		return changelog.AppendDate(dst, v.Civil())
	case changelog.KindTime:
		return changelog.AppendSpan(dst, v.Int(), t.FSP)
	case changelog.KindTimeTZ:
		sign, offset := byte('+'), v.Offset()
		if offset < 0 {
			sign, offset = '-', -offset
		}
		return changelog.AppendSpan(append(changelog.AppendSpan(dst, v.Int(), t.FSP), sign), int64(offset)*1e6, 0)
	case changelog.KindInterval:
		months, days, micros := v.Interval()
		return changelog.AppendSpan(fmt.Appendf(dst, "%d months %d days ", months, days), micros, 6)
	case changelog.KindDateTime, changelog.KindTimestamp:
		dst = changelog.AppendClock(append(changelog.AppendDate(dst, v.Civil()), ' '), v.Civil(), t.FSP)
		if v.Kind() == changelog.KindTimestamp {
			dst = append(dst, 'Z')
		}
		return dst
	}
	return fmt.Appendf(dst, "a value of kind %d", v.Kind())
}

// appendElements appends what consists of other values.
func appendElements(dst []byte, t *changelog.Type, v changelog.Value) []byte {
	list := v.Elems()
	switch v.Kind() {
	case changelog.KindVector:
		dst = append(dst, '[')
		for raw := v.Bytes(); len(raw) >= 4; raw = raw[4:] {
			dst = append(appendFloat(dst, float64(math.Float32frombits(binary.LittleEndian.Uint32(raw))), 32), ',')
		}
		return append(bytes.TrimSuffix(dst, []byte{','}), ']')
	case changelog.KindArray:
		dst = append(dst, '[')
		for _, e := range list {
			elem := t
			if e.Kind() != changelog.KindArray && t.Elem != nil { // one of several dimensions holds arrays of the same type
				elem = &t.Elem.Type
			}
			dst = append(appendValue(dst, elem, e), ',')
		}
		return append(bytes.TrimSuffix(dst, []byte{','}), ']')
	}
	dst = append(dst, '{')
	for i := 0; i+1 < len(list); i += 2 {
		dst = append(appendJSONText(dst, string(list[i].Bytes())), ':')
		dst = append(appendValue(dst, t, list[i+1]), ',')
	}
	return append(bytes.TrimSuffix(dst, []byte{','}), '}')
}

func appendFloat(dst []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return appendJSONText(dst, strconv.FormatFloat(f, 'g', -1, bits))
	}
	return strconv.AppendFloat(dst, f, 'g', -1, bits)
}

func appendBase64(dst, raw []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), raw), '"')
}

// appendDocument appends JSON text as the document that it is.
func appendDocument(dst, text []byte) []byte {
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		return appendJSONText(dst, string(text))
	}
	return append(dst, b.Bytes()...)
}

// appendJSONText appends a text in quotes, with < > & as they are.
func appendJSONText(dst []byte, text string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // a string has always a form
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte{'\n'})...)
}
