package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// This file is the one place that reads values which the log left out: what an update did not touch and what an insert left to
// its default (binlog_row_image), and documents that were logged as a difference (binlog_row_value_options). Where the old row
// has the value the decoder takes it from there; here it is read from the table.
//
// The row is read as it is now, which may be later than the change. Then a later change of the row has made the difference, and
// it follows in the stream: with the value, if it has touched it, or by a read of its own. That holds if
//   - the read shows the transaction of the change. The server hands transactions to those who read its log before anybody else
//     sees them, and a read that came too early would have the value before, for good. complete_visible.go says how to wait;
//   - the row is found by the key that the log gives it, which is the one that its delete would carry. A row that is gone has
//     its delete, or its move to another key, on the way: see changelog.Gone;
//   - the table still has the columns of the change. It is held while it is described and read;
//   - no other server takes the place of this one without the transactions that the read has shown and the stream has not: their
//     values are in the target. The position names them until the stream has passed them, and a server must have them.

const opComplete = "reading values that the log left out"

// quietRetries is how long a read may wait for what it must see before the log says so.
const quietRetries = 10 * time.Second

// completer reads missing values over a connection of its own, which is opened when it is needed.
type completer struct {
	src    *source
	reader *reader // nil: not open
	waited bool    // what the gaps at hand are behind is visible
}

// fillGaps completes the changes of the batch.
func (s *stream) fillGaps(ctx context.Context) error {
	if len(s.gaps.list) == 0 {
		s.pos.pass()
		return nil
	}
	err := s.values.fill(ctx, s.batch, &s.gaps)
	if err != nil {
		return err
	}
	s.gaps.clear()
	if s.pos.gtids != nil {
		s.pos.seen, err = s.values.shown(ctx, s.pos.gtids)
	}
	return err
}

// fill completes the changes of a batch.
func (c *completer) fill(ctx context.Context, b *changelog.Batch, g *gaps) error {
	c.waited = false
	var order []*shape
	of := map[*shape][]gap{}
	for _, gp := range g.list {
		if of[gp.shape] == nil {
			order = append(order, gp.shape)
		}
		of[gp.shape] = append(of[gp.shape], gp)
	}
	for _, sh := range order {
		r := &reread{shape: sh, gaps: of[sh], all: g, batch: b}
		err := r.prepare()
		if err == nil {
			err = c.until(ctx, r)
		}
		if err != nil {
			return fmt.Errorf("table %s: %w", sh.table.FullName(), err)
		}
	}
	return nil
}

