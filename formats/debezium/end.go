package debezium

import (
	"errors"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

var _ formats.Ender = (*encoder)(nil)

// AppendEnd implements formats.Ender: what was after the last change is before the delete. The schema of the last message, if it has
// one, is that of its rows.
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
		dst = append(append(append(dst, `{"schema":`...), schema...), `,"payload":`...)
	}
	dst = append(append(append(dst, `{"before":`...), after...), `,"after":null`...)
	dst = e.appendRest(dst, c, &changelog.Change{Op: changelog.Delete}, 'd')
	if schema != nil {
		dst = append(dst, '}')
	}
	return dst, true, nil
}
