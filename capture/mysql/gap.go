package mysql

import (
	"errors"
	"fmt"
	"slices"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// gap is a change whose new row the log does not carry whole.
type gap struct {
	change int // its index in the batch
	shape  *shape
	texts  int // where those columns of its key that are text begin in gaps.texts
	size   int // what its missing values are taken to need, in bytes of memory
}

// behind is what must be visible to a read on MySQL: the transactions of gaps.
type behind struct {
	gtids   gtidSet // those with GTIDs
	unnamed bool    // there are some without
}

// gaps are those of a batch, in its order.
type gaps struct {
	list  []gap
	texts [][]byte         // keys as they are stored, in the columns' own character sets
	owed  int              // bytes of memory that the batch will need beside those that it has
	after behind           // what a read must see
	sizes map[int]*gapSize // by Table.ID
}

// gapSize is what missing values of a table's rows have needed, in bytes of memory.
type gapSize struct {
	late    int // of late, the large ones above all
	largest int
}

const (
	// firstGapSize is what missing values of a row are taken to need before any were read.
	firstGapSize = 16 << 10
	// mostOver is how much larger than it should be a batch may become if its rows are all as large as the largest one.
	mostOver = 64
)

// size is what the missing values of a row of a table are taken to need: what they have needed of late, and enough for a batch
// not to become huge when all its rows are as large as one was.
func (g *gaps) size(t *changelog.Table) int {
	if n := g.sizes[t.ID]; n != nil {
		return max(n.late, n.largest/mostOver)
	}
	return firstGapSize
}

// learn takes in what values have needed.
func (g *gaps) learn(t *changelog.Table, size int) {
	n := g.sizes[t.ID]
	if n == nil {
		if g.sizes == nil {
			g.sizes = map[int]*gapSize{}
		}
		n = &gapSize{late: firstGapSize}
		g.sizes[t.ID] = n
	}
	n.late, n.largest = max(size, n.late-(n.late+63)/64), max(size, n.largest)
}

// find notes the gaps among the changes that a partial event of a transaction has put into the batch, from the given one on.
func (g *gaps) find(b *changelog.Batch, from int, ev rowsInTxn, t *txn, skipped int) error {
	first, sh, e := len(g.list), ev.shape, ev.rows
	for i := from; i < len(b.Changes); i++ {
		row := b.Changes[i].After
		if !slices.ContainsFunc(row, changelog.Value.IsUnchanged) {
			continue
		}
		if err := sh.hasKey(row); err != nil {
			return err
		}
		size := g.size(sh.table)
		g.list = append(g.list, gap{change: i, shape: sh, size: size})
		g.owed += size
	}
	if len(g.list) == first {
		return nil
	}
	if t.gtid.gno > 0 {
		g.after.gtids.put(t.gtid)
	} else {
		g.after.unnamed = true
	}
	return g.keyTexts(first, from, sh, e, skipped)
}

// keyTexts finds the text in the keys of the gaps from the first one on. It looks at the event again, because a value has lost
// the bytes that it was made of, and only these are sure to find the row.
func (g *gaps) keyTexts(first, from int, sh *shape, e rowsEvent, skipped int) error {
	text := sh.textKey()
	if len(text) == 0 {
		return nil
	}
	p := e.Rows[skipped:]
	for i, next := from, first; next < len(g.list); i++ {
		var before, after [][]byte
		var err error
		if e.Before != nil {
			if before, p, err = sh.partialFields(text, p, e.Before, false); err != nil {
				return err
			}
		}
		if after, p, err = sh.partialFields(text, p, e.After, e.Options); err != nil {
			return err
		}
		if g.list[next].change != i {
			continue
		}
		g.list[next].texts = len(g.texts)
		next++
		for k, col := range text {
			if val := after[k]; val != nil || hasBit(e.After, col) {
				g.texts = append(g.texts, val)
			} else {
				g.texts = append(g.texts, before[k])
			}
		}
	}
	return nil
}

// textKey lists the columns of the key that are text, in the key's order.
func (s *shape) textKey() []int {
	var text []int
	for _, k := range s.table.Key {
		if s.table.Columns[k].Type.Kind == changelog.KindString {
			text = append(text, k)
		}
	}
	return text
}

// hasKey makes sure that a row which is not whole can be read by its key.
func (s *shape) hasKey(row changelog.Row) error {
	const op = "completing a row that the log does not carry whole"
	if len(s.table.Key) == 0 {
		return fault.NewFinal(fault.NoKey, op, fmt.Errorf("the table %s has no key to read the row by", s.table.FullName()),
			"Add a primary key, or have the log carry whole rows (cdcbridge validate says how on this server) and let sessions reconnect. Rows that were logged before need a new snapshot of the table.")
	}
	for _, k := range s.table.Key {
		if row[k].IsUnchanged() {
			return fault.NewFinal(fault.NoKey, op, fmt.Errorf("the log does not say what the key column %q of a row of %s is", s.table.Columns[k].Name, s.table.FullName()),
				"Statements that leave the key to its DEFAULT need binlog_row_image = FULL: run SET GLOBAL binlog_row_image = FULL (cdcbridge validate says how it stays on this server) and let sessions reconnect. The row needs a new snapshot of its table.")
		}
		if row[k].IsNull() {
			return fault.NewFinal(fault.Decode, op, errors.New("a key of "+s.table.FullName()+" is NULL"), "The log contradicts itself: check the binlog file with mysqlbinlog -vv at this position.")
		}
	}
	return nil
}

// rewind forgets the gaps of changes that were taken back.
func (g *gaps) rewind(changes int) {
	n := len(g.list)
	for n > 0 && g.list[n-1].change >= changes {
		n--
		g.owed -= g.list[n].size
	}
	g.list = g.list[:n]
}

// clear forgets the gaps, which borrow from their batch, and keeps what was learnt.
func (g *gaps) clear() {
	clear(g.list)
	clear(g.texts)
	*g = gaps{list: g.list[:0], texts: g.texts[:0], sizes: g.sizes}
}
