package debezium

import (
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
)

// What every set of options loses.
var alwaysLost = []formatstest.Loss{
	{Origin: postgres, Column: "timetz", Why: "Debezium writes the time in UTC", Reads: func(v changelog.Value) changelog.Value {
		if v.IsNull() || v.Int() == microsPerDay && v.Offset() == 0 {
			return v
		}
		n := (v.Int() - int64(v.Offset())*1_000_000) % microsPerDay
		if n < 0 {
			n += microsPerDay
		}
		return changelog.TimeTZ(n, 0)
	}},
}

// What Debezium's defaults lose.
var defaultLost = append([]formatstest.Loss{
	{Origin: postgres, Column: "interval", Why: "microseconds do not tell months and days", Reads: inMicros},
	{Origin: postgres, Column: "spans", Why: "microseconds do not tell months and days", Reads: func(v changelog.Value) changelog.Value {
		return mapElems(v, inMicros)
	}},
}, alwaysLost...)

// inMicros is an interval as a number of microseconds has it.
func inMicros(v changelog.Value) changelog.Value {
	if v.IsNull() || v.Form() != changelog.FormNormal {
		return v
	}
	n, _ := changelog.IntervalMicros(v.Interval())
	return changelog.Interval(make([]byte, 16), 0, 0, n)
}

func mapElems(v changelog.Value, f func(changelog.Value) changelog.Value) changelog.Value {
	if v.Kind() != changelog.KindArray {
		return f(v)
	}
	var out []changelog.Value
	for _, e := range v.Elems() {
		out = append(out, mapElems(e, f))
	}
	return changelog.Array(out)
}

// flinkLost is what the preset loses.
var flinkLost = append([]formatstest.Loss{
	{Origin: postgres, Column: "interval", Key: true, Why: "a key is written as PostgreSQL compares it"},
	{Origin: postgres, Column: "spans", Key: true, Why: "a key is written as PostgreSQL compares it"},
}, alwaysLost...)

// doubleLost is what decimal_handling_mode double loses: all that a double cannot hold.
var doubleLost = append([]formatstest.Loss{
	{Column: "decimal_0", Why: "more digits than a double has"},
	{Column: "decimal_65", Why: "more digits than a double has"},
	{Origin: postgres, Column: "numeric", Why: "more digits than a double has"},
	{Origin: postgres, Column: "numerics", Why: "more digits than a double has"},
	{Origin: postgres, Column: "money", Why: "more digits than a double has"},
}, defaultLost...)

// connectLost is what time_precision_mode connect loses.
var connectLost = append([]formatstest.Loss{
	{Column: "time", Refused: true, Why: "a time of day ends at 24:00"},
	{Column: "time_6", Refused: true, Why: "milliseconds"},
	{Column: "datetime_6", Why: "milliseconds"},
	{Origin: postgres, Column: "timestamp", Why: "milliseconds"},
}, defaultLost...)

// nanosLost is what time_precision_mode nanoseconds cannot write.
var nanosLost = append([]formatstest.Loss{
	{Column: "datetime", Refused: true, Why: "nanoseconds reach from 1677 to 2262"},
	{Column: "datetime_3", Refused: true, Why: "nanoseconds reach from 1677 to 2262"},
	{Column: "datetime_6", Refused: true, Why: "nanoseconds reach from 1677 to 2262"},
	{Origin: postgres, Column: "timestamp", Refused: true, Why: "nanoseconds reach from 1677 to 2262"},
	{Origin: postgres, Column: "timestamp_3", Refused: true, Why: "nanoseconds reach from 1677 to 2262"},
}, defaultLost...)

func TestRoundTrip(t *testing.T) {
	with := func(name string, lost []formatstest.Loss, edit func(*Config)) formatstest.Trip {
		return formatstest.Trip{Name: name, Lost: lost, Config: func() formats.Config { return mode(edit) }}
	}
	schemas := func(c *Config) { c.Schemas.SchemasEnable, c.Schemas.KeySchemasEnable = true, true }
	trips := []formatstest.Trip{
		with("defaults", defaultLost, func(*Config) {}),
		with("flink", flinkLost, func(c *Config) { c.Preset("flink") }),
		with("decimal double", doubleLost, func(c *Config) { c.DecimalHandlingMode = decimalDouble }),
		with("decimal string", defaultLost, func(c *Config) { c.DecimalHandlingMode = decimalString }),
		with("time connect", connectLost, func(c *Config) { c.TimePrecisionMode = timeConnect }),
		with("time isostring", defaultLost, func(c *Config) { c.TimePrecisionMode = timeISO }),
		with("time microseconds", defaultLost, func(c *Config) { c.TimePrecisionMode = timeMicros }),
		with("time nanoseconds", nanosLost, func(c *Config) { c.TimePrecisionMode = timeNanos }),
		with("bytes url, bigint precise", defaultLost, func(c *Config) {
			c.BinaryHandlingMode, c.BigintUnsignedHandlingMode = binaryURL, bigintPrecise
		}),
		with("bytes hex, intervals as text, hstore as map, names adjusted", flinkLost, func(c *Config) {
			c.BinaryHandlingMode, c.BigintUnsignedHandlingMode, c.IntervalHandlingMode, c.HstoreHandlingMode = binaryHex, bigintString, intervalString, hstoreMap
			c.Schemas.FieldNameAdjustmentMode, c.MoneyFractionDigits = adjustUnicode, 4
		}),
	}
	formatstest.RoundTrip(t, trips...)
	for i := range trips {
		config := trips[i].Config
		trips[i].Name += ", schemas on"
		trips[i].Config = func() formats.Config {
			cfg := config().(*Config)
			schemas(cfg)
			return cfg
		}
	}
	formatstest.RoundTrip(t, trips...)
}

func BenchmarkReader(b *testing.B) {
	formatstest.BenchmarkReader(b,
		formatstest.Trip{Name: "defaults", Config: func() formats.Config { return NewConfig() }},
		formatstest.Trip{Name: "flink", Config: func() formats.Config { return mode(func(c *Config) { c.Preset("flink") }) }},
		formatstest.Trip{Name: "schemas on", Config: func() formats.Config {
			return mode(func(c *Config) { c.Schemas.SchemasEnable, c.Schemas.KeySchemasEnable = true, true })
		}})
}
