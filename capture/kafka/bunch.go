package kafka

import (
	"errors"
	"slices"

	"cdcbridge/changelog"
)

// step is one change of a bunch: of changes that stand in several partitions and of which the messages tell no more than that they
// belong to one moment. Rows are known by the identity of their key, what is in them by that of the row; 0 is none, or unknown.
type step struct {
	at       int    // of Batch.Changes
	lane     int    // partition
	old, now uint64 // key before and after: 0 where there is no row
	was, is  uint64 // what is in the row before and after
	txn      uint64 // transactions that the server had executed with this one, 0: unknown
	blind    bool   // the row may have been there before or not: an upsert, a row of a snapshot
}

func stepOf(ids *identities, t *changelog.Table, ch *changelog.Change, lane, at int) step {
	st := step{at: at, lane: lane, blind: ch.Op == changelog.Upsert || ch.Op == changelog.Read}
	st.old, st.now = ids.keys(t, ch)
	st.was, st.is = ids.row(ch.Before), ids.row(ch.After)
	return st
}

func (s *step) moves() bool { return s.old != 0 && s.now != 0 && s.old != s.now }

// holding is what is known of a key: nothing, that it has no row, or that it has one with such values.
type holding struct {
	known, there bool
	row          uint64 // 0: unknown
}

// apply lets a step happen to a key. It reports false when it cannot: no row is inserted where there is one, and none is changed
// or deleted where there is none, or one with other values.
func (h *holding) apply(s *step, key uint64) bool {
	if s.old == key && h.known && (!h.there || h.row != 0 && s.was != 0 && h.row != s.was) {
		return false
	}
	if s.old != key && s.now == key && h.known && h.there && !s.blind {
		return false
	}
	*h = holding{known: true, there: s.now == key}
	if h.there {
		h.row = s.is
	}
	return true
}

var (
	errManyWays = errors.New("the messages do not tell in which order, and more than one is possible")
	errNoWay    = errors.New("no order of them is possible")
	errTangled  = errors.New("there are too many of them")
)

// bunch finds the order of steps that are in the order of their partition each. Where partitions have steps of one row, there is one
// order that rows can have come by, or there are several that end in the same rows: anything else is an error.
//
//	bunch.go       which rows several partitions have; the orders of one row's steps that are possible
//	bunch_order.go what must come before what, and an order that keeps to it
type bunch struct {
	steps []step
	known func(key uint64) holding // before the steps

	touches map[uint64][]int // steps by key, of keys that several partitions have
	after   precedence
	budget  int
}

// Limits of the search for an order.
const (
	maxTries   = 200_000
	maxTangled = 2000 // steps of rows that several partitions have
)

// order gives the indexes of the steps in an order in which they can have happened.
func (b *bunch) order() ([]int, error) {
	b.contested()
	if len(b.touches) == 0 {
		order := make([]int, len(b.steps))
		for i := range order {
			order[i] = i
		}
		return order, nil
	}
	hot, place := b.hot()
	if len(hot) > maxTangled {
		return nil, errTangled
	}
	inner := &bunch{known: b.known, touches: map[uint64][]int{}, budget: maxTries}
	for _, i := range hot {
		inner.steps = append(inner.steps, b.steps[i])
	}
	for key, list := range b.touches {
		for _, i := range list {
			inner.touches[key] = append(inner.touches[key], place[i])
		}
	}
	order, err := inner.solve()
	if err != nil {
		return nil, err
	}
	return b.expand(hot, order), nil
}

// hot are the steps of rows that several partitions have, and where each is among them.
func (b *bunch) hot() (hot []int, place map[int]int) {
	place = map[int]int{}
	for i := range b.steps {
		for _, key := range b.steps[i].keys() {
			if _, ok := b.touches[key]; ok && (len(hot) == 0 || hot[len(hot)-1] != i) {
				place[i] = len(hot)
				hot = append(hot, i)
			}
		}
	}
	return hot, place
}

