package plain

import (
	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

// column is one column of a table version, ready to be written.
type column struct {
	prefix jsonx.Name // brace or comma, name, colon
	kind   changelog.Kind
	append appendFunc
	inner  appendFunc    // of a raw key: what writes it in JSON
	forms  [forms]string // texts of values that are not FormNormal; "": append writes them as well
	fsp    int           // temporal types: fraction digits
	elem   *column       // KindArray
}

const forms = int(changelog.FormNaN) + 1

// appendFunc writes a value of the column's kind. Its error is a fault without Op, made by refuse.
type appendFunc func(dst []byte, c *column, v *changelog.Value) ([]byte, error)

const postgres = "postgresql"

// compiler chooses how a column is written.
type compiler struct {
	cfg *Config
	key bool // as the record key has it
}

// column chooses for one column. Arrays come back here for their elements.
func (k compiler) column(c *column, in *changelog.Column) error {
	c.kind = in.Type.Kind
	switch in.Type.Kind {
	case changelog.KindBool:
		c.append = appendBool
	case changelog.KindInt:
		c.append = appendInt
	case changelog.KindUint:
		c.append = k.natural(in.Type.Bits)
	case changelog.KindFloat32, changelog.KindFloat64:
		c.append = k.float(in.Type.Kind)
	case changelog.KindDecimal:
		k.decimal(c, &in.Type)
	case changelog.KindString, changelog.KindEnum, changelog.KindSet:
		c.append = appendText
	case changelog.KindJSON:
		c.append = appendText
		if k.cfg.JSONHandlingMode == jsonNested && !k.key {
			c.append = appendDocument
		}
	case changelog.KindBytes:
		c.append = k.binary()
	case changelog.KindDate, changelog.KindTime, changelog.KindDateTime, changelog.KindTimestamp, changelog.KindTimeTZ, changelog.KindInterval:
		k.temporal(c, &in.Type)
	default:
		return k.nested(c, in)
	}
	return nil
}

// nested chooses for bits and for kinds that are no scalars.
func (k compiler) nested(c *column, in *changelog.Column) error {
	switch in.Type.Kind {
	case changelog.KindBits:
		switch c.append = k.natural(in.Type.Bits); {
		case in.Type.Bits == 1:
			c.append = appendBool
		case in.Type.Bits < 1 || in.Type.Bits > 64:
			return refuse(fault.Internal, "Report this with the table's definition.", "a bit string of %d bits", in.Type.Bits)
		}
	case changelog.KindBitString:
		c.append = appendText
		if in.Type.Fixed && in.Type.Bits == 1 {
			c.append = appendBitFlag
		}
	case changelog.KindGeometry:
		c.append = appendGeometry
	case changelog.KindVector:
		c.append = appendVector
	case changelog.KindArray:
		if in.Type.Elem == nil {
			return refuse(fault.Internal, "Report this with the table's definition.", "an array of unknown elements")
		}
		c.append, c.elem = appendArray, new(column)
		return k.column(c.elem, in.Type.Elem)
	case changelog.KindMap:
		c.append = appendMap
		if k.cfg.HstoreHandlingMode == hstoreJSON {
			c.append = appendMapText
		}
	default:
		return refuse(fault.UnsupportedType, "Exclude the column from the capture.", "type %q has no form in plain-json", in.SourceType)
	}
	return nil
}

// special says what infinities and NaN are written as: the given texts, or null.
func (k compiler) special(c *column, posInf, negInf, nan string) {
	if k.cfg.SpecialValues == specialNull && !k.key {
		posInf, negInf, nan = "null", "null", "null"
		c.forms[changelog.FormZeroParts] = "null"
	}
	c.forms[changelog.FormPosInf], c.forms[changelog.FormNegInf], c.forms[changelog.FormNaN] = posInf, negInf, nan
}

// ordinary handles the values that have a text of their own: done tells that dst is the result.
func ordinary(dst []byte, c *column, v *changelog.Value) (_ []byte, done bool) {
	if f := v.Form(); f != changelog.FormNormal && c.forms[f] != "" {
		return append(dst, c.forms[f]...), true
	}
	return dst, false
}
