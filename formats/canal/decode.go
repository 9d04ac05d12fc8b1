package canal

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
)

// Decoder reads canal-json of every known writer. It has no state.
type Decoder struct{}

// NoRow is the cause of the error for a message that describes no row change: DDL, a statement, TiCDC's watermark. It is
// found with errors.As; a reader that knows what to do with such a message goes on from there.
type NoRow struct{ Message *Message }

// Error names the message's type and its statement.
func (e *NoRow) Error() string {
	if e.Message.SQL == "" {
		return fmt.Sprintf("the message of type %q describes no row", e.Message.Type)
	}
	return fmt.Sprintf("the message of type %q describes no row but a statement: %.200s", e.Message.Type, e.Message.SQL)
}

const (
	decoding = "decoding a canal-json message"
	foreign  = "Check that the topic holds canal-json and nothing else."
)

// Decode implements formats.Decoder for messages with exactly one row, which all of ours are.
func (d Decoder) Decode(key, value []byte) (*formats.Event, error) {
	events, err := d.DecodeAll(key, value)
	if err != nil {
		return nil, err
	}
	if len(events) != 1 {
		return nil, fault.NewFinal(fault.Decode, decoding, fmt.Errorf("the message has %d rows, not one", len(events)),
			"Read the topic with a reader that takes all rows of a message: Canal writes as many as its log event had.")
	}
	return &events[0], nil
}

// DecodeAll gives an event for each row of the message, in order; none for a message whose row list is empty. All have
// the record's key. Errors are faults; see NoRow for messages that are well-formed and have no rows.
func (Decoder) DecodeAll(key, value []byte) ([]formats.Event, error) {
	var pk []formats.Field
	if key != nil {
		var err error
		if pk, err = fields(key); err == nil && !utf8.Valid(key) {
			err = errNotUTF8
		}
		if err != nil {
			return nil, fault.NewFinal(fault.Decode, "decoding the key of a canal-json message", err, foreign)
		}
	}
	if value == nil {
		return []formats.Event{{Tombstone: true, Key: pk}}, nil
	}
	m, err := Parse(value)
	if err != nil {
		return nil, fault.NewFinal(fault.Decode, decoding, err, foreign)
	}
	events, err := m.Events()
	if err != nil {
		return nil, err
	}
	for i := range events {
		events[i].Key = pk
	}
	return events, nil
}

// Events gives an event for each row of the message, without keys. Errors are as in DecodeAll.
func (m *Message) Events() ([]formats.Event, error) {
	op := map[string]changelog.Op{"INSERT": changelog.Insert, "UPDATE": changelog.Update, "DELETE": changelog.Delete}[m.Type]
	if m.Data == nil || m.DDL {
		return nil, fault.NewFinal(fault.Decode, decoding, &NoRow{m},
			"Keep DDL, statements and watermarks out of the topic, or read it with a reader that takes them.")
	}
	if op == 0 {
		return nil, fault.NewFinal(fault.Decode, decoding, fmt.Errorf("rows in a message of type %q", m.Type), foreign)
	}
	events := make([]formats.Event, len(m.Data))
	for i, row := range m.Data {
		if row == nil {
			return nil, fault.NewFinal(fault.Decode, decoding, errors.New("a row of the data is null"), foreign)
		}
		e := &events[i]
		e.Op, e.Database, e.Table, e.Time = op, m.Database, m.Table, m.Time*1000
		switch op {
		case changelog.Insert:
			e.After = row
		case changelog.Delete:
			e.Before = row
		case changelog.Update:
			if m.Old != nil && len(m.Old) != len(m.Data) {
				return nil, fault.NewFinal(fault.Decode, decoding,
					fmt.Errorf("%d rows in old, %d in data", len(m.Old), len(m.Data)), foreign)
			}
			e.After = row
			if m.Old != nil && m.Old[i] != nil {
				e.Before = before(row, m.Old[i])
			}
		}
	}
	return events, nil
}

// before gives the whole row before an update: what old does not mention was the same as after it.
func before(after, old Image) Image {
	row := make(Image, 0, len(after))
	for _, f := range after {
		if o := old.find(f.Name); o != nil {
			f = *o
		}
		row = append(row, f)
	}
	for _, f := range old {
		if after.find(f.Name) == nil {
			row = append(row, f)
		}
	}
	return row
}

func (im Image) find(name string) *formats.Field {
	for i := range im {
		if im[i].Name == name {
			return &im[i]
		}
	}
	return nil
}
