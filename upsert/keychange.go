package upsert

import (
	"bytes"

	"cdcbridge/changelog"
)

// moved reports whether an update whose key columns have other values has another record key. To PostgreSQL 1.1 and 1.10 are
// one key, and so they are one record key. The record keys of both images are then in from and to.
func (p *Plan) moved(ch *changelog.Change, from, to *[]byte) (bool, error) {
	if !keyChanged(p.Key, ch) {
		return false, nil
	}
	var err error
	if *from, err = p.appendKey((*from)[:0], ch.Before); err != nil {
		return false, err
	}
	if *to, err = p.appendKey((*to)[:0], ch.After); err != nil {
		return false, err
	}
	return !bytes.Equal(*from, *to), nil
}

// keyChange writes the three records of a row that moves to another key. They may go to different partitions; they are in
// one transaction. Where the format links the halves, each carries the other's key; m.link is the new one's already.
func (m *Materializer) keyChange(plan *Plan, ch *changelog.Change, s stamp) error {
	m.ctx.Split = true
	defer func() { m.ctx.Split = false }()
	del, ins := *ch, *ch
	del.Op, del.After, del.Fill = changelog.Delete, nil, changelog.Logged
	ins.Op, ins.Before = changelog.Insert, nil
	filled := s.fill
	s.link, s.fill = plan.links.newKey, false
	if err := m.end(plan, &del, s); err != nil || ch.Fill == changelog.Gone {
		return err
	}
	var err error
	if m.link, err = plan.appendKey(m.link[:0], ch.Before); err != nil {
		return err
	}
	if plan.counts {
		m.ctx.Moves.Total++
		m.ctx.Moves.Table++
	}
	s.link, s.fill = plan.links.oldKey, filled
	return m.record(plan, &ins, s)
}

func keyChanged(key []int, ch *changelog.Change) bool {
	if ch.Before == nil {
		return false // the log leaves the before image out only where the key did not change
	}
	for _, k := range key {
		if !ch.Before[k].Equal(ch.After[k]) {
			return true
		}
	}
	return false
}
