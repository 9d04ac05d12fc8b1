package kafka

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
)

// moment is what the partitions have at one place that changes share, such as a batch of Canal in one millisecond. Its changes stay in
// one batch, and are put into an order when all of them have been read.
type moment struct {
	at    formats.Place
	from  mark
	came  time.Time // when its newest record came
	lanes []*partition
	steps []step
	names []string // of the steps' tables
	back  bool     // a partition says a place before the one that came last

	changed, emptied []tableIn // all that were in it, those included that had to leave in a batch before
}

// tableIn is a table in a partition of a moment.
type tableIn struct {
	table string
	lane  *partition
}

func (o *moment) has(at *formats.Place) bool { return at.Log == o.at.Log && at.Compare(&o.at) == 0 }

// of reports that a partition has had something of the moment.
func (o *moment) of(p *partition) bool { return o != nil && slices.Contains(o.lanes, p) }

// begin opens the moment of a partition's head, if it is not open.
func (m *merger) begin(p *partition) {
	if m.open == nil {
		m.open = &moment{at: p.order.at, from: markOf(m.stream.batch)}
	}
	m.open.came = p.order.came
	m.open.back = m.open.back || p.order.back
}

// together reports that the batch must not go out yet.
func (m *merger) together() bool { return m != nil && m.open != nil }

// interrupt lets go what there is of the moment, so that the rest of it can be in another batch.
func (m *merger) interrupt() error {
	if m == nil || m.open == nil {
		return nil
	}
	o := *m.open
	if err := m.close(); err != nil {
		return err
	}
	m.open = &moment{at: o.at, came: o.came, back: o.back, changed: o.changed, emptied: o.emptied}
	return nil
}

// took takes what was read from the partition's record into the moment.
func (m *merger) took(p *partition, from mark) error {
	if !m.together() {
		return nil
	}
	o, b := m.open, m.stream.batch
	lane := o.laneOf(p)
	for n := from.runs; n < len(b.Runs); n++ {
		run := &b.Runs[n]
		name := run.Table.FullName()
		for i := run.From; i < run.To; i++ {
			st := stepOf(&m.ids, run.Table, &b.Changes[i], lane, i)
			st.txn = b.Txns[run.Txn].Origin.Executed
			o.steps = append(o.steps, st)
			o.names = append(o.names, name)
		}
		if err := note(&o.changed, o.emptied, tableIn{name, p}); err != nil {
			return err
		}
	}
	for n := from.notes; n < len(b.Notes); n++ {
		if b.Notes[n].Kind != changelog.Truncate || b.Notes[n].Table == nil {
			continue
		}
		if err := note(&o.emptied, o.changed, tableIn{b.Notes[n].Table.FullName(), p}); err != nil {
			return err
		}
	}
	return nil
}

func (o *moment) laneOf(p *partition) int {
	if i := slices.Index(o.lanes, p); i >= 0 {
		return i
	}
	o.lanes = append(o.lanes, p)
	return len(o.lanes) - 1
}

// note takes a table in, and stops where a table was truncated in one partition and changed in another: what was first?
func note(to *[]tableIn, others []tableIn, t tableIn) error {
	for _, o := range others {
		if o.table == t.table && o.lane != t.lane {
			return unordered(fmt.Errorf("the table %s was truncated, and changed in another partition at the same time: %w", t.table, errManyWays))
		}
	}
	if !slices.Contains(*to, t) {
		*to = append(*to, t)
	}
	return nil
}

// close puts the changes of the moment into an order in which they can have happened.
func (m *merger) close() error {
	o := m.open
	m.open = nil
	if err := m.judge(o); err != nil {
		return err
	}
	changes, moved := make([]int, 0, len(o.steps)), false
	for _, steps := range byTxn(o.steps, len(o.lanes)) {
		order := &bunch{steps: steps, known: m.recall.holding}
		sorted, err := order.order()
		if err != nil {
			return unordered(fmt.Errorf("%d changes came at one time in %d partitions, where rows got other keys: %w", len(steps), len(o.lanes), err))
		}
		for _, i := range sorted {
			s := &steps[i]
			moved = moved || s.at != o.steps[len(changes)].at
			changes = append(changes, s.at)
			m.recall.step(s, o.lanes[s.lane], whenOf(&o.at))
		}
	}
	if moved {
		arrange(m.stream.batch, o.from, changes)
	}
	return nil
}

// byTxn takes the steps of a moment apart where their messages say how many transactions the server had executed: those of one transaction come
// before those of the next. They stay together when some do not say it, or a partition does not keep to it.
func byTxn(steps []step, lanes int) [][]step {
	last := make([]uint64, lanes)
	for i := range steps {
		s := &steps[i]
		if s.txn == 0 || s.txn < last[s.lane] {
			return [][]step{steps}
		}
		last[s.lane] = s.txn
	}
	sorted := slices.Clone(steps)
	slices.SortStableFunc(sorted, func(a, b step) int { return cmp.Compare(a.txn, b.txn) })
	var out [][]step
	for from := 0; from < len(sorted); {
		to := from + 1
		for to < len(sorted) && sorted[to].txn == sorted[from].txn {
			to++
		}
		out = append(out, sorted[from:to])
		from = to
	}
	return out
}

var (
	errLate  = errors.New("it came after changes that were made later, and that have been written")
	errClock = errors.New("the writer's clock was set back")
)

// judge stops at what comes too late, where that can make a difference: rows that another partition has had since. A row's own
// partition keeps its order, late or not.
func (m *merger) judge(o *moment) error {
	at := whenOf(&o.at)
	for i := range o.steps {
		s := &o.steps[i]
		if o.back && s.moves() && m.stream.topics[o.lanes[s.lane].topic].count > 1 {
			return unordered(fmt.Errorf("a row of %s has got another key: %w", o.names[i], errClock))
		}
		for _, key := range s.keys() {
			if m.recall.since(key, o.lanes[s.lane], at) {
				return unordered(fmt.Errorf("a change of %s: %w", o.names[i], errLate))
			}
		}
		if !m.recall.forgottenMoves.before(at) || s.moves() && !m.recall.forgotten.before(at) {
			return unordered(fmt.Errorf("a change of %s: %w", o.names[i], errLate))
		}
	}
	return nil
}

func unordered(err error) *fault.Fault {
	return fault.NewFinal(fault.KeyMoved, "merging partitions", err,
		"GTIDs in Canal's messages tell the order of its transactions; or let the writer choose the partition by the table and not by the key. "+
			"Where a partition came too late, order_idle_timeout must be longer. Then begin anew: cdcbridge reset --to earliest.")
}
