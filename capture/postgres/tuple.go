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
		if p, _, err = s.tuple(b, ch.Before, p[1:], p[0] == tupleOfKey); err != nil {
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
	p, unchanged, err := s.tuple(b, ch.After, p[1:], false)
	if err != nil {
		return false, err
	}
	if len(p) > 0 {
		return false, badMessage(body, "%d bytes follow the new row", len(p))
	}
	return unchanged && carryOver(ch), nil
}

// tuple decodes one row from the front of p and returns what follows it, and whether values are unchanged. Of a key tuple only identity
// columns mean anything: the others are sent as nulls and are not known.
func (s *shape) tuple(b *changelog.Batch, row changelog.Row, p []byte, ofKey bool) (rest []byte, unchanged bool, err error) {
	if len(p) < 2 {
		return nil, false, s.mismatch("a row ends before its number of columns")
	}
	if n := int(binary.BigEndian.Uint16(p)); n != len(s.columns) {
		return nil, false, s.mismatch("a row has %d columns, the relation has %d", n, len(s.columns))
	}
	p = p[2:]
	row = row[:len(s.columns)]
	for i := range s.columns {
		if len(p) == 0 {
			return nil, false, s.mismatch("a row ends before column %d", i+1)
		}
		switch kind := p[0]; kind {
		case columnText:
			if len(p) < 5 {
				return nil, false, s.mismatch("a row ends within column %d", i+1)
			}
			n := uint64(binary.BigEndian.Uint32(p[1:]))
			if p = p[5:]; n > uint64(len(p)) {
				return nil, false, s.mismatch("a row ends within column %d", i+1)
			}
			text := p[:n:n]
			p = p[n:]
			if ofKey && !s.identity[i] {
				row[i] = changelog.Unchanged()
				continue
			}
			c := &s.columns[i]
			if err := c.decode(c, text, &row[i], b); err != nil {
				return nil, false, s.valueFault(i, err)
			}
		case columnNull:
			p = p[1:]
			if ofKey && !s.identity[i] {
				row[i] = changelog.Unchanged()
			}
		case columnUnchanged:
			p, unchanged = p[1:], true
			row[i] = changelog.Unchanged()
		default:
			return nil, false, s.mismatch("column %d is of the kind %q", i+1, kind)
		}
	}
	return p, unchanged, nil
}

// carryOver takes unchanged values of the new row from the old one, as far as that has them.
func carryOver(ch *changelog.Change) (gap bool) {
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
