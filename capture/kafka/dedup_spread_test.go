package kafka

import (
	"maps"
	"testing"
)

// TestRepeatsOfWhatWasHalfWritten: a writer that fails has written of a batch what one partition has and not what another one lacks, and writes all of it
// again. What came late has then happened before what was there already, and both must be read again.
func TestRepeatsOfWhatWasHalfWritten(t *testing.T) {
	for _, numbered := range []bool{true, false} {
		m := newMerging(2, nil, nil)
		m.cfg.Deduplicate = true
		built, batch := int64(10), int64(0)
		write := func(events ...event) {
			for _, e := range events {
				built, batch = built+1, batch+1
				e.built, e.batch, e.place = built, batch, true
				if !numbered {
					e.executed = 0
				}
				m.write(e)
			}
			for lane := range m.lanes {
				m.fetch(lane, len(m.lanes[lane])-m.sent[lane])
			}
			if err := m.settle(); err != nil {
				t.Fatal(err)
			}
		}
		inserted := event{executed: 1, now: 1, is: "a"}
		changed := event{executed: 2, old: 1, now: 1, was: "a", is: "b"}
		moved := event{executed: 3, old: 1, now: 2, was: "b", is: "b", lane: 1}
		later := event{executed: 4, old: 2, now: 2, was: "b", is: "c", lane: 1}
		write(inserted, moved, later) // what changed the row before it moved is lost
		batch = 0
		write(inserted, changed, moved, later)
		if want := map[int64]string{2: "c"}; !maps.Equal(m.table, want) {
			t.Errorf("numbered %v: the table is %v, want %v", numbered, m.table, want)
		}
		before := m.folded
		for range 2 { // the last transaction may be half written as well
			batch = 0
			write(event{executed: 5, now: 7, is: "x"}, event{executed: 5, now: 8, is: "x", lane: 1}, event{executed: 6, now: 9, is: "x"}, event{executed: 6, now: 10, is: "x", lane: 1})
		}
		if got, want := m.folded-before, map[bool]int{true: 6, false: 8}[numbered]; got != want {
			t.Errorf("numbered %v: %d of 8 changes stay, want %d", numbered, got, want)
		}
	}
}
