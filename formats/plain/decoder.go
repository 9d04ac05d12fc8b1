package plain

import (
	"errors"
	"fmt"
	"slices"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/formats/internal/typed"
	"cdcbridge/internal/fault"
)

// decoder reads messages that were written with the same options, or by Flink's upsert-kafka. It has no state.
type decoder struct {
	raw    bool
	fields map[string]string // by their names in the message: which of fieldNames they are
}

func newDecoder(c Config) decoder {
	d := decoder{raw: c.KeyFormat == keyRaw, fields: map[string]string{}}
	for _, f := range c.AddFields {
		d.fields[c.fieldName(f)] = f
	}
	return d
}

// Decode reads one record.
func (d decoder) Decode(key, value []byte) (*formats.Event, error) {
	ev := &formats.Event{}
	if key != nil && !d.raw {
		var err error
		if ev.Key, err = rowOf(key); err != nil {
			return nil, bad("key", err)
		}
	}
	if value == nil {
		if key == nil {
			return nil, bad("record", errors.New("it has neither key nor value"))
		}
		ev.Tombstone = true
		return ev, nil
	}
	all, err := rowOf(value)
	if err == nil {
		err = d.value(ev, all)
	}
	if err != nil {
		return nil, bad("value", err)
	}
	return ev, nil
}

func bad(part string, err error) error {
	return fault.NewFinal(fault.Decode, "reading a plain-json "+part, err,
		"Check that the topic holds nothing but rows in plain-json, and that add_fields and key_format are those of its writer.")
}

// rowOf reads an object. A name that is there twice makes it ambiguous.
func rowOf(doc []byte) ([]formats.Field, error) {
	fields, seen := []formats.Field{}, map[string]bool{}
	err := jsonx.EachField(doc, func(name, value []byte) error {
		if seen[string(name)] {
			return fmt.Errorf("the field %.100q is there twice", name)
		}
		f := formats.Field{Name: string(name), JSON: value}
		seen[f.Name], fields = true, append(fields, f)
		return nil
	})
	return fields, err
}

// value takes the row and what is said beside it apart.
func (d decoder) value(ev *formats.Event, all []formats.Field) error {
	ev.Op = changelog.Upsert
	row := []formats.Field{}
	for _, f := range all {
		name, ours := d.fields[f.Name]
		if !ours {
			row = append(row, f)
		} else if err := d.beside(ev, name, f.JSON); err != nil {
			return fmt.Errorf("field %s: %w", f.Name, err)
		}
	}
	for _, k := range ev.Key {
		if !slices.ContainsFunc(row, func(f formats.Field) bool { return f.Name == k.Name }) {
			return fmt.Errorf("the row lacks the key column %.100q", k.Name)
		}
	}
	if ev.Op == changelog.Delete {
		ev.Before = row
	} else {
		ev.After = row
	}
	return nil
}

func (d decoder) beside(ev *formats.Event, name string, raw []byte) (err error) {
	var n int64
	switch name {
	case fieldOp, fieldDeleted:
		op, known := ops[string(raw)]
		if !known {
			return fmt.Errorf("%.40s is no operation", raw)
		}
		if op != 0 && ev.Op != changelog.Delete {
			ev.Op = op
		}
	case fieldDatabase:
		ev.Database, err = textOf(raw)
	case fieldSchema:
		ev.Schema, err = textOf(raw)
	case fieldTable:
		ev.Table, err = textOf(raw)
	case fieldMillis:
		if n, err = jsonx.Int(raw); err == nil && ev.Time == 0 {
			ev.Time = n * 1000
		}
	case fieldMicros:
		ev.Time, err = jsonx.Int(raw)
	case fieldTime:
		var text string
		if text, err = textOf(raw); err == nil && ev.Time == 0 {
			var ok bool
			if ev.Time, ok = typed.Instant([]byte(text)); !ok {
				err = errTime
			}
		}
	}
	return err
}

// ops are the operations that op and deleted name; 0 says nothing.
var ops = map[string]changelog.Op{
	`"c"`: changelog.Insert, `"u"`: changelog.Update, `"d"`: changelog.Delete, `"r"`: changelog.Read,
	`"true"`: changelog.Delete, `"false"`: 0, "true": changelog.Delete, "false": 0,
}

func textOf(raw []byte) (string, error) {
	if jsonx.IsNull(raw) {
		return "", nil
	}
	text, err := jsonx.Unquote(raw)
	return string(text), err
}
