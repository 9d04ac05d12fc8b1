package typed

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

var (
	errGeometry = errors.New("the value is no geometry: an object with wkb and srid")
	errMap      = errors.New("the value is no object of texts")
)

// readGeometry reads WKB and SRID.
func readGeometry(v *Values, _ *Column, raw []byte) (changelog.Value, error) {
	if !jsonx.IsObject(raw) {
		return changelog.Value{}, errGeometry
	}
	var text, number []byte
	err := jsonx.EachField(raw, func(name, value []byte) error {
		switch {
		case string(name) == "wkb" && text == nil:
			text = value
		case string(name) == "srid" && number == nil:
			number = value
		default:
			return errGeometry
		}
		return nil
	})
	if err != nil {
		return changelog.Value{}, err
	}
	wkb, err := v.unbase64(base64.StdEncoding, text)
	if err != nil || len(wkb) == 0 {
		return changelog.Value{}, errGeometry
	}
	srid := int64(0)
	if number != nil && !jsonx.IsNull(number) {
		if srid, err = jsonx.Int(number); err != nil || srid < 0 || srid > math.MaxUint32 {
			return changelog.Value{}, errGeometry
		}
	}
	return changelog.Geometry(uint32(srid), wkb), nil
}

// count counts the elements of an array.
func count(raw []byte) (n int, err error) {
	if len(raw) == 0 || raw[0] != '[' {
		return 0, mistyped(raw, "array")
	}
	err = jsonx.EachElement(raw, func([]byte) error {
		n++
		return nil
	})
	return n, err
}

func readVector(v *Values, _ *Column, raw []byte) (changelog.Value, error) {
	n, err := count(raw)
	if err != nil {
		return changelog.Value{}, err
	}
	elems, i := v.batch.Grab(4*n), 0
	err = jsonx.EachElement(raw, func(value []byte) error {
		f, err := float(value, 32)
		if err == nil {
			binary.LittleEndian.PutUint32(elems[4*i:], math.Float32bits(float32(f)))
			i++
		}
		return err
	})
	return changelog.Vector(elems), err
}

// readArray reads an array; arrays in it are further dimensions.
func readArray(v *Values, c *Column, raw []byte) (changelog.Value, error) {
	n, err := count(raw)
	if err != nil {
		return changelog.Value{}, err
	}
	elems, i := v.batch.NewRow(n), 0
	err = jsonx.EachElement(raw, func(value []byte) error {
		var err error
		switch {
		case jsonx.IsNull(value):
		case value[0] == '[' && c.elem.of.Type.Kind != changelog.KindVector:
			elems[i], err = readArray(v, c, value)
		default:
			elems[i], err = c.elem.Read(v, value)
		}
		i++
		return err
	})
	return changelog.Array(elems), err
}

// readMap reads an object of texts and nulls, or one that stands in a text.
func readMap(v *Values, _ *Column, raw []byte) (changelog.Value, error) {
	doc := raw
	if jsonx.IsString(raw) {
		var err error
		if doc, err = v.text(raw); err != nil {
			return changelog.Value{}, err
		}
	}
	n := 0
	if err := jsonx.EachField(doc, func(_, _ []byte) error { n++; return nil }); err != nil {
		return changelog.Value{}, errMap
	}
	pairs, i := v.batch.NewRow(2*n), 0
	err := jsonx.EachField(doc, func(name, value []byte) error {
		pairs[2*i] = changelog.String(v.batch.Copy(name))
		if !jsonx.IsNull(value) {
			text, err := v.text(value)
			if err != nil {
				return errMap
			}
			pairs[2*i+1] = changelog.String(text)
		}
		i++
		return nil
	})
	return changelog.Map(pairs), err
}
