package debezium

import (
	"bytes"
	"errors"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

var _ formats.Ender = (*encoder)(nil)

// AppendEnd implements formats.Ender: what was after the last change is before the delete. Its schema, if the last message has one,
// goes with it.
func (e *encoder) AppendEnd(dst []byte, c *formats.Context, last []byte) ([]byte, bool, error) {
	broken := func(err error) ([]byte, bool, error) {
		return dst, false, fault.NewFinal(fault.Decode, "reading the newest debezium-json of a row of "+e.table.FullName(), err,
			"Somebody else has written into the topic. Have the rows ended by a snapshot of the table instead.")
	}
	var schema, payload, after, op []byte
	member := func(name, raw []byte) error {
		switch string(name) {
		case "schema":
			schema = raw
		case "payload":
			payload = raw
		case "after":
			after = raw
		case "op":
			op = raw
		}
		return nil
	}
	err := jsonx.EachField(last, member)
	if err == nil && op == nil && payload != nil {
		err = jsonx.EachField(payload, member)
	} else {
		schema = nil
	}
	switch {
	case err != nil:
		return broken(err)
	case op == nil:
		return broken(errors.New("it has no op"))
	case !jsonx.IsObject(after):
		return dst, false, nil
	}
	if schema != nil {
		dst = append(appendSwapped(append(dst, `{"schema":`...), schema), `,"payload":`...)
	}
	dst = append(append(append(dst, `{"before":`...), after...), `,"after":null`...)
	dst = appendSource(dst, e.source, c, &changelog.Change{Op: changelog.Delete, Pos: c.Run.Pos})
	dst = appendTail(append(dst, noTransaction...), c, 'd') // the log has no such change: it has no number in a transaction
	if schema != nil {
		dst = append(dst, '}')
	}
	return dst, true, nil
}

// appendSwapped appends the schema of an envelope with those of the old and of the new row in each other's place. They differ where
// a row has arrays of several dimensions.
func appendSwapped(dst, schema []byte) []byte {
	const before, after = `"field":"before"}`, `"field":"after"}`
	var images [][]byte
	err := jsonx.EachField(schema, func(name, raw []byte) error {
		if string(name) != "fields" {
			return nil
		}
		return jsonx.EachElement(raw, func(field []byte) error {
			images = append(images, field)
			return nil
		})
	})
	if err != nil || len(images) < 2 {
		return append(dst, schema...)
	}
	head, rest, _ := bytes.Cut(schema, images[0])
	tail, follow := bytes.CutPrefix(rest, append([]byte{','}, images[1]...))
	old, isOld := bytes.CutSuffix(images[0], []byte(before))
	row, isNew := bytes.CutSuffix(images[1], []byte(after))
	if !follow || !isOld || !isNew || bytes.Equal(old, row) {
		return append(dst, schema...)
	}
	dst = append(append(append(dst, head...), row...), before+","...)
	return append(append(append(dst, old...), after...), tail...)
}
