package debezium

import (
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

// column is one column of a table version, ready to be written.
type column struct {
	prefix      jsonx.Name // brace or comma, name, colon
	kind        changelog.Kind
	append      appendFunc
	schema      *schema       // of the values; not of one's default, and whether it may be null
	forms       [forms]string // texts of values that are not FormNormal; "": refused
	placeholder []byte        // text of a value that the log did not carry; nil: it has none
	suffix      string        // ISO 8601 text: what ends it, with the closing quote
	scale       int           // KindDecimal
	fsp         int           // temporal types
	bytes       int           // KindBits, KindBitString: bytes of the value; 0 for as many as it needs
	bits        int           // KindBitString: bits of the value; 0 for any number
	elem        *column       // KindArray
}

const forms = int(changelog.FormNaN) + 1

// appendFunc writes a value of the column's kind. Its error is a fault without Op, made by refuse.
type appendFunc func(dst []byte, c *column, v *changelog.Value) ([]byte, error)

const postgres = "postgresql"

// compiler chooses how the columns of one table are written.
type compiler struct {
	cfg         *Config
	origin      string // of the table
	placeholder []byte // what stands for a value that the log does not carry
	key         bool   // the column is one of the record key: see key.go
}

// write says how values are written and what schema they have then.
func (c *column) write(f appendFunc, s schema) { c.append, c.schema = f, &s }

// column chooses for one column. Arrays come back here for their elements.
func (k compiler) column(c *column, in *changelog.Column) error {
	c.kind = in.Type.Kind
	switch in.Type.Kind {
	case changelog.KindBool:
		c.write(appendBool, booleanSchema)
	case changelog.KindInt:
		k.int(c, in)
	case changelog.KindUint:
		return k.uint(c, in)
	case changelog.KindFloat32, changelog.KindFloat64:
		k.float(c, in)
	case changelog.KindDecimal:
		k.decimal(c, in)
	case changelog.KindString, changelog.KindEnum, changelog.KindSet, changelog.KindJSON:
		k.text(c, in)
	case changelog.KindBytes:
		k.binary(c)
	case changelog.KindDate, changelog.KindTime, changelog.KindDateTime, changelog.KindTimestamp, changelog.KindTimeTZ:
		k.temporal(c, in)
	case changelog.KindInterval:
		k.interval(c)
	case changelog.KindBits:
		return compileBits(c, in)
	case changelog.KindBitString:
		k.bitString(c, in)
	default:
		return k.nested(c, in)
	}
	return nil
}

// nested chooses for kinds that are no scalars.
func (k compiler) nested(c *column, in *changelog.Column) error {
	switch in.Type.Kind {
	case changelog.KindGeometry:
		k.geometry(c, in)
	case changelog.KindVector:
		k.vector(c)
	case changelog.KindArray:
		return k.array(c, in)
	case changelog.KindMap:
		k.hstore(c)
	default:
		return refuse(fault.UnsupportedType, "Exclude the column from the capture.", "type %q has no form in debezium-json", in.SourceType)
	}
	return nil
}

func compileBits(c *column, in *changelog.Column) error {
	switch n := in.Type.Bits; {
	case n == 1:
		c.write(appendBool, booleanSchema)
	case n > 1 && n <= 64:
		c.write(appendBits, bitsSchema(n))
		c.bytes = (n + 7) / 8
	default:
		return refuse(fault.Internal, "Report this with the table's definition.", "a bit string of %d bits", n)
	}
	return nil
}

// special says what the values are written as that are no ordinary ones: the given texts, or null.
func (k compiler) special(c *column, posInf, negInf, nan string) {
	if k.cfg.SpecialValues == specialNull && !k.key {
		posInf, negInf, nan = "null", "null", "null"
	}
	c.forms[changelog.FormPosInf], c.forms[changelog.FormNegInf], c.forms[changelog.FormNaN] = posInf, negInf, nan
}

// normal reports that there is nothing special about a value. What is no normal one is for appendForm.
func normal(v *changelog.Value) bool {
	_, form, _, _ := v.Raw()
	return form == changelog.FormNormal
}

// appendForm writes a value that is not normal.
func appendForm(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	text := c.forms[v.Form()]
	if text == "" {
		return dst, refuse(fault.UnsupportedType, "Set decimal_handling_mode to string or double, or special_values to null.",
			"infinity and NaN have no form as a precise decimal")
	}
	return append(dst, text...), nil
}

// refuse makes the fault of a value that has no form; the caller adds where it was.
func refuse(code fault.Code, hint, text string, args ...any) error {
	return fault.NewFinal(code, "", fmt.Errorf(text, args...), hint)
}

// malformed is the fault of a value that breaks the contract of its kind.
func malformed(text string, args ...any) error {
	return refuse(fault.Internal, "Report this with the table's definition and the log position.", text, args...)
}
