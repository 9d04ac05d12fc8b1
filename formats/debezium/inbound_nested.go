package debezium

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strconv"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

var (
	errGeometry = errors.New("the value is no geometry: an object with wkb and srid")
	errTwice    = errors.New("a name occurs twice in it")
)

// shape is what an object that is a geometry says.
type shape struct{ x, y, wkb, srid []byte }

func (s *shape) read(raw []byte) error {
	if !jsonx.IsObject(raw) {
		return errGeometry
	}
	return jsonx.EachField(raw, func(name, value []byte) error {
		var at *[]byte
		switch string(name) {
		case "x":
			at = &s.x
		case "y":
			at = &s.y
		case "wkb":
			at = &s.wkb
		case "srid":
			at = &s.srid
		default: // later releases say more
			return nil
		}
		if *at != nil {
			return errTwice
		}
		*at = value
		return nil
	})
}

// readGeometry reads the WKB. The coordinates that a point has beside are the same.
func readGeometry(r *reader, _ *inbound, raw []byte) (changelog.Value, error) {
	var s shape
	if err := s.read(raw); err != nil {
		return changelog.Value{}, err
	}
	wkb, err := r.unbase64(base64.StdEncoding, s.wkb)
	if err != nil || len(wkb) == 0 {
		return changelog.Value{}, errGeometry
	}
	srid := int64(0)
	if s.srid != nil && !jsonx.IsNull(s.srid) {
		if srid, err = jsonx.Int(s.srid); err != nil || srid < 0 || srid > math.MaxUint32 {
			return changelog.Value{}, errGeometry
		}
	}
	return changelog.Geometry(uint32(srid), wkb), nil
}

// readPointText reads PostgreSQL's point as PostgreSQL prints it.
func readPointText(r *reader, _ *inbound, raw []byte) (changelog.Value, error) {
	var s shape
	if err := s.read(raw); err != nil {
		return changelog.Value{}, err
	}
	if s.x == nil || s.y == nil {
		return changelog.Value{}, errGeometry
	}
	x, errX := parseFloat(s.x, 64)
	y, errY := parseFloat(s.y, 64)
	if errX != nil || errY != nil {
		return changelog.Value{}, errGeometry
	}
	text := appendServerFloat(append(r.batch.Grab(64)[:0], '('), x)
	return changelog.String(append(appendServerFloat(append(text, ','), y), ')')), nil
}

// appendServerFloat appends a number as PostgreSQL prints it: with an exponent below 1e-4 and from 1e15 on.
func appendServerFloat(dst []byte, f float64) []byte {
	switch {
	case f != f:
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-4 || abs >= 1e15) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

// readVector reads an array of numbers.
func readVector(r *reader, _ *inbound, raw []byte) (changelog.Value, error) {
	n, err := count(raw)
	if err != nil {
		return changelog.Value{}, err
	}
	elems := r.batch.Grab(4 * n)
	i := 0
	err = jsonx.EachElement(raw, func(value []byte) error {
		f, err := parseFloat(value, 32)
		if err == nil {
			binary.LittleEndian.PutUint32(elems[4*i:], math.Float32bits(float32(f)))
			i++
		}
		return err
	})
	return changelog.Vector(elems), err
}

// count counts the elements of an array.
func count(raw []byte) (n int, err error) {
	if raw[0] != '[' {
		return 0, mistyped(raw, "array")
	}
	err = jsonx.EachElement(raw, func([]byte) error {
		n++
		return nil
	})
	return n, err
}

// maxDimensions is PostgreSQL's limit.
const maxDimensions = 6

// readArray reads an array; arrays in it are further dimensions.
func readArray(r *reader, c *inbound, raw []byte) (changelog.Value, error) { return r.array(c, raw, 1) }

func (r *reader) array(c *inbound, raw []byte, dimension int) (changelog.Value, error) {
	if dimension > maxDimensions {
		return changelog.Value{}, errors.New("an array of more dimensions than PostgreSQL has")
	}
	n, err := count(raw)
	if err != nil {
		return changelog.Value{}, err
	}
	elems := r.batch.NewRow(n)
	i := 0
	err = jsonx.EachElement(raw, func(value []byte) error {
		var err error
		switch {
		case jsonx.IsNull(value):
		case value[0] == '[' && c.elem.kind != changelog.KindVector:
			elems[i], err = r.array(c, value, dimension+1)
		default:
			elems[i], err = c.elem.read(r, c.elem, value)
		}
		i++
		return err
	})
	return changelog.Array(elems), err
}

// readMap reads an object of texts and nulls, or one that stands in a text.
func readMap(r *reader, _ *inbound, raw []byte) (changelog.Value, error) {
	doc := raw
	if jsonx.IsString(raw) {
		var err error
		if doc, err = r.text(raw); err != nil {
			return changelog.Value{}, err
		}
	}
	n := 0
	if err := jsonx.EachField(doc, func(_, _ []byte) error { n++; return nil }); err != nil {
		return changelog.Value{}, err
	}
	pairs := r.batch.NewRow(2 * n)
	i := 0
	err := jsonx.EachField(doc, func(name, value []byte) error {
		pairs[i] = changelog.String(r.batch.Copy(name))
		if !jsonx.IsNull(value) {
			text, err := r.text(value)
			if err != nil {
				return err
			}
			pairs[i+1] = changelog.String(text)
		}
		i += 2
		return nil
	})
	if err == nil && hasTwice(pairs) {
		err = errTwice
	}
	return changelog.Map(pairs), err
}

// hasTwice reports that two keys of a map are equal.
func hasTwice(pairs []changelog.Value) bool {
	const few = 32
	if len(pairs) > few {
		seen := make(map[string]bool, len(pairs)/2)
		for i := 0; i < len(pairs); i += 2 {
			key := string(pairs[i].Bytes())
			if seen[key] {
				return true
			}
			seen[key] = true
		}
		return false
	}
	for i := 0; i < len(pairs); i += 2 {
		for j := 0; j < i; j += 2 {
			if string(pairs[i].Bytes()) == string(pairs[j].Bytes()) {
				return true
			}
		}
	}
	return false
}
