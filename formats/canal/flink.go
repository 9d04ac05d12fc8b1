package canal

import (
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/flinksql"
	"cdcbridge/internal/fault"
)

var _ formats.FlinkDescriber = (*format)(nil)

// Flink describes the table that Flink SQL can read a topic of this table as, with the options that the messages are written
// with.
func (f *format) Flink(t *changelog.Table, o formats.Options) (formats.FlinkTable, error) {
	if _, err := f.Compile(t, o); err != nil {
		return formats.FlinkTable{}, err // what cannot be written cannot be read
	}
	out := formats.FlinkTable{Connector: "kafka", Options: []formats.FlinkOption{
		{Name: "format", Value: Name},
		{Name: "canal-json.timestamp-format.standard", Value: "SQL"},
	}}
	for i := range t.Columns {
		typ, note := f.flinkType(t, &t.Columns[i])
		if typ == "" {
			return out, fault.NewFinal(fault.UnsupportedType, "describing "+t.FullName()+" for Flink",
				fmt.Errorf("column %s of type %q has no type there", t.Columns[i].Name, t.Columns[i].SourceType), "Exclude the column from the capture.")
		}
		out.Columns = append(out.Columns, formats.FlinkColumn{Name: t.Columns[i].Name, Type: typ, Note: note})
	}
	f.flinkMetadata(&out, t, o)
	f.flinkRemarks(&out, o)
	return out, nil
}

// flinkType gives the type that reads a column's text, "" for types that have no form.
func (f *format) flinkType(t *changelog.Table, col *changelog.Column) (typ, note string) {
	c, server := &f.config, t.Origin == postgres
	switch col.Type.Kind {
	case changelog.KindBits:
		return flinksql.Int(&changelog.Type{Kind: changelog.KindUint, Bits: col.Type.Bits}), "the bits as a number"
	case changelog.KindDecimal:
		if server && c.SpecialValues == SpecialText {
			return "STRING", "can be NaN or Infinity; special_values: null lets it be a DECIMAL"
		}
		return flinksql.Decimal(&col.Type)
	case changelog.KindBytes:
		return f.flinkBinary("")
	case changelog.KindGeometry:
		if server {
			return "STRING", "hexadecimal EWKB"
		}
		return f.flinkBinary("four bytes of SRID, little-endian, and the WKB")
	case changelog.KindEnum:
		if c.Enum == EnumIndex {
			return "INT", "the label's number; enum: label lets it be the label"
		}
		return "STRING", ""
	case changelog.KindSet:
		if c.Set == SetMask {
			return "DECIMAL(20, 0)", "a bit for each label; set: label lets it be the labels"
		}
		return "STRING", ""
	case changelog.KindVector, changelog.KindArray, changelog.KindMap:
		return f.flinkNested(t, &col.Type)
	case changelog.KindTimeTZ, changelog.KindInterval, changelog.KindBitString:
		return "STRING", "as PostgreSQL prints it; Flink has no such type"
	case changelog.KindDate, changelog.KindDateTime, changelog.KindTimestamp:
		return f.flinkMoment(server, &col.Type)
	}
	return flinksql.Scalar(t.Origin, &col.Type)
}

// flinkNested is the type of arrays, hstore and vectors.
func (f *format) flinkNested(t *changelog.Table, typ *changelog.Type) (name, note string) {
	switch {
	case f.config.Nested == NestedText:
		return "STRING", "as the database prints it; nested: json lets it be an ARRAY or a MAP"
	case typ.Kind == changelog.KindMap:
		return "MAP<STRING, STRING>", ""
	case typ.Kind == changelog.KindVector:
		return "ARRAY<FLOAT>", ""
	case typ.Elem == nil:
		return "", ""
	}
	elem, note := f.flinkType(t, typ.Elem)
	if elem == "" {
		return "", ""
	}
	return "ARRAY<" + elem + ">", note
}

// flinkBinary is the type of bytes, which are what the note says.
func (f *format) flinkBinary(what string) (typ, note string) {
	if f.config.Binary == BinaryBase64 {
		return "BYTES", what
	}
	if what != "" {
		what += ": "
	}
	return "STRING", what + "each byte as the character of its number, ENCODE(…, 'ISO-8859-1'); binary: base64 lets it be BYTES"
}

// flinkMoment is the type of what has a date.
func (f *format) flinkMoment(server bool, t *changelog.Type) (typ, note string) {
	typ, _ = flinksql.Scalar("", t)
	if t.Kind == changelog.KindTimestamp && !f.config.ZoneSuffix {
		typ = fmt.Sprintf("TIMESTAMP(%d)", t.FSP)
		note = "of a clock in " + f.config.Timezone + "; zone_suffix: true lets it be a TIMESTAMP_LTZ"
	}
	switch {
	case server && f.config.SpecialValues == SpecialText:
		return "STRING", "can be infinity; special_values: null lets it be a " + typ
	case !server && f.config.ZeroDate == ZeroText:
		return "STRING", "can be a zero date, at which Flink fails; zero_date: null lets it be a " + typ
	}
	return typ, note
}

// flinkMetadata adds what the message says beside. Flink stamps metadata of the current record on both halves of an update: only by
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
	add("source_time", "TIMESTAMP_LTZ(3)", "value.event-timestamp")
	add("source_database", "STRING", "value.database")
	add("source_table", "STRING", "value.table")
	add("written_time", "TIMESTAMP_LTZ(3)", "value.ingestion-timestamp")
}

func (f *format) flinkRemarks(out *formats.FlinkTable, o formats.Options) {
	if f.config.DDLTopic == RowsTopic {
		out.Remarks = append(out.Remarks, "Statements are among the rows, at which Flink fails unless 'canal-json.ignore-parse-errors' = 'true' makes it pass over them, and over everything else that it cannot read.")
	}
	if len(o.Key) > 0 {
		out.Remarks = append(out.Remarks, "Where the log does not have old rows, and where compaction has removed a row's first records, "+
			"Flink needs SET 'table.exec.source.cdc-events-duplicate' = 'true'; not in a temporal join, which it makes wrong at deleted rows.")
	}
	if !o.Upsert {
		out.Remarks = append(out.Remarks, "A column that the log did not carry reads as NULL.")
	}
}
