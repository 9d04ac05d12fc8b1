package kafkasource

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"cdcbridge/integration/harness"
)

// TestParkedOnce has bad records among the good ones, in transactions of which some are aborted, and kills the bridge again and again.
// Each record that cannot be read is parked exactly once, and everything else is as if it had not been there.
func TestParkedOnce(t *testing.T) {
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			e, seed, kills, started := p.on.get(t), harness.FreshSeed(t), harness.Longer(5, 100), time.Now()
			r := rand.New(rand.NewPCG(seed, 1))
			s, table := e.newSource(t, unique(t)+".in.orders", 1), newShop(debezium, seed, 1)
			dead := unique(t) + ".dead"
			b := e.reads(t, debezium, ", dead_letter: "+dead, s.topic)
			w, parked := e.writer(t, unique(t)), map[int64]bad{}
			write := func(commit bool) {
				restore := table.keep()
				messages := table.some(1 + r.IntN(40))
				for range r.IntN(6) {
					if c := &badRecords[r.IntN(len(badRecords))]; c.of.format == debezium.format {
						messages = slices.Insert(messages, r.IntN(len(messages)+1), c.message(0))
					}
				}
				w.begin(t, s, messages...)(commit)
				if !commit {
					restore()
					return
				}
				for _, m := range messages {
					if m.bad != nil {
						parked[m.offset] = *m.bad
					}
				}
			}
			d := b.start(t)
			for range kills {
				for range 1 + r.IntN(4) {
					write(r.IntN(4) > 0)
				}
				waitFor(t, d, "running")
				for range r.IntN(4) {
					write(r.IntN(4) > 0)
				}
				d.Kill()
				d = b.start(t)
			}
			write(true)
			b.holds(t, table.table(), s)
			b.parks(t, dead, s, parked)
			if len(parked) == 0 {
				t.Error("no bad record was written: the test proves little")
			}
			harness.Evidence(t, started, map[string]any{"seed": seed, "kills": kills, "changes": len(s.changes), "parked": len(parked),
				"checked": "each record that cannot be read is parked exactly once, each other change is exactly once in the rows"})
		})
	}
}
