package kafka

import (
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// checkMoved stops at a change behind from that moves a row to another key, unless the partitions cannot get out of order: the
// change stands in one partition, and what came before it for the row's old key in another, which nothing orders. It stops as well
// where records without a key, whose writer chose their partition by itself, have the changes of one row in two partitions.
// Partitions that are merged are the merger's business.
func (s *stream) checkMoved(p *partition, b *changelog.Batch, from mark) error {
	if s.merger != nil {
		return s.merger.check(p, b, from)
	}
	if s.topics[p.topic].count < 2 {
		return nil
	}
	for n := from.runs; n < len(b.Runs); n++ {
		run := &b.Runs[n]
		if len(run.Table.Key) == 0 {
			continue
		}
		for i := run.From; i < run.To; i++ {
			ch := &b.Changes[i]
			if movesKey(run.Table, ch) {
				return keyMoved(fmt.Errorf("a row of %s has got another key, and topic %s has %d partitions, which have no order between them",
					run.Table.FullName(), p.topic, s.topics[p.topic].count))
			}
			if p.head.Key != nil {
				continue
			}
			if other := s.scattered.saw(p, run.Table, ch); other != nil {
				return keyMoved(fmt.Errorf("changes of one row of %s are in partitions %d and %d of topic %s, which have no order between them",
					run.Table.FullName(), other.number, p.number, p.topic))
			}
		}
	}
	return nil
}

// movesKey reports an update after which the key is not what it was before. What the old row does not say of it stayed.
func movesKey(t *changelog.Table, ch *changelog.Change) bool {
	if ch.Op != changelog.Update {
		return false
	}
	for _, i := range t.Key {
		if i >= len(ch.Before) || i >= len(ch.After) || ch.Before[i].IsUnchanged() || ch.After[i].IsUnchanged() {
			continue
		}
		if !ch.Before[i].Equal(ch.After[i]) {
			return true
		}
	}
	return false
}

func keyMoved(err error) *fault.Fault {
	return fault.NewFinal(fault.KeyMoved, "reading a changed key", err,
		"Set order: source, which merges the partitions by the position in the messages; where one of them is read beyond that change, cdcbridge reset --to earliest begins anew with it. "+
			"Or let the writer choose the partition by the table and not by the key.")
}

// scattered finds rows whose changes are in several partitions of a topic. It remembers as many rows as it has room for: what it finds
// is so, what it does not find may be so all the same.
type scattered struct {
	ids  identities
	rows []scatteredRow
}

type scatteredRow struct {
	key uint64
	at  *partition
}

const scatteredRows = 1 << 15

// saw gives another partition of the same topic that had a change of the same row.
func (s *scattered) saw(p *partition, t *changelog.Table, ch *changelog.Change) *partition {
	old, key := s.ids.keys(t, ch)
	if key == 0 {
		key = old
	}
	if key == 0 {
		return nil
	}
	if s.rows == nil {
		s.rows = make([]scatteredRow, scatteredRows)
	}
	row := &s.rows[key%scatteredRows]
	if row.key == key && row.at != p && row.at.topic == p.topic {
		return row.at
	}
	*row = scatteredRow{key, p}
	return nil
}
