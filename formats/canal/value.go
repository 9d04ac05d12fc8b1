package canal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

// image is the row of a message.
type image struct {
	row    changelog.Row // what goes into data
	fill   changelog.Row // knows columns that row lacks; nil: nothing does
	before changelog.Row // nil unless an update knows it
}

func (im *image) at(i int) *changelog.Value {
	v := &im.row[i]
	if im.fill != nil && unchanged(v) {
		return &im.fill[i]
	}
	return v
}

// unchanged is IsUnchanged without a copy of the value.
func unchanged(v *changelog.Value) bool {
	kind, _, _, _ := v.Raw()
	return kind == changelog.KindUnchanged
}

// appendValue appends the JSON value: a string literal or null. The value is not Unchanged.
func (c *column) appendValue(dst []byte, v *changelog.Value, zone *time.Location) ([]byte, error) {
	kind, form, n, b := v.Raw()
	switch {
	case kind == changelog.KindNull:
		return append(dst, "null"...), nil
	case kind != c.kind:
		return nil, fault.NewFinal(fault.Internal, fmt.Sprintf("writing column %q as canal-json", c.title),
			fmt.Errorf("value of kind %d in a column of kind %d", kind, c.kind), "Please report this with the table's definition.")
	case c.specNull && form >= changelog.FormPosInf:
		return append(dst, "null"...), nil
	}
	switch c.form {
	case formInt:
		return append(jsonx.AppendInt(append(dst, '"'), int64(n)), '"'), nil
	case formUint:
		return append(jsonx.AppendUint(append(dst, '"'), n), '"'), nil
	case formText:
		return jsonx.AppendCanalString(dst, b), nil
	case formPlain:
		if form == changelog.FormNormal {
			return append(append(append(dst, '"'), b...), '"'), nil
		}
	case formDate, formDateTime, formTimestamp:
		if c.zeroNull && form == changelog.FormZeroParts {
			return append(dst, "null"...), nil
		}
	case formServer:
		return c.appendServer(dst, v)
	case formArray, formMap, formNumbers:
		return c.appendNested(dst, v, zone)
	case formLatin1, formBase64, formStripped, formStripped64, formGeometry, formGeometry64, formMisread:
		return c.appendBytes(dst, v), nil
	}
	dst, err := c.appendText(append(dst, '"'), v, zone)
	return append(dst, '"'), err
}

// appendBytes appends the literal of bytes, and of a text that is read as other bytes.
func (c *column) appendBytes(dst []byte, v *changelog.Value) []byte {
	b := v.Bytes()
	switch c.form {
	case formLatin1:
		return jsonx.AppendCanalLatin1(dst, b)
	case formBase64:
		return jsonx.AppendBase64(dst, b)
	case formStripped:
		return jsonx.AppendCanalLatin1(dst, stripped(b))
	case formStripped64:
		return jsonx.AppendBase64(dst, stripped(b))
	case formMisread:
		return c.appendMisread(dst, b)
	case formGeometry:
		return appendGeometry(dst, v, jsonx.AppendCanalLatin1)
	}
	return appendGeometry(dst, v, jsonx.AppendBase64)
}

// appendText appends the text of the other forms that need no escaping, without quotes.
func (c *column) appendText(dst []byte, v *changelog.Value, zone *time.Location) ([]byte, error) {
	switch c.form {
	case formPlain, formTrimmed:
		return appendDecimal(dst, v, c.form == formTrimmed), nil
	case formCanalDecimal:
		return appendCanalDecimal(dst, v.Bytes(), c.scale), nil
	case formBool:
		return strconv.AppendBool(dst, v.Bool()), nil
	case formYear:
		return appendYear(dst, v.Int()), nil
	case formFloat32:
		return jsonx.AppendJavaFloat(dst, v.Float32()+c.noSign()), nil
	case formFloat64:
		return jsonx.AppendJavaDouble(dst, v.Float64()+float64(c.noSign())), nil
	case formVector:
		if len(v.Bytes())%4 == 0 {
			return appendVector(dst, v.Bytes()), nil
		}
	case formDate:
		return appendDate(dst, v), nil
	case formTime:
		return changelog.AppendSpan(dst, v.Int(), c.fsp), nil
	case formDateTime:
		return appendDateTime(dst, v, c.fsp), nil
	case formTimestamp:
		if !c.zoned {
			zone = nil
		}
		dst = appendTimestamp(dst, v, c.fsp, zone)
		if c.suffix && v.Form() == changelog.FormNormal {
			dst = append(dst, 'Z')
		}
		return dst, nil
	}
	return nil, fault.NewFinal(fault.Internal, fmt.Sprintf("writing column %q as canal-json", c.title),
		fmt.Errorf("value of kind %d and %d bytes has no text in form %d", v.Kind(), len(v.Bytes()), c.form), "Please report this with the table's definition.")
}

// appendServer appends what PostgreSQL prints, as a string.
func (c *column) appendServer(dst []byte, v *changelog.Value) ([]byte, error) {
	from := len(dst)
	dst, err := c.server.append(dst, v)
	if err != nil {
		return nil, err
	}
	if c.server.key && !utf8.Valid(dst[from:]) {
		return nil, fault.NewFinal(fault.Decode, fmt.Sprintf("writing the key column %q as canal-json", c.title),
			errors.New("it is not UTF-8 text"), "Correct the text in the database, or choose another key for the table.")
	}
	return jsonx.Requote(dst, from, jsonx.AppendCanalString), nil
}

// noSign is what takes the sign from a zero and leaves other numbers alone: in a key both zeros are one.
func (c *column) noSign() float32 {
	if c.server.key {
		return 0
	}
	return float32(math.Copysign(0, -1))
}

// appendDecimal appends a decimal, in a key that has no scale without zeros at the end of its fraction: 1.1 and 1.10 are one.
func appendDecimal(dst []byte, v *changelog.Value, trim bool) []byte {
	switch v.Form() {
	case changelog.FormPosInf:
		return append(dst, "Infinity"...)
	case changelog.FormNegInf:
		return append(dst, "-Infinity"...)
	case changelog.FormNaN:
		return append(dst, "NaN"...)
	}
	text := v.Bytes()
	if trim && bytes.IndexByte(text, '.') >= 0 {
		text = bytes.TrimSuffix(bytes.TrimRight(text, "0"), []byte("."))
	}
	return append(dst, text...)
}

func vectorElement(p []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(p)) }

// appendYear appends four digits; MySQL's zero year is "0000".
func appendYear(dst []byte, year int64) []byte {
	for limit := int64(1000); limit > 1 && year < limit; limit /= 10 {
		dst = append(dst, '0')
	}
	return jsonx.AppendInt(dst, year)
}

// appendVector appends what MySQL's STRING_TO_VECTOR reads: "[1.0,2.5]". Canal has no form for VECTOR.
func appendVector(dst, elems []byte) []byte {
	dst = append(dst, '[')
	for i := 0; i < len(elems); i += 4 {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonx.AppendJavaFloat(dst, vectorElement(elems[i:]))
	}
	return append(dst, ']')
}

// appendGeometry appends MySQL's own layout, the SRID as four bytes little-endian and then the WKB.
func appendGeometry(dst []byte, v *changelog.Value, literal func(dst, raw []byte) []byte) []byte {
	from := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(v.Uint()))
	return jsonx.Requote(append(dst, v.Bytes()...), from, literal)
}
