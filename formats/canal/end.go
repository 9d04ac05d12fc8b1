package canal

import (
	"errors"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

var _ formats.Ender = (*encoder)(nil)

// AppendEnd implements formats.Ender: the row of the last message is that of the delete.
func (e *encoder) AppendEnd(dst []byte, c *formats.Context, last []byte) ([]byte, bool, error) {
	var data, typ []byte
	err := jsonx.EachField(last, func(name, raw []byte) error {
		switch string(name) {
		case "data":
			data = raw
		case "type":
			typ = raw
		}
		return nil
	})
	rows := 0
	if err == nil && data != nil {
		err = jsonx.EachElement(data, func(row []byte) error {
			if rows++; !jsonx.IsObject(row) {
				return errors.New("a row is no object")
			}
			return nil
		})
	}
	if err == nil && (rows != 1 || typ == nil) {
		err = errors.New("it is no message about one row")
	}
	if err != nil {
		return dst, false, fault.NewFinal(fault.Decode, "reading the newest canal-json of a row of "+e.table, err,
			"Somebody else has written into the topic. Have the rows ended by a snapshot of the table instead.")
	}
	if string(typ) == `"DELETE"` {
		return dst, false, nil
	}
	dst = append(dst, `{"data":`...)
	dst = append(dst, data[:len(data)-1]...) // what follows closes the list
	nothing := image{row: make(changelog.Row, len(e.cols))}
	return e.appendRest(append(e.appendOrigin(dst, c), "null"...), c, &nothing, kindDelete), true, nil
}
