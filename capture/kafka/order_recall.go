package kafka

import (
	"encoding/binary"
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// recall is what is known of the rows that changed last, in partitions that are merged: what is in them, and which partition told.
type recall struct {
	rows, older map[uint64]recalled // generations
	newest      []uint64            // keys, a ring: what goes into the state
	next        int
	changed     bool

	// Greatest moments of rows that are not known any more: of all, and of those that had left their key; and of any row that has.
	forgotten, forgottenMoves, lastMove when
}

// recalled is a row as its last change has left it.
type recalled struct {
	there bool
	moved bool   // it left its key
	row   uint64 // identity of what is in it; 0: unknown
	lane  *partition
	when  when
}

// when is the moment of a change: two numbers of its place.
type when struct {
	major uint64
	minor uint32
}

func whenOf(p *formats.Place) when { return when{p.Major, uint32(p.Minor)} }

func (w when) before(v when) bool {
	return w.major < v.major || w.major == v.major && w.minor < v.minor
}

func (w when) max(v when) when {
	if w.before(v) {
		return v
	}
	return w
}

const (
	maxRecalled   = 1 << 15 // of a generation
	maxRecallText = 512     // in the state
)

func (r *recall) get(key uint64) (recalled, bool) {
	if e, ok := r.rows[key]; ok {
		return e, true
	}
	e, ok := r.older[key]
	return e, ok
}

// holding is what is known of a row.
func (r *recall) holding(key uint64) holding {
	e, ok := r.get(key)
	return holding{known: ok, there: e.there, row: e.row}
}

// since reports that another partition has had the row at a later moment, or at the same one, which then was over already.
func (r *recall) since(key uint64, lane *partition, at when) bool {
	e, ok := r.get(key)
	return ok && e.lane != lane && !e.when.before(at)
}

// step takes a change in.
func (r *recall) step(s *step, lane *partition, at when) {
	if s.old != 0 && s.old != s.now {
		r.lastMove = r.lastMove.max(at)
		r.put(s.old, recalled{moved: s.now != 0, lane: lane, when: at})
	}
	if s.now != 0 {
		r.put(s.now, recalled{there: true, row: s.is, lane: lane, when: at})
	}
}

func (r *recall) put(key uint64, e recalled) {
	if r.rows == nil {
		r.rows = map[uint64]recalled{}
	}
	if len(r.rows) >= maxRecalled {
		for k, old := range r.older {
			if _, again := r.rows[k]; !again {
				r.forget(&old)
			}
		}
		r.rows, r.older = map[uint64]recalled{}, r.rows
	}
	r.rows[key] = e
	r.changed = true
	if len(r.newest) < maxRecallText {
		r.newest = append(r.newest, key)
		return
	}
	r.newest[r.next] = key
	r.next = (r.next + 1) % maxRecallText
}

func (r *recall) forget(e *recalled) {
	r.forgotten = r.forgotten.max(e.when)
	if e.moved {
		r.forgottenMoves = r.forgottenMoves.max(e.when)
	}
}

func (w when) pair() [2]uint64 { return [2]uint64{w.major, uint64(w.minor)} }

func whenOfPair(p [2]uint64) when { return when{p[0], uint32(p[1])} }

// orderState is the durable text of what a merger knows.
type orderState struct {
	stateHeader
	Lanes     []string  `json:"partitions"`
	Rows      []byte    `json:"rows"`
	Forgotten [2]uint64 `json:"forgotten"`       // moments up to this one, a later start does not know all changes of
	Moves     [2]uint64 `json:"forgotten_moves"` // nor all by which rows left their keys
	LastMove  [2]uint64 `json:"last_move"`
}

const (
	orderKey     = "order"
	recalledSize = 8 + 8 + 8 + 4 + 4 + 1

	rowThere = 1
	rowMoved = 2
)

// state makes the durable text; false: it is that of the last batch.
func (r *recall) state() (changelog.State, bool, error) {
	if !r.changed {
		return changelog.State{}, false, nil
	}
	r.changed = false
	s := orderState{stateHeader: newStateHeader(), Forgotten: r.forgotten.pair(), Moves: r.forgottenMoves.pair(), LastMove: r.lastMove.pair()}
	lanes := map[*partition]uint32{}
	told := map[uint64]bool{}
	for i := range r.newest {
		key := r.newest[(r.next-1-i+2*len(r.newest))%len(r.newest)]
		e, ok := r.get(key)
		if !ok || told[key] {
			continue
		}
		told[key] = true
		lane, ok := lanes[e.lane]
		if !ok {
			lane = uint32(len(s.Lanes))
			lanes[e.lane] = lane
			s.Lanes = append(s.Lanes, e.lane.String())
		}
		s.Rows = binary.LittleEndian.AppendUint64(s.Rows, key)
		s.Rows = binary.LittleEndian.AppendUint64(s.Rows, e.row)
		s.Rows = binary.LittleEndian.AppendUint64(s.Rows, e.when.major)
		s.Rows = binary.LittleEndian.AppendUint32(s.Rows, e.when.minor)
		s.Rows = binary.LittleEndian.AppendUint32(s.Rows, lane)
		flags := byte(0)
		if e.there {
			flags |= rowThere
		}
		if e.moved {
			flags |= rowMoved
		}
		s.Rows = append(s.Rows, flags)
	}
	if len(r.newest) == maxRecallText { // rows that changed before these are not in it
		oldest := r.oldestTold()
		moves := oldest
		if r.lastMove.before(oldest) {
			moves = r.lastMove
		}
		s.Forgotten, s.Moves = r.forgotten.max(oldest).pair(), r.forgottenMoves.max(moves).pair()
	}
	st, err := newState(orderKey, s)
	return st, true, err
}

// oldestTold is the moment of the oldest change in the state.
func (r *recall) oldestTold() when {
	e, _ := r.get(r.newest[r.next])
	return e.when
}

// restore takes over what a state says.
func (r *recall) restore(s *orderState, lanes map[kafkawire.TopicPartition]*partition) error {
	*r = recall{forgotten: whenOfPair(s.Forgotten), forgottenMoves: whenOfPair(s.Moves), lastMove: whenOfPair(s.LastMove)}
	if len(s.Rows)%recalledSize != 0 || len(s.Rows) > maxRecallText*recalledSize {
		return badState(orderKey, fmt.Errorf("%d bytes of rows", len(s.Rows)))
	}
	for at := len(s.Rows) - recalledSize; at >= 0; at -= recalledSize { // the newest one is first
		row := s.Rows[at : at+recalledSize]
		lane := binary.LittleEndian.Uint32(row[28:])
		if int(lane) >= len(s.Lanes) {
			return badState(orderKey, fmt.Errorf("there is no partition %d", lane))
		}
		name, err := partitionOf(s.Lanes[lane], "")
		if err != nil {
			return err
		}
		p := lanes[name]
		if p == nil {
			continue // it is not read any more
		}
		r.put(binary.LittleEndian.Uint64(row), recalled{
			row: binary.LittleEndian.Uint64(row[8:]), when: when{binary.LittleEndian.Uint64(row[16:]), binary.LittleEndian.Uint32(row[24:])}, lane: p,
			there: row[32]&rowThere != 0, moved: row[32]&rowMoved != 0,
		})
	}
	r.changed = false
	return nil
}

// appendState adds what the merger knows, if that has changed.
func (m *merger) appendState(states []changelog.State) ([]changelog.State, error) {
	if m == nil {
		return states, nil
	}
	st, changed, err := m.recall.state()
	if changed {
		states = append(states, st)
	}
	return states, err
}

// orderable stops where no message of the format ever says its place.
func (s *source) orderable() error {
	if _, ok := s.reader.(formats.Locator); ok || s.cfg.Order != orderSource {
		return nil
	}
	return fault.NewFinal(fault.Config, "opening the source", fmt.Errorf("order: source, and messages in %s do not say where in the log of their database they stand", s.cfg.Format),
		"Set order to none.")
}

// restoreOrder takes over what is known of the order. What a pipeline without an order has read since is not in it: it is removed then.
func (s *source) restoreOrder(states []changelog.State) error {
	var known orderState
	there, err := stateOf(states, orderKey, &known, &known.stateHeader)
	if there {
		s.order = &known
	}
	return err
}

// appendOrder removes what is known of the order where nobody goes on with it.
func (s *source) appendOrder(states []changelog.State) []changelog.State {
	if s.order != nil && s.cfg.Order != orderSource {
		states = append(states, changelog.State{Key: orderKey})
	}
	return states
}

// make notes the moment of a message, where it has one that changes share. Partitions that are not merged get ahead of each other: who
// merges them later must know how far.
func (p *partition) make(txns []changelog.Txn) {
	for i := range txns {
		switch o := &txns[i].Origin; {
		case o.Built > 0 && o.Batch > 0:
			p.made = p.made.max(when{uint64(o.Built), uint32(o.Batch)})
		case o.Built > 0 && txns[i].Commit > 0:
			p.made = p.made.max(when{major: uint64(txns[i].Commit / 1000)})
		}
	}
}

// beginOrder gives the merger of a stream what is known of the order. Where the partitions were read without one, a row that leaves its
// key stops the pipeline as long as it is among what some partition has read already.
func (s *source) beginOrder(st *stream) error {
	if st.merger == nil {
		return nil
	}
	if s.order == nil {
		for _, p := range s.parts {
			st.merger.recall.forgotten = st.merger.recall.forgotten.max(p.made)
		}
		return nil
	}
	lanes := make(map[kafkawire.TopicPartition]*partition, len(s.parts))
	for _, p := range s.parts {
		lanes[p.at()] = p
	}
	return st.merger.recall.restore(s.order, lanes)
}
