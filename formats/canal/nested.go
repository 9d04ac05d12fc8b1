package canal

import (
	"fmt"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

// nest gives arrays, maps and vectors their form as JSON.
func (c *Config) nest(t *changelog.Table, col *changelog.Column, out *column) error {
	switch col.Type.Kind {
	case changelog.KindMap:
		out.form, out.sql = formMap, fixedSQLType(sqlOther)
	case changelog.KindVector:
		out.form, out.sql = formNumbers, fixedSQLType(sqlArray)
	case changelog.KindArray:
		if col.Type.Elem == nil {
			return nil // there is no value of it
		}
		elem, err := c.compileText(t, col.Type.Elem)
		if err == nil {
			err = c.nest(t, col.Type.Elem, &elem)
		}
		if err != nil {
			return fmt.Errorf("preparing the elements of column %q: %w", col.Name, err)
		}
		elem.title = col.Name
		out.form, out.sql, out.elem = formArray, fixedSQLType(sqlArray), &elem
	}
	return nil
}

// holdsMap reports that values are objects, or have objects in them.
func (c *column) holdsMap() bool {
	return c.form == formMap || c.form == formArray && c.elem.holdsMap()
}

// appendNested appends an array, a map or a vector.
func (c *column) appendNested(dst []byte, v *changelog.Value, zone *time.Location) ([]byte, error) {
	switch c.form {
	case formMap:
		return appendMap(dst, v.Elems())
	case formNumbers:
		return appendNumbers(dst, v.Bytes())
	}
	return c.appendArray(dst, v.Elems(), zone)
}

// appendArray appends an array; one of several dimensions has arrays for elements.
func (c *column) appendArray(dst []byte, elems []changelog.Value, zone *time.Location) ([]byte, error) {
	dst = append(dst, '[')
	var err error
	for i := range elems {
		if i > 0 {
			dst = append(dst, ',')
		}
		of := c.elem
		if kind, _, _, _ := elems[i].Raw(); kind == changelog.KindArray && of.kind != changelog.KindArray {
			of = c
		}
		if dst, err = of.appendValue(dst, &elems[i], zone); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

// appendMap appends an hstore as an object of texts.
func appendMap(dst []byte, pairs []changelog.Value) ([]byte, error) {
	if len(pairs)%2 != 0 {
		return nil, fault.NewFinal(fault.Internal, "writing a map as canal-json", fmt.Errorf("%d keys and values", len(pairs)),
			"Please report this with the table's definition.")
	}
	dst = append(dst, '{')
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jsonx.AppendCanalString(dst, pairs[i].Bytes()), ':')
		if pairs[i+1].IsNull() {
			dst = append(dst, "null"...)
		} else {
			dst = jsonx.AppendCanalString(dst, pairs[i+1].Bytes())
		}
	}
	return append(dst, '}'), nil
}

// appendNumbers appends a vector as an array of numbers.
func appendNumbers(dst, elems []byte) ([]byte, error) {
	if len(elems)%4 != 0 {
		return nil, fault.NewFinal(fault.Internal, "writing a vector as canal-json", fmt.Errorf("%d bytes", len(elems)),
			"Please report this with the table's definition.")
	}
	return appendVector(dst, elems), nil
}