// until tries until a read sees what it must. A connection that was lost while nobody used it is opened again.
func (c *completer) until(ctx context.Context, r *reread) error {
	began, told := time.Now(), false
	for pause := time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		fresh := c.reader == nil
		err := c.attempt(ctx, r)
		var notYet capture.NotYet
		switch {
		case err == nil:
			return nil
		case errors.As(err, &notYet):
		case fresh || fault.IsFinal(err) || ctx.Err() != nil:
			return err
		default:
			continue
		}
		if !told && time.Since(began) > quietRetries {
			told = true
			c.src.env.Log.Warn("the stream waits for values that the log left out", "table", r.shape.table.FullName(), "because", notYet.Why)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// attempt reads once. The reader lives on if it came too early or was right.
func (c *completer) attempt(ctx context.Context, r *reread) error {
	if c.reader == nil {
		rd, err := c.src.rowReader(ctx)
		if err != nil {
			return err
		}
		c.reader = rd
	}
	err := c.reader.during(ctx, func() error { return c.see(ctx, r) })
	if err != nil && !errors.As(err, new(capture.NotYet)) {
		c.close()
		if errors.Is(err, capture.ErrTableGone) {
			return goneTable()
		}
		return serverFault(opComplete, err)
	}
	return err
}

// close ends the connection.
func (c *completer) close() {
	if c.reader != nil {
		for _, cn := range []*conn{c.reader.conn, c.reader.lock} {
			if cn != nil {
				_ = cn.raw.Close()
			}
		}
		c.reader = nil
	}
}

func goneTable() error {
	return fault.NewFinal(fault.SchemaUnknown, opComplete, errors.New("the table is gone, and with it the values that the log left out"),
		"Leave the table out of tables, or set unchanged_values: leave where the topics may have placeholders. binlog_row_image = FULL makes the log carry whole rows.")
}

// reread reads the missing values of changes of one table in one shape.
type reread struct {
	shape *shape
	gaps  []gap
	all   *gaps
	batch *changelog.Batch

	missing []int           // columns that some gap lacks
	parts   []keyPart       // of the key
	keys    []string        // the condition of each row that is looked for
	index   map[string]int  // of a key by its identity
	of      []int           // of each gap: which key
	rows    []changelog.Row // of each key; nil: it is not there
	done    int             // keys that were read
	most    int             // how many keys a statement may have
	scratch []byte
}

// prepare finds out what is to be read.
func (r *reread) prepare() error {
	t := r.shape.table
	lacks := make([]bool, len(t.Columns))
	for _, k := range t.Key {
		p, err := equality(&t.Columns[k])
		if err != nil {
			return err
		}
		r.parts = append(r.parts, p)
	}
	r.index = make(map[string]int, len(r.gaps))
	for _, g := range r.gaps {
		row := r.batch.Changes[g.change].After
		for i := range row {
			lacks[i] = lacks[i] || row[i].IsUnchanged()
		}
		r.scratch = r.scratch[:0]
		for _, k := range t.Key {
			r.scratch = row[k].AppendIdentity(r.scratch)
		}
		at, known := r.index[string(r.scratch)]
		if !known {
			condition, err := r.condition(row, r.all.texts[g.texts:])
			if err != nil {
				return err
			}
			at = len(r.keys)
			r.index[string(r.scratch)] = at
			r.keys = append(r.keys, condition)
		}
		r.of = append(r.of, at)
	}
	for i := range lacks {
		if lacks[i] {
			r.missing = append(r.missing, i)
		}
	}
	r.rows, r.most = make([]changelog.Row, len(r.keys)), mostKeys
	return nil
}

// fill puts what was read into the changes. Changes of one row share it.
func (r *reread) fill() {
	n := len(r.parts)
	for i, g := range r.gaps {
		ch := &r.batch.Changes[g.change]
		row := r.rows[r.of[i]]
		if row == nil {
			ch.Fill = changelog.Gone
			continue
		}
		ch.Fill = changelog.Reread
		for k, col := range r.missing {
			if ch.After[col].IsUnchanged() {
				ch.After[col] = row[n+k]
			}
		}
	}
}

// fits finds the columns of the change, the key first, in the table as it is now: by name, and of a type that has the same
// values. It refuses a table that has other ones, or another key.
func (r *reread) fits(t *scanTable) ([]int, error) {
	then := r.shape.table
	names := func(t *changelog.Table) []string {
		var out []string
		for _, k := range t.Key {
			out = append(out, t.Columns[k].Name)
		}
		slices.Sort(out)
		return out
	}
	if t.table != then && !slices.Equal(names(then), names(t.table)) {
		return nil, changedTable(fmt.Errorf("the table has another key than when the log left values of its rows out"))
	}
	wanted := append(slices.Clone(then.Key), r.missing...)
	for n, i := range wanted {
		c := &then.Columns[i]
		j := t.table.ColumnIndex(c.Name)
		if j < 0 || !holdsAll(&c.Type, &t.table.Columns[j].Type) {
			return nil, changedTable(fmt.Errorf("the column %q was dropped, renamed or retyped since the log left its value out", c.Name))
		}
		wanted[n] = j
	}
	return wanted, nil
}

// holdsAll reports types of which the second has no other values than the first, but for longer ones.
func holdsAll(then, now *changelog.Type) bool {
	return then.Kind == now.Kind && then.Bits == now.Bits && then.Precision == now.Precision && then.Scale == now.Scale && then.FSP == now.FSP && then.Year == now.Year &&
		then.Fixed == now.Fixed && (then.Length <= now.Length && !then.Fixed || then.Length == now.Length) && slices.Equal(then.Labels, now.Labels)
}

func changedTable(err error) error {
	return fault.NewFinal(fault.SchemaUnknown, opComplete, err,
		"Start the table over with a new snapshot. binlog_row_image = FULL makes the log carry whole rows; else change columns only while the pipeline has caught up.")
}
