package plain

import (
	"encoding/base64"
	"encoding/hex"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

// appendText writes text, the label of an ENUM, the labels of a SET, a JSON document as the database prints it, and bit strings.
func appendText(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	_, _, _, text := v.Raw()
	return jsonx.AppendString(dst, text), nil
}

// appendDocument writes a JSON document as a part of the row.
func appendDocument(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	doc := v.Bytes()
	if err := jsonx.Check(doc); err != nil {
		return dst, malformed("a JSON column has no document: %w", err)
	}
	return jsonx.AppendCompact(dst, doc), nil
}

func appendBitFlag(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	switch string(v.Bytes()) {
	case "1":
		return append(dst, "true"...), nil
	case "0":
		return append(dst, "false"...), nil
	}
	return dst, malformed("%.100q is no single bit", v.Bytes())
}

func (k compiler) binary() appendFunc {
	switch k.cfg.BinaryHandlingMode {
	case binaryURL:
		return appendBase64URL
	case binaryHex:
		return appendHex
	}
	return appendBase64
}

func appendBase64(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	return jsonx.AppendBase64(dst, v.Bytes()), nil
}

func appendBase64URL(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	return append(base64.URLEncoding.AppendEncode(append(dst, '"'), v.Bytes()), '"'), nil
}

func appendHex(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	return append(hex.AppendEncode(append(dst, '"'), v.Bytes()), '"'), nil
}
