package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"cdcbridge/formats"
	"cdcbridge/internal/kafkawire"
	"cdcbridge/upsert"
)

// printer writes decoded records, one line an image.
type printer struct {
	out  io.Writer
	json bool
	line bytes.Buffer
}

// image is one printed line as JSON.
type image struct {
	Mark      string          `json:"mark"` // +I, -U, +U, -D or -T
	Topic     string          `json:"topic"`
	Partition int32           `json:"partition"`
	Offset    int64           `json:"offset"`
	Time      string          `json:"time,omitempty"` // when the change happened in the source; else of the record
	Table     string          `json:"table,omitempty"`
	Key       json.RawMessage `json:"key"` // an object of the key's columns, text if the key has another form, or null
	Row       json.RawMessage `json:"row,omitempty"`
}

func (p *printer) print(r *kafkawire.FetchedRecord, ev *formats.Event) error {
	im := image{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Table: tableOf(r, ev), Key: keyOf(r.Key, ev), Time: timeOf(r, ev)}
	if ev.Tombstone {
		im.Mark = "-T"
		return p.write(&im)
	}
	marks, ok := opMarks[ev.Op]
	if !ok {
		return fmt.Errorf("record %s/%d@%d has the unknown operation %d", r.Topic, r.Partition, r.Offset, ev.Op)
	}
	for _, side := range []struct {
		mark string
		row  []formats.Field
	}{{marks.before, ev.Before}, {marks.after, ev.After}} {
		if side.mark == "" || side.row == nil && side.mark == "-U" {
			continue
		}
		im.Mark, im.Row = side.mark, nil
		if side.row != nil {
			im.Row = object(side.row)
		}
		if err := p.write(&im); err != nil {
			return err
		}
	}
	return nil
}

func (p *printer) write(im *image) error {
	p.line.Reset()
	if p.json {
		enc := json.NewEncoder(&p.line)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(im); err != nil {
			return fmt.Errorf("printing record %s/%d@%d: %w", im.Topic, im.Partition, im.Offset, err)
		}
	} else {
		fmt.Fprintf(&p.line, "%s %s/%d@%d %s %s %s", im.Mark, im.Topic, im.Partition, im.Offset, im.Time, orDash(im.Table), im.Key)
		if im.Row != nil {
			p.line.WriteByte(' ')
			p.line.Write(im.Row)
		}
		p.line.WriteByte('\n')
	}
	_, err := p.out.Write(p.line.Bytes())
	return err
}

// tableOf takes the table from the message; a tombstone has it in its headers only.
func tableOf(r *kafkawire.FetchedRecord, ev *formats.Event) string {
	if ev.Table == "" {
		name, _ := r.Headers.Get(upsert.HeaderTable)
		return string(name)
	}
	schema := ev.Schema
	if schema == "" {
		schema = ev.Database
	}
	if schema == "" {
		return ev.Table
	}
	return schema + "." + ev.Table
}

func timeOf(r *kafkawire.FetchedRecord, ev *formats.Event) string {
	if ev.Time != 0 {
		return momentText(ev.Time)
	}
	return momentText(r.Timestamp * 1000)
}

// momentText prints microseconds since the Unix epoch.
func momentText(micros int64) string {
	return time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05.000000Z")
}

// keyOf renders the key as an object of its columns, or as text.
func keyOf(raw []byte, ev *formats.Event) json.RawMessage {
	switch {
	case ev.Key != nil:
		return object(ev.Key)
	case raw == nil:
		return json.RawMessage("null")
	}
	text, _ := json.Marshal(string(raw)) // a string has always a form
	return text
}

// object puts fields into one JSON object as they stand in the message.
func object(fields []formats.Field) json.RawMessage {
	b := []byte{'{'}
	for i, f := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		name, _ := json.Marshal(f.Name) // a string has always a form
		b = append(append(b, name...), ':')
		b = append(b, f.JSON...)
	}
	return append(b, '}')
}
