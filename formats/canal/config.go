package canal

import (
	"fmt"
	"time"
	_ "time/tzdata" // the binary is static and runs in containers that have no zone files
	"unicode/utf8"

	"cdcbridge/formats"
)

// Name is the name of the format in the configuration.
const Name = "canal-json"

// Values of the options.
const (
	BinaryLatin1 = "latin1"
	BinaryBase64 = "base64"
	EnumIndex    = "index"
	EnumLabel    = "label"
	SetMask      = "mask"
	SetLabel     = "label"
	ZeroText     = "text"
	ZeroNull     = "null"
	SpecialText  = "text"
	SpecialNull  = "null"
	CompatCanal  = "canal"
	NestedText   = "text"
	NestedJSON   = "json"
)

// Config are the options of an output whose format is canal-json. The defaults are Canal's own forms.
type Config struct {
	// Timezone is the zone in which TIMESTAMP values are printed: "UTC" (default), an IANA name such as
	// "Asia/Shanghai", or an offset such as "+08:00". Canal prints them in the zone of its JVM. Record keys always
	// use UTC, because in a zone with daylight saving two instants can have one text.
	Timezone string `mapstructure:"timezone"`

	// ZoneSuffix ends TIMESTAMP values in "Z", by which Flink knows them for points in time; timezone must be UTC. Record keys
	// have none.
	ZoneSuffix bool `mapstructure:"zone_suffix"`

	// Binary is the text of BINARY, VARBINARY, BLOB and geometry values: "latin1" (default), each byte as the
	// character of that number, or "base64", standard alphabet with padding.
	Binary string `mapstructure:"binary"`

	// Enum is the text of an ENUM: "index" (default), the label's number from 1, or "label".
	Enum string `mapstructure:"enum"`

	// Set is the text of a SET: "mask" (default), the labels' bits as a number, or "label", the labels joined with commas.
	Set string `mapstructure:"set"`

	// ZeroDate is what becomes of dates with a zero year, month or day: "text" (default), "0000-00-00", or "null".
	// Record keys always use the text.
	ZeroDate string `mapstructure:"zero_date"`

	// SpecialValues is what becomes of PostgreSQL's infinities of dates, times and intervals and of a numeric's infinities
	// and NaN: "text" (default), PostgreSQL's words, or "null". Record keys always use the text.
	SpecialValues string `mapstructure:"special_values"`

	// Nested is what becomes of arrays, hstore and vectors, which Canal does not know: "text" (default), as the database prints
	// them, or "json", arrays of the elements' texts and objects. Record keys always use the text.
	Nested string `mapstructure:"nested"`

	// DDLTopic is where statements go, in Canal's form: a topic's name, or "{topic}" for the topic of the table's own rows,
	// where Canal has them and which is then not to be compacted. "" (default): they are not written.
	DDLTopic string `mapstructure:"ddl_topic"`

	// Compat is "canal" for what Canal makes of values that it damages: decimals without the zeros at their end, BINARY
	// without its padding, text of other character sets than UTF-8 as the replacement characters that reading it as UTF-8
	// gives. "" (default): values are whole. Record keys always are.
	Compat string `mapstructure:"compat"`

	// TiDBExtension adds the member _tidb with TiCDC's commitTs.
	TiDBExtension bool `mapstructure:"tidb_extension"`
}

// Kind is the format's row of the wiring table.
func Kind() formats.Kind {
	return formats.Kind{Name: Name, Config: func() formats.Config { return defaults() }}
}

func defaults() *Config {
	return &Config{Timezone: "UTC", Binary: BinaryLatin1, Enum: EnumIndex, Set: SetMask, ZeroDate: ZeroText, SpecialValues: SpecialText, Nested: NestedText}
}

// Preset knows "flink": binary columns read as BYTES, ENUM and SET as their labels, TIMESTAMP as TIMESTAMP_LTZ, arrays as
// ARRAY and hstore as MAP, and what fails a Flink job is null: zero dates, infinities and NaN.
func (c *Config) Preset(name string) bool {
	if name != "flink" {
		return false
	}
	c.Binary, c.Enum, c.Set, c.ZeroDate, c.SpecialValues = BinaryBase64, EnumLabel, SetLabel, ZeroNull, SpecialNull
	c.ZoneSuffix, c.Nested = true, NestedJSON
	return true
}

// Validate returns every problem, each beginning with its key.
func (c *Config) Validate() []error {
	var errs []error
	if _, err := loadZone(c.Timezone); err != nil {
		errs = append(errs, fmt.Errorf("timezone: %w", err))
	}
	if c.ZoneSuffix && c.Timezone != "UTC" {
		errs = append(errs, fmt.Errorf("zone_suffix: Z says UTC, and timezone is %q: leave one of them (preset flink has zone_suffix)", c.Timezone))
	}
	for _, o := range []struct{ key, value, a, b string }{
		{"binary", c.Binary, BinaryLatin1, BinaryBase64},
		{"enum", c.Enum, EnumIndex, EnumLabel},
		{"set", c.Set, SetMask, SetLabel},
		{"zero_date", c.ZeroDate, ZeroText, ZeroNull},
		{"special_values", c.SpecialValues, SpecialText, SpecialNull},
		{"nested", c.Nested, NestedText, NestedJSON},
		{"compat", c.Compat, "", CompatCanal},
	} {
		if o.value != o.a && o.value != o.b {
			errs = append(errs, fmt.Errorf("%s: %q is neither %q nor %q", o.key, o.value, o.a, o.b))
		}
	}
	if t := c.DDLTopic; t != "" && t != RowsTopic && !topicName(t) {
		errs = append(errs, fmt.Errorf("ddl_topic: %q is no name of a topic (up to 249 letters, digits, '.', '_', '-'), nor %q", t, RowsTopic))
	}
	return errs
}

func topicName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !wordByte(c) && c != '.' && c != '-' || c == '$' || c >= utf8.RuneSelf {
			return false
		}
	}
	return len(s) <= 249 && s != "." && s != ".."
}

// Format makes the format. A configuration that Validate refuses makes every Compile fail.
func (c *Config) Format(formats.Env) formats.Format { return &format{config: *c} }

// Decoder reads canal-json whoever wrote it; the options make no difference.
func (c *Config) Decoder() formats.Decoder { return Decoder{} }

// loadZone gives nil for UTC.
func loadZone(name string) (*time.Location, error) {
	if name == "UTC" {
		return nil, nil
	}
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("%q depends on the machine: name a zone, for example \"UTC\" or \"Asia/Shanghai\"", name)
	}
	if t, err := time.Parse("-07:00", name); err == nil {
		_, offset := t.Zone()
		return time.FixedZone(name, offset), nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no time zone: use \"UTC\", an IANA name such as \"Asia/Shanghai\" or an offset such as \"+08:00\"", name)
	}
	return loc, nil
}
