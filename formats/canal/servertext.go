package canal

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// serverText writes values as PostgreSQL prints them under the settings that its source pins (dates ISO, intervals
// postgres, UTC, bytea hex, shortest floats), so that the text can be given back to the server. Canal knows no array, no
// interval and no hstore; this is the one form that everybody who has PostgreSQL can read.
type serverText struct {
	key  bool            // values that are one key to PostgreSQL get one text
	elem *changelog.Type // KindArray: what the elements are
	sep  byte            // KindArray: what separates them

	// inner is for elements that are arrays of their own, which only a domain can make. An array of them has one dimension
	// here; of several the values do not tell which braces are whose.
	inner *serverText
}

func newServerText(t *changelog.Type, key bool) serverText {
	s := serverText{key: key, sep: ','}
	if t.Elem != nil {
		s.elem = &t.Elem.Type
		if s.elem.Kind == changelog.KindArray {
			inner := newServerText(s.elem, key)
			s.inner = &inner
		}
		switch source := t.Elem.SourceType; {
		case source == "box":
			s.sep = ';'
		case s.elem.Kind == changelog.KindGeometry:
			s.sep = ':'
		}
	}
	return s
}

// append appends the text of a value that is not NULL.
func (s *serverText) append(dst []byte, v *changelog.Value) ([]byte, error) {
	switch v.Kind() {
	case changelog.KindString, changelog.KindJSON, changelog.KindBitString, changelog.KindEnum:
		return append(dst, v.Bytes()...), nil
	case changelog.KindArray:
		return s.appendArray(dst, v)
	case changelog.KindMap:
		return appendPairs(dst, v)
	case changelog.KindBool:
		return append(dst, "ft"[v.Uint()&1]), nil
	case changelog.KindInt:
		return strconv.AppendInt(dst, v.Int(), 10), nil
	case changelog.KindUint:
		return strconv.AppendUint(dst, v.Uint(), 10), nil
	case changelog.KindFloat32:
		return s.appendFloat(dst, float64(v.Float32()), 32), nil
	case changelog.KindFloat64:
		return s.appendFloat(dst, v.Float64(), 64), nil
	case changelog.KindDecimal:
		return appendDecimal(dst, v, s.key && s.elem != nil && s.elem.Precision == 0), nil
	case changelog.KindBytes:
		return hex.AppendEncode(append(dst, `\x`...), v.Bytes()), nil
	case changelog.KindGeometry:
		return appendEWKB(dst, v), nil
	case changelog.KindVector:
		return appendServerVector(dst, v)
	}
	if dst, infinite := appendInfinity(dst, v); infinite {
		return dst, nil
	}
	return s.appendTemporal(dst, v)
}

func (s *serverText) appendTemporal(dst []byte, v *changelog.Value) ([]byte, error) {
	switch v.Kind() {
	case changelog.KindDate:
		return appendEra(dst, v.Civil(), ""), nil
	case changelog.KindTime:
		return appendTrimmedTime(dst, v.Int()), nil
	case changelog.KindTimeTZ:
		return appendOffset(appendTrimmedTime(dst, v.Int()), v.Offset()), nil
	case changelog.KindDateTime:
		return appendEra(dst, v.Civil(), " "), nil
	case changelog.KindTimestamp:
		return appendEra(dst, v.Civil(), "+00"), nil
	case changelog.KindInterval:
		if months, days, micros := v.Interval(); !s.key {
			return appendInterval(dst, months, int64(days), micros), nil
		}
		days, rest := changelog.ComparableInterval(v.Interval())
		return appendInterval(dst, 0, days, rest), nil
	}
	return nil, fault.NewFinal(fault.Internal, "writing a value as canal-json", fmt.Errorf("PostgreSQL has no value of kind %d", v.Kind()),
		"Please report this with the table's definition.")
}

// appendArray appends {1,NULL,"a b"}; an array of several dimensions has arrays for elements.
func (s *serverText) appendArray(dst []byte, v *changelog.Value) ([]byte, error) {
	dst = append(dst, '{')
	elems := v.Elems()
	for i := range elems {
		if i > 0 {
			dst = append(dst, s.sep)
		}
		e := &elems[i]
		if e.IsNull() {
			dst = append(dst, "NULL"...)
			continue
		}
		from := len(dst)
		of := s
		if s.inner != nil {
			of = s.inner
		}
		var err error
		if dst, err = of.append(dst, e); err != nil {
			return nil, err
		}
		if (e.Kind() != changelog.KindArray || s.inner != nil) && s.quotes(dst[from:]) {
			dst = quoteFrom(dst, from)
		}
	}
	return append(dst, '}'), nil
}

