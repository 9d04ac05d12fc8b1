package debezium

import (
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// TestKeyLinks has what Connect's default converter of headers wrote of these keys.
func TestKeyLinks(t *testing.T) {
	table := &changelog.Table{Origin: "mysql", Database: "lab", Name: "t", Columns: []changelog.Column{{Name: "k", Type: changelog.Type{Kind: changelog.KindString}}}}
	for text, want := range map[string]string{
		"é😀":        `{"k":"é😀"}`,
		`a"b\c`:     `{"k":"a\"b\\c"}`,
		"\n\x1f\\u": "{\"k\":\"\n\x1f\\\\u\"}",
		"":          `{"k":""}`,
	} {
		for _, schemas := range []bool{false, true} {
			cfg := NewConfig()
			cfg.Schemas.KeySchemasEnable = schemas
			enc := compile(t, cfg, table, formats.Options{Key: []int{0}}).(formats.KeyLinker)
			key, err := enc.(formats.Encoder).AppendKey(nil, changelog.Row{changelog.String([]byte(text))})
			if err != nil {
				t.Fatal(err)
			}
			if got := string(enc.AppendKeyLink([]byte("x"), key)); got != "x"+want {
				t.Errorf("%s with schemas %t: got %q, want %q", key, schemas, got, want)
			}
			if newKey, oldKey := enc.KeyLinkHeaders(); newKey != "__debezium.newkey" || oldKey != "__debezium.oldkey" {
				t.Errorf("got %s and %s", newKey, oldKey)
			}
		}
	}
}
