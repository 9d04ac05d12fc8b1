package debezium

import (
	"encoding/base64"
	"encoding/hex"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

// appendText writes text, the label of an ENUM, the labels of a SET, and the JSON of PostgreSQL as it stands there.
func appendText(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	return jsonx.AppendString(dst, v.Bytes()), nil
}

// appendCompactJSON writes io.debezium.data.Json: the document as a text, without white space between its tokens.
func appendCompactJSON(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	return jsonx.AppendCompactString(dst, v.Bytes()), nil
}

func appendBase64(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	return jsonx.AppendBase64(dst, v.Bytes()), nil
}

func appendBase64URL(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	dst = base64.URLEncoding.AppendEncode(append(dst, '"'), v.Bytes())
	return append(dst, '"'), nil
}

func appendHex(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	dst = hex.AppendEncode(append(dst, '"'), v.Bytes())
	return append(dst, '"'), nil
}
