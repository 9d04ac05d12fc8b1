package kafkasource

import (
	"testing"
)

// TestOffsetLost has records deleted that were not read yet. The bridge never goes on behind them unasked.
func TestOffsetLost(t *testing.T) {
	t.Run("WhileDown", func(t *testing.T) {
		t.Parallel()
		e := modern.get(t)
		s, table := e.newSource(t, unique(t)+".in.orders", 2), newShop(debezium, 1, 2)
		s.write(t, table.fill(0, 8)...) // 4 in each
		b := e.reads(t, debezium, "", s.topic)
		d := b.running(t)
		b.came(t, s)
		stop(t, d)
		s.write(t, table.fill(8, 20)...)
		e.cut(t, s.topic, map[int32]int64{0: 6, 1: 4})
		before := s.before([2]int64{4, 4})
		b.fails(t, "offset_lost", s.topic, "4").Kill()
		b.got(t, before...) // not even of the other partition: a pipeline is whole or down
		b.source += ", on_offset_lost: earliest"
		d = b.running(t)
		b.got(t, append(append(before, s.from(0, 6)...), s.from(1, 4)...)...)
		stop(t, d)
	})
	t.Run("WhileReading", func(t *testing.T) {
		t.Parallel()
		e := modern.get(t)
		s, table := e.newSource(t, unique(t)+".in.orders", 1), newShop(debezium, 1, 1)
		s.write(t, table.fill(0, 4)...)
		restore := table.keep()
		end := e.writer(t, unique(t)).begin(t, s, table.fill(4, 8)...)
		restore()
		s.write(t, table.fill(8, 12)...)
		b := e.reads(t, debezium, "", s.topic)
		d := b.running(t)
		b.got(t, s.before([2]int64{4})...)
		e.cut(t, s.topic, map[int32]int64{0: 6}) // in the middle of the transaction, whose end the bridge waits for
		gaveUp(t, d, "offset_lost", s.topic, "4")
		d.Kill()
		b.source += ", on_offset_lost: earliest"
		b.running(t)
		end(true)
		b.got(t, append(s.before([2]int64{4}), s.from(0, 6)...)...)
	})
}

// TestTopicDeleted has the topic deleted, or deleted and created again, while the bridge runs and while it does not.
func TestTopicDeleted(t *testing.T) {
	for name, again := range map[string]bool{"Deleted": false, "CreatedAgain": true} {
		code := map[bool]string{false: "topic_missing", true: "topic_replaced"}[again]
		setup := func(t *testing.T) (*env, *source, *shop, bridge) {
			e := modern.get(t)
			s, table := e.newSource(t, unique(t)+".in.orders", 2), newShop(debezium, 1, 2)
			s.write(t, table.fill(0, 8)...)
			return e, s, table, e.reads(t, debezium, "", s.topic)
		}
		replace := func(t *testing.T, e *env, s *source, table *shop) {
			before := sorted(s.changes)
			e.drop(t, s.topic)
			if again { // with more records than the old one had: every offset of the checkpoint is there
				fresh := e.newSource(t, s.topic, 2)
				fresh.anew(t)
				fresh.write(t, table.fill(100, 120)...)
			}
			s.changes = map[string]bool{}
			s.committed(before)
		}
		t.Run(name+"WhileRunning", func(t *testing.T) {
			t.Parallel()
			e, s, table, b := setup(t)
			d := b.running(t)
			b.came(t, s)
			replace(t, e, s, table)
			gaveUp(t, d, code, s.topic)
			b.came(t, s)
		})
		t.Run(name+"WhileDown", func(t *testing.T) {
			t.Parallel()
			e, s, table, b := setup(t)
			d := b.running(t)
			b.came(t, s)
			stop(t, d)
			replace(t, e, s, table)
			b.fails(t, code, s.topic)
			b.came(t, s)
		})
	}
}
