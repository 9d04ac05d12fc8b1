package debezium

import (
	"fmt"
	"strconv"
	"strings"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/flinksql"
	"cdcbridge/internal/fault"
)

var _ formats.FlinkDescriber = (*format)(nil)

// Flink describes the table that Flink SQL can read a topic of this table as, with the options that the messages are written
// with. What a mode writes in a way that Flink's JSON formats cannot read as the column's own type is the number or the text that
// it is, with a note of what it means.
func (f *format) Flink(t *changelog.Table, o formats.Options) (formats.FlinkTable, error) {
	if _, err := f.Compile(t, o); err != nil {
		return formats.FlinkTable{}, err // what cannot be written cannot be read
	}
	out := formats.FlinkTable{Connector: "kafka", Options: []formats.FlinkOption{
		{Name: "format", Value: "debezium-json"},
		{Name: "debezium-json.schema-include", Value: strconv.FormatBool(f.schemaInclude())},
		{Name: "debezium-json.timestamp-format.standard", Value: "ISO-8601"},
	}}
	d := flinkTypes{cfg: &f.cfg, origin: t.Origin}
	for i := range t.Columns {
		typ, note := d.column(&t.Columns[i])
		if typ == "" {
			return out, fault.NewFinal(fault.UnsupportedType, "describing "+t.FullName()+" for Flink",
				fmt.Errorf("column %s of type %q has no type there", t.Columns[i].Name, t.Columns[i].SourceType), "Exclude the column from the capture.")
		}
		out.Columns = append(out.Columns, formats.FlinkColumn{Name: adjustName(f.cfg.Schemas.FieldNameAdjustmentMode, t.Columns[i].Name, false), Type: typ, Note: note})
	}
	f.flinkMetadata(&out, t, o)
	f.flinkRemarks(&out, t, o)
	return out, nil
}

// schemaInclude tells whether values are wrapped as {"schema":…,"payload":…}.
func (f *format) schemaInclude() bool { return f.cfg.Schemas.SchemasEnable }

// flinkMetadata adds what the source block says. Flink stamps metadata of the current record on both halves of an update: only by
// a key does the retraction find the row that it retracts.
func (f *format) flinkMetadata(out *formats.FlinkTable, t *changelog.Table, o formats.Options) {
	if len(o.Key) == 0 {
		out.Remarks = append(out.Remarks, "Without a key there are no metadata columns: Flink could not match an update with the row that it replaces.")
		return
	}
	out.Event = flinksql.FreeName(t, "source_time")
	add := func(name, typ, from string) {
		out.Metadata = append(out.Metadata, formats.FlinkColumn{Name: flinksql.FreeName(t, name), Type: typ, From: from})
	}
	add("source_time", "TIMESTAMP_LTZ(3)", "value.source.timestamp")
	add("source_database", "STRING", "value.source.database")
	if t.Schema != "" {
		add("source_schema", "STRING", "value.source.schema")
	}
	add("source_table", "STRING", "value.source.table")
	add("written_time", "TIMESTAMP_LTZ(3)", "value.ingestion-timestamp")
}

func (f *format) flinkRemarks(out *formats.FlinkTable, t *changelog.Table, o formats.Options) {
	if !f.cfg.KeyInBefore {
		out.Remarks = append(out.Remarks, "Flink fails at an update whose old row the log does not have; key_in_before: true (in preset flink) gives it one.")
	}
	if len(o.Key) > 0 && (o.Upsert || f.cfg.KeyInBefore) {
		out.Remarks = append(out.Remarks, "Where old rows have the key only, and where compaction has removed a row's first records, "+
			"Flink needs SET 'table.exec.source.cdc-events-duplicate' = 'true'; not in a temporal join, which it makes wrong at deleted rows.")
	}
	if !o.Upsert && t.Origin == postgres {
		out.Remarks = append(out.Remarks, "A large value that an update left alone reads as "+f.cfg.UnavailableValuePlaceholder+" unless the table has REPLICA IDENTITY FULL.")
	}
}

// flinkTypes chooses Flink's types for the forms that the options ask for.
type flinkTypes struct {
	cfg    *Config
	origin string
}

// column gives the type of a column or of an array's elements, "" for types that have no form.
func (d flinkTypes) column(in *changelog.Column) (typ, note string) {
	t := &in.Type
	switch t.Kind {
	case changelog.KindUint:
		if t.Bits == 64 {
			return d.bigintUnsigned()
		}
	case changelog.KindDecimal:
		return d.decimal(t)
	case changelog.KindString:
		if typ, note = d.text(in); typ != "" {
			return typ, note
		}
	case changelog.KindBytes:
		return d.binary()
	case changelog.KindDate, changelog.KindTime, changelog.KindDateTime, changelog.KindTimestamp, changelog.KindTimeTZ:
		return d.temporal(t)
	case changelog.KindInterval:
		if d.cfg.IntervalHandlingMode == intervalString {
			return "STRING", "ISO 8601; Flink reads no INTERVAL from JSON"
		}
		return "BIGINT", "microseconds, a month having 30.4375 days"
	case changelog.KindBits, changelog.KindBitString:
		if t.Bits == 1 {
			return "BOOLEAN", ""
		}
		return "BYTES", "the last byte has the first bits"
	case changelog.KindGeometry:
		if in.SourceType == "point" || strings.HasPrefix(in.SourceType, "point ") {
			return flinkPoint, ""
		}
		return "ROW<`wkb` BYTES, `srid` BIGINT>", ""
	case changelog.KindVector:
		return "ARRAY<FLOAT>", ""
	case changelog.KindArray:
		return d.array(t)
	case changelog.KindMap:
		if d.cfg.HstoreHandlingMode == hstoreMap {
			return "MAP<STRING, STRING>", ""
		}
		return "STRING", "a JSON object"
	}
	return flinksql.Scalar(d.origin, t)
}

