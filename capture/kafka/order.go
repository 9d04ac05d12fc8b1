package kafka

import (
	"fmt"
	"slices"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// place is where the head of a partition stands in the log of the database that its messages come from.
type place struct {
	at   formats.Place // of the head: what its message says, but not before the one that came last
	said bool          // the message says it
	back bool          // the message says a place before the one that came last: a writer's clock that was set back

	last formats.Place // of the record that came last
	came time.Time     // when the chunk arrived that was read last; zero: none has
}

// merger decides which partition's record is read next: the one that comes first in the log of the database. A partition that has
// nothing to read may yet bring what comes before all that is there. It is waited for
//
//   - for as long as its topic has more than was read of it;
//   - for order_idle_timeout after its last record came (not after it was read: waiting must not make for more waiting), and for a tenth of
//     that after any record of another one that would go first;
//   - for such a tenth with what belongs to the moment of its own last record, which its writer wrote in one go.
//
// What comes too late all the same, and what one moment has in several partitions, is for order_bunch.go. Who merges partitions by
// places that writers do not say (tombstones, heartbeats) reads these with the record before them.
type merger struct {
	stream *stream
	locate formats.Locator // nil: the messages have no places
	idle   time.Duration

	heads   []*partition
	dry     []*partition
	current *partition // whose head was given last

	open   *moment // whose changes are being read
	recall recall
	ids    identities
}

// graceShare is the part of order_idle_timeout that a silent partition is given.
const graceShare = 10

// newMerger makes the merger of a stream; nil when partitions are read as their records come.
func newMerger(s *stream) *merger {
	if s.cfg.Order != orderSource {
		return nil
	}
	m := &merger{stream: s, idle: s.cfg.OrderIdleTimeout}
	m.locate, _ = s.reader.(formats.Locator)
	return m
}

// next gives a partition that has a head, which is to be read now. When there is none it says how long to wait at most before it is
// asked again; 0: until more has come.
func (m *merger) next(now time.Time) (*partition, time.Duration, error) {
	if err := m.refill(); err != nil {
		return nil, 0, err
	}
	if m.open != nil {
		if len(m.heads) > 0 {
			if p := m.heads[0]; !p.order.said || m.open.has(&p.order.at) {
				m.begin(p)
				return m.give(p), 0, nil
			}
		}
		if wait, ok := m.gate(now, m.open.came); !ok {
			return nil, wait, nil
		}
		if err := m.close(); err != nil {
			return nil, 0, err
		}
	}
	if len(m.heads) == 0 {
		return nil, 0, nil
	}
	p := m.heads[0]
	if p.order.said {
		if wait, ok := m.gate(now, p.order.came); !ok {
			return nil, wait, nil
		}
		if p.order.at.Bunched {
			m.begin(p)
		}
	}
	return m.give(p), 0, nil
}

func (m *merger) give(p *partition) *partition {
	m.current, p.order.last = p, p.order.at
	return p
}

// join begins to merge a partition.
func (m *merger) join(p *partition) { m.dry = append(m.dry, p) }

// refill finds the heads of partitions that have none.
func (m *merger) refill() error {
	if p := m.current; p != nil && !p.hasHead {
		m.current = nil
		m.pop()
		if err := m.fill(p); err != nil {
			return err
		}
	}
	if len(m.dry) == 0 {
		return nil
	}
	for _, l := range m.stream.readers.lines() {
		p := l.owner
		if p.hasHead {
			continue // it is among the heads
		}
		if i := slices.Index(m.dry, p); i >= 0 {
			m.dry = slices.Delete(m.dry, i, i+1)
			if err := m.fill(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// fill puts a partition among the heads, or the dry ones.
func (m *merger) fill(p *partition) error {
	for {
		if !p.order.came.IsZero() {
			more, err := m.stream.peek(p)
			if err != nil {
				return err
			}
			if more {
				m.find(p)
				m.push(p)
				return nil
			}
		}
		if p.complete() {
			return nil
		}
		if !m.stream.more(p) {
			break
		}
	}
	m.dry = append(m.dry, p)
	return nil
}

// find tells where the head stands.
func (m *merger) find(p *partition) {
	o := &p.order
	o.at, o.said, o.back = o.last, false, false
	if m.locate == nil {
		return
	}
	at := m.locate.Locate(m.stream.readable.of(&p.head))
	if at.Log == "" {
		return
	}
	if o.said = true; at.Log == o.last.Log && at.Compare(&o.last) < 0 {
		o.back = true
		return
	}
	o.at = at
}

// gate says whether all partitions without a head have been waited for that could bring what comes before a record that came at that
// time, or else how long there is to wait.
func (m *merger) gate(now, came time.Time) (wait time.Duration, ok bool) {
	due := came.Add(m.idle / graceShare)
	for _, p := range m.dry {
		if p.complete() {
			continue
		}
		if p.lag() != 0 {
			return 0, false
		}
		if last := p.order.came; !last.IsZero() && !m.open.of(p) && last.Add(m.idle).After(due) {
			due = last.Add(m.idle)
		}
	}
	if len(m.dry) == 0 || !now.Before(due) {
		return 0, true
	}
	return due.Sub(now), false
}

// check stops at a change that moves a row to another key, in a message whose place among those of the other partitions nobody knows.
func (m *merger) check(p *partition, b *changelog.Batch, from mark) error {
	if m.stream.topics[p.topic].count < 2 {
		return nil
	}
	why := "the message does not say where in the log of the database it stands"
	switch {
	case !p.order.said:
	case p.order.back && m.open == nil:
		why = "the message says a place before the one before it"
	default:
		return nil
	}
	for n := from.runs; n < len(b.Runs); n++ {
		run := &b.Runs[n]
		for i := run.From; i < run.To; i++ {
			if movesKey(run.Table, &b.Changes[i]) {
				return unordered(fmt.Errorf("a row of %s has got another key, and %s", run.Table.FullName(), why))
			}
		}
	}
	return nil
}

// push and pop keep the heads a heap: the first one in the log is at its top.
func (m *merger) push(p *partition) {
	m.heads = append(m.heads, p)
	for i := len(m.heads) - 1; i > 0; {
		up := (i - 1) / 2
		if !m.before(i, up) {
			break
		}
		m.heads[i], m.heads[up] = m.heads[up], m.heads[i]
		i = up
	}
}

func (m *merger) pop() {
	n := len(m.heads) - 1
	m.heads[0] = m.heads[n]
	m.heads[n] = nil
	m.heads = m.heads[:n]
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < n; c++ {
			if m.before(c, least) {
				least = c
			}
		}
		if least == i {
			return
		}
		m.heads[i], m.heads[least] = m.heads[least], m.heads[i]
		i = least
	}
}

func (m *merger) before(i, j int) bool {
	a, b := m.heads[i], m.heads[j]
	if c := a.order.at.Compare(&b.order.at); c != 0 {
		return c < 0
	}
	if a.order.said != b.order.said {
		return b.order.said // what has no place of its own goes with what came before it
	}
	return compareParts(a.at(), b.at()) < 0
}
