package debezium

import (
	"errors"
	"fmt"
	"strings"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

// inbound is one column of a table version, ready to be read. It is the counterpart of column.
type inbound struct {
	name        string // of the field
	column      *changelog.Column
	kind        changelog.Kind
	nullable    bool
	read        readFunc
	placeholder []byte   // raw value that stands for one which the log did not carry; nil: there is none
	text        bool     // a text is a number's digits and not its bytes in base64
	scale       int      // KindDecimal: digits after the point; -1: as many as the value has
	written     int      // KindDecimal: the same of unscaled numbers
	unit        unit     // of numbers that are times
	decode      decoding // KindBytes
	elem        *inbound // KindArray
}

// readFunc reads a raw value that is not null. What it gives lives as long as r.batch.
type readFunc func(r *reader, c *inbound, raw []byte) (changelog.Value, error)

// inboundCompiler chooses how the columns of one table are read: each as compiler.column writes it under the same options.
type inboundCompiler struct {
	cfg    *Config
	origin string // of the table
	key    bool   // the column is one of the record key
}

// column chooses for one column. Arrays come back here for their elements.
func (k inboundCompiler) column(c *inbound, in *changelog.Column) error {
	c.column, c.kind, c.nullable = in, in.Type.Kind, in.Nullable
	if text, _ := k.cfg.placeholder(); k.origin == postgres && !k.key && len(text) > 0 {
		// Other connectors do not write placeholders, and a text may be whatever it likes.
		var out column
		if err := (compiler{cfg: k.cfg, origin: k.origin, placeholder: text}).column(&out, in); err == nil {
			c.placeholder = out.placeholder
		}
	}
	switch in.Type.Kind {
	case changelog.KindBool:
		c.read = readBool
	case changelog.KindInt:
		c.read = readInt
	case changelog.KindUint:
		c.read = readUint
		c.text = k.cfg.BigintUnsignedHandlingMode == bigintString
	case changelog.KindFloat32:
		c.read = readFloat32
	case changelog.KindFloat64:
		c.read = readFloat64
	case changelog.KindDecimal:
		k.decimal(c, in)
	case changelog.KindString:
		c.read = readText
		if k.origin == postgres {
			c.read = k.textReader(in)
		}
	case changelog.KindEnum:
		c.read = readEnum
	case changelog.KindSet:
		c.read = readSet
	case changelog.KindJSON:
		c.read = readJSON
		if k.origin == postgres || in.SourceType == documentType {
			c.read = readJSONText
		}
	case changelog.KindBytes:
		c.read, c.decode = readBytes, decodings[k.cfg.BinaryHandlingMode]
	default:
		return k.composite(c, in)
	}
	return nil
}

func (k inboundCompiler) decimal(c *inbound, in *changelog.Column) {
	c.read, c.text, c.scale = readDecimal, k.cfg.DecimalHandlingMode != decimalPrecise, max(in.Type.Scale, 0)
	if in.Type.Precision == 0 {
		c.scale = -1
	}
	if c.written = c.scale; k.origin == postgres && in.SourceType == "money" {
		c.written = k.cfg.MoneyFractionDigits
	}
}

// composite chooses for times and for kinds that are no scalars.
func (k inboundCompiler) composite(c *inbound, in *changelog.Column) error {
	switch in.Type.Kind {
	case changelog.KindDate:
		c.read = readDate
	case changelog.KindTime:
		c.read, c.unit = readTime, k.timeUnit(in)
	case changelog.KindDateTime:
		c.read, c.unit = readDateTime, k.dateTimeUnit(in)
	case changelog.KindTimestamp:
		c.read = readTimestamp
	case changelog.KindTimeTZ:
		c.read = readTimeTZ
	case changelog.KindInterval:
		c.read = readInterval
	case changelog.KindBits:
		c.read = readBits
	case changelog.KindBitString:
		c.read = readBitString
	case changelog.KindGeometry:
		c.read = readGeometry
	case changelog.KindVector:
		c.read = readVector
	case changelog.KindArray:
		if in.Type.Elem == nil {
			return errors.New("an array of unknown elements")
		}
		c.read, c.elem = readArray, new(inbound)
		return k.column(c.elem, in.Type.Elem)
	case changelog.KindMap:
		c.read = readMap
	default:
		return fmt.Errorf("type %q has no form in debezium-json", in.SourceType)
	}
	return nil
}

// documentType is the type of columns of which nothing is known but that they are no scalars.
const documentType = "document"

// mistyped is the error of a value that is not what the column holds.
func mistyped(raw []byte, want string) error { return fmt.Errorf("%s is no %s", excerpt(raw), want) }

// excerpt is the beginning of a raw value, as part of an error.
func excerpt(raw []byte) string {
	const most = 60
	if len(raw) <= most {
		return string(raw)
	}
	return strings.ToValidUTF8(string(raw[:most]), "") + "…"
}

// text gives a text as bytes that live as long as the batch.
func (r *reader) text(raw []byte) ([]byte, error) {
	if !jsonx.IsString(raw) {
		return nil, mistyped(raw, "text")
	}
	if len(raw) == 2 {
		return []byte{}, nil
	}
	return jsonx.AppendUnquoted(r.batch.Grab(len(raw) - 2)[:0], raw)
}

// peek gives a text as bytes that are valid until the next call.
func (r *reader) peek(raw []byte) ([]byte, error) {
	if !jsonx.IsString(raw) {
		return nil, mistyped(raw, "text")
	}
	var err error
	r.scratch, err = jsonx.AppendUnquoted(r.scratch[:0], raw)
	return r.scratch, err
}

// textReader chooses for texts of PostgreSQL, some of which are taken apart in messages.
func (k inboundCompiler) textReader(in *changelog.Column) readFunc {
	switch {
	case in.SourceType == "point":
		return readPointText
	case !k.key && isHalfvec(in):
		return readHalfvec
	case !k.key && isSparsevec(in):
		return readSparsevec
	}
	return readText
}
