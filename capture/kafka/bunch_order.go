package kafka

import (
	"math/bits"
	"slices"
)

// solve finds an order of steps that all are of rows which several partitions have.
func (b *bunch) solve() ([]int, error) {
	b.after = newPrecedence(len(b.steps))
	last := map[int]int{}
	for i := range b.steps {
		if before, ok := last[b.steps[i].lane]; ok {
			b.after.add(before, i)
		}
		last[b.steps[i].lane] = i
	}
	keys := make([]uint64, 0, len(b.touches))
	for key := range b.touches {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	all, err := b.settle(keys)
	if err != nil {
		return nil, err
	}
	for range len(keys) + 1 { // each round binds one key more to one of its orders
		order := b.after.sorted()
		n := slices.IndexFunc(all, func(w *ways) bool { return !w.holds(b, order) })
		if n < 0 {
			return order, nil
		}
		if !b.bind(all[n]) {
			return nil, errTangled
		}
	}
	return nil, errTangled
}

// settle finds what must come before what: what is so for one row rules out orders of another, until there is no more to find.
func (b *bunch) settle(keys []uint64) ([]*ways, error) {
	all := make([]*ways, len(keys))
	for grew := true; grew; {
		grew = false
		for n, key := range keys {
			w, err := b.waysOf(key)
			if err != nil {
				return nil, err
			}
			all[n] = w
			more, ok := w.force(&b.after)
			if !ok {
				return nil, errNoWay
			}
			grew = grew || more
		}
	}
	if slices.ContainsFunc(all, func(w *ways) bool { return w.many }) {
		return nil, errManyWays
	}
	return all, nil
}

// waits reports that a step must come behind one that is still in a queue.
func (b *bunch) waits(i int, queues map[int][]int) bool {
	for _, queue := range queues {
		for _, j := range queue {
			if b.after.has(j, i) {
				return true
			}
		}
	}
	return false
}

// force adds what is the same in all orders of the key. Where not all are kept, nothing is known to be. grew says that something was
// new, ok that it does not contradict what was known.
func (w *ways) force(after *precedence) (grew, ok bool) {
	if len(w.all) == maxWays {
		return false, true
	}
	first := w.all[0]
	for i := range first {
		for j := i + 1; j < len(first); j++ {
			always := true
			for _, way := range w.all[1:] {
				always = always && slices.Index(way, first[i]) < slices.Index(way, first[j])
			}
			if !always || after.has(first[i], first[j]) {
				continue
			}
			if !after.add(first[i], first[j]) {
				return grew, false
			}
			grew = true
		}
	}
	return grew, true
}

// bind adds one of a key's orders, the first that contradicts nothing.
func (b *bunch) bind(w *ways) bool {
	for _, way := range w.all {
		after := b.after.clone()
		ok := true
		for i := 1; i < len(way) && ok; i++ {
			ok = after.add(way[i-1], way[i])
		}
		if ok {
			b.after = after
			return true
		}
	}
	return false
}

// holds reports that the key's steps can have happened in this order.
func (w *ways) holds(b *bunch, order []int) bool {
	h := w.start
	for _, i := range order {
		if s := &b.steps[i]; (s.old == w.key || s.now == w.key) && !h.apply(s, w.key) {
			return false
		}
	}
	return true
}

// precedence is what must come before what. It is closed: what comes before something comes before all that comes behind it.
type precedence struct {
	rows [][]uint64 // by step, a bit for each that comes behind it
}

func newPrecedence(n int) precedence {
	p := precedence{rows: make([][]uint64, n)}
	for i := range p.rows {
		p.rows[i] = make([]uint64, (n+63)/64)
	}
	return p
}

func (p *precedence) clone() precedence {
	q := precedence{rows: make([][]uint64, len(p.rows))}
	for i := range p.rows {
		q.rows[i] = slices.Clone(p.rows[i])
	}
	return q
}

// has reports that i must come before j.
func (p *precedence) has(i, j int) bool { return p.rows[i][j/64]>>(j%64)&1 == 1 }

// add puts i before j; false: j must come before i.
func (p *precedence) add(i, j int) bool {
	switch {
	case i == j || p.has(j, i):
		return false
	case p.has(i, j):
		return true
	}
	for a := range p.rows {
		if a != i && !p.has(a, i) {
			continue
		}
		p.rows[a][j/64] |= 1 << (j % 64)
		for w := range p.rows[a] {
			p.rows[a][w] |= p.rows[j][w]
		}
	}
	return true
}

// sorted gives an order that keeps to it. What has more behind it comes first, which never is wrong.
func (p *precedence) sorted() []int {
	behind := make([]int, len(p.rows))
	order := make([]int, len(p.rows))
	for i := range p.rows {
		order[i] = i
		for _, w := range p.rows[i] {
			behind[i] += bits.OnesCount64(w)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return behind[b] - behind[a] })
	return order
}
