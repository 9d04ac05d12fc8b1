package kafkasource

import (
	"strings"
	"syscall"
	"testing"

	"cdcbridge/integration/harness"
)

// TestOffsetLost has records deleted that were not read yet. The bridge never goes on behind them unasked.
func TestOffsetLost(t *testing.T) {
	for _, remedy := range []string{"reset", "earliest"} {
		t.Run("WhileDown/"+remedy, func(t *testing.T) {
			t.Parallel()
			e := modern.get(t)
			s, table := e.newSource(t, unique(t)+".in.orders", 2), newShop(debezium, 1, 2)
			s.write(t, table.fill(0, 8)...) // 4 in each
			b := e.reads(t, debezium, "", s.topic)
			d := b.running(t)
			b.came(t, s)
			harness.StopFor(t, d)
			s.write(t, table.fill(8, 20)...)
			e.cut(t, s.topic, map[int32]int64{0: 6, 1: 4})
			before := s.before(4, 4)
			d = b.fails(t, "offset_lost", s.topic, "4")
			b.got(t, before...) // not even of the other partition: a pipeline is whole or down
			if remedy == "reset" {
				b.reset(t, d, "offsets="+s.topic+":0:6")
			} else {
				d.Kill()
				b.source += ", on_offset_lost: earliest"
			}
			d = b.running(t)
			b.got(t, append(append(before, s.from(0, 6)...), s.from(1, 4)...)...)
			harness.StopFor(t, d)
		})
	}
	for name, policy := range map[string]string{"WhileRunning": "fail", "WhileRunningToEarliest": "earliest"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := modern.get(t)
			s, table := e.newSource(t, unique(t)+".in.orders", 1), newShop(debezium, 1, 1)
			s.write(t, table.fill(0, 4)...)
			b := e.reads(t, debezium, ", on_offset_lost: "+policy, s.topic)
			d := b.running(t)
			b.came(t, s)
			frozen(t, d, func() {
				for id := 4; id < 24; id++ { // one by one: a request that is on its way gets the first ones at most
					s.write(t, table.put(id)...)
				}
				e.cut(t, s.topic, map[int32]int64{0: 20})
			})
			if policy == "fail" {
				gaveUp(t, d, "offset_lost", s.topic)
				d.Kill()
				b.source = strings.ReplaceAll(b.source, "fail", "earliest")
				d = b.running(t)
			}
			b.gotButLost(t, s, 20)
			if !strings.Contains(d.Log(), s.topic) {
				t.Errorf("the log says nothing of the records that are lost in %s:\n%s", s.topic, d.Log())
			}
		})
	}
}

// frozen does something while the daemon stands still.
func frozen(t *testing.T, d *harness.Daemon, do func()) {
	t.Helper()
	if err := d.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	do()
	if err := d.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

// gotButLost waits until everything from an offset on was read, and checks that before it only the last ones are missing.
func (b *bridge) gotButLost(t *testing.T, s *source, kept int64) {
	t.Helper()
	eventually(t, func() error {
		records, err := b.e.read(t.Context(), b.out())
		if err != nil {
			return err
		}
		read := int64(0) // end of those before
		for _, r := range records {
			p, err := placeOf(r.Headers["cdc.pos"])
			if err != nil {
				t.Fatal(err)
			}
			if p.offset < kept {
				read = max(read, p.offset+1)
			}
		}
		if read == kept {
			t.Fatal("nothing was lost: the test proves nothing")
		}
		return exactly(records, setOf(append(s.before(read), s.from(0, kept)...)))
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
		replace := func(t *testing.T, e *env, s *source, table *shop) (fresh *source) {
			e.drop(t, s.topic)
			if again { // with more records than the old one had: every offset of the checkpoint is there
				fresh = e.newSource(t, s.topic, 2)
				fresh.anew(t)
				fresh.write(t, table.fill(100, 120)...)
			}
			return fresh
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
			harness.StopFor(t, d)
			fresh := replace(t, e, s, table)
			d = b.fails(t, code, s.topic)
			b.came(t, s)
			if again {
				b.reset(t, d, "earliest")
				b.startsAt(t, sorted(fresh.changes)...)
			}
		})
	}
}
