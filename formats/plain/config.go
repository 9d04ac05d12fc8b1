package plain

import (
	"fmt"
	"slices"
	"strings"

	"cdcbridge/formats"
)

// Values of Config.KeyFormat.
const (
	keyJSON = "json" // an object of the key columns
	keyRaw  = "raw"  // the text of the only key column
)

// Values of Config.DecimalHandlingMode and Config.BigintUnsignedHandlingMode.
const (
	numberString = "string" // digits as a text
	numberNumber = "number" // a JSON number with all digits
)

// Values of Config.TimestampFormat.
const (
	timestampISO = "ISO-8601" // 2024-05-06T07:08:09.120
	timestampSQL = "SQL"      // 2024-05-06 07:08:09.120
)

// Values of Config.BinaryHandlingMode.
const (
	binaryBase64 = "base64" // standard, padded
	binaryURL    = "base64-url-safe"
	binaryHex    = "hex"
)

// Values of Config.HstoreHandlingMode.
const (
	hstoreMap  = "map"  // an object
	hstoreJSON = "json" // the object as a text
)

// Values of Config.JSONHandlingMode.
const (
	jsonText   = "text"   // the document as a text, as the database prints it
	jsonNested = "nested" // the document itself, without white space between its parts
)

// Values of Config.SpecialValues.
const (
	specialNull = "null"
	specialText = "text"
)

// Config is the format's section of an output. Where Debezium has an option for the same thing it has Debezium's name.
type Config struct {
	// KeyFormat says what the record key is: json (an object of the key columns), or raw (the text of the one key column).
	KeyFormat string `mapstructure:"key_format"`

	// AddFields lists what a value says beside the row: op, db, schema, table, ts_ms, source.ts_ms, source.ts_us, time, pos, txn,
	// ord, deleted. They come after the columns, in this order. In a log of changes op or deleted must be among them.
	AddFields []string `mapstructure:"add_fields"`

	// AddFieldsPrefix stands before their names, in which dots become underscores: __source_ts_ms.
	AddFieldsPrefix string `mapstructure:"add_fields_prefix"`

	// DecimalHandlingMode says how DECIMAL is written: string or number.
	DecimalHandlingMode string `mapstructure:"decimal_handling_mode"`

	// BigintUnsignedHandlingMode says how BIGINT UNSIGNED and BIT(64) are written: string or number.
	BigintUnsignedHandlingMode string `mapstructure:"bigint_unsigned_handling_mode"`

	// TimestampFormat says what stands between date and time: ISO-8601 (T) or SQL (a blank). The names are Flink's.
	TimestampFormat string `mapstructure:"timestamp_format"`

	// BinaryHandlingMode says how BINARY, VARBINARY, BLOB and bytea are written: base64, base64-url-safe or hex.
	BinaryHandlingMode string `mapstructure:"binary_handling_mode"`

	// HstoreHandlingMode says how hstore is written: map or json.
	HstoreHandlingMode string `mapstructure:"hstore_handling_mode"`

	// JSONHandlingMode says how JSON columns are written: text or nested.
	JSONHandlingMode string `mapstructure:"json_handling_mode"`

	// SpecialValues says what becomes of infinite dates, times, intervals and decimals, of a decimal that is not a number, and of
	// zero dates: null or text. Key columns always keep them.
	SpecialValues string `mapstructure:"special_values"`
}

var (
	_ formats.Config      = (*Config)(nil)
	_ formats.ModeChecker = (*Config)(nil)
)

// Kind is the format's row in the wiring table.
func Kind() formats.Kind {
	return formats.Kind{Name: "plain-json", Config: func() formats.Config { return NewConfig() }}
}

// NewConfig gives the defaults: those that Flink reads every column with.
func NewConfig() *Config {
	return &Config{
		KeyFormat:                  keyJSON,
		AddFieldsPrefix:            "__",
		DecimalHandlingMode:        numberString,
		BigintUnsignedHandlingMode: numberString,
		TimestampFormat:            timestampISO,
		BinaryHandlingMode:         binaryBase64,
		HstoreHandlingMode:         hstoreMap,
		JSONHandlingMode:           jsonText,
		SpecialValues:              specialNull,
	}
}

// Preset knows "flink", which is what the defaults are for.
func (c *Config) Preset(name string) bool { return name == "flink" }

// Validate reports every option with a value that does not exist.
func (c *Config) Validate() []error {
	var errs []error
	check := func(key, value string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			errs = append(errs, fmt.Errorf("%s: %q is not one of %s", key, value, strings.Join(allowed, ", ")))
		}
	}
	check("key_format", c.KeyFormat, keyJSON, keyRaw)
	for i, name := range c.AddFields {
		check(fmt.Sprintf("add_fields[%d]", i), name, fieldNames...)
		if slices.Contains(c.AddFields[:i], name) {
			errs = append(errs, fmt.Errorf("add_fields[%d]: %q is listed twice", i, name))
		}
	}
	check("decimal_handling_mode", c.DecimalHandlingMode, numberString, numberNumber)
	check("bigint_unsigned_handling_mode", c.BigintUnsignedHandlingMode, numberString, numberNumber)
	check("timestamp_format", c.TimestampFormat, timestampISO, timestampSQL)
	check("binary_handling_mode", c.BinaryHandlingMode, binaryBase64, binaryURL, binaryHex)
	check("hstore_handling_mode", c.HstoreHandlingMode, hstoreMap, hstoreJSON)
	check("json_handling_mode", c.JSONHandlingMode, jsonText, jsonNested)
	check("special_values", c.SpecialValues, specialNull, specialText)
	return errs
}

// CheckMode refuses what would leave deletes unsaid.
func (c *Config) CheckMode(m formats.Mode) []error {
	switch {
	case !m.Upsert && !slices.Contains(c.AddFields, fieldOp) && !slices.Contains(c.AddFields, fieldDeleted):
		return []error{fmt.Errorf("add_fields: must have op or deleted in mode changelog, where a deleted row would look like a new one")}
	case m.Upsert && !m.Tombstones:
		return []error{fmt.Errorf("add_fields: cannot tell that a row is deleted in mode upsert, where only the tombstone does: tombstones_on_delete must be true")}
	}
	return nil
}

// Format makes the format with a copy of the options.
func (c *Config) Format(formats.Env) formats.Format { return &format{cfg: c.clone()} }

// Decoder reads messages that were written with these options.
func (c *Config) Decoder() formats.Decoder { return newDecoder(c.clone()) }

func (c *Config) clone() Config {
	d := *c
	d.AddFields = slices.Clone(c.AddFields)
	return d
}
