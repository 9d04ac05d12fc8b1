package debezium

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

// column is one column of a table version, ready to be written.
type column struct {
	prefix      []byte // brace or comma, name, colon
	kind        changelog.Kind
	append      appendFunc
	zero        []byte // temporal types: text of a zero date
	placeholder []byte // text of a value that the log did not carry; nil: it has none
	suffix      string // ISO 8601 text: what ends it, with the closing quote
	scale       int    // KindDecimal
	fsp         int    // temporal types
	bytes       int    // KindBits: bytes of the value
}

// appendFunc writes a value of the column's kind. Its error is a fault without Op, made by refuse.
type appendFunc func(dst []byte, c *column, v *changelog.Value) ([]byte, error)

// unavailable is Debezium's unavailable.value.placeholder.
const unavailable = "__debezium_unavailable_value"

// compileColumn chooses how a column is written.
func (f *format) compileColumn(c *column, in *changelog.Column) error {
	c.kind = in.Type.Kind
	switch in.Type.Kind {
	case changelog.KindBool:
		c.append = appendBool
	case changelog.KindInt:
		c.append = appendInt
	case changelog.KindUint:
		var err error
		c.append, err = f.compileUint(in)
		return err
	case changelog.KindFloat32:
		c.append = appendFloat
		if strings.HasPrefix(in.SourceType, "float(") && strings.Contains(in.SourceType, ",") {
			c.append = appendFloatAsDouble // FLOAT(M,D) is a double in Debezium
		}
	case changelog.KindFloat64:
		c.append = appendDouble
	case changelog.KindDecimal:
		c.scale = in.Type.Scale
		c.append = f.compileDecimal()
	case changelog.KindString, changelog.KindEnum, changelog.KindSet:
		c.append = appendText
		c.placeholder = jsonx.AppendString(nil, []byte(unavailable))
	case changelog.KindJSON:
		c.append = appendJSON
		c.placeholder = jsonx.AppendString(nil, []byte(unavailable))
	case changelog.KindBytes:
		c.append = f.compileBytes(c)
	case changelog.KindDate, changelog.KindTime, changelog.KindDateTime, changelog.KindTimestamp:
		f.compileTemporal(c, in)
	case changelog.KindBits:
		return compileBits(c, in)
	case changelog.KindGeometry:
		c.append = appendGeometry
		if in.SourceType == "point" || strings.HasPrefix(in.SourceType, "point ") {
			c.append = appendPoint
		}
	case changelog.KindVector:
		c.append = appendVector
	default:
		return refuse(fault.UnsupportedType, "Exclude the column from the capture.", "type %q has no form in debezium-json", in.SourceType)
	}
	return nil
}

func (f *format) compileBytes(c *column) appendFunc {
	switch f.cfg.BinaryHandlingMode {
	case binaryURL:
		c.placeholder = fmt.Appendf(nil, "%q", base64.URLEncoding.EncodeToString([]byte(unavailable)))
		return appendBase64URL
	case binaryHex:
		c.placeholder = fmt.Appendf(nil, "%q", hex.EncodeToString([]byte(unavailable)))
		return appendHex
	}
	c.placeholder = jsonx.AppendBase64(nil, []byte(unavailable))
	return appendBase64
}

func compileBits(c *column, in *changelog.Column) error {
	switch n := in.Type.Bits; {
	case n == 1:
		c.append = appendBool
	case n > 1 && n <= 64:
		c.append, c.bytes = appendBits, (n+7)/8
	default:
		return refuse(fault.Internal, "Report this with the table's definition.", "a bit string of %d bits", n)
	}
	return nil
}

// refuse makes the fault of a value that has no form; the caller adds where it was.
func refuse(code fault.Code, hint, text string, args ...any) error {
	return fault.NewFinal(code, "", fmt.Errorf(text, args...), hint)
}

// malformed is the fault of a value that breaks the contract of its kind.
func malformed(text string, args ...any) error {
	return refuse(fault.Internal, "Report this with the table's definition and the log position.", text, args...)
}