const flinkPoint = "ROW<`x` DOUBLE, `y` DOUBLE, `wkb` BYTES, `srid` BIGINT>"

// text is for texts of PostgreSQL that are taken apart in messages; "" for all others.
func (d flinkTypes) text(in *changelog.Column) (typ, note string) {
	switch {
	case d.origin != postgres:
	case in.SourceType == "point":
		return flinkPoint, ""
	case isHalfvec(in):
		return "ARRAY<FLOAT>", ""
	case isSparsevec(in):
		return "ROW<`dimensions` INT, `vector` ARRAY<ARRAY<DOUBLE>>>", "pairs of index and value"
	}
	return "", ""
}

func (d flinkTypes) array(t *changelog.Type) (typ, note string) {
	if t.Elem == nil {
		return "", ""
	}
	elem, note := d.column(t.Elem)
	if elem == "" {
		return "", ""
	}
	return "ARRAY<" + elem + ">", note
}

const unreadableDecimal = "base64 of the number without its point, for which Flink has no function; decimal_handling_mode: string lets it be a DECIMAL"

func (d flinkTypes) decimal(t *changelog.Type) (typ, note string) {
	switch d.cfg.DecimalHandlingMode {
	case decimalDouble:
		return "DOUBLE", "not exact"
	case decimalString:
		if d.infinite() {
			return "STRING", "can be NAN; special_values: null lets it be a DECIMAL"
		}
		return flinksql.Decimal(t)
	}
	if t.Precision == 0 {
		return "ROW<`scale` INT, `value` STRING>", unreadableDecimal
	}
	return "STRING", unreadableDecimal
}

// infinite tells that values can be written which are no numbers, dates or times to Flink.
func (d flinkTypes) infinite() bool {
	return d.origin == postgres && d.cfg.SpecialValues == specialKeep
}

func (d flinkTypes) bigintUnsigned() (typ, note string) {
	switch d.cfg.BigintUnsignedHandlingMode {
	case bigintString:
		return "DECIMAL(20, 0)", ""
	case bigintPrecise:
		return "STRING", strings.Replace(unreadableDecimal, "decimal_handling_mode", "bigint_unsigned_handling_mode", 1)
	}
	return "BIGINT", "negative from 2^63 on; bigint_unsigned_handling_mode: string lets it be a DECIMAL(20, 0)"
}

func (d flinkTypes) binary() (typ, note string) {
	switch d.cfg.BinaryHandlingMode {
	case binaryHex:
		return "STRING", "hexadecimal; UNHEX reads it"
	case binaryURL:
		return "STRING", "base64 for URLs, which Flink does not read as BYTES"
	}
	return "BYTES", ""
}

func (d flinkTypes) temporal(t *changelog.Type) (typ, note string) {
	iso := d.cfg.TimePrecisionMode == timeISO
	const infinite = "can be infinity; special_values: null lets it be a "
	switch {
	case t.Kind == changelog.KindTimeTZ:
		return "STRING", "Flink has no time with a zone"
	case t.Kind != changelog.KindTimestamp && !iso:
		return d.number(t)
	case t.Kind != changelog.KindTimestamp && d.cfg.ISOZoneSuffix:
		return "STRING", "has a Z that is no zone, at which Flink fails; iso_zone_suffix: false"
	case t.Kind != changelog.KindTime && d.infinite():
		obvious, _ := flinksql.Scalar(d.origin, t)
		return "STRING", infinite + obvious
	}
	return flinksql.Scalar(d.origin, t)
}

// number is the type of dates and times that are written as numbers.
func (d flinkTypes) number(t *changelog.Type) (typ, note string) {
	if t.Kind == changelog.KindDate {
		return "INT", "days since 1970; TIMESTAMPADD(DAY, …, DATE '1970-01-01')"
	}
	unit := "microseconds"
	switch d.cfg.TimePrecisionMode {
	case timeConnect:
		unit = "milliseconds"
	case timeNanos:
		unit = "nanoseconds"
	case timeMicros:
	default:
		if t.FSP <= 3 && (t.Kind == changelog.KindDateTime || d.origin == postgres && d.cfg.TimePrecisionMode == timeAdaptive) {
			unit = "milliseconds"
		}
	}
	if t.Kind == changelog.KindTime {
		return "BIGINT", unit
	}
	millis := map[string]string{"milliseconds": "…", "microseconds": "… / 1000", "nanoseconds": "… / 1000000"}[unit]
	return "BIGINT", unit + " since 1970 of a clock without zone; CAST(TO_TIMESTAMP_LTZ(" + millis + ", 3) AS TIMESTAMP(3)) in a session whose zone is UTC"
}
