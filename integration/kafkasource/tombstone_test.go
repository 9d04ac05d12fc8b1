package kafkasource

import (
	"testing"

	"cdcbridge/integration/harness"
)

// TestTombstoneAfterRestart restarts between a delete and its tombstone, which then says nothing new, and in front of a tombstone whose
// delete nobody has: of that one only the topic's records before the restart have told which table it is of.
func TestTombstoneAfterRestart(t *testing.T) {
	for _, output := range []string{"plain-json", "debezium-json"} {
		t.Run(output, func(t *testing.T) {
			t.Parallel()
			e := modern.get(t)
			s, table := e.newSource(t, unique(t)+".in.orders", 2), newShop(debezium, 1, 2)
			s.write(t, table.fill(0, 8)...)
			b := e.reads(t, debezium, "", s.topic)
			b.output = "format: " + output
			d := b.running(t)
			gone := table.remove(3)
			s.write(t, gone[0])
			b.came(t, s)
			d.Kill()

			s.write(t, gone[1])
			d = b.running(t)
			s.write(t, table.put(5)...) // behind it
			b.came(t, s)
			d.Kill()

			delete(table.rows, 4)
			s.write(t, message{partition: 0, key: []byte(`{"id":4}`), changes: true})
			d = b.running(t)
			b.came(t, s)
			d.Kill()

			// And once more, for what was learnt before the first restart has to outlive the second.
			delete(table.rows, 6)
			s.write(t, message{partition: 0, key: []byte(`{"id":6}`), changes: true})
			d = b.running(t)
			b.came(t, s)
			harness.StopFor(t, d)
			if output == "plain-json" {
				b.holds(t, table.table(), s)
			} else {
				b.settled(t, table, s)
			}
		})
	}
}

// TestFirstRecordIsATombstone reads a topic that compaction has left so: its key alone tells what is gone, and its name of which table.
func TestFirstRecordIsATombstone(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	s, table := e.newSource(t, unique(t)+".in.orders", 1), newShop(rows, 1, 1)
	s.write(t, message{key: []byte(`{"id":1}`), changes: true})
	b := e.reads(t, rows, "", s.topic)
	d := b.running(t)
	b.came(t, s)
	d.Kill()
	s.write(t, table.fill(0, 4)...)
	b.running(t)
	b.holds(t, table.table(), s)
}

// TestTableChanges gives the table another column, and restarts around it.
func TestTableChanges(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	s, table := e.newSource(t, unique(t)+".in.orders", 1), newShop(rows, 1, 1)
	s.write(t, table.fill(0, 3)...)
	b := e.reads(t, rows, "", s.topic)
	b.output = "format: plain-json, options: {json_handling_mode: nested, decimal_handling_mode: number}" // one form, whatever comes first
	d := b.running(t)
	b.came(t, s)
	d.Kill()
	want := table.table()
	for id, value := range map[string]string{
		`{"id":1}`:  `{"id":1,"item":"x","n":2,"more":[1,2]}`,
		`{"id":10}`: `{"id":10,"item":"y","n":2.5,"more":null}`,
		`{"id":11}`: `{"id":11,"item":null,"n":null,"more":"text"}`,
	} {
		s.write(t, message{key: []byte(id), value: []byte(value), changes: true})
		d = b.running(t)
		b.came(t, s)
		d.Kill()
		want[id] = value
	}
	s.write(t, message{key: []byte(`{"id":10}`), changes: true})
	delete(want, `{"id":10}`)
	b.running(t)
	b.holds(t, want, s)
}

// TestTombstoneBehindABadRecord has what cannot be read between a delete and its tombstone, which is no delete of its own for that,
// whether the bridge is restarted there or not.
func TestTombstoneBehindABadRecord(t *testing.T) {
	for name, restart := range map[string]bool{"AtOnce": false, "Restarted": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := modern.get(t)
			s, table := e.newSource(t, unique(t)+".in.orders", 1), newShop(debezium, 1, 1)
			b := e.reads(t, debezium, ", dead_letter: "+unique(t)+".dead", s.topic)
			s.write(t, table.fill(0, 4)...)
			gone := table.remove(2)
			s.write(t, gone[0], badRecords[0].message(0))
			if restart {
				d := b.running(t)
				b.came(t, s)
				b.parks(t, unique(t)+".dead", s, map[int64]bad{5: badRecords[0]})
				d.Kill()
			}
			s.write(t, gone[1])
			s.write(t, table.fill(4, 6)...)
			b.running(t)
			b.holds(t, table.table(), s)
		})
	}
}
