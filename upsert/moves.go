package upsert

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/shape"
)

// An update that moves a row to another record key leaves as two changes, and one that a filter does not want as none. A format that
// numbers the changes of a transaction (formats.MoveCounter) numbers what leaves, so the number of a change depends on those before it: in the same batch, in earlier
// parts of the transaction, and in parts that an earlier attempt has committed. The feeder counts them, the workers add what they meet,
// and a state entry keeps the counts of a transaction whose rest has not left yet. A change that does not leave counts as -1, in
// unsigned numbers: their sums are right, and every release can read them.

// MovesKey is the key of that state entry.
const MovesKey = "moves"

// Moves are the moves before the runs of a batch, and those of its transactions at their ends; nil: nothing counts them.
type Moves struct {
	base [][]formats.Moves // by run and plan of the run
	ends []outputMoves     // by transaction
}

// outputMoves are those of one transaction by output and table; nil: none.
type outputMoves map[string]map[string]uint64

// at gives the moves before a run as one plan counts them.
func (m *Moves) at(run, plan int) formats.Moves {
	if m == nil || m.base[run] == nil {
		return formats.Moves{}
	}
	return m.base[run][plan]
}

// addTo adds the moves of a transaction to the numbers of changes of its tables.
func (m *Moves) addTo(counts []changelog.Count, txn int, o *Output) []changelog.Count {
	if m == nil {
		return counts
	}
	for i := range counts {
		counts[i].Changes += m.ends[txn][o.Name][counts[i].Table]
	}
	return slices.DeleteFunc(counts, func(c changelog.Count) bool { return c.Changes == 0 })
}

// moveCounter counts the moves of the transaction that is being read. It is the planner's.
type moveCounter struct {
	txn      string // that the last batch has ended in, or the state's entry is of
	tables   outputMoves
	kept     bool // the state has an entry
	from, to []byte
	shaper   shape.Shaper
}

// movesState is the entry.
type movesState struct {
	Version int         `json:"v"`
	Txn     string      `json:"txn"`
	Outputs outputMoves `json:"outputs"`
}

const movesVersion = 1

// RestoreMoves takes the entry out of a checkpoint: it is no matter of the source.
func (p *Planner) RestoreMoves(e changelog.State) error {
	var st movesState
	err := json.Unmarshal(e.Value, &st)
	switch {
	case err == nil && st.Version > movesVersion:
		return fault.NewFinal(fault.StateNewer, "reading the moves of a begun transaction", fmt.Errorf("the entry has the version %d, this release knows %d", st.Version, movesVersion), "A newer release has written it: use that release or a newer one.")
	case err == nil && st.Version < 1:
		err = fmt.Errorf("the entry has no version")
	}
	if err != nil {
		return fault.NewFinal(fault.Decode, "reading the moves of a begun transaction", err, "Nothing but cdcbridge may write to the state topic. Restore the pipeline's state.")
	}
	p.moves.txn, p.moves.tables, p.moves.kept = st.Txn, st.Outputs, true
	return nil
}

// Moves counts the moves of a batch whose runs have these plans. Where the batch ends within a transaction that has some, its checkpoint
// keeps them.
func (p *Planner) Moves(b *changelog.Batch, runs [][]*Plan) (*Moves, error) {
	c := &p.moves
	if len(b.Txns) == 0 || !p.counting && !c.kept {
		return nil, nil
	}
	m := &Moves{base: make([][]formats.Moves, len(b.Runs)), ends: make([]outputMoves, len(b.Txns))}
	run := 0
	for i := range b.Txns {
		t := &b.Txns[i]
		if t.First || t.ID != c.txn {
			c.tables = nil
		}
		for ; run < len(b.Runs) && b.Runs[run].Txn == i; run++ {
			var err error
			if m.base[run], err = c.run(b, &b.Runs[run], runs[run]); err != nil {
				return nil, err
			}
		}
		if t.Last {
			m.ends[i], c.tables = c.tables, nil
		}
	}
	if b.InTxn() {
		c.txn = strings.Clone(b.Txns[len(b.Txns)-1].ID) // the batch's own is gone before the next part comes
	}
	return m, c.keep(b)
}

// run counts the moves of one run for each of its plans, and gives those before it; nil: none.
func (c *moveCounter) run(b *changelog.Batch, run *changelog.Run, plans []*Plan) ([]formats.Moves, error) {
	var base []formats.Moves
	for k, plan := range plans {
		if !plan.counts || run.Snapshot != changelog.Streamed {
			continue
		}
		if tables := c.tables[plan.Output.Name]; tables != nil {
			if base == nil {
				base = make([]formats.Moves, len(plans))
			}
			for _, n := range tables {
				base[k].Total += n
			}
			base[k].Table = tables[run.Table.FullName()]
		}
		n, err := c.count(b, run, plan)
		if err != nil {
			return nil, err
		}
		if n != 0 {
			c.add(plan.Output.Name, run.Table.FullName(), n)
		}
	}
	return base, nil
}

func (c *moveCounter) add(output, table string, n uint64) {
	if c.tables == nil {
		c.tables = outputMoves{}
	}
	if c.tables[output] == nil {
		c.tables[output] = map[string]uint64{}
	}
	c.tables[output][table] += n
}

// count is how many changes of a run leave as two, less those that do not leave.
func (c *moveCounter) count(b *changelog.Batch, run *changelog.Run, plan *Plan) (uint64, error) {
	if plan.shape != nil {
		if err := c.shaper.Begin(plan.shape, shape.Source{Txn: &b.Txns[run.Txn], Record: recordOf(b, run.Record)}); err != nil {
			return 0, err
		}
	}
	n := uint64(0)
	for i := run.From; i < run.To; i++ {
		ch := &b.Changes[i]
		if plan.shape != nil {
			judged, err := c.shaper.Judge(ch)
			if err != nil {
				return 0, fmt.Errorf("counting what is written of %s at %s for output %s: %w", plan.Table.FullName(), placeOf(b, run, ch), plan.Output.Name, err)
			}
			if judged == nil {
				n--
				continue
			}
			ch = c.shaper.Bare(judged)
		}
		if ch.Op != changelog.Update || ch.Fill == changelog.Gone || plan.Output.Mode != Upsert {
			continue
		}
		moved, err := plan.moved(ch, &c.from, &c.to)
		if err != nil {
			return 0, err
		}
		if moved {
			n++
		}
	}
	return n, nil
}

// keep adds the state entry of a transaction that goes on in the next batch, and removes that of one which has ended.
func (c *moveCounter) keep(b *changelog.Batch) error {
	switch {
	case b.InTxn() && len(c.tables) > 0:
		text, err := json.Marshal(movesState{Version: movesVersion, Txn: c.txn, Outputs: c.tables})
		if err != nil {
			return fault.NewFinal(fault.Internal, "keeping the moves of a begun transaction", err, "Report this as a bug.")
		}
		b.Next.State, c.kept = append(b.Next.State, changelog.State{Key: MovesKey, Value: text}), true
	case !b.InTxn() && c.kept:
		b.Next.State, c.kept = append(b.Next.State, changelog.State{Key: MovesKey}), false
	}
	return nil
}