// quotes reports whether an element has to stand in quotes.
func (s *serverText) quotes(text []byte) bool {
	return len(text) == 0 || len(text) == 4 && strings.EqualFold(string(text), "NULL") ||
		bytes.ContainsAny(text, "{}\\\" \t\n\r\v\f") || bytes.IndexByte(text, s.sep) >= 0
}

// quoteFrom puts dst[from:] into quotes, in its place.
func quoteFrom(dst []byte, from int) []byte {
	to := len(dst)
	dst = appendQuoted(dst, dst[from:to])
	n := copy(dst[from:], dst[to:])
	return dst[:from+n]
}

func appendQuoted(dst, text []byte) []byte {
	dst = append(dst, '"')
	for _, c := range text {
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

// appendPairs appends an hstore: "a"=>"1", "b"=>NULL.
func appendPairs(dst []byte, v *changelog.Value) ([]byte, error) {
	pairs := v.Elems()
	if len(pairs)%2 != 0 {
		return nil, fault.NewFinal(fault.Internal, "writing a map as canal-json", fmt.Errorf("%d keys and values", len(pairs)),
			"Please report this with the table's definition.")
	}
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(appendQuoted(dst, pairs[i].Bytes()), "=>"...)
		if pairs[i+1].IsNull() {
			dst = append(dst, "NULL"...)
		} else {
			dst = appendQuoted(dst, pairs[i+1].Bytes())
		}
	}
	return dst, nil
}

// appendFloat lays the shortest digits out as PostgreSQL does: as %g with as many digits as the type surely has.
func (s *serverText) appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case f != f:
		return append(dst, "NaN"...)
	case math.IsInf(f, 0):
		return append(dst, "-Infinity"[pick(f < 0, 0, 1):]...)
	case f == 0 && (s.key || !math.Signbit(f)):
		return append(dst, '0')
	}
	fixed := 15
	if bits == 32 {
		fixed = 6
	}
	from := len(dst)
	dst = strconv.AppendFloat(dst, f, 'e', -1, bits)
	exp, err := strconv.Atoi(string(dst[bytes.IndexByte(dst[from:], 'e')+from+1:]))
	if err != nil || exp < -4 || exp >= fixed {
		return dst
	}
	return strconv.AppendFloat(dst[:from], f, 'f', -1, bits)
}

func appendServerVector(dst []byte, v *changelog.Value) ([]byte, error) {
	plain := serverText{}
	dst = append(dst, '[')
	for i, p := 0, v.Bytes(); i+4 <= len(p); i += 4 {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = plain.appendFloat(dst, float64(vectorElement(p[i:])), 32)
	}
	return append(dst, ']'), nil
}

// appendEWKB appends PostGIS's text of a geometry: WKB in hexadecimal digits, with the SRID behind the type if there is one.
func appendEWKB(dst []byte, v *changelog.Value) []byte {
	const head, hasSRID = 5, 0x20
	wkb := v.Bytes()
	if v.Uint() == 0 || len(wkb) < head {
		return appendUpperHex(dst, wkb)
	}
	var start [head + 4]byte
	copy(start[:], wkb[:head])
	if srid := uint32(v.Uint()); wkb[0] == 1 {
		start[4] |= hasSRID
		start[5], start[6], start[7], start[8] = byte(srid), byte(srid>>8), byte(srid>>16), byte(srid>>24)
	} else {
		start[1] |= hasSRID
		start[5], start[6], start[7], start[8] = byte(srid>>24), byte(srid>>16), byte(srid>>8), byte(srid)
	}
	return appendUpperHex(appendUpperHex(dst, start[:]), wkb[head:])
}

func appendUpperHex(dst, raw []byte) []byte {
	const digits = "0123456789ABCDEF"
	for _, b := range raw {
		dst = append(dst, digits[b>>4], digits[b&15])
	}
	return dst
}
