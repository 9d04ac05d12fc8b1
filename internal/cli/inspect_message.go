package cli

import (
	"encoding/json"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// messageDecoder reads messages of an outbox: what is in them only their writer knows, so the value is one field, a document where it
// is JSON and a text otherwise.
type messageDecoder struct{}

// Decode implements formats.Decoder.
func (messageDecoder) Decode(_, value []byte) (*formats.Event, error) {
	if value == nil {
		return &formats.Event{Tombstone: true}, nil
	}
	field := formats.Field{Name: "value", JSON: value}
	if !json.Valid(value) {
		field.JSON, _ = json.Marshal(string(value)) // a string has always a form
	}
	return &formats.Event{Op: changelog.Insert, After: []formats.Field{field}}, nil
}
