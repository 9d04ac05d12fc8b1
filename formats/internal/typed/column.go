package typed

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

// Binary is how bytes are written.
type Binary uint8

// Forms of bytes.
const (
	Base64 Binary = iota // standard, padded
	Base64URL
	Hex
)

// Forms are what is to be known of the forms that values have.
type Forms struct {
	Binary Binary
	Nested bool // JSON documents are a part of the row, and not texts
}

// Column is one column, ready to be read. It is immutable.
type Column struct {
	of     *changelog.Column
	forms  Forms
	origin string
	zeros  bool // dates may be none, as MySQL has them
	read   func(v *Values, c *Column, raw []byte) (changelog.Value, error)
	elem   *Column // KindArray
}

const postgres = "postgresql"

// NewColumn prepares to read a column of a table of that origin. The error names a type that has no plain form.
func NewColumn(origin string, in *changelog.Column, f Forms) (*Column, error) {
	c := &Column{of: in, forms: f, origin: origin, zeros: origin != postgres}
	switch in.Type.Kind {
	case changelog.KindBool:
		c.read = readBool
	case changelog.KindInt:
		c.read = readInt
	case changelog.KindUint:
		c.read = readUint
	case changelog.KindFloat32:
		c.read = readFloat32
	case changelog.KindFloat64:
		c.read = readFloat64
	case changelog.KindDecimal:
		c.read = readDecimal
	case changelog.KindString:
		c.read = readString
	case changelog.KindEnum:
		c.read = readEnum
	case changelog.KindSet:
		c.read = readSet
	case changelog.KindJSON:
		c.read = readJSON
	case changelog.KindBytes:
		c.read = readBytes
	case changelog.KindDate:
		c.read = readDate
	case changelog.KindTime:
		c.read = readTime
	case changelog.KindDateTime:
		c.read = readDateTime
	case changelog.KindTimestamp:
		c.read = readTimestamp
	case changelog.KindTimeTZ:
		c.read = readTimeTZ
	case changelog.KindInterval:
		c.read = readInterval
	default:
		return c, c.nested()
	}
	return c, nil
}

func (c *Column) nested() error {
	switch c.of.Type.Kind {
	case changelog.KindBits:
		c.read = readBits
	case changelog.KindBitString:
		c.read = readBitString
	case changelog.KindGeometry:
		c.read = readGeometry
	case changelog.KindVector:
		c.read = readVector
	case changelog.KindMap:
		c.read = readMap
	case changelog.KindArray:
		if c.of.Type.Elem == nil {
			return errors.New("an array of unknown elements")
		}
		c.read = readArray
		var err error
		c.elem, err = NewColumn(c.origin, c.of.Type.Elem, c.forms)
		return err
	default:
		return fmt.Errorf("type %q has no form", c.of.SourceType)
	}
	return nil
}

// Values makes the values of one record after the other. It belongs to one goroutine.
type Values struct {
	batch   *changelog.Batch
	scratch []byte
}

// Into says which batch values belong to from now on.
func (v *Values) Into(b *changelog.Batch) { v.batch = b }

// Read makes a value of raw JSON, which jsonx has found to be valid and which is not null. It lives as long as the batch.
func (c *Column) Read(v *Values, raw []byte) (changelog.Value, error) { return c.read(v, c, raw) }

// Unquoted makes a value of the text that a value has without quotes: of text, bytes and documents that is the text itself, of
// everything else what stands between the quotes.
func (v *Values) Unquoted(c *Column, text []byte) (changelog.Value, error) {
	switch c.of.Type.Kind {
	case changelog.KindString:
		return changelog.String(v.batch.Copy(text)), nil
	case changelog.KindBytes:
		return changelog.Bytes(v.batch.Copy(text)), nil
	case changelog.KindJSON:
		if err := jsonx.Check(text); err != nil {
			return changelog.Value{}, err
		}
		return changelog.JSON(v.batch.Copy(text)), nil
	case changelog.KindArray, changelog.KindMap, changelog.KindGeometry, changelog.KindVector:
		if err := jsonx.Check(text); err != nil {
			return changelog.Value{}, err
		}
		if text[0] != '[' && text[0] != '{' && text[0] != '"' {
			return changelog.Value{}, mistyped(text, "array or object")
		}
		return c.read(v, c, text)
	}
	return c.read(v, c, jsonx.AppendString(nil, text))
}

// text gives a text as bytes that live as long as the batch.
func (v *Values) text(raw []byte) ([]byte, error) {
	if !jsonx.IsString(raw) {
		return nil, mistyped(raw, "text")
	}
	if len(raw) == 2 {
		return []byte{}, nil
	}
	return jsonx.AppendUnquoted(v.batch.Grab(len(raw) - 2)[:0], raw)
}

// peek gives a text as bytes that are valid until the next call, and not to be changed.
func (v *Values) peek(raw []byte) ([]byte, error) {
	if !jsonx.IsString(raw) {
		return nil, mistyped(raw, "text")
	}
	if text := raw[1 : len(raw)-1]; bytes.IndexByte(text, '\\') < 0 {
		return text, nil
	}
	var err error
	v.scratch, err = jsonx.AppendUnquoted(v.scratch[:0], raw)
	return v.scratch, err
}

// mistyped is the error of a value that is not what the column holds.
func mistyped(raw []byte, want string) error { return fmt.Errorf("%s is no %s", excerpt(raw), want) }

// excerpt is the beginning of a raw value, as part of an error.
func excerpt(raw []byte) string {
	const most = 60
	if len(raw) <= most {
		return strings.ToValidUTF8(string(raw), "\uFFFD")
	}
	return strings.ToValidUTF8(string(raw[:most]), "\uFFFD") + "…"
}

// view sees bytes as a string for the length of one call.
func view(p []byte) string { return unsafe.String(unsafe.SliceData(p), len(p)) }
