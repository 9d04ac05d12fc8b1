package typed

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

var (
	errBase64 = errors.New("the text is no base64")
	errHex    = errors.New("the text is not hexadecimal")
	errLabel  = errors.New("the column has no such label")
	errBits   = errors.New("the text is no bit string of the column's length")
)

func readString(v *Values, _ *Column, raw []byte) (changelog.Value, error) {
	text, err := v.text(raw)
	return changelog.String(text), err
}

// readEnum finds the number of a label. MySQL's error value is the empty text. Of an enumeration whose labels nobody knows the
// number is 0.
func readEnum(v *Values, c *Column, raw []byte) (changelog.Value, error) {
	text, err := v.text(raw)
	if err != nil {
		return changelog.Value{}, err
	}
	for i, label := range c.of.Type.Labels {
		if label == string(text) {
			return changelog.Enum(uint64(i+1), text), nil
		}
	}
	if len(text) == 0 || c.of.Type.Labels == nil {
		return changelog.Enum(0, text), nil
	}
	return changelog.Value{}, errLabel
}

// readSet finds the bits of labels, none of which can have a comma in it.
func readSet(v *Values, c *Column, raw []byte) (changelog.Value, error) {
	text, err := v.text(raw)
	if err != nil || len(text) == 0 {
		return changelog.Set(0, text), err
	}
	mask := uint64(0)
	for rest, more := text, true; more; {
		var label []byte
		label, rest, more = bytes.Cut(rest, []byte{','})
		bit := -1
		for i, l := range c.of.Type.Labels {
			if l == string(label) {
				bit = i
			}
		}
		if bit < 0 || mask>>bit&1 != 0 {
			return changelog.Value{}, errLabel
		}
		mask |= 1 << bit
	}
	return changelog.Set(mask, text), nil
}

// readJSON reads a document, which stands in a text, or is a part of the row. In the second case MySQL's documents get the white
// space back that MySQL prints.
func readJSON(v *Values, c *Column, raw []byte) (changelog.Value, error) {
	if jsonx.IsString(raw) && !c.forms.Nested {
		text, err := v.text(raw)
		if err == nil {
			err = jsonx.Check(text)
		}
		return changelog.JSON(text), err
	}
	if c.origin == postgres && c.of.SourceType == "json" {
		return changelog.JSON(v.batch.Copy(raw)), nil
	}
	return changelog.JSON(jsonx.AppendSpaced(v.batch.Grab(jsonx.SpacedLen(raw))[:0], raw)), nil
}

func readBytes(v *Values, c *Column, raw []byte) (changelog.Value, error) {
	var p []byte
	var err error
	switch c.forms.Binary {
	case Base64URL:
		p, err = v.unbase64(base64.URLEncoding, raw)
	case Hex:
		p, err = v.unhex(raw)
	default:
		p, err = v.unbase64(base64.StdEncoding, raw)
	}
	return changelog.Bytes(p), err
}

// unbase64 gives bytes that live as long as the batch.
func (v *Values) unbase64(enc *base64.Encoding, raw []byte) ([]byte, error) {
	if !jsonx.IsString(raw) {
		return nil, mistyped(raw, "text in base64")
	}
	text := raw[1 : len(raw)-1]
	if bytes.IndexByte(text, '\\') >= 0 { // "\/" is as good as "/"
		var err error
		if text, err = v.peek(raw); err != nil {
			return nil, err
		}
	}
	if len(text) == 0 {
		return []byte{}, nil
	}
	p := v.batch.Grab(enc.DecodedLen(len(text)))
	n, err := enc.Strict().Decode(p, text)
	if err != nil || len(text)%4 != 0 || bytes.ContainsAny(text, "\r\n") {
		return nil, errBase64
	}
	return p[:n:n], nil
}

func (v *Values) unhex(raw []byte) ([]byte, error) {
	text, err := v.peek(raw)
	if err != nil {
		return nil, err
	}
	p := v.batch.Grab(hex.DecodedLen(len(text)))
	if _, err := hex.Decode(p, text); err != nil {
		return nil, errHex
	}
	return p, nil
}

// readBitString reads zeros and ones, or a boolean for one bit.
func readBitString(v *Values, c *Column, raw []byte) (changelog.Value, error) {
	text := digits(raw)
	switch string(text) {
	case "true":
		text = []byte("1")
	case "false":
		text = []byte("0")
	default:
		if !jsonx.IsString(raw) {
			return changelog.Value{}, mistyped(raw, "bit string")
		}
		text = raw[1 : len(raw)-1]
	}
	for _, b := range text {
		if b != '0' && b != '1' {
			return changelog.Value{}, errBits
		}
	}
	if n := c.of.Type.Bits; n > 0 && (len(text) > n || c.of.Type.Fixed && len(text) != n) {
		return changelog.Value{}, errBits
	}
	return changelog.BitString(v.batch.Copy(text)), nil
}
