package canal

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

var (
	errObject = errors.New("an object or an array in a column that is none")
	errNumber = errors.New("it is no number of the column's type")
	errBase64 = errors.New("it is no base64")
	errLatin1 = errors.New("it has characters beyond U+00FF, which are no bytes")
	errLength = errors.New("it is longer than the column")
	errShort  = errors.New("it is too short")
	errBool   = errors.New("it is neither true nor false")
	errLabel  = errors.New("it is none of the column's labels")
)

// value reads a raw value of a message. zone is where its timestamps are, nil for UTC. The bytes of the result are the batch's, or
// live as long as the table.
func (r *reader) value(b *changelog.Batch, c *cell, raw []byte, zone *time.Location) (changelog.Value, error) {
	text := raw
	switch raw[0] {
	case 'n':
		return changelog.Null(), nil
	case '{', '[':
		return r.nested(b, c, raw, zone)
	case '"':
		if text = raw[1 : len(raw)-1]; bytes.IndexByte(text, '\\') >= 0 {
			r.scratch = jsonx.AppendText(r.scratch[:0], raw)
			text = r.scratch
		}
	}
	if c.col.Type.Kind == changelog.KindJSON && (c.guessed || raw[0] != '"') {
		return changelog.JSON(b.Copy(raw)), nil // a scalar, and not a document in a text
	}
	r.parser.b, r.parser.zone = b, zone
	return r.parser.value(c, text)
}

// nested reads arrays, maps, vectors and documents that are not written as texts.
func (r *reader) nested(b *changelog.Batch, c *cell, raw []byte, zone *time.Location) (changelog.Value, error) {
	switch t := &c.col.Type; {
	case t.Kind == changelog.KindJSON:
		return changelog.JSON(b.Copy(raw)), nil
	case t.Kind == changelog.KindVector && raw[0] == '[':
		r.parser.b = b
		return r.parser.vector(raw)
	case t.Kind == changelog.KindArray && raw[0] == '[' && t.Elem != nil:
		return r.nestedArray(b, c, raw, zone, 1)
	case t.Kind == changelog.KindMap && raw[0] == '{':
		return r.nestedMap(b, raw)
	}
	return changelog.Value{}, errObject
}

// nestedArray reads an array. An array in it is a dimension more, unless the elements are arrays of their own.
func (r *reader) nestedArray(b *changelog.Batch, c *cell, raw []byte, zone *time.Location, dimension int) (changelog.Value, error) {
	if dimension > maxDimensions {
		return changelog.Value{}, errArray
	}
	var elems []changelog.Value
	elem := cell{col: c.col.Type.Elem, server: c.server}
	err := jsonx.EachElement(raw, func(v []byte) (err error) {
		var e changelog.Value
		if v[0] == '[' && elem.col.Type.Kind != changelog.KindArray && elem.col.Type.Kind != changelog.KindVector && elem.col.Type.Kind != changelog.KindJSON {
			e, err = r.nestedArray(b, c, v, zone, dimension+1)
		} else {
			e, err = r.value(b, &elem, v, zone)
		}
		elems = append(elems, e)
		return err
	})
	return changelog.Array(elems), err
}

func (r *reader) nestedMap(b *changelog.Batch, raw []byte) (changelog.Value, error) {
	var pairs []changelog.Value
	seen := map[string]bool{}
	text := cell{col: &changelog.Column{Type: changelog.Type{Kind: changelog.KindString}}}
	err := jsonx.EachField(raw, func(name, v []byte) error {
		if seen[string(name)] {
			return errMap
		}
		seen[string(name)] = true
		e, err := r.value(b, &text, v, nil)
		pairs = append(pairs, changelog.String(b.Copy(name)), e)
		return err
	})
	return changelog.Map(pairs), err
}

// parser reads texts of values.
type parser struct {
	b      *changelog.Batch
	zone   *time.Location
	base64 bool
}

// value reads the text of a value that is not NULL.
func (p *parser) value(c *cell, text []byte) (changelog.Value, error) {
	t := &c.col.Type
	switch t.Kind {
	case changelog.KindBool:
		return boolOf(text)
	case changelog.KindInt:
		return intOf(t, text)
	case changelog.KindUint:
		n, err := strconv.ParseUint(string(text), 10, t.Bits)
		return number1(changelog.Uint(n), err)
	case changelog.KindBits:
		n, err := strconv.ParseUint(string(text), 10, t.Bits)
		return number1(changelog.Bits(n), err)
	case changelog.KindFloat32:
		f, err := floatOf(text, 32)
		return changelog.Float32(float32(f)), err
	case changelog.KindFloat64:
		f, err := floatOf(text, 64)
		return changelog.Float64(f), err
	case changelog.KindDecimal:
		return p.decimal(c, text)
	case changelog.KindString:
		return changelog.String(p.b.Copy(text)), nil
	case changelog.KindJSON:
		return changelog.JSON(p.b.Copy(text)), jsonx.Check(text)
	case changelog.KindBytes:
		return p.bytes(c, text)
	case changelog.KindGeometry, changelog.KindVector:
		return p.extension(c, text)
	case changelog.KindEnum:
		return enumOf(c, text)
	case changelog.KindSet:
		return p.set(c, text)
	case changelog.KindBitString:
		return p.bitString(t, text)
	case changelog.KindArray:
		return p.array(c, text)
	case changelog.KindMap:
		return p.hstore(text)
	}
	return p.temporal(c, text)
}

func number1(v changelog.Value, err error) (changelog.Value, error) {
	if err != nil {
		return changelog.Value{}, errNumber
	}
	return v, nil
}

func boolOf(text []byte) (changelog.Value, error) {
	switch string(text) {
	case "true", "t", "1":
		return changelog.Bool(true), nil
	case "false", "f", "0":
		return changelog.Bool(false), nil
	}
	return changelog.Value{}, errBool
}

