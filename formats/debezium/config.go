package debezium

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"cdcbridge/formats"
)

// Values of Config.DecimalHandlingMode.
const (
	decimalPrecise = "precise" // base64 of the unscaled number, minimal big-endian two's complement
	decimalString  = "string"  // plain text
	decimalDouble  = "double"  // number, not exact
)

// Values of Config.TimePrecisionMode.
const (
	timeAdaptive = "adaptive"                   // as below; on PostgreSQL time is ms up to 3 fraction digits, else µs
	timeAdaptMic = "adaptive_time_microseconds" // DATE days, TIME µs, DATETIME ms up to 3 fraction digits, else µs
	timeConnect  = "connect"                    // DATE days, TIME ms, DATETIME ms
	timeISO      = "isostring"                  // ISO 8601 text
	timeMicros   = "microseconds"               // DATE days, others µs
	timeNanos    = "nanoseconds"                // DATE days, others ns
)

// Values of Config.BinaryHandlingMode.
const (
	binaryBytes  = "bytes"  // standard base64, padded: what the JSON converter makes of bytes
	binaryBase64 = "base64" // the same text
	binaryURL    = "base64-url-safe"
	binaryHex    = "hex"
)

// Values of Config.BigintUnsignedHandlingMode.
const (
	bigintLong    = "long"    // values from 2^63 on come out negative
	bigintPrecise = "precise" // as a decimal of scale 0 in the precise form
	bigintString  = "string"  // decimal text; not a mode of Debezium
)

// Values of Config.IntervalHandlingMode.
const (
	intervalNumeric = "numeric" // microseconds, a month has 30.4375 days
	intervalString  = "string"  // ISO 8601
)

// Values of Config.HstoreHandlingMode.
const (
	hstoreJSON = "json" // the JSON document as a text
	hstoreMap  = "map"  // an object
)

// Values of Config.SpecialValues.
const (
	specialKeep = "keep"
	specialNull = "null"
)

// Config is the format's section of an output. The names are Debezium's with underscores for dots; the values and the
// defaults are those of its connectors.
type Config struct {
	// DecimalHandlingMode says how DECIMAL is written: precise, string or double.
	DecimalHandlingMode string `mapstructure:"decimal_handling_mode"`

	// TimePrecisionMode says how DATE, TIME and DATETIME (PostgreSQL's timestamp without time zone) are written: adaptive,
	// adaptive_time_microseconds, connect, isostring, microseconds or nanoseconds. The first is the default of Debezium's
	// PostgreSQL connector, the second that of the MySQL connector, which does not have the first: there they are the same.
	// TIMESTAMP (timestamp with time zone) is ISO 8601 text in UTC in all of them.
	TimePrecisionMode string `mapstructure:"time_precision_mode"`

	// BinaryHandlingMode says how BINARY, VARBINARY, BLOB and bytea are written: bytes, base64, base64-url-safe or hex.
	BinaryHandlingMode string `mapstructure:"binary_handling_mode"`

	// BigintUnsignedHandlingMode says how BIGINT UNSIGNED is written: long, precise, or (ours) string.
	BigintUnsignedHandlingMode string `mapstructure:"bigint_unsigned_handling_mode"`

	// IntervalHandlingMode says how interval is written: numeric or string.
	IntervalHandlingMode string `mapstructure:"interval_handling_mode"`

	// HstoreHandlingMode says how hstore is written: json or map.
	HstoreHandlingMode string `mapstructure:"hstore_handling_mode"`

	// SpecialValues says what becomes of the infinities of dates, times and intervals and of a numeric's infinities and
	// NaN: keep writes them as each mode can, null as null. Record keys always keep them. Not an option of Debezium.
	SpecialValues string `mapstructure:"special_values"`

	// TransactionMetadata fills the transaction block: provide.transaction.metadata.
	TransactionMetadata bool `mapstructure:"transaction_metadata"`

	// ISOZoneSuffix ends DATE, TIME and DATETIME in the mode isostring with Z, as Debezium does although they have no
	// zone. Flink reads them without it only.
	ISOZoneSuffix bool `mapstructure:"iso_zone_suffix"`

	// KeyInBefore writes the key columns as before image of an update whose old row the log does not have, where
	// Debezium writes null. Flink refuses updates without a before image.
	KeyInBefore bool `mapstructure:"key_in_before"`

	// MoneyFractionDigits is how many digits after the point money has: 0 to 18. PostgreSQL prints it by its own setting.
	MoneyFractionDigits int `mapstructure:"money_fraction_digits"`

	// UnavailableValuePlaceholder stands for values that the log does not carry, in topics that are not compacted. After
	// "hex:" it is bytes in hexadecimal.
	UnavailableValuePlaceholder string `mapstructure:"unavailable_value_placeholder"`

	Schemas  SchemaConfig   `mapstructure:",squash"`
	Identity IdentityConfig `mapstructure:",squash"`
	Sides    SideConfig     `mapstructure:",squash"`
}

