package kafka

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
)

// database makes a table's history: rows come, change, go, get other keys, swap them and pass them on in rings.
type database struct {
	t      *rapid.T
	keys   int64
	rows   map[int64]string
	lanes  int
	events []event
	value  int
}

func (d *database) do(old, now int64, is string) {
	e := event{old: old, now: now, is: is, place: true}
	if old != 0 {
		e.was = d.rows[old]
		delete(d.rows, old)
	}
	if e.lane = int(now) % d.lanes; now == 0 {
		e.lane = int(old) % d.lanes
	} else {
		d.rows[now] = is
	}
	d.events = append(d.events, e)
}

func (d *database) next() string {
	if rapid.IntRange(0, 3).Draw(d.t, "same") == 0 {
		return "same"
	}
	d.value++
	return fmt.Sprint("v", d.value)
}

func (d *database) transact() {
	k := rapid.Int64Range(1, d.keys).Draw(d.t, "key")
	o := rapid.Int64Range(1, d.keys).Draw(d.t, "other")
	row, there := d.rows[k]
	other, taken := d.rows[o]
	const spare = 1000
	switch {
	case !there:
		d.do(0, k, d.next())
	case k == o && rapid.Bool().Draw(d.t, "delete"):
		d.do(k, 0, "")
	case k == o:
		d.do(k, k, d.next())
	case !taken:
		d.do(k, o, row)
	default: // they swap
		d.do(k, spare, row)
		d.do(o, k, other)
		d.do(spare, o, row)
	}
}

// TestMergedAndFolded: rows get other keys all the time, which moves them between partitions as Canal's hash does it. Whatever is
// fetched first, merged and folded it is the table, or the pipeline has stopped.
func TestMergedAndFolded(t *testing.T) {
	whole, stopped := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		d := &database{t: t, keys: 8, rows: map[int64]string{}, lanes: rapid.IntRange(2, 4).Draw(t, "partitions")}
		for k := range d.keys { // every row is known once, so that there is little that cannot be told
			d.do(0, k+1, d.next())
		}
		for range rapid.IntRange(1, 40).Draw(t, "transactions") {
			d.transact()
		}
		built, batch := int64(1000), int64(1)
		for i := range d.events {
			switch rapid.IntRange(0, 3).Draw(t, "writer") {
			case 0:
				batch++
			case 1:
				batch, built = batch+1, built+rapid.Int64Range(1, 9).Draw(t, "ms")
			}
			d.events[i].built, d.events[i].batch = built, batch
		}
		m := newMerging(d.lanes, nil, nil)
		m.write(d.events...)
		err := fetchAnyhow(t, m)
		if err != nil {
			if !fault.Is(err, fault.KeyMoved) {
				t.Fatal(err)
			}
			stopped++
			return
		}
		if whole++; !maps.Equal(m.table, d.rows) {
			t.Fatalf("folded %v, the table is %v", m.table, d.rows)
		}
	})
	t.Logf("%d whole, %d stopped", whole, stopped)
	if whole < stopped {
		t.Errorf("only %d of %d were merged", whole, whole+stopped)
	}
}