func intOf(t *changelog.Type, text []byte) (changelog.Value, error) {
	if len(text) > 0 && text[0] == '+' {
		return changelog.Value{}, errNumber
	}
	n, err := strconv.ParseInt(string(text), 10, t.Bits)
	return number1(changelog.Int(n), err)
}

// floatOf reads what Java or PostgreSQL prints, and JSON numbers.
func floatOf(text []byte, bits int) (float64, error) {
	switch string(text) {
	case "NaN":
		return math.NaN(), nil
	case "Infinity":
		return math.Inf(1), nil
	case "-Infinity":
		return math.Inf(-1), nil
	}
	for _, c := range text {
		if (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return 0, errNumber
		}
	}
	f, err := strconv.ParseFloat(string(text), bits)
	if err != nil {
		return 0, errNumber
	}
	return f, nil
}

// bytes reads a binary value. A BINARY gets the padding back that Canal takes from it.
func (p *parser) bytes(c *cell, text []byte) (changelog.Value, error) {
	raw, err := p.binary(text)
	if err != nil {
		return changelog.Value{}, err
	}
	if t := &c.col.Type; t.Length > 0 && len(raw) > t.Length {
		return changelog.Value{}, errLength
	} else if t.Fixed && len(raw) < t.Length {
		padded := p.b.Grab(t.Length)
		clear(padded[copy(padded, raw):])
		raw = padded
	}
	return changelog.Bytes(raw), nil
}

// binary reads the bytes of a binary value as the options have them.
func (p *parser) binary(text []byte) ([]byte, error) {
	if len(text) == 0 {
		return []byte{}, nil
	}
	if p.base64 {
		if bytes.IndexByte(text, '\n') >= 0 || bytes.IndexByte(text, '\r') >= 0 {
			return nil, errBase64
		}
		raw := p.b.Grab(base64.StdEncoding.DecodedLen(len(text)))
		n, err := base64.StdEncoding.Decode(raw, text)
		if err != nil {
			return nil, errBase64
		}
		return raw[:n], nil
	}
	raw := p.b.Grab(len(text))[:0]
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c < utf8.RuneSelf:
			raw = append(raw, c)
		case c <= 0xC3: // of two bytes, since the text is UTF-8
			i++
			raw = append(raw, c<<6|text[i]&0x3F)
		default:
			return nil, errLatin1
		}
	}
	return raw, nil
}

// extension reads geometries and vectors: MySQL's as bytes and "[1.0,2.5]", PostgreSQL's as hexadecimal EWKB and "[1,2.5]".
func (p *parser) extension(c *cell, text []byte) (changelog.Value, error) {
	switch {
	case c.col.Type.Kind == changelog.KindVector:
		return p.vector(text)
	case c.server:
		return p.ewkb(text)
	}
	raw, err := p.binary(text)
	if err == nil && len(raw) < 4 {
		err = errShort
	}
	if err != nil {
		return changelog.Value{}, err
	}
	return changelog.Geometry(binary.LittleEndian.Uint32(raw), raw[4:]), nil
}

func (p *parser) vector(text []byte) (changelog.Value, error) {
	if len(text) < 2 || text[0] != '[' || text[len(text)-1] != ']' {
		return changelog.Value{}, errNumber
	}
	text = text[1 : len(text)-1]
	if len(text) == 0 {
		return changelog.Vector([]byte{}), nil
	}
	elems := p.b.Grab(4 * (bytes.Count(text, []byte(",")) + 1))[:0]
	for more := true; more; {
		var elem []byte
		elem, text, more = bytes.Cut(text, []byte(","))
		f, err := floatOf(elem, 32)
		if err != nil {
			return changelog.Value{}, err
		}
		elems = binary.LittleEndian.AppendUint32(elems, math.Float32bits(float32(f)))
	}
	return changelog.Vector(elems), nil
}

func enumOf(c *cell, text []byte) (changelog.Value, error) {
	if c.label {
		for i, l := range c.labels {
			if bytes.Equal(l, text) {
				return changelog.Enum(uint64(i+1), l), nil
			}
		}
		if len(text) == 0 {
			return changelog.Enum(0, text), nil
		}
		return changelog.Value{}, errLabel
	}
	n, err := strconv.ParseUint(string(text), 10, 16)
	switch {
	case err != nil || n > uint64(len(c.labels)):
		return changelog.Value{}, errLabel
	case n == 0:
		return changelog.Enum(0, []byte{}), nil
	}
	return changelog.Enum(n, c.labels[n-1]), nil
}

func (p *parser) set(c *cell, text []byte) (changelog.Value, error) {
	mask := uint64(0)
	if !c.label {
		n, err := strconv.ParseUint(string(text), 10, 64)
		if err != nil || len(c.labels) < 64 && n>>len(c.labels) != 0 {
			return changelog.Value{}, errLabel
		}
		mask = n
	} else {
		for more := len(text) > 0; more; {
			var one []byte
			one, text, more = bytes.Cut(text, []byte(","))
			bit := uint64(0)
			for i, l := range c.labels {
				if bytes.Equal(l, one) {
					bit = 1 << i
					break
				}
			}
			if bit == 0 {
				return changelog.Value{}, errLabel
			}
			mask |= bit
		}
	}
	size := 0
	for i, l := range c.labels {
		if mask>>i&1 == 1 {
			size += len(l) + 1
		}
	}
	joined := p.b.Grab(size)[:0]
	for i, l := range c.labels {
		if mask>>i&1 == 0 {
			continue
		}
		if len(joined) > 0 {
			joined = append(joined, ',')
		}
		joined = append(joined, l...)
	}
	return changelog.Set(mask, joined), nil
}
