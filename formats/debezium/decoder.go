package debezium

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

// decoder reads messages of Debezium 1.9 and later, and ours: fields in any order, with or without the schema wrapper,
// which it recognises itself. It has no state.
type decoder struct{}

// Decode reads one record.
func (decoder) Decode(key, value []byte) (*formats.Event, error) {
	ev := &formats.Event{}
	if !utf8.Valid(key) {
		return nil, bad("key", errUTF8)
	}
	if !utf8.Valid(value) {
		return nil, bad("value", errUTF8)
	}
	if err := decodeKey(ev, key); err != nil {
		return nil, bad("key", err)
	}
	if value == nil {
		ev.Tombstone = true
		return ev, nil
	}
	payload, err := unwrap(value)
	if err != nil {
		return nil, bad("value", err)
	}
	if err := decodeEnvelope(ev, payload); err != nil {
		return nil, bad("value", err)
	}
	return ev, nil
}

func bad(part string, err error) error {
	return fault.NewFinal(fault.Decode, "decoding a debezium-json "+part, err,
		"Check that the topic holds nothing but row changes in debezium-json.")
}

func decodeKey(ev *formats.Event, key []byte) error {
	if key == nil {
		return nil
	}
	payload, err := unwrap(key)
	if err != nil {
		return err
	}
	ev.Key, err = decodeRow(payload)
	return err
}

// unwrap gives the payload of {"schema":…,"payload":…} and anything else as it is. The payload has to be an object and the
// schema one with a type, so that a key of two columns with these names is not mistaken for a wrapper: the objects that a key
// can have as columns are decimals with a scale of their own.
func unwrap(doc []byte) ([]byte, error) {
	var schema, payload []byte
	fields := 0
	err := jsonx.EachField(doc, func(name, value []byte) error {
		fields++
		switch string(name) {
		case "schema":
			schema = value
		case "payload":
			payload = value
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if fields != 2 || !jsonx.IsObject(payload) || schema == nil {
		return doc, nil
	}
	if jsonx.IsNull(schema) {
		return payload, nil
	}
	if typed, err := isSchema(schema); err != nil || !typed {
		return doc, err
	}
	return payload, nil
}

// isSchema reports whether a value describes a type as Connect's JSON converter does.
func isSchema(raw []byte) (typed bool, err error) {
	if !jsonx.IsObject(raw) {
		return false, nil
	}
	err = jsonx.EachField(raw, func(name, _ []byte) error {
		typed = typed || string(name) == "type"
		return nil
	})
	return typed, err
}

func decodeEnvelope(ev *formats.Event, doc []byte) error {
	var op, before, after, source []byte
	err := jsonx.EachField(doc, func(name, value []byte) error {
		var to *[]byte
		switch string(name) {
		case "op":
			to = &op
		case "before":
			to = &before
		case "after":
			to = &after
		case "source":
			to = &source
		default:
			return nil
		}
		if *to != nil {
			return fmt.Errorf("the field %s occurs twice", name)
		}
		*to = value
		return nil
	})
	if err != nil {
		return err
	}
	if ev.Op, err = decodeOp(op); err != nil {
		return err
	}
	if ev.Before, err = decodeImage(before); err != nil {
		return fmt.Errorf("reading before: %w", err)
	}
	if ev.After, err = decodeImage(after); err != nil {
		return fmt.Errorf("reading after: %w", err)
	}
	switch {
	case ev.Op == changelog.Delete && ev.Before == nil && ev.Key == nil:
		return errors.New("a delete has neither before image nor key")
	case ev.Op == changelog.Delete && ev.After != nil:
		return errors.New("a delete has an after image")
	case ev.Op != changelog.Delete && ev.After == nil:
		return fmt.Errorf("op %s has no after image", op)
	}
	return decodeSource(ev, source)
}

func decodeOp(raw []byte) (changelog.Op, error) {
	switch string(raw) {
	case `"c"`:
		return changelog.Insert, nil
	case `"u"`:
		return changelog.Update, nil
	case `"d"`:
		return changelog.Delete, nil
	case `"r"`:
		return changelog.Read, nil
	case `"t"`:
		return 0, errors.New("op t: the record says that the table was truncated, which is no row change")
	case `"m"`:
		return 0, errors.New("op m: the record is a logical message, which is no row change")
	case "":
		return 0, errors.New("the record has no op: it is no row change in debezium-json")
	}
	return 0, fmt.Errorf("unknown op %.40s", raw)
}

func decodeImage(raw []byte) ([]formats.Field, error) {
	if raw == nil || jsonx.IsNull(raw) {
		return nil, nil
	}
	return decodeRow(raw)
}

// decodeRow reads an object of columns. It is never nil without an error.
func decodeRow(raw []byte) ([]formats.Field, error) {
	fields := []formats.Field{}
	err := jsonx.EachField(raw, func(name, value []byte) error {
		fields = append(fields, formats.Field{Name: string(name), JSON: value})
		return nil
	})
	if err == nil {
		err = unique(fields)
	}
	return fields, err
}

// unique refuses a column that is there twice: which one would count?
func unique(fields []formats.Field) error {
	seen := make(map[string]struct{}, len(fields))
	for i := range fields {
		if _, twice := seen[fields[i].Name]; twice {
			return fmt.Errorf("column %s occurs twice", fields[i].Name)
		}
		seen[fields[i].Name] = struct{}{}
	}
	return nil
}

// decodeSource reads where and when. The block is absent in messages that Flink wrote.
func decodeSource(ev *formats.Event, raw []byte) error {
	if raw == nil || jsonx.IsNull(raw) {
		return nil
	}
	var millis, micros int64
	err := jsonx.EachField(raw, func(name, value []byte) error {
		var err error
		switch string(name) {
		case "db":
			ev.Database, err = decodeText(value)
		case "schema":
			ev.Schema, err = decodeText(value)
		case "table":
			ev.Table, err = decodeText(value)
		case "ts_ms":
			millis, err = decodeTime(value)
		case "ts_us": // since 2.6
			micros, err = decodeTime(value)
		}
		if err != nil {
			return fmt.Errorf("field %s: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading source: %w", err)
	}
	if ev.Time = micros; micros == 0 {
		ev.Time = millis * 1000
	}
	return nil
}

func decodeText(raw []byte) (string, error) {
	if jsonx.IsNull(raw) {
		return "", nil
	}
	text, err := jsonx.Unquote(raw)
	return string(text), err
}

func decodeTime(raw []byte) (int64, error) {
	if jsonx.IsNull(raw) {
		return 0, nil
	}
	return jsonx.Int(raw)
}