var _ formats.Config = (*Config)(nil)

// Kind is the format's row in the wiring table.
func Kind() formats.Kind {
	return formats.Kind{Name: "debezium-json", Config: func() formats.Config { return NewConfig() }}
}

// NewConfig gives Debezium's defaults.
func NewConfig() *Config {
	return &Config{
		DecimalHandlingMode:        decimalPrecise,
		TimePrecisionMode:          timeAdaptive,
		BinaryHandlingMode:         binaryBytes,
		BigintUnsignedHandlingMode: bigintLong,
		IntervalHandlingMode:       intervalNumeric,
		HstoreHandlingMode:         hstoreJSON,
		SpecialValues:              specialKeep,
		ISOZoneSuffix:              true,
		MoneyFractionDigits:        2,

		UnavailableValuePlaceholder: "__debezium_unavailable_value",

		Schemas: SchemaConfig{SchemaNameAdjustmentMode: adjustNone, FieldNameAdjustmentMode: adjustNone},
		Sides:   defaultSides(),
	}
}

// Preset knows "flink": every column is readable by Flink SQL without a function, and updates always have a before image.
func (c *Config) Preset(name string) bool {
	if name != "flink" {
		return false
	}
	c.DecimalHandlingMode = decimalString
	c.TimePrecisionMode = timeISO
	c.BinaryHandlingMode = binaryBase64
	c.BigintUnsignedHandlingMode = bigintString
	c.IntervalHandlingMode = intervalString
	c.HstoreHandlingMode = hstoreMap
	c.SpecialValues = specialNull
	c.ISOZoneSuffix = false
	c.KeyInBefore = true
	return true
}

// Validate reports every option with a value that does not exist.
func (c *Config) Validate() []error {
	var errs []error
	check := func(key, value string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			errs = append(errs, fmt.Errorf("%s: %q is not one of %s", key, value, strings.Join(allowed, ", ")))
		}
	}
	check("decimal_handling_mode", c.DecimalHandlingMode, decimalPrecise, decimalString, decimalDouble)
	check("time_precision_mode", c.TimePrecisionMode, timeAdaptive, timeAdaptMic, timeConnect, timeISO, timeMicros, timeNanos)
	check("binary_handling_mode", c.BinaryHandlingMode, binaryBytes, binaryBase64, binaryURL, binaryHex)
	check("bigint_unsigned_handling_mode", c.BigintUnsignedHandlingMode, bigintLong, bigintPrecise, bigintString)
	check("interval_handling_mode", c.IntervalHandlingMode, intervalNumeric, intervalString)
	check("hstore_handling_mode", c.HstoreHandlingMode, hstoreJSON, hstoreMap)
	check("special_values", c.SpecialValues, specialKeep, specialNull)
	check("schema_name_adjustment_mode", c.Schemas.SchemaNameAdjustmentMode, adjustNone, adjustAvro, adjustUnicode)
	check("field_name_adjustment_mode", c.Schemas.FieldNameAdjustmentMode, adjustNone, adjustAvro, adjustUnicode)
	if n := c.MoneyFractionDigits; n < 0 || n > maxMoneyDigits {
		errs = append(errs, fmt.Errorf("money_fraction_digits: %d is not between 0 and %d", n, maxMoneyDigits))
	}
	if _, err := c.placeholder(); err != nil {
		errs = append(errs, fmt.Errorf("unavailable_value_placeholder: %w", err))
	}
	return append(errs, c.Sides.validate()...)
}

const maxMoneyDigits = 18

// placeholder is what UnavailableValuePlaceholder means.
func (c *Config) placeholder() ([]byte, error) {
	digits, isHex := strings.CutPrefix(c.UnavailableValuePlaceholder, "hex:")
	if !isHex {
		return []byte(c.UnavailableValuePlaceholder), nil
	}
	raw, err := hex.DecodeString(digits)
	if err != nil {
		return nil, fmt.Errorf("%q is not hexadecimal", digits)
	}
	return raw, nil
}

// Format makes the format with a copy of the options.
func (c *Config) Format(env formats.Env) formats.Format { return newFormat(c, env) }

// Decoder reads messages whatever the options that they were written with.
func (c *Config) Decoder() formats.Decoder { return decoder{} }
