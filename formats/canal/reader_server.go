package canal

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"cdcbridge/changelog"
)

// What servertext.go writes.

var (
	errArray    = errors.New("it is no array as PostgreSQL prints it")
	errMap      = errors.New("it is no hstore as PostgreSQL prints it")
	errInterval = errors.New("it is no interval as PostgreSQL prints it")
	errBits     = errors.New("it is no bit string of the column's type")
	errEWKB     = errors.New("it is no hexadecimal EWKB")
)

func (p *parser) bitString(t *changelog.Type, text []byte) (changelog.Value, error) {
	for _, c := range text {
		if c != '0' && c != '1' {
			return changelog.Value{}, errBits
		}
	}
	if t.Bits > 0 && (len(text) > t.Bits || t.Fixed && len(text) < t.Bits) {
		return changelog.Value{}, errBits
	}
	return changelog.BitString(p.b.Copy(text)), nil
}

// ewkb reads PostGIS's text of a geometry.
func (p *parser) ewkb(text []byte) (changelog.Value, error) {
	const head, hasSRID = 5, 0x20
	raw := p.b.Grab(hex.DecodedLen(len(text)))
	if _, err := hex.Decode(raw, text); err != nil || len(raw) < head {
		return changelog.Value{}, errEWKB
	}
	flags, order := &raw[4], binary.ByteOrder(binary.LittleEndian)
	if raw[0] != 1 {
		flags, order = &raw[1], binary.BigEndian
	}
	if *flags&hasSRID == 0 {
		return changelog.Geometry(0, raw), nil
	}
	if len(raw) < head+4 {
		return changelog.Value{}, errEWKB
	}
	*flags &^= hasSRID
	srid := order.Uint32(raw[head:])
	copy(raw[head:], raw[head+4:])
	return changelog.Geometry(srid, raw[:len(raw)-4]), nil
}

// serverValue reads the text of an element.
func (p *parser) serverValue(c *cell, text []byte) (changelog.Value, error) {
	if c.col.Type.Kind != changelog.KindBytes {
		return p.value(c, text)
	}
	digits, is := bytes.CutPrefix(text, []byte(`\x`))
	raw := p.b.Grab(hex.DecodedLen(len(digits)))
	if _, err := hex.Decode(raw, digits); err != nil || !is || len(digits)%2 != 0 {
		return changelog.Value{}, errArray
	}
	return changelog.Bytes(raw), nil
}

// maxDimensions is what PostgreSQL allows.
const maxDimensions = 6

// elements reads an array.
type elements struct {
	p      *parser
	text   []byte
	sep    byte
	elem   cell
	nested bool // the elements are arrays of their own, written as texts
}

func (p *parser) array(c *cell, text []byte) (changelog.Value, error) {
	if c.col.Type.Elem == nil {
		return changelog.Value{}, errArray
	}
	st := newServerText(&c.col.Type, false)
	in := elements{p: p, text: text, sep: st.sep, nested: st.inner != nil, elem: cell{col: c.col.Type.Elem, server: true}}
	v, err := in.array(1)
	if err == nil && len(in.text) > 0 {
		err = errArray
	}
	return v, err
}

func (in *elements) took(c byte) bool {
	if len(in.text) == 0 || in.text[0] != c {
		return false
	}
	in.text = in.text[1:]
	return true
}

func (in *elements) array(dimension int) (changelog.Value, error) {
	if dimension > maxDimensions || !in.took('{') {
		return changelog.Value{}, errArray
	}
	var elems []changelog.Value
	if in.took('}') {
		return changelog.Array(elems), nil
	}
	for {
		e, err := in.element(dimension)
		if err != nil {
			return changelog.Value{}, err
		}
		elems = append(elems, e)
		if in.took('}') {
			return changelog.Array(elems), nil
		}
		if !in.took(in.sep) {
			return changelog.Value{}, errArray
		}
	}
}

func (in *elements) element(dimension int) (changelog.Value, error) {
	if len(in.text) > 0 && in.text[0] == '{' && !in.nested {
		return in.array(dimension + 1)
	}
	text, quoted, ok := in.word()
	switch {
	case !ok:
		return changelog.Value{}, errArray
	case !quoted && string(text) == "NULL":
		return changelog.Null(), nil
	}
	return in.p.serverValue(&in.elem, text)
}