// fetchAnyhow fetches in any order, restarts now and then, and waits at the end.
func fetchAnyhow(t *rapid.T, m *merging) error {
	for {
		left := 0
		for lane := range m.lanes {
			left += len(m.lanes[lane]) - m.sent[lane]
		}
		if left == 0 {
			break
		}
		m.fetch(rapid.IntRange(0, len(m.lanes)-1).Draw(t, "fetched"), rapid.IntRange(1, 5).Draw(t, "records"))
		if _, err := m.drain(); err != nil {
			return err
		}
		if rapid.IntRange(0, 9).Draw(t, "restart") == 0 && !m.merger.together() {
			if err := m.restart(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return m.settle()
}

// settle waits for as long as it takes until nothing is waited for.
func (m *merging) settle() error {
	for {
		if wait, err := m.drain(); err != nil || wait == 0 && !m.merger.together() {
			return err
		}
		m.clock = m.clock.Add(time.Minute)
	}
}

// restart goes on with another stream, from what a checkpoint would have.
func (m *merging) restart() error {
	st, _, err := m.merger.recall.state()
	if err != nil {
		return err
	}
	var order *orderState
	if m.merger.recall.changed = true; st.Key != "" {
		order = new(orderState)
		if err := readState(st, order, &order.stateHeader); err != nil {
			return err
		}
	} else if st, _, err = m.merger.recall.state(); err == nil && st.Key != "" {
		order = new(orderState)
		err = readState(st, order, &order.stateHeader)
	}
	offsets := make([]int, len(m.parts))
	for i, p := range m.parts {
		offsets[i] = int(p.offset)
	}
	n := newMerging(len(m.lanes), order, offsets)
	n.lanes, n.table, n.clock = m.lanes, m.table, m.clock
	for i := range n.parts {
		n.parts[i].lane.end.Store(int64(len(n.lanes[i])))
	}
	*m = *n
	return err
}

func TestSilentPartitions(t *testing.T) {
	m := newMerging(2, nil, nil)
	m.fetch(1, 0) // answered: there is nothing
	m.write(event{built: 10, batch: 1, now: 2, is: "a", place: true})
	m.fetch(0, 1)
	if wait, err := m.drain(); wait != 100*time.Millisecond || err != nil || m.folded != 0 {
		t.Fatalf("a partition that never had anything is waited for %v, %d read, %v", wait, m.folded, err)
	}
	m.clock = m.clock.Add(100 * time.Millisecond)
	if wait, err := m.drain(); wait != 0 || m.folded != 1 || err != nil {
		t.Fatalf("%d read after the wait, %v to go, %v", m.folded, wait, err)
	}
	m.write(event{built: 11, batch: 2, now: 3, is: "b", lane: 1, place: true}, event{built: 12, batch: 3, now: 2, is: "c", place: true})
	m.fetch(0, 1)
	m.clock = m.clock.Add(time.Hour)
	if wait, _ := m.drain(); wait != 0 || m.folded != 1 {
		t.Fatal("a partition that has more is not waited for until it has come")
	}
	m.fetch(1, 1)
	if wait, _ := m.drain(); wait != 100*time.Millisecond || m.folded != 1 || !m.merger.together() {
		t.Fatalf("a partition that may have more of the moment is waited for %v, %d read", wait, m.folded)
	}
	m.clock = m.clock.Add(100 * time.Millisecond)
	if wait, _ := m.drain(); wait != 900*time.Millisecond || m.folded != 2 {
		t.Fatalf("a partition that just had something is waited for %v, %d read", wait, m.folded)
	}
	if err := m.settle(); err != nil || m.folded != 3 || strings.Join(m.txns, "") != "abc" {
		t.Fatalf("read %q", m.txns)
	}
}

// TestTooLate: what a partition brings too late is right where the row is its own, and stops where another one has had the row.
func TestTooLate(t *testing.T) {
	for _, c := range []struct {
		name          string
		first, second event
		stops         bool
	}{
		{"another row", event{built: 20, now: 2, is: "a"}, event{built: 10, now: 3, is: "b", lane: 1}, false},
		{"a row that has left since", event{built: 20, old: 3, now: 2, was: "b", is: "b"}, event{built: 10, old: 3, now: 3, was: "a", is: "b", lane: 1}, true},
		{"a row that leaves, and has changed since", event{built: 20, now: 2, is: "z"}, event{built: 10, old: 2, now: 3, was: "a", is: "a", lane: 1}, true},
		{"a row that leaves, of which nothing came since", event{built: 20, now: 4, is: "z"}, event{built: 10, old: 2, now: 3, was: "a", is: "a", lane: 1}, false},
		{"in time", event{built: 20, old: 3, now: 2, was: "b", is: "b"}, event{built: 30, now: 3, is: "b", lane: 1}, false},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, restart), func(t *testing.T) {
				m := newMerging(2, nil, nil)
				c.first.place, c.second.place, c.first.batch, c.second.batch = true, true, 1, 1
				m.fetch(1, 0)
				m.write(c.first)
				m.fetch(0, 1)
				if err := m.settle(); err != nil || m.folded != 1 {
					t.Fatal(err, m.folded)
				}
				if restart {
					if err := m.restart(); err != nil {
						t.Fatal(err)
					}
				}
				m.write(c.second)
				m.fetch(1, 1)
				if err := m.settle(); fault.Is(err, fault.KeyMoved) != c.stops || err != nil && !c.stops {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

// TestPlacesThatNobodyKnows: keys that change in messages without a place, or with one that goes back, have no order.
func TestPlacesThatNobodyKnows(t *testing.T) {
	moves := event{built: 5, batch: 2, old: 2, now: 4, was: "a", is: "a"}
	for _, c := range []struct {
		name  string
		place bool
		stops bool
	}{{"no place", false, true}, {"a clock that was set back", true, true}} {
		m := newMerging(2, nil, nil)
		m.fetch(1, 0)
		moves.place = c.place
		m.write(event{built: 10, batch: 1, now: 2, is: "a", place: true}, moves)
		m.fetch(0, 2)
		err := m.settle()
		if fault.Is(err, fault.KeyMoved) != c.stops {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestOrderAfterNone: partitions that were read without an order are ahead of each other, and what leaves its key among that stops.
func TestOrderAfterNone(t *testing.T) {
	for _, c := range []struct {
		name  string
		ahead int64
		stops bool
	}{{"the other partition was read beyond it", 20, true}, {"up to the same moment", 10, true}, {"not as far", 9, false}} {
		m := newMerging(2, nil, nil)
		m.parts[1].make([]changelog.Txn{{Origin: changelog.Origin{Built: c.ahead, Batch: 1}}})
		st, err := m.parts[1].state()
		if err != nil {
			t.Fatal(err)
		}
		var s partitionState
		if err := readState(st, &s, &s.stateHeader); err != nil || m.parts[1].restore(&s) != nil {
			t.Fatal(err)
		}
		if err := m.src.beginOrder(m.stream); err != nil {
			t.Fatal(err)
		}
		m.fetch(1, 0)
		m.write(event{built: 10, batch: 1, now: 6, is: "a", place: true}, event{built: 10, batch: 1, old: 3, now: 2, was: "b", is: "b", place: true})
		m.fetch(0, 2)
		if err := m.settle(); fault.Is(err, fault.KeyMoved) != c.stops || err != nil && !c.stops {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestOrderNeedsPlaces: a format whose messages never say a place has no order.
func TestOrderNeedsPlaces(t *testing.T) {
	cfg := NewConfig().(*Config)
	cfg.Order = orderSource
	s := newSource(cfg, capture.Env{Pipeline: "p"})
	events := &eventReader{}
	s.reader = struct{ formats.Reader }{events}
	if err := s.orderable(); !fault.Is(err, fault.Config) {
		t.Errorf("the order of messages without places: %v", err)
	}
	cfg.Order = wordNone
	if err := s.orderable(); err != nil {
		t.Error(err)
	}
	cfg.Order, s.reader = orderSource, events
	if err := s.orderable(); err != nil {
		t.Error(err)
	}
}

// TestInterruptedMoment: a record that must be the first of its batch parts a moment, whose changes keep what is known of them.
func TestInterruptedMoment(t *testing.T) {
	m := newMerging(2, nil, nil)
	m.write(event{built: 10, batch: 1, now: 2, is: "a", place: true}, event{built: 10, batch: 1, now: 3, is: "b", lane: 1, place: true})
	m.fetch(0, 1)
	m.fetch(1, 1)
	m.clock = m.clock.Add(time.Minute)
	p, _, err := m.next()
	if err != nil || p == nil || m.read(p) != nil {
		t.Fatal(p, err)
	}
	if err := m.merger.interrupt(); err != nil || !m.merger.together() {
		t.Fatal("the moment is over", err)
	}
	m.fold()
	if err := note(&m.merger.open.emptied, m.merger.open.changed, tableIn{"d.t", p}); err != nil {
		t.Errorf("a truncation behind a change in its own partition: %v", err)
	}
	if err := m.settle(); !fault.Is(err, fault.KeyMoved) {
		t.Errorf("a change in the other partition, before or after the truncation: %v", err)
	}
	if m.folded != 1 {
		t.Errorf("%d changes", m.folded)
	}
}

// TestWaitingIsNotSilence: however long changes wait for each other's partitions, each is read when its own time is over.
func TestWaitingIsNotSilence(t *testing.T) {
	const lanes, changes, step = 5, 50, 100 * time.Millisecond
	m := newMerging(lanes, nil, nil)
	for lane := range lanes {
		m.fetch(lane, 0)
	}
	for i := range changes {
		m.write(event{built: int64(10 + i), batch: int64(1 + i), now: int64(1 + i), is: "a", lane: i % lanes, place: true})
		m.fetch(i%lanes, 1)
		m.clock = m.clock.Add(step)
		if _, err := m.drain(); err != nil {
			t.Fatal(err)
		}
		if behind := i + 1 - m.folded; behind > int(time.Second/step)+1 {
			t.Fatalf("%d changes of %d wait", behind, i+1)
		}
	}
	m.clock = m.clock.Add(time.Second)
	if _, err := m.drain(); err != nil || m.folded != changes {
		t.Errorf("%d of %d changes were read a second after the last one, %v", m.folded, changes, err)
	}
}
