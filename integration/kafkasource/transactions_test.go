package kafkasource

import (
	"math/rand/v2"
	"testing"
	"time"

	"cdcbridge/integration/harness"
)

// protocols are the clusters whose transactions differ.
var protocols = []struct {
	name string
	on   *stand
}{{"KIP890", &modern}, {"Classic", &classic}}

// TestUpstreamTransactions reads what is committed and nothing else: not what is open, nor what lies behind it, nor what was aborted.
func TestUpstreamTransactions(t *testing.T) {
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			e := p.on.get(t)
			s, table := e.newSource(t, unique(t)+".in.orders", 2), newShop(debezium, 1, 2)
			b := e.reads(t, debezium, "", s.topic)
			b.running(t)
			one, other := e.writer(t, unique(t)+"-one"), e.writer(t, unique(t)+"-other")
			put := func(ids ...int) (all []message) {
				for _, id := range ids {
					all = append(all, table.put(id)...)
				}
				return all
			}

			s.write(t, table.fill(0, 4)...)
			b.holds(t, table.table(), s)
			seen := table.table()

			restore := table.keep()
			end := one.begin(t, s, put(0, 2, 10)...) // partition 0 only: updates and an insert
			restore()
			s.write(t, table.put(20)...) // behind the open one
			s.write(t, table.put(21)...) // beside it
			seen[table.rows[21].key()] = table.rows[21].json()
			// What was written last is there, so all that can be read has been.
			b.folds(t, seen)

			end(false)
			b.holds(t, table.table(), s)

			// Two writers in one partition, one of which commits.
			restore = table.keep()
			first := one.begin(t, s, put(30, 32)...)
			restore()
			second := other.begin(t, s, put(40, 42)...)
			first(false)
			second(true)
			b.holds(t, table.table(), s)

			// The one that is open longest is committed.
			first = one.begin(t, s, put(50, 52)...)
			restore = table.keep()
			second = other.begin(t, s, put(60, 62)...)
			second(false)
			restore()
			first(true)
			b.holds(t, table.table(), s)
		})
	}
}

// TestRestartInTransactions restarts while transactions are open, one of which ends in each way.
func TestRestartInTransactions(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	s, table := e.newSource(t, unique(t)+".in.orders", 1), newShop(debezium, 1, 1)
	b := e.reads(t, debezium, "", s.topic)
	one, other := e.writer(t, unique(t)+"-one"), e.writer(t, unique(t)+"-other")
	for round := range 2 {
		id := 100 * round
		s.write(t, table.fill(id, id+3)...)
		restore := table.keep()
		first := one.begin(t, s, table.fill(id, id+20)...)
		restore()
		readable := table.table()
		second := other.begin(t, s, table.fill(id+30, id+50)...)
		s.write(t, table.fill(id+60, id+63)...)
		d := b.running(t)
		b.folds(t, readable)
		d.Kill()
		first(false)
		d = b.running(t)
		b.folds(t, readable) // the other one is still open
		second(true)
		if round == 0 {
			d.Kill()
			d = b.running(t)
		}
		b.holds(t, table.table(), s)
		d.Kill()
	}
}

// TestChain has a transactional producer, which aborts now and then, a bridge that makes a compacted debezium-json topic of it, and a
// bridge that makes rows of that one. Both are killed again and again. Each topic has each change exactly once.
func TestChain(t *testing.T) {
	for _, c := range []struct {
		name       string
		from, over *stand
		dialects   []dialect
		more       string // of the first bridge's source section
	}{
		{"KIP890", &modern, &modern, dialects, ""},
		{"Classic", &classic, &classic, dialects[:1], ""},
		{"TwoClusters", &classic, &modern, dialects[:1], ""},
		{"InOrder", &modern, &modern, dialects[:2], ", order: source, order_idle_timeout: 200ms, deduplicate: true"},
	} {
		for _, d := range c.dialects {
			t.Run(c.name+"/"+d.format, func(t *testing.T) {
				t.Parallel()
				chain(t, c.from.get(t), c.over.get(t), d, c.more)
			})
		}
	}
}

// chain has the producer and the second bridge's rows in one cluster, and what is between the bridges in another or the same one.
func chain(t *testing.T, from, over *env, d dialect, more string) {
	started, seed, kills := time.Now(), harness.FreshSeed(t), harness.Longer(6, 100)
	r := rand.New(rand.NewPCG(seed, 1))
	s, table := from.newSource(t, unique(t)+".in.orders", 3), newShop(d, seed, 3)
	first := over.reads(t, d, elsewhere(from)+more, s.topic)
	first.output = "format: debezium-json"
	second := from.reads(t, debezium, elsewhere(over), first.out())
	second.name += "-second"
	over.create(t, first.out(), 3, "cleanup.policy", "compact", "min.cleanable.dirty.ratio", "1") // so that both may start in any order

	w := from.writer(t, unique(t))
	write := func() {
		restore := table.keep()
		commit := r.IntN(4) > 0
		w.begin(t, s, table.some(1+r.IntN(60))...)(commit)
		if !commit {
			restore()
		}
	}
	daemons := [2]*harness.Daemon{first.start(t), second.start(t)}
	for kill := range kills {
		for range 1 + r.IntN(6) {
			write()
		}
		which := r.IntN(2)
		if kill < 2 { // each at least once
			which = kill
		}
		waitFor(t, daemons[which], "running")
		for range r.IntN(4) {
			write()
		}
		time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond) // somewhere in what it does with them
		daemons[which].Kill()
		daemons[which] = []*bridge{&first, &second}[which].start(t)
	}
	write()
	middle := first.settled(t, table, s)
	second.holds(t, table.table(), middle)
	harness.Evidence(t, started, map[string]any{"seed": seed, "kills": kills, "changes": len(s.changes),
		"checked": "each committed change is exactly once in both topics, in the order of its partition; both fold to the table; nothing of aborted transactions is there"})
}

// settled waits until the bridge has written every change of the source in debezium-json, and gives its topic as the source of another.
func (b *bridge) settled(t *testing.T, table *shop, s *source) *source {
	t.Helper()
	records := b.madeOf(t, nil, s.changes)
	middle := b.e.existing(b.out())
	got := map[string]string{}
	for _, r := range harness.Fold(records) {
		after, err := harness.RowOf("debezium-json", r.Value)
		if err != nil {
			t.Fatalf("%d/%d: %v", r.Partition, r.Offset, err)
		}
		got[string(r.Key)] = string(after)
	}
	if err := same("key", got, table.table()); err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if r.Value != nil { // the tombstone of a delete says nothing new
			middle.changes[middle.position(r.Partition, r.Offset)] = true
		}
	}
	if len(middle.changes) != len(s.changes) {
		t.Fatalf("%d messages come from %d changes", len(middle.changes), len(s.changes))
	}
	return middle
}
