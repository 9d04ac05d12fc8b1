package plain

import (
	"errors"
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/flinksql"
	"cdcbridge/internal/fault"
)

var _ formats.FlinkDescriber = (*format)(nil)

// Flink describes the table that Flink SQL can read a topic of this table as: by upsert-kafka what is compacted, and a log of
// changes as rows that are only ever added.
func (f *format) Flink(t *changelog.Table, o formats.Options) (formats.FlinkTable, error) {
	if _, err := f.Compile(t, o); err != nil {
		return formats.FlinkTable{}, err // what cannot be written cannot be read
	}
	out := formats.FlinkTable{Connector: "kafka"}
	if o.Upsert {
		out.Connector = "upsert-kafka"
	}
	d := flinkTypes{cfg: &f.cfg, origin: t.Origin}
	for i := range t.Columns {
		typ, note := d.column(&t.Columns[i])
		out.Columns = append(out.Columns, formats.FlinkColumn{Name: t.Columns[i].Name, Type: typ, Note: note})
	}
	f.flinkFields(&out)
	if o.Upsert {
		if err := f.flinkUpsert(&out, t, o); err != nil {
			return out, err
		}
	} else {
		out.Append = true
		out.Options = append(out.Options, formats.FlinkOption{Name: "format", Value: "json"}, formats.FlinkOption{Name: "json.timestamp-format.standard", Value: f.cfg.TimestampFormat})
		out.Remarks = append(out.Remarks, "A log of changes: every change is a row of its own, an update and a delete too.")
	}
	if out.Event == "" {
		out.Event = flinksql.FreeName(t, "record_time")
		out.Metadata = append(out.Metadata, formats.FlinkColumn{Name: out.Event, Type: "TIMESTAMP_LTZ(3)", From: "timestamp"})
		if !o.Upsert {
			out.Remarks = append(out.Remarks, out.Event+" is when the record was written, unless the topic is compacted; add time to add_fields for the time of the change.")
		}
	}
	return out, nil
}

// flinkUpsert adds what is asked of upsert-kafka.
func (f *format) flinkUpsert(out *formats.FlinkTable, t *changelog.Table, o formats.Options) error {
	key := "json"
	if f.cfg.KeyFormat == keyRaw {
		var err error
		if key, err = rawKeyFormat(&t.Columns[o.Key[0]]); err != nil {
			return fault.NewFinal(fault.Config, "describing "+t.FullName()+" for Flink", err, "Set key_format to json.")
		}
	}
	out.Options = append(out.Options, formats.FlinkOption{Name: "key.format", Value: key}, formats.FlinkOption{Name: "value.format", Value: "json"})
	if key == "json" {
		out.Options = append(out.Options, formats.FlinkOption{Name: "key.json.timestamp-format.standard", Value: f.cfg.TimestampFormat})
	}
	out.Options = append(out.Options, formats.FlinkOption{Name: "value.json.timestamp-format.standard", Value: f.cfg.TimestampFormat})
	out.Remarks = append(out.Remarks, "As a versioned table of a temporal join, a row that is deleted later is missing from its very beginning: where rows are deleted, join debezium-json.")
	return nil
}

// rawKeyFormat is the format of Flink that reads the text of a key column.
func rawKeyFormat(c *changelog.Column) (string, error) {
	switch c.Type.Kind {
	case changelog.KindString, changelog.KindEnum, changelog.KindSet, changelog.KindBytes:
		return "raw", nil
	case changelog.KindBool, changelog.KindInt, changelog.KindUint, changelog.KindDecimal:
		return "csv", nil
	}
	return "", errors.New("no format of Flink reads the raw key of type " + c.SourceType)
}

// flinkFields adds the fields beside the row.
func (f *format) flinkFields(out *formats.FlinkTable) {
	for _, name := range f.cfg.AddFields {
		c := formats.FlinkColumn{Name: f.cfg.fieldName(name), Type: "STRING"}
		switch name {
		case fieldNow, fieldMillis, fieldMicros, fieldOrd:
			c.Type = "BIGINT"
		case fieldDeleted:
			c.Type = "BOOLEAN"
		case fieldTime:
			c.Type = "TIMESTAMP_LTZ(3)"
			if f.cfg.TimestampFormat == timestampISO {
				out.Event = c.Name
			} else {
				c.Type, c.Note = "STRING", "ISO 8601, which Flink reads with timestamp_format: ISO-8601 only"
			}
		}
		out.Metadata = append(out.Metadata, c)
	}
}

// flinkTypes chooses Flink's types for the forms that the options ask for.
type flinkTypes struct {
	cfg    *Config
	origin string
}

func (d flinkTypes) column(in *changelog.Column) (typ, note string) {
	t := &in.Type
	switch t.Kind {
	case changelog.KindDecimal:
		if typ, note = flinksql.Decimal(t); typ != "STRING" && d.special() && d.origin == postgres {
			return "STRING", "can be NaN; special_values: null lets it be a " + typ
		}
		if typ == "STRING" && d.cfg.DecimalHandlingMode == numberNumber {
			return typ, "Flink rounds numbers of more than 17 digits as STRING; decimal_handling_mode: string"
		}
		return typ, note
	case changelog.KindBytes:
		if d.cfg.BinaryHandlingMode != binaryBase64 {
			return "STRING", "Flink reads standard base64 as BYTES only"
		}
	case changelog.KindDate, changelog.KindDateTime, changelog.KindTimestamp:
		if typ, _ = flinksql.Scalar(d.origin, t); d.special() {
			return "STRING", "can be infinity, or a zero date; special_values: null lets it be a " + typ
		}
		return typ, ""
	case changelog.KindJSON:
		if d.cfg.JSONHandlingMode == jsonNested {
			return "STRING", "Flink rewrites its numbers; json_handling_mode: text keeps them"
		}
	}
	if typ, note = flinksql.Scalar(d.origin, t); typ != "" {
		return typ, note
	}
	return d.nested(t)
}

// nested is for types that Flink has no scalar for.
func (d flinkTypes) nested(t *changelog.Type) (typ, note string) {
	switch t.Kind {
	case changelog.KindTimeTZ:
		return "STRING", "Flink has no time with a zone"
	case changelog.KindInterval:
		return "STRING", "ISO 8601; Flink reads no INTERVAL from JSON"
	case changelog.KindBits:
		if t.Bits == 1 {
			return "BOOLEAN", ""
		}
		return flinksql.Int(&changelog.Type{Kind: changelog.KindUint, Bits: t.Bits}), ""
	case changelog.KindBitString:
		if t.Fixed && t.Bits == 1 {
			return "BOOLEAN", ""
		}
		return "STRING", "zeros and ones"
	case changelog.KindGeometry:
		return "ROW<`wkb` BYTES, `srid` BIGINT>", ""
	case changelog.KindVector:
		return "ARRAY<FLOAT>", ""
	case changelog.KindArray:
		typ, note = d.column(t.Elem)
		return fmt.Sprintf("ARRAY<%s>", typ), note
	case changelog.KindMap:
		if d.cfg.HstoreHandlingMode == hstoreMap {
			return "MAP<STRING, STRING>", ""
		}
		return "STRING", "a JSON object"
	}
	return "", ""
}

// special tells that values can be written which are no numbers, dates or times to Flink.
func (d flinkTypes) special() bool { return d.cfg.SpecialValues == specialText }
