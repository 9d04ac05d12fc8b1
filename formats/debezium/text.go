package debezium

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

// text chooses for texts of all kinds.
func (k compiler) text(c *column, in *changelog.Column) {
	if k.origin == postgres && in.Type.Kind == changelog.KindString && in.SourceType == "point" {
		c.write(appendPointText, pointSchema())
		return
	}
	if in.Type.Kind == changelog.KindString && k.vectorText(c, in) {
		return
	}
	c.write(appendText, k.textSchema(in))
	if in.Type.Kind == changelog.KindJSON && k.origin != postgres {
		c.append = appendCompactJSON
	}
	c.placeholder = jsonx.AppendString(nil, k.placeholder)
}

// textSchema says what a text means.
func (k compiler) textSchema(in *changelog.Column) schema {
	switch in.Type.Kind {
	case changelog.KindJSON:
		return jsonSchema
	case changelog.KindSet:
		return stringSchema.named("io.debezium.data.EnumSet").with("allowed", k.labels(in))
	case changelog.KindEnum:
		return enumSchema(k.labels(in))
	}
	if k.origin != postgres {
		if in.SourceType == "uuid" {
			return stringSchema.named("io.debezium.data.Uuid")
		}
		return stringSchema
	}
	if in.Type.Labels != nil {
		return enumSchema(k.labels(in))
	}
	if name := meanings[bareType(in.SourceType)]; name != "" {
		return stringSchema.named(name)
	}
	return stringSchema
}

var jsonSchema = stringSchema.named("io.debezium.data.Json")

// meanings are the types of PostgreSQL whose text has a meaning that Debezium names.
var meanings = map[string]string{
	"uuid":     "io.debezium.data.Uuid",
	"xml":      "io.debezium.data.Xml",
	"tsvector": "io.debezium.data.Tsvector",
	"ltree":    "io.debezium.data.Ltree",
}

// bareType is the name of a type without its schema and its modifiers.
func bareType(source string) string {
	source, _, _ = strings.Cut(source, "(")
	return source[strings.LastIndexByte(source, '.')+1:]
}

// labels joins the labels of an ENUM or SET as Debezium does: with commas. On MySQL and MariaDB those within a label, and
// backslashes, have a backslash before them.
func (k compiler) labels(in *changelog.Column) string {
	all := make([]string, len(in.Type.Labels))
	for i, label := range in.Type.Labels {
		if k.origin != postgres {
			label = escapeLabel.Replace(label)
		}
		all[i] = label
	}
	return strings.Join(all, ",")
}

// binary chooses for bytes.
func (k compiler) binary(c *column) {
	switch k.cfg.BinaryHandlingMode {
	case binaryURL:
		c.write(appendBase64URL, stringSchema)
		c.placeholder = fmt.Appendf(nil, "%q", base64.URLEncoding.EncodeToString(k.placeholder))
	case binaryHex:
		c.write(appendHex, stringSchema)
		c.placeholder = jsonx.AppendString(nil, k.placeholder)
	case binaryBase64:
		c.write(appendBase64, stringSchema)
		c.placeholder = jsonx.AppendBase64(nil, k.placeholder)
	default:
		c.write(appendBase64, bytesSchema)
		c.placeholder = jsonx.AppendBase64(nil, k.placeholder)
	}
}

// appendText writes text, the label of an ENUM, the labels of a SET, and the JSON of PostgreSQL as it stands there.
func appendText(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	_, _, _, text := v.Raw()
	return jsonx.AppendString(dst, text), nil
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
