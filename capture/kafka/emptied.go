package kafka

import (
	"fmt"
	"slices"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
)

// A truncation ends the rows that a table has in all partitions, and is in one. So it matters in all of them what was before it: a row
// that comes later and was made before would be there again.

// emptied are the last truncations of tables by which the target ended rows, in partitions that are merged.
type emptied struct {
	tables  []emptying // the newest one last
	changed bool
}

// emptying is one of them.
type emptying struct {
	Database  string        `json:"database"`
	Schema    string        `json:"schema,omitempty"`
	Table     string        `json:"table"`
	Partition string        `json:"partition"` // in which it was
	Place     formats.Place `json:"place"`
}

// maxEmptied bounds them.
const maxEmptied = 256

type emptiedState struct {
	stateHeader
	Tables []emptying `json:"tables"`
}

const emptiedKey = "emptied"

// restoreEmptied takes over what a checkpoint knows.
func (s *source) restoreEmptied(states []changelog.State) error {
	var known emptiedState
	_, err := stateOf(states, emptiedKey, &known, &known.stateHeader)
	s.emptied = known.Tables
	return err
}

// appendState adds the truncations, if there was one since the last batch.
func (e *emptied) appendState(states []changelog.State) ([]changelog.State, error) {
	if !e.changed {
		return states, nil
	}
	e.changed = false
	st, err := newState(emptiedKey, emptiedState{newStateHeader(), e.tables})
	return append(states, st), err
}

func (o *emptying) of(t *changelog.Table) bool {
	return o.Table == t.Name && o.Schema == t.Schema && o.Database == t.Database
}

// put notes a truncation.
func (e *emptied) put(t *changelog.Table, p *partition) {
	e.tables = slices.DeleteFunc(e.tables, func(o emptying) bool { return o.of(t) })
	e.tables = append(e.tables, emptying{t.Database, t.Schema, t.Name, p.String(), p.order.at})
	e.tables = e.tables[max(0, len(e.tables)-maxEmptied):]
	e.changed = true
}

// checkEmptied stops at a truncation of which nobody knows what was before it in other partitions, and at a change that comes behind one
// and was before it.
func (s *stream) checkEmptied(p *partition, b *changelog.Batch, from mark) error {
	for i := from.notes; i < len(b.Notes); i++ {
		n := &b.Notes[i]
		if n.Policy == "" || n.Table == nil || s.topics[p.topic].count < 2 {
			continue
		}
		if s.merger == nil {
			return fault.NewFinal(fault.Diverged, "reading a truncation", fmt.Errorf("all rows of %s went by one statement, and no order says which rows of other partitions were there before it", n.Table.FullName()),
				"Set order: source, which reads partitions in the order of the source's log.")
		}
		if !p.order.said {
			return unordered(fmt.Errorf("the table %s was truncated, and the message does not say where in the log of the database it stands", n.Table.FullName()))
		}
		s.emptied.put(n.Table, p)
	}
	if s.merger == nil || len(s.emptied.tables) == 0 {
		return nil
	}
	for n := from.runs; n < len(b.Runs); n++ {
		if s.emptied.since(b.Runs[n].Table, p) {
			return unordered(fmt.Errorf("a change of %s, which was truncated later: %w", b.Runs[n].Table.FullName(), errLate))
		}
	}
	return nil
}

// since reports that the table was truncated, in another partition, behind the place at which the partition is.
func (e *emptied) since(t *changelog.Table, p *partition) bool {
	for i := range e.tables {
		if o := &e.tables[i]; o.of(t) {
			return p.order.at.Compare(&o.Place) < 0 && o.Partition != p.String()
		}
	}
	return false
}

// dropRepeatedTruncations takes the truncations out of the batch behind from that were read before, and says how many: the rows that came
// since must stay, for their repetitions are taken out too.
func (s *stream) dropRepeatedTruncations(p *partition, b *changelog.Batch, from mark) int {
	before := len(b.Notes)
	kept := b.Notes[:from.notes]
	for _, n := range b.Notes[from.notes:] {
		if n.Policy == "" || n.Table == nil || n.Txn < 0 || !p.repeats.sawTruncation(&n, &b.Txns[n.Txn]) {
			kept = append(kept, n)
		}
	}
	b.Notes = kept
	return before - len(kept)
}

// sawTruncation takes a truncation in, and reports that it was read before. Of rows nothing is known any more behind one that was not, so
// that what comes again of them may pass.
func (r *repeats) sawTruncation(n *changelog.Note, txn *changelog.Txn) bool {
	run := changelog.Run{Table: n.Table, Pos: n.Pos, File: n.File, Time: n.Time}
	s := sighting{run: &run, txn: txn, change: &changelog.Change{Pos: n.Pos}, whole: true}
	if at, ok := spotOf(&s); ok && r.logOf(&s).saw(&r.ids, &s, &at) == repeated {
		return true
	}
	r.rows = seenRows{}
	return false
}
