package kafkasource

import (
	"testing"
	"time"

	"cdcbridge/integration/harness"
)

// TestBounded runs to an end, which is a success of the process, and finds nothing behind it.
func TestBounded(t *testing.T) {
	cases := []struct {
		name, end string
		upTo      [2]int64 // the offsets at which the partitions are left
	}{
		{"Latest", ", end: {at: latest}", [2]int64{6, 6}},
		{"Timestamp", `, end: {at: timestamp, timestamp: "2026-03-01T12:03:00Z"}`, [2]int64{3, 3}},
		{"TimestampAfterAll", `, end: {at: timestamp, timestamp: "2026-03-02T00:00:00Z"}`, [2]int64{6, 6}},
		{"Offsets", ", end: {at: offsets, offsets: [{topic: TOPIC, partition: 0, offset: 4}, {topic: TOPIC, partition: 1, offset: 0}]}", [2]int64{4, 0}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := modern.get(t)
			topic := unique(t) + ".in.orders"
			s, table := numbered(t, e, topic, debezium, 6)
			b := e.reads(t, debezium, replaceTopic(c.end, topic), topic)
			b.completes(t)
			want := s.before(c.upTo[:]...)
			b.got(t, want...)
			s.write(t, table.fill(12, 20)...)
			b.completes(t) // once more, with nothing to do: the end is where it was
			b.got(t, want...)
		})
	}
}

// before gives the positions before an offset of each partition, from the first on.
func (s *source) before(offsets ...int64) (positions []string) {
	for partition, end := range offsets {
		positions = append(positions, s.within(int32(partition), 0, end)...)
	}
	return positions
}

// TestBoundedEnds has ends that no record marks: of a topic without records, behind the marker of a transaction, behind one that was
// aborted, and in front of one that is open.
func TestBoundedEnds(t *testing.T) {
	t.Run("Empty", func(t *testing.T) {
		t.Parallel()
		e := modern.get(t)
		s := e.newSource(t, unique(t)+".in.orders", 2)
		b := e.reads(t, debezium, ", end: {at: latest}", s.topic)
		b.completes(t)
		b.got(t)
	})
	for name, commit := range map[string]bool{"Committed": true, "Aborted": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := modern.get(t)
			s, table := e.newSource(t, unique(t)+".in.orders", 2), newShop(debezium, 1, 2)
			s.write(t, table.fill(0, 4)...)
			restore := table.keep()
			e.writer(t, unique(t)).begin(t, s, table.fill(4, 8)...)(commit)
			if !commit {
				restore()
			}
			b := e.reads(t, debezium, ", end: {at: latest}", s.topic)
			b.completes(t)
			b.holds(t, table.table(), s)
		})
	}
	t.Run("Open", func(t *testing.T) {
		t.Parallel()
		e := modern.get(t)
		s, table := e.newSource(t, unique(t)+".in.orders", 2), newShop(debezium, 1, 2)
		s.write(t, table.fill(0, 4)...)
		readable, before := table.table(), len(s.changes)
		end := e.writer(t, unique(t)).begin(t, s, table.fill(4, 8)...)
		b := e.reads(t, debezium, ", end: {at: latest}", s.topic)
		b.completes(t) // what is open at the start lies behind the end, which is where readers of committed records stand
		b.holds(t, readable, s)
		end(true)
		b.completes(t)
		if after := len(s.changes); after == before {
			t.Fatal("the transaction had no changes")
		}
		b.got(t, s.before(2, 2)...)
	})
}

// TestBoundedKeepsItsEnd stops in the middle, while the topic grows. The next run ends where the first one would have.
func TestBoundedKeepsItsEnd(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	s, table := e.newSource(t, unique(t)+".in.orders", 2), newShop(debezium, 1, 2)
	s.write(t, table.fill(0, 4)...)
	s.write(t, message{partition: 0, key: []byte(`{"id":0}`), value: []byte(`{"op":`)})
	s.write(t, table.fill(4, 8)...)
	b := e.reads(t, debezium, ", end: {at: latest}", s.topic)
	b.fails(t, "decode", s.topic).Kill()
	s.write(t, table.fill(8, 16)...)
	b.source += ", ignore_parse_errors: true"
	b.completes(t)
	b.got(t, s.before(5, 4)...)
}

// TestBoundedBesideDrift has partitions whose times are far apart. One that is read to its end does not keep back the others.
func TestBoundedBesideDrift(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	s, table := e.newSource(t, unique(t)+".in.orders", 2), newShop(debezium, 1, 2)
	for i, m := range table.fill(0, 40) {
		m.when = began.Add(time.Duration(i) * time.Second)
		if m.partition == 1 {
			m.when = m.when.Add(time.Duration(i) * time.Hour)
		}
		s.write(t, m)
	}
	b := e.reads(t, debezium, ", end: {at: latest}, watermark: {from: record, max_drift: 1m}", s.topic)
	b.completes(t)
	b.holds(t, table.table(), s)
}

// TestBoundedForAWhile goes on without an end when the configuration has none any more, and gets one when it has one later.
func TestBoundedForAWhile(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	s, table := e.newSource(t, unique(t)+".in.orders", 2), newShop(debezium, 1, 2)
	s.write(t, table.fill(0, 6)...)
	b := e.reads(t, debezium, ", end: {at: latest}", s.topic)
	b.completes(t)
	b.came(t, s)
	s.write(t, table.fill(6, 12)...)
	endless := e.reads(t, debezium, "", s.topic)
	d := endless.running(t)
	endless.came(t, s)
	harness.StopFor(t, d)

	other := endless
	other.name += "-other"
	d = other.running(t)
	other.came(t, s)
	harness.StopFor(t, d)
	s.write(t, table.fill(12, 18)...)
	other.source += ", end: {at: latest}"
	other.completes(t)
	other.came(t, s)
}