// expand puts the other steps between the hot ones: each as soon as the next hot one of its partition comes, the rest behind.
func (b *bunch) expand(hot, order []int) []int {
	queues := map[int][]int{}
	for i := range b.steps {
		queues[b.steps[i].lane] = append(queues[b.steps[i].lane], i)
	}
	all := make([]int, 0, len(b.steps))
	for _, n := range order {
		lane := b.steps[hot[n]].lane
		queue := queues[lane]
		upTo := slices.Index(queue, hot[n]) + 1
		all = append(all, queue[:upTo]...)
		queues[lane] = queue[upTo:]
	}
	for i := range b.steps {
		if queue := queues[b.steps[i].lane]; len(queue) > 0 && queue[0] == i {
			all = append(all, i)
			queues[b.steps[i].lane] = queue[1:]
		}
	}
	return all
}

// contested finds the keys that several partitions have steps of.
func (b *bunch) contested() {
	lanes := map[uint64]int{}
	b.touches = map[uint64][]int{}
	for i := range b.steps {
		for _, key := range b.steps[i].keys() {
			if lane, ok := lanes[key]; ok && lane != b.steps[i].lane {
				b.touches[key] = nil
			}
			lanes[key] = b.steps[i].lane
		}
	}
	for i := range b.steps {
		for _, key := range b.steps[i].keys() {
			if list, ok := b.touches[key]; ok {
				b.touches[key] = append(list, i)
			}
		}
	}
}

// keys are those that a step touches.
func (s *step) keys() []uint64 {
	switch {
	case s.old == 0 && s.now == 0:
		return nil
	case s.old == 0 || s.old == s.now:
		return []uint64{s.now}
	case s.now == 0:
		return []uint64{s.old}
	}
	return []uint64{s.old, s.now}
}

// ways are the orders in which the steps of one key can have happened.
type ways struct {
	key   uint64
	all   [][]int
	start holding
	many  bool // they do not all end in the same
}

// maxWays is how many orders of one key are kept.
const maxWays = 64

// waysOf finds the orders of a key's steps that are possible.
func (b *bunch) waysOf(key uint64) (*ways, error) {
	w := &ways{key: key, start: b.known(key)}
	err := b.search(w)
	if errors.Is(err, errNoWay) && w.start.known { // what was known is of before a repetition, or of before a change that no log has
		w.start = holding{}
		err = b.search(w)
	}
	return w, err
}

// ending is what an order leaves of a key: no row, one with known values, or the one that a step left.
type ending struct {
	there bool
	row   uint64
	step  int
}

func endingOf(h *holding, last int) ending {
	switch {
	case !h.there:
		return ending{}
	case h.row != 0:
		return ending{there: true, row: h.row}
	}
	return ending{there: true, step: last}
}

// search finds all orders, and whether they end in the same.
func (b *bunch) search(w *ways) error {
	queues := map[int][]int{}
	var lanes []int
	for _, i := range b.touches[w.key] {
		lane := b.steps[i].lane
		if queues[lane] == nil {
			lanes = append(lanes, lane)
		}
		queues[lane] = append(queues[lane], i)
	}
	w.all, w.many = nil, false
	var way []int
	var end ending
	found := false
	var try func(h holding) error
	try = func(h holding) error {
		if b.budget--; b.budget < 0 {
			return errTangled
		}
		done := true
		for _, lane := range lanes {
			queue := queues[lane]
			if len(queue) == 0 {
				continue
			}
			done = false
			next := h
			if b.waits(queue[0], queues) {
				continue
			}
			if !next.apply(&b.steps[queue[0]], w.key) {
				continue
			}
			queues[lane], way = queue[1:], append(way, queue[0])
			err := try(next)
			queues[lane], way = queue, way[:len(way)-1]
			if err != nil {
				return err
			}
		}
		if !done {
			return nil
		}
		this := endingOf(&h, way[len(way)-1])
		w.many = w.many || found && this != end
		if found, end = true, this; len(w.all) < maxWays {
			w.all = append(w.all, slices.Clone(way))
		}
		return nil
	}
	if err := try(w.start); err != nil {
		return err
	}
	if !found {
		return errNoWay
	}
	return nil
}