// word reads one element's text, up to what separates it.
func (in *elements) word() (text []byte, quoted, ok bool) {
	if in.took('"') {
		text, in.text, ok = unquote(in.text)
		return text, true, ok
	}
	n := 0
	for n < len(in.text) && in.text[n] != in.sep && in.text[n] != '}' {
		if in.text[n] == '{' || in.text[n] == '"' || in.text[n] == '\\' {
			return nil, false, false
		}
		n++
	}
	text, in.text = in.text[:n], in.text[n:]
	return text, false, n > 0
}

// unquote reads a quoted text behind its first quote, in which a backslash stands before what is meant as it is.
func unquote(in []byte) (text, rest []byte, ok bool) {
	var plain []byte
	escaped := false
	for i := 0; i < len(in); i++ {
		switch in[i] {
		case '"':
			if !escaped {
				plain = in[:i]
			}
			return plain, in[i+1:], true
		case '\\':
			if !escaped {
				plain, escaped = append(plain, in[:i]...), true
			}
			if i++; i == len(in) {
				return nil, nil, false
			}
			plain = append(plain, in[i])
		default:
			if escaped {
				plain = append(plain, in[i])
			}
		}
	}
	return nil, nil, false
}

// hstore reads "k"=>"v", "n"=>NULL.
func (p *parser) hstore(text []byte) (changelog.Value, error) {
	var pairs []changelog.Value
	seen := map[string]bool{}
	for len(text) > 0 {
		if len(pairs) > 0 {
			var ok bool
			if text, ok = bytes.CutPrefix(text, []byte(", ")); !ok {
				return changelog.Value{}, errMap
			}
		}
		if len(text) == 0 || text[0] != '"' {
			return changelog.Value{}, errMap
		}
		key, rest, ok := unquote(text[1:])
		if text = rest; !ok || seen[string(key)] || !bytes.HasPrefix(text, []byte("=>")) {
			return changelog.Value{}, errMap
		}
		seen[string(key)] = true
		pairs = append(pairs, changelog.String(p.b.Copy(key)))
		text = text[len("=>"):]
		if rest, null := bytes.CutPrefix(text, []byte("NULL")); null {
			pairs, text = append(pairs, changelog.Null()), rest
			continue
		}
		if len(text) == 0 || text[0] != '"' {
			return changelog.Value{}, errMap
		}
		value, rest, ok := unquote(text[1:])
		if text = rest; !ok {
			return changelog.Value{}, errMap
		}
		pairs = append(pairs, changelog.String(p.b.Copy(value)))
	}
	return changelog.Map(pairs), nil
}

// interval reads "1 year 2 mons -3 days +04:05:06.78".
func (p *parser) interval(text []byte) (changelog.Value, error) {
	var months, days, micros int64
	for first := true; len(text) > 0; first = false {
		if !first {
			var ok bool
			if text, ok = bytes.CutPrefix(text, []byte(" ")); !ok {
				return changelog.Value{}, errInterval
			}
		}
		if word, _, _ := bytes.Cut(text, []byte(" ")); bytes.IndexByte(word, ':') >= 0 {
			in := clock{text: text}
			if micros = in.span(); in.bad || len(in.text) > 0 || in.digits > 6 {
				return changelog.Value{}, errInterval
			}
			break
		}
		n, unit, rest, err := part(text)
		if err != nil {
			return changelog.Value{}, err
		}
		switch text = rest; unit {
		case "year":
			months += n * 12
		case "mon":
			months += n
		case "day":
			days += n
		default:
			return changelog.Value{}, errInterval
		}
	}
	if months != int64(int32(months)) || days != int64(int32(days)) {
		return changelog.Value{}, fmt.Errorf("%w: it does not fit", errInterval)
	}
	return changelog.Interval(p.b.Grab(16), int32(months), int32(days), micros), nil
}

// part reads "-3 days".
func part(text []byte) (n int64, unit string, rest []byte, err error) {
	number, rest, _ := bytes.Cut(text, []byte(" "))
	negative := bytes.HasPrefix(number, []byte("-"))
	digits := bytes.TrimPrefix(bytes.TrimPrefix(number, []byte("-")), []byte("+"))
	if len(digits) == 0 || len(digits) > 10 {
		return 0, "", nil, errInterval
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, "", nil, errInterval
		}
		n = n*10 + int64(c-'0')
	}
	if negative {
		n = -n
	}
	end := bytes.IndexByte(rest, ' ')
	if end < 0 {
		end = len(rest)
	}
	return n, string(bytes.TrimSuffix(rest[:end], []byte("s"))), rest[end:], nil
}
