package plain

import (
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
)

// TestRoundTrip: what is written reads back as it was, of every type, under every option.
func TestRoundTrip(t *testing.T) {
	trip := func(name string, lost []formatstest.Loss, edit func(*Config)) formatstest.Trip {
		return formatstest.Trip{Name: name, Lost: lost, Config: func() formats.Config {
			c := NewConfig()
			if edit != nil {
				edit(c)
			}
			return c
		}}
	}
	toNull := func(v changelog.Value) changelog.Value {
		if v.Kind() == changelog.KindJSON && string(v.Bytes()) == "null" {
			return changelog.Null()
		}
		return v
	}
	formatstest.RoundTrip(t,
		trip("defaults", nil, nil),
		trip("numbers", nil, func(c *Config) {
			c.DecimalHandlingMode, c.BigintUnsignedHandlingMode, c.TimestampFormat = numberNumber, numberNumber, timestampSQL
			c.HstoreHandlingMode, c.BinaryHandlingMode, c.SpecialValues = hstoreJSON, binaryHex, specialText
		}),
		trip("nested", []formatstest.Loss{
			{Origin: "mysql", Column: "json", Why: "a document that is null looks like no document", Reads: toNull},
			{Origin: postgres, Column: "json", Why: "white space; null"},
			{Origin: postgres, Column: "jsonb", Why: "a document that is null looks like no document", Reads: toNull},
		}, func(c *Config) { c.JSONHandlingMode, c.BinaryHandlingMode = jsonNested, binaryURL }),
		trip("fields", nil, func(c *Config) { c.AddFields = fieldNames }),
	)
}
