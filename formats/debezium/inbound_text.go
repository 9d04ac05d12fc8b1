package debezium

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

// decoding is how bytes are written.
type decoding uint8

const (
	decodeBase64 decoding = iota
	decodeURL
	decodeHex
)

var decodings = map[string]decoding{binaryBytes: decodeBase64, binaryBase64: decodeBase64, binaryURL: decodeURL, binaryHex: decodeHex}

var (
	errBase64 = errors.New("the text is no base64")
	errHex    = errors.New("the text is not hexadecimal")
	errLabel  = errors.New("the table has no such label")
)

func readText(r *reader, _ *inbound, raw []byte) (changelog.Value, error) {
	text, err := r.text(raw)
	return changelog.String(text), err
}

// readEnum finds the number of a label. MySQL's error value is the empty text.
func readEnum(r *reader, c *inbound, raw []byte) (changelog.Value, error) {
	text, err := r.text(raw)
	if err != nil {
		return changelog.Value{}, err
	}
	for i, label := range c.column.Type.Labels {
		if label == string(text) {
			return changelog.Enum(uint64(i+1), text), nil
		}
	}
	if len(text) == 0 {
		return changelog.Enum(0, text), nil
	}
	// In the stream, and not in a snapshot, Debezium escapes commas and backslashes as in the list of labels.
	for i, label := range c.column.Type.Labels {
		if strings.ContainsAny(label, `,\`) && escapeLabel.Replace(label) == string(text) {
			return changelog.Enum(uint64(i+1), []byte(label)), nil
		}
	}
	return changelog.Value{}, errLabel
}

var escapeLabel = strings.NewReplacer(`\`, `\\`, `,`, `\,`)

// readSet finds the bits of labels, none of which can have a comma in it.
func readSet(r *reader, c *inbound, raw []byte) (changelog.Value, error) {
	text, err := r.text(raw)
	if err != nil || len(text) == 0 {
		return changelog.Set(0, text), err
	}
	mask := uint64(0)
	for rest, more := text, true; more; {
		var label []byte
		label, rest, more = bytes.Cut(rest, []byte{','})
		bit := -1
		for i, l := range c.column.Type.Labels {
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

// readJSONText reads a document that stands in a text as the database has it.
func readJSONText(r *reader, _ *inbound, raw []byte) (changelog.Value, error) {
	if !jsonx.IsString(raw) { // a document as itself
		return changelog.JSON(r.batch.Copy(raw)), nil
	}
	text, err := r.text(raw)
	if err == nil {
		err = jsonx.Check(text)
	}
	return changelog.JSON(text), err
}

// readJSON reads a document and prints it as MySQL does: Debezium writes it so in a snapshot, and without spaces in the stream.
func readJSON(r *reader, _ *inbound, raw []byte) (changelog.Value, error) {
	text := raw
	if jsonx.IsString(raw) {
		var err error
		if text, err = r.peek(raw); err != nil {
			return changelog.Value{}, err
		}
		if err := jsonx.Check(text); err != nil {
			return changelog.Value{}, err
		}
	}
	return changelog.JSON(jsonx.AppendSpaced(r.batch.Grab(jsonx.SpacedLen(text))[:0], text)), nil
}

func readBytes(r *reader, c *inbound, raw []byte) (changelog.Value, error) {
	var p []byte
	var err error
	switch c.decode {
	case decodeURL:
		p, err = r.unbase64(base64.URLEncoding, raw)
	case decodeHex:
		p, err = r.unhex(raw)
	default:
		p, err = r.unbase64(base64.StdEncoding, raw)
	}
	return changelog.Bytes(p), err
}

// unbase64 gives bytes that live as long as the batch.
func (r *reader) unbase64(enc *base64.Encoding, raw []byte) ([]byte, error) {
	if !jsonx.IsString(raw) {
		return nil, mistyped(raw, "text in base64")
	}
	text := raw[1 : len(raw)-1]
	if bytes.IndexByte(text, '\\') >= 0 { // "\/" is as good as "/"
		var err error
		if text, err = r.peek(raw); err != nil {
			return nil, err
		}
	}
	if len(text) == 0 {
		return []byte{}, nil
	}
	p := r.batch.Grab(enc.DecodedLen(len(text)))
	n, err := enc.Decode(p, text)
	if err != nil || len(text)%4 != 0 || bytes.ContainsAny(text, "\r\n") {
		return nil, errBase64
	}
	return p[:n:n], nil
}

func (r *reader) unhex(raw []byte) ([]byte, error) {
	text, err := r.peek(raw)
	if err != nil {
		return nil, err
	}
	p := r.batch.Grab(hex.DecodedLen(len(text)))
	if _, err := hex.Decode(p, text); err != nil {
		return nil, errHex
	}
	return p, nil
}
