package kafka

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func unknown(uint64) holding { return holding{} }

func ins(lane int, key, row uint64) step { return step{lane: lane, now: key, is: row} }
func del(lane int, key, row uint64) step { return step{lane: lane, old: key, was: row} }
func upd(lane int, key, was, is uint64) step {
	return step{lane: lane, old: key, now: key, was: was, is: is}
}
func mov(lane int, old, now, was, is uint64) step {
	return step{lane: lane, old: old, now: now, was: was, is: is}
}

func TestBunch(t *testing.T) {
	absent := func(uint64) holding { return holding{known: true} }
	for _, c := range []struct {
		name  string
		steps []step
		known func(uint64) holding
		want  []int
		err   error
	}{
		{"one partition", []step{ins(0, 1, 10), mov(0, 1, 2, 10, 11)}, unknown, []int{0, 1}, nil},
		{"rows that have nothing to do with each other", []step{ins(0, 1, 10), ins(1, 2, 10), upd(0, 1, 10, 11)}, unknown, []int{0, 1, 2}, nil},
		{"a chain that makes room", []step{mov(0, 1, 2, 10, 20), mov(1, 2, 3, 21, 30)}, unknown, []int{1, 0}, nil},
		{"a swap", []step{mov(0, 9, 2, 13, 12), mov(1, 2, 1, 22, 21), mov(2, 1, 9, 11, 13)}, unknown, []int{2, 1, 0}, nil},
		{"a row is changed, then gets another key", []step{mov(1, 1, 2, 11, 12), upd(0, 1, 10, 11)}, unknown, []int{1, 0}, nil},
		{"a row gets another key, and its own is used again", []step{ins(0, 1, 50), mov(1, 1, 2, 10, 12)}, unknown, []int{1, 0}, nil},
		{"inserted and moved: the key may have had the same row before", []step{ins(0, 1, 10), mov(1, 1, 2, 10, 12)}, unknown, nil, errManyWays},
		{"inserted and moved, where nothing was before", []step{mov(1, 1, 2, 10, 12), ins(0, 1, 10)}, absent, []int{1, 0}, nil},
		{"what is known cannot be: a repetition", []step{del(0, 1, 10), mov(1, 2, 1, 9, 10)}, absent, []int{1, 0}, nil},
		{"two partitions have a row", []step{upd(0, 1, 11, 12), upd(1, 1, 10, 11)}, unknown, []int{1, 0}, nil},
		{"two partitions have a row, of which old rows say nothing", []step{upd(0, 1, 0, 12), upd(1, 1, 0, 11)}, unknown, nil, errManyWays},
		{"deleted twice", []step{del(0, 1, 10), del(1, 1, 10)}, unknown, nil, errNoWay},
		{"an order of keys that partitions cannot have", []step{mov(0, 1, 2, 10, 20), mov(1, 2, 1, 21, 11), upd(0, 9, 1, 2)}, unknown, nil, errNoWay},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := (&bunch{steps: c.steps, known: c.known}).order()
			if !errors.Is(err, c.err) || !slices.Equal(got, c.want) {
				t.Errorf("got %v, %v; want %v, %v", got, err, c.want, c.err)
			}
		})
	}
}

