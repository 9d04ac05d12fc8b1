package mysql

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"sync"
	"unicode/utf8"

	"cdcbridge/changelog"
)

const maxJSONScratch = 1 << 20

// jsonScratch holds buffers in which a document of unknown length grows before it is copied into the batch.
var jsonScratch = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// jsonWidths are the bytes of the scalars of fixed width, by type.
var jsonWidths = [...]int{jsonLiteral: 1, jsonInt16: 2, jsonUint16: 2, jsonInt32: 4, jsonUint32: 4, jsonInt64: 8, jsonUint64: 8, jsonDouble: 8}

func (w *jsonWriter) scalar(typ byte, p []byte) error {
	if typ < jsonLiteral || typ > jsonDouble {
		return errJSONType
	}
	n := jsonWidths[typ]
	if len(p) < n {
		return errJSONCut
	}
	if err := w.spend(n); err != nil {
		return err
	}
	v := littleEndian(p[:n])
	switch typ {
	case jsonLiteral:
		switch v {
		case 0:
			w.dst = append(w.dst, "null"...)
		case 1:
			w.dst = append(w.dst, "true"...)
		case 2:
			w.dst = append(w.dst, "false"...)
		default:
			return errJSONType
		}
	case jsonInt16:
		w.dst = strconv.AppendInt(w.dst, int64(int16(v)), 10)
	case jsonInt32:
		w.dst = strconv.AppendInt(w.dst, int64(int32(v)), 10)
	case jsonInt64:
		w.dst = strconv.AppendInt(w.dst, int64(v), 10)
	case jsonUint16, jsonUint32, jsonUint64:
		w.dst = strconv.AppendUint(w.dst, v, 10)
	case jsonDouble:
		return w.double(math.Float64frombits(v))
	}
	return nil
}

// double appends the shortest digits that give the number back, as the server lays them out: with a point unless an
// exponent is there; an exponent, without plus sign or leading zeros, for whole numbers from 1e15 on and below 1e-15.
func (w *jsonWriter) double(v float64) error {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return errors.New("a JSON document has a number that is not finite")
	}
	var buf [32]byte
	digits := strconv.AppendFloat(buf[:0], v, 'e', -1, 64) // -d.ddde±dd
	if digits[0] == '-' {
		w.dst = append(w.dst, '-')
		digits = digits[1:]
	}
	e := len(digits) - 1
	for digits[e] != 'e' {
		e--
	}
	exp, err := strconv.Atoi(string(digits[e+1:]))
	if err != nil {
		return err
	}
	if e > 1 {
		digits = append(digits[:1], digits[2:e]...)
	} else {
		digits = digits[:1]
	}
	w.digits(digits, exp+1)
	return nil
}

// digits appends 0.ddd × 10^point.
func (w *jsonWriter) digits(d []byte, point int) {
	const most = 15
	switch {
	case d[0] == '0':
		w.dst = append(w.dst, '0')
		w.point()
	case point > most && len(d) <= point || point < 1-most:
		w.dst = append(w.dst, d[0])
		if len(d) > 1 {
			w.dst = append(append(w.dst, '.'), d[1:]...)
		}
		w.dst = strconv.AppendInt(append(w.dst, 'e'), int64(point-1), 10)
	case point <= 0:
		w.dst = append(w.dst, "0."...)
		for range -point {
			w.dst = append(w.dst, '0')
		}
		w.dst = append(w.dst, d...)
	case len(d) <= point:
		w.dst = append(w.dst, d...)
		for range point - len(d) {
			w.dst = append(w.dst, '0')
		}
		w.point()
	default:
		w.dst = append(append(append(w.dst, d[:point]...), '.'), d[point:]...)
	}
}

// point ends a whole number that is a double.
func (w *jsonWriter) point() {
	if !w.bare {
		w.dst = append(w.dst, ".0"...)
	}
}

const hexDigits = "0123456789abcdef"

// string appends text in quotes with the server's escapes.
func (w *jsonWriter) string(p []byte) error {
	if !utf8.Valid(p) {
		return errJSONText
	}
	w.dst = append(w.dst, '"')
	for _, b := range p {
		switch {
		case b == '"' || b == '\\':
			w.dst = append(w.dst, '\\', b)
		case b >= 0x20:
			w.dst = append(w.dst, b)
		case b == '\b':
			w.dst = append(w.dst, `\b`...)
		case b == '\t':
			w.dst = append(w.dst, `\t`...)
		case b == '\n':
			w.dst = append(w.dst, `\n`...)
		case b == '\f':
			w.dst = append(w.dst, `\f`...)
		case b == '\r':
			w.dst = append(w.dst, `\r`...)
		default:
			w.dst = append(w.dst, `\u00`...)
			w.dst = append(w.dst, hexDigits[b>>4], hexDigits[b&15])
		}
	}
	w.dst = append(w.dst, '"')
	return nil
}

// opaque appends a value of a type that JSON does not have.
func (w *jsonWriter) opaque(typ columnType, p []byte) error {
	switch typ {
	case typeNewDecimal, typeDecimal:
		return w.decimal(p)
	case typeDate, typeDateTime, typeTimestamp, typeTime:
		if len(p) != 8 {
			return errJSONCut
		}
		return w.temporal(typ, int64(binary.LittleEndian.Uint64(p)))
	}
	w.dst = strconv.AppendUint(append(w.dst, `"base64:type`...), uint64(typ), 10)
	w.dst = append(w.dst, ':')
	// The server breaks the lines of base64 as MIME does, and JSON shows the line breaks as escapes.
	const line = 57 // bytes that make 76 characters
	for i := 0; i < len(p); i += line {
		if i > 0 {
			w.dst = append(w.dst, `\n`...)
		}
		w.dst = base64.StdEncoding.AppendEncode(w.dst, p[i:min(i+line, len(p))])
	}
	w.dst = append(w.dst, '"')
	return nil
}

// decimal appends a number that has its precision and scale before it.
func (w *jsonWriter) decimal(p []byte) error {
	if len(p) < 2 {
		return errJSONCut
	}
	precision, scale := int(p[0]), int(p[1])
	width, ok := decimalWidth(precision, scale)
	if !ok || len(p) != 2+width {
		return errJSONCut
	}
	dst, err := appendDecimal(w.dst, p[2:], precision-scale, scale)
	if err != nil {
		return err
	}
	w.dst = dst
	return nil
}

// temporal appends a date or time that is packed like DATETIME2 and TIME2 with all six digits of the fraction in the low
// 24 bits.
func (w *jsonWriter) temporal(typ columnType, n int64) error {
	w.dst = append(w.dst, '"')
	negative := n < 0
	if negative {
		n = -n
	}
	whole, micros := n>>24, uint32(n&0xffffff)
	if typ == typeTime {
		span := (whole>>12&0x3ff)*hour + (whole>>6&63)*minute + (whole&63)*second + int64(micros)
		if negative {
			span = -span
		}
		w.dst = append(changelog.AppendSpan(w.dst, span, 6), '"')
		return nil
	}
	month := whole >> 22
	c := changelog.Civil{Year: int32(month / 13), Month: uint8(month % 13), Day: uint8(whole >> 17 & 31),
		Hour: uint8(whole >> 12 & 31), Minute: uint8(whole >> 6 & 63), Second: uint8(whole & 63), Micro: micros}
	if negative || c.Year > 9999 || micros >= second {
		return errClock
	}
	w.dst = changelog.AppendDate(w.dst, c)
	if typ != typeDate {
		w.dst = changelog.AppendClock(append(w.dst, ' '), c, 6)
	}
	w.dst = append(w.dst, '"')
	return nil
}
