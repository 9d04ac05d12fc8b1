package postgres

import (
	"encoding/binary"

	"cdcbridge/changelog"
)

// Kinds of columns in a tuple.
const (
	columnNull      = 'n'
	columnUnchanged = 'u' // an unchanged value that lies outside of the row (TOAST) and was not logged
	columnText      = 't'
)

// Kinds of tuples in row messages.
const (
	tupleNew   = 'N'
	tupleOld   = 'O' // the whole old row
	tupleOfKey = 'K' // the old row's identity columns
)

// decodeRow turns an Insert, Update or Delete message into a change of the batch, in whose memory the message lies. gap
// reports that After lacks values that neither row of the message has.
func (s *shape) decodeRow(b *changelog.Batch, ch *changelog.Change, body []byte) (gap bool, err error) {
	p := body[5:]
	switch messageType(body[0]) {
	case messageInsert:
		ch.Op = changelog.Insert
	case messageUpdate:
		ch.Op = changelog.Update
	case messageDelete:
		ch.Op = changelog.Delete
	}
	if len(p) > 0 && ch.Op != changelog.Insert && (p[0] == tupleOld || p[0] == tupleOfKey) {
		ch.Before = b.NewRow(len(s.columns))
		if p, err = s.tuple(b, ch.Before, p[1:], p[0] == tupleOfKey); err != nil {
			return false, err
		}
	} else if ch.Op == changelog.Delete {
		return false, badMessage(body, "a Delete has no old row")
	}
	if ch.Op == changelog.Delete {
		if len(p) > 0 {
			return false, badMessage(body, "a Delete has %d bytes too many", len(p))
		}
		return false, nil
	}
	if len(p) == 0 || p[0] != tupleNew {
		return false, badMessage(body, "the new row is missing")
	}
	ch.After = b.NewRow(len(s.columns))
	if p, err = s.tuple(b, ch.After, p[1:], false); err != nil {
		return false, err
	}
	if len(p) > 0 {
		return false, badMessage(body, "%d bytes follow the new row", len(p))
	}
	return s.carryOver(ch), nil
}

// tuple decodes one row from the front of p and returns what follows it. Of a key tuple only identity columns mean anything:
// the others are sent as nulls and are not known.
func (s *shape) tuple(b *changelog.Batch, row changelog.Row, p []byte, ofKey bool) ([]byte, error) {
	if len(p) < 2 {
		return nil, s.mismatch("a row ends before its number of columns")
	}
	if n := int(binary.BigEndian.Uint16(p)); n != len(s.columns) {
		return nil, s.mismatch("a row has %d columns, the relation has %d", n, len(s.columns))
	}
	p = p[2:]
	for i := range s.columns {
		if len(p) == 0 {
			return nil, s.mismatch("a row ends before column %d", i+1)
		}
		kind := p[0]
		p = p[1:]
		switch kind {
		case columnNull:
			if ofKey && !s.identity[i] {
				row[i] = changelog.Unchanged()
			}
		case columnUnchanged:
			row[i] = changelog.Unchanged()
		case columnText:
			var text []byte
			if len(p) >= 4 {
				if n := uint64(binary.BigEndian.Uint32(p)); n <= uint64(len(p)-4) {
					text, p = p[4:4+n:4+n], p[4+n:]
				}
			}
			if text == nil {
				return nil, s.mismatch("a row ends within column %d", i+1)
			}
			if ofKey && !s.identity[i] {
				row[i] = changelog.Unchanged()
				continue
			}
			c := &s.columns[i]
			if err := c.decode(c, text, &row[i], b); err != nil {
				return nil, s.valueFault(i, err)
			}
		default:
			return nil, s.mismatch("column %d is of the kind %q", i+1, kind)
		}
	}
	return p, nil
}

// carryOver takes unchanged values of the new row from the old one, as far as that has them.
func (s *shape) carryOver(ch *changelog.Change) (gap bool) {
	for i := range ch.After {
		if !ch.After[i].IsUnchanged() {
			continue
		}
		if ch.Before != nil && !ch.Before[i].IsUnchanged() {
			ch.After[i] = ch.Before[i]
		} else {
			gap = true
		}
	}
	return gap
}

// sentColumn is one column of a tuple as it was sent: text is nil unless the kind is columnText.
type sentColumn struct {
	kind byte
	text []byte
}

// texts reads the rows of an Update without decoding them; old is nil when there is none. They borrow from the message.
func (s *shape) texts(body []byte) (old, row []sentColumn, err error) {
	p := body[5:]
	if len(p) > 0 && (p[0] == tupleOld || p[0] == tupleOfKey) {
		if old, p, err = s.tupleTexts(p[1:]); err != nil {
			return nil, nil, err
		}
	}
	if len(p) == 0 || p[0] != tupleNew {
		return nil, nil, badMessage(body, "the new row is missing")
	}
	row, _, err = s.tupleTexts(p[1:])
	return old, row, err
}

func (s *shape) tupleTexts(p []byte) ([]sentColumn, []byte, error) {
	c := cursor{b: p}
	if n := int(c.u16()); n != len(s.columns) {
		return nil, nil, s.mismatch("a row has %d columns, the relation has %d", n, len(s.columns))
	}
	out := make([]sentColumn, len(s.columns))
	for i := range out {
		if out[i].kind = c.u8(); out[i].kind == columnText {
			out[i].text = c.bytes(int(c.u32()))
		}
	}
	if c.short {
		return nil, nil, s.mismatch("a row ends early")
	}
	return out, c.b, nil
}