// TestRandomBunches: steps of a table that really had this order are dealt out to partitions by the hash of their new key, as Canal
// does it. What comes back must end in the same rows, or be refused; and it is only refused when the partitions could come of
// another table or order too.
func TestRandomBunches(t *testing.T) {
	solved, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		const keys = 5
		lanes := rapid.IntRange(2, 4).Draw(t, "partitions")
		contents := rapid.SampledFrom([]uint64{3, 1000}).Draw(t, "contents")
		table := map[uint64]uint64{}
		for k := uint64(1); k <= keys; k++ {
			if rapid.Bool().Draw(t, "there") {
				table[k] = rapid.Uint64Range(1, contents).Draw(t, "row")
			}
		}
		before := maps.Clone(table)
		var log []step
		for range rapid.IntRange(1, 7).Draw(t, "steps") {
			old := rapid.Uint64Range(1, keys).Draw(t, "old")
			now := rapid.Uint64Range(1, keys).Draw(t, "now")
			row := rapid.Uint64Range(1, contents).Draw(t, "row")
			was, there := table[old]
			_, taken := table[now]
			switch {
			case !there:
				log = append(log, ins(int(old)%lanes, old, row))
				table[old] = row
			case old == now && rapid.Bool().Draw(t, "delete"):
				log = append(log, del(int(old)%lanes, old, was))
				delete(table, old)
			case old == now:
				log = append(log, upd(int(old)%lanes, old, was, row))
				table[old] = row
			case !taken:
				log = append(log, mov(int(now)%lanes, old, now, was, row))
				delete(table, old)
				table[now] = row
			}
		}
		known := unknown
		if rapid.Bool().Draw(t, "known") {
			known = func(key uint64) holding { row, there := before[key]; return holding{true, there, row} }
		}
		shuffled := interleave(t, log, lanes)
		order, err := (&bunch{steps: shuffled, known: known}).order()
		ends := allEnds(shuffled, known)
		if err != nil {
			if refused++; len(ends) == 1 && errors.Is(err, errNoWay) {
				t.Fatalf("no order was found of %v", shuffled)
			}
			return
		}
		solved++
		if len(ends) != 1 {
			t.Fatalf("an order was chosen where %v are possible: %v", ends, shuffled)
		}
		got := map[uint64]uint64{}
		maps.Copy(got, before)
		fold(got, shuffled, order)
		if !maps.Equal(got, table) {
			t.Fatalf("%v in the order %v gives %v, the table is %v", shuffled, order, got, table)
		}
		for i, n := range order {
			for _, m := range order[i+1:] {
				if shuffled[n].lane == shuffled[m].lane && n > m {
					t.Fatalf("the order of partition %d was left: %v", shuffled[n].lane, order)
				}
			}
		}
	})
	if solved < refused {
		t.Errorf("only %d of %d bunches were solved", solved, solved+refused)
	}
}

// interleave deals steps out to their partitions and mixes these anyhow.
func interleave(t *rapid.T, log []step, lanes int) []step {
	queues := make([][]step, lanes)
	for _, s := range log {
		queues[s.lane] = append(queues[s.lane], s)
	}
	var mixed []step
	for len(mixed) < len(log) {
		lane := rapid.IntRange(0, lanes-1).Draw(t, "from")
		for len(queues[lane]) == 0 {
			lane = (lane + 1) % lanes
		}
		mixed = append(mixed, queues[lane][0])
		queues[lane] = queues[lane][1:]
	}
	return mixed
}

func fold(table map[uint64]uint64, steps []step, order []int) {
	for _, i := range order {
		s := &steps[i]
		if s.old != 0 {
			delete(table, s.old)
		}
		if s.now != 0 {
			table[s.now] = s.is
		}
	}
}

// allEnds tries every interleaving, and gives what is left of the table by each that can have been.
func allEnds(steps []step, known func(uint64) holding) map[string]bool {
	ends := map[string]bool{}
	keys := map[uint64]holding{}
	for i := range steps {
		for _, k := range steps[i].keys() {
			keys[k] = known(k)
		}
	}
	var try func(done []bool, left int, state map[uint64]holding)
	try = func(done []bool, left int, state map[uint64]holding) {
		if left == 0 {
			ends[fmt.Sprint(state)] = true
			return
		}
		blocked := map[int]bool{}
		for i := range steps {
			if done[i] || blocked[steps[i].lane] {
				continue
			}
			blocked[steps[i].lane] = true
			next, ok := maps.Clone(state), true
			for _, k := range steps[i].keys() {
				h := next[k]
				ok = h.apply(&steps[i], k) && ok
				next[k] = h
			}
			if ok {
				done[i] = true
				try(done, left-1, next)
				done[i] = false
			}
		}
	}
	try(make([]bool, len(steps)), len(steps), keys)
	return ends
}
