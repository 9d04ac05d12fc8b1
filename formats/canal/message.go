package canal

import (
	"fmt"
	"slices"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

// AppendValue implements formats.Encoder: one message with one row.
func (e *encoder) AppendValue(dst []byte, c *formats.Context, ch *changelog.Change) ([]byte, error) {
	data, kind, err := e.image(ch)
	if err != nil {
		return nil, err
	}
	dst = append(dst, `{"data":[`...)
	if dst, err = e.appendData(dst, &data, e.upsert && ch.Op != changelog.Delete); err != nil {
		return nil, err
	}
	dst = e.appendOrigin(dst, c)
	if ch.Op == changelog.Update {
		if dst, err = e.appendOld(dst, &data); err != nil {
			return nil, err
		}
	} else {
		dst = append(dst, "null"...)
	}
	return e.appendRest(dst, c, &data, kind), nil
}

// appendOrigin appends what stands between data and old.
func (e *encoder) appendOrigin(dst []byte, c *formats.Context) []byte {
	kept, made := c.Keep(e)
	if kept == nil {
		return e.renderOrigin(dst, c)
	}
	if !made {
		kept.Parts[0] = e.renderOrigin(kept.Parts[0][:0], c)
	}
	return append(dst, kept.Parts[0]...)
}

func (e *encoder) renderOrigin(dst []byte, c *formats.Context) []byte {
	dst = append(dst, e.afterData...)
	dst = jsonx.AppendInt(dst, happened(c)/1000)
	dst = append(dst, `,"gtid":"`...)
	if c.Run.Snapshot == changelog.Streamed { // a row that was read is of no transaction
		dst = append(dst, c.Txn.Origin.GTID...) // hexadecimal digits, names of letters and digits, '-', ':': nothing to escape
	}
	dst = append(dst, `","id":`...)
	dst = jsonx.AppendUint(dst, c.Seq)
	return append(dst, e.afterID...)
}

// appendRest appends what follows old, to the end of the message. kind is the last member.
func (e *encoder) appendRest(dst []byte, c *formats.Context, data *image, kind string) []byte {
	dst = append(dst, e.afterOld...)
	dst = e.sql.append(dst, data)
	dst = append(dst, e.afterSQL...)
	dst = jsonx.AppendInt(dst, c.Now/1000)
	dst = append(dst, kind...)
	if e.tidb {
		dst = appendTiDB(dst, c.Txn.Commit)
	}
	return append(dst, '}')
}

// happened is when the statement ran, or where the log does not say it when its transaction committed; of a row that a snapshot
// read, when it was read.
func happened(c *formats.Context) int64 {
	if c.Run.Time == 0 || c.Run.Snapshot != changelog.Streamed {
		return c.Txn.Commit
	}
	return c.Run.Time
}

// kindDelete is the last member of a delete.
const kindDelete = `,"type":"DELETE"`

// image gives the row that goes into data, and the message's last member.
func (e *encoder) image(ch *changelog.Change) (image, string, error) {
	im := image{row: ch.After}
	end := `,"type":"INSERT"`
	switch ch.Op {
	case changelog.Read, changelog.Insert:
	case changelog.Upsert:
		// An insert of a row that is there already replaces it wherever rows have keys; an update of one that is not
		// there is lost by readers that only look for it.
	case changelog.Update:
		im.before, end = ch.Before, `,"type":"UPDATE"`
		if !e.upsert {
			im.fill = ch.Before
		}
	case changelog.Delete:
		im.row, end = ch.Before, kindDelete
	default:
		return im, "", fault.NewFinal(fault.Internal, "writing a row of "+e.table+" as canal-json",
			fmt.Errorf("no message for operation %d", ch.Op), "Please report this.")
	}
	if len(im.row) != len(e.cols) {
		return im, "", e.wrongWidth(im.row)
	}
	if im.before != nil && len(im.before) != len(e.cols) {
		return im, "", e.wrongWidth(im.before)
	}
	return im, end, nil
}

// appendData appends the row as an object. A column that the log did not carry is taken from the row's other image, and
// left out if that lacks it too, as Canal does; where the row must be whole it is a fault, because there the source has
// completed it or nobody can.
func (e *encoder) appendData(dst []byte, im *image, whole bool) ([]byte, error) {
	var err error
	from := len(dst)
	for i := range e.cols {
		c := &e.cols[i]
		v := im.at(i)
		if unchanged(v) {
			if whole {
				return nil, e.incomplete(c)
			}
			continue
		}
		dst = c.member.Append(dst)
		if dst, err = c.appendValue(dst, v, e.zone); err != nil {
			return nil, err
		}
	}
	return closeObject(dst, from), nil
}

// appendOld appends the values before an update of the columns that it changed: [{}] if it is not known to have changed
// any. Beside maps it is the whole row, if that is known: Flink looks for the name of a column that is not there in the objects within, too,
// and takes it for NULL when a map has such a key.
func (e *encoder) appendOld(dst []byte, im *image) ([]byte, error) {
	var err error
	dst = append(dst, '[')
	from := len(dst)
	whole := e.wholeOld && !slices.ContainsFunc(im.before, changelog.Value.IsUnchanged)
	for i := range im.before {
		v := &im.before[i]
		if unchanged(v) || !whole && v.Same(im.at(i)) {
			continue
		}
		c := &e.cols[i]
		dst = c.member.Append(dst)
		if dst, err = c.appendValue(dst, v, e.zone); err != nil {
			return nil, err
		}
	}
	return append(closeObject(dst, from), ']'), nil
}

// closeObject makes an object of the members that begin at from, each with a comma before it.
func closeObject(dst []byte, from int) []byte {
	if len(dst) == from {
		dst = append(dst, '{')
	}
	dst[from] = '{'
	return append(dst, '}')
}
