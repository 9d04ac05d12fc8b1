package kafka

import (
	"encoding/binary"
	"fmt"
	"slices"

	"cdcbridge/changelog"
)

// seenRows are the newest changes of a partition, by row, where messages do not say their place.
type seenRows struct {
	changes []seenRow // a ring, oldest at next once it is full
	next    int
}

// seenRow is a change: of which row, which, and what it left of the row.
type seenRow struct {
	key, change uint64
	left        uint64 // identity of the row; 0: none, or unknown
	gone        bool   // there is no row
}

const (
	maxSeenRows = 256
	seenRowSize = 8 + 8 + 8 + 1
)

// saw takes a change in, and reports that it was there before: the same change, and its row is not as it was before it. A row that
// is left can be changed or deleted by nothing that found another one. Its insert is only known to be a repetition in a topic of one
// partition: elsewhere the row may have left its key in the meantime, which another partition tells.
func (r *seenRows) saw(ids *identities, s *sighting) bool {
	old, now := ids.keys(s.run.Table, s.change)
	change := ids.momentOf(s)
	if old != 0 && r.impossible(old, ids.row(s.change.Before), false) && r.had(change) ||
		old == 0 && s.alone && r.impossible(now, 0, true) && r.had(change) {
		return true
	}
	r.take(ids, s, old, now, change)
	return false
}

// note takes a change in that is known to be new.
func (r *seenRows) note(ids *identities, s *sighting) {
	old, now := ids.keys(s.run.Table, s.change)
	r.take(ids, s, old, now, ids.momentOf(s))
}

func (r *seenRows) take(ids *identities, s *sighting, old, now, change uint64) {
	if old != 0 && old != now {
		r.add(seenRow{key: old, change: change, gone: true})
	}
	if now != 0 {
		r.add(seenRow{key: now, change: change, left: ids.row(s.change.After)})
	}
}

// impossible reports that a row is known to be another one than a change found, or, where the change inserts it, to be there.
func (r *seenRows) impossible(key, found uint64, inserts bool) bool {
	for i := range r.changes {
		c := &r.changes[(r.next-1-i+2*len(r.changes))%len(r.changes)]
		switch {
		case c.key != key:
		case inserts:
			return !c.gone
		default:
			return c.gone || c.left != 0 && found != 0 && c.left != found
		}
	}
	return false
}

func (r *seenRows) had(change uint64) bool {
	return slices.ContainsFunc(r.changes, func(c seenRow) bool { return c.change == change })
}

func (r *seenRows) add(c seenRow) {
	if len(r.changes) < maxSeenRows {
		r.changes = append(r.changes, c)
		r.next = len(r.changes) % maxSeenRows
		return
	}
	r.changes[r.next] = c
	r.next = (r.next + 1) % maxSeenRows
}

// momentOf is the identity of a change with the time at which it happened.
func (d *identities) momentOf(s *sighting) uint64 {
	c := s.change
	return d.of(uint64(c.Op), uint64(s.txn.Commit), d.table(s.run.Table), d.image(c.Before), d.image(c.After))
}

// table is the identity of a table's name.
func (d *identities) table(t *changelog.Table) uint64 {
	d.name(t)
	return sum(d.scratch)
}

// state is the durable text: the changes from the oldest to the newest.
func (r *seenRows) state() []byte {
	if len(r.changes) == 0 {
		return nil
	}
	text := make([]byte, 0, len(r.changes)*seenRowSize)
	first := 0
	if len(r.changes) == maxSeenRows {
		first = r.next
	}
	for i := range r.changes {
		c := &r.changes[(first+i)%len(r.changes)]
		text = binary.LittleEndian.AppendUint64(text, c.key)
		text = binary.LittleEndian.AppendUint64(text, c.change)
		text = binary.LittleEndian.AppendUint64(text, c.left)
		gone := byte(0)
		if c.gone {
			gone = 1
		}
		text = append(text, gone)
	}
	return text
}

func (r *seenRows) restore(text []byte) error {
	*r = seenRows{}
	if len(text)%seenRowSize != 0 || len(text) > maxSeenRows*seenRowSize {
		return fmt.Errorf("%d bytes of changes that were seen", len(text))
	}
	for ; len(text) > 0; text = text[seenRowSize:] {
		r.add(seenRow{
			key: binary.LittleEndian.Uint64(text), change: binary.LittleEndian.Uint64(text[8:]), left: binary.LittleEndian.Uint64(text[16:]), gone: text[24] == 1,
		})
	}
	return nil
}
