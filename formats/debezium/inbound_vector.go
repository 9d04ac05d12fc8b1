package debezium

import (
	"errors"
	"strconv"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

var errVector = errors.New("the value is no vector")

// readHalfvec reads an array of numbers as pgvector prints its halfvec.
func readHalfvec(r *reader, _ *inbound, raw []byte) (changelog.Value, error) {
	text := append(make([]byte, 0, len(raw)), '[')
	err := jsonx.EachElement(raw, func(value []byte) error {
		f, err := parseFloat(value, 32)
		if err != nil {
			return errVector
		}
		text = append(appendServerReal(text, f), ',')
		return nil
	})
	return changelog.String(r.batch.Copy(closed(text, ']'))), err
}

// readSparsevec reads the dimensions and the pairs as pgvector prints its sparsevec.
func readSparsevec(r *reader, _ *inbound, raw []byte) (changelog.Value, error) {
	text := append(make([]byte, 0, len(raw)), '{')
	dimensions := int64(-1)
	pair := func(value []byte) error {
		n := 0
		return jsonx.EachElement(value, func(part []byte) error {
			if n++; n == 1 {
				i, err := jsonx.Int(part)
				text = append(strconv.AppendInt(text, i, 10), ':')
				return err
			}
			f, err := parseFloat(part, 64)
			if err != nil || n > 2 {
				return errVector
			}
			text = append(appendServerReal(text, f), ',')
			return nil
		})
	}
	err := jsonx.EachField(raw, func(name, value []byte) (err error) {
		switch string(name) {
		case "dimensions":
			dimensions, err = jsonx.Int(value)
		case "vector":
			err = jsonx.EachElement(value, pair)
		}
		return err
	})
	if err == nil && dimensions < 0 {
		err = errVector
	}
	text = append(closed(text, '}'), '/')
	return changelog.String(r.batch.Copy(strconv.AppendInt(text, dimensions, 10))), err
}

// closed ends a list, in the place of its last comma where it has one.
func closed(text []byte, last byte) []byte {
	if text[len(text)-1] == ',' {
		text = text[:len(text)-1]
	}
	return append(text, last)
}

// appendServerReal appends a number as PostgreSQL prints one of single precision: with an exponent below 1e-4 and from 1e6 on.
func appendServerReal(dst []byte, f float64) []byte {
	if abs := max(f, -f); abs != 0 && (abs < 1e-4 || abs >= 1e6) {
		return strconv.AppendFloat(dst, f, 'e', -1, 32)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 32)
}
