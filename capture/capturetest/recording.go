package capturetest

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"cdcbridge/changelog"
)

// recording is what came out of a stream, in a form that outlives the batches.
type recording struct {
	prefix      string // of the tables' names, left out
	changes     []change
	txns        []string               // ids, in the order of their ends
	checkpoints []changelog.Checkpoint // after each batch, with all state so far
	after       []int                  // changes up to each checkpoint
	parts       []bool                 // whether it stands within a transaction
	state       map[string][]byte
	batches     int
	empty       int  // batches that only moved the checkpoint
	largest     int  // size of the largest batch, bytes
	within      bool // the last batch ended within a transaction
	drained     bool // the last batch said so
	tables      map[string]*changelog.Table
	ids         map[int]string // tables by their dense id
	seen        map[string]bool
	open        openTxn
}

// change is one change as text.
type change struct {
	full  string // all that a replay must repeat
	brief string // "insert a 1,one", "update a 1=>2,two", "delete a 2": what a test expects
	txn   string
	table *changelog.Table
	after []string // its new row, nil when there is none
}

// openTxn is the transaction whose ordinals are being followed.
type openTxn struct {
	id    string
	begun bool // its first change is known
	next  uint64
	table map[string]uint64
}

func newRecording(prefix string, from changelog.Checkpoint) *recording {
	r := &recording{prefix: prefix, state: map[string][]byte{}, tables: map[string]*changelog.Table{}, ids: map[int]string{}, seen: map[string]bool{}}
	r.merge(from)
	return r
}

// briefs are the changes as a test expects them, without the marker's.
func (r *recording) briefs() []string {
	all := make([]string, 0, len(r.changes))
	for _, c := range r.changes {
		if !strings.HasPrefix(c.brief, "insert done ") {
			all = append(all, c.brief)
		}
	}
	return all
}

// transactions are the briefs of each transaction.
func (r *recording) transactions() (all [][]string) {
	last := ""
	for _, c := range r.changes {
		if strings.HasPrefix(c.brief, "insert done ") {
			continue
		}
		if c.txn != last {
			all, last = append(all, nil), c.txn
		}
		all[len(all)-1] = append(all[len(all)-1], c.brief)
	}
	return all
}

// last is the newest checkpoint.
func (r *recording) last() changelog.Checkpoint { return r.checkpoints[len(r.checkpoints)-1] }

// middles gives the checkpoints that stand within a transaction.
func (r *recording) middles() (all []int) {
	for i, part := range r.parts {
		if part {
			all = append(all, i)
		}
	}
	return all
}

// add takes a batch in. The error says which rule of the contract it breaks.
func (r *recording) add(b *changelog.Batch) error {
	r.batches++
	r.largest = max(r.largest, b.Size())
	if err := r.addTxns(b); err != nil {
		return err
	}
	if err := r.addRuns(b); err != nil {
		return err
	}
	if err := CheckDone(b); err != nil {
		return err
	}
	for _, n := range b.Notes {
		if n.Kind < changelog.Truncate || n.Kind > changelog.Heartbeat || n.At < 0 || n.At > len(b.Changes) || n.Txn < -1 || n.Txn >= len(b.Txns) {
			return fmt.Errorf("note %+v in a batch of %d changes and %d transactions", n, len(b.Changes), len(b.Txns))
		}
	}
	if b.Next.Pos == "" {
		return errors.New("there is no position after it")
	}
	if b.Drained && b.InTxn() {
		return errors.New("it is drained within a transaction, where nothing can be committed soon")
	}
	if b.Empty() {
		r.empty++
	}
	r.merge(b.Next)
	cp := changelog.Checkpoint{Pos: changelog.Position(strings.Clone(string(b.Next.Pos)))}
	for _, key := range slices.Sorted(maps.Keys(r.state)) {
		cp.State = append(cp.State, changelog.State{Key: key, Value: r.state[key]})
	}
	r.checkpoints, r.after, r.parts = append(r.checkpoints, cp), append(r.after, len(r.changes)), append(r.parts, b.InTxn())
	r.within, r.drained = b.InTxn(), b.Drained
	return nil
}

// merge keeps the latest value of each key, as the sink does.
func (r *recording) merge(cp changelog.Checkpoint) {
	for _, s := range cp.State {
		if s.Value == nil {
			delete(r.state, s.Key)
		} else {
			r.state[strings.Clone(s.Key)] = bytes.Clone(s.Value)
		}
	}
}

// addTxns checks that the batch holds whole transactions or one part.
func (r *recording) addTxns(b *changelog.Batch) error {
	for i, x := range b.Txns {
		switch {
		case x.ID == "":
			return fmt.Errorf("transaction %d has no id", i)
		case (!x.First || !x.Last) && len(b.Txns) > 1:
			return fmt.Errorf("a part of %s shares the batch with other transactions", x.ID)
		case x.First && r.seen[x.ID]:
			return fmt.Errorf("%s begins again", x.ID)
		case r.within && (x.First || x.ID != r.open.id):
			return fmt.Errorf("%s comes where %s has not ended", x.ID, r.open.id)
		case !x.First && !r.within && len(r.seen) > 0: // the first one may have been begun before a restart
			return fmt.Errorf("%s goes on without a begin", x.ID)
		case time.Since(time.UnixMicro(x.Commit)).Abs() > 24*time.Hour:
			return fmt.Errorf("%s was committed at %v", x.ID, time.UnixMicro(x.Commit))
		}
		r.seen[strings.Clone(x.ID)] = true
		if x.Last {
			r.txns = append(r.txns, strings.Clone(x.ID))
		}
	}
	if r.within && len(b.Txns) == 0 {
		return fmt.Errorf("a batch without it comes where %s has not ended", r.open.id)
	}
	return nil
}

// addRuns takes the changes in and checks that runs cover them in the order of the transactions.
func (r *recording) addRuns(b *changelog.Batch) error {
	covered, txn := 0, 0
	for i := range b.Runs {
		run := &b.Runs[i]
		if run.From != covered || run.To <= run.From || run.To > len(b.Changes) {
			return fmt.Errorf("a run has the changes %d to %d after change %d of %d", run.From, run.To, covered, len(b.Changes))
		}
		if run.Txn < txn || run.Txn >= len(b.Txns) {
			return fmt.Errorf("a run belongs to the transaction %d of %d, after one of %d", run.Txn, len(b.Txns), txn)
		}
		covered, txn = run.To, run.Txn
		if err := r.addTable(run.Table); err != nil {
			return err
		}
		x := &b.Txns[run.Txn]
		if r.open.id != x.ID {
			r.open = openTxn{id: strings.Clone(x.ID), begun: x.First, table: map[string]uint64{}}
		}
		for j := range b.Changes[run.From:run.To] {
			if err := r.addChange(x, run, &b.Changes[run.From+j]); err != nil {
				return fmt.Errorf("change %d of %s: %w", run.From+j, x.ID, err)
			}
		}
	}
	if covered != len(b.Changes) {
		return fmt.Errorf("runs cover %d of %d changes", covered, len(b.Changes))
	}
	return nil
}

func (r *recording) addTable(t *changelog.Table) error {
	if t == nil || !strings.HasPrefix(t.Name, r.prefix) {
		return fmt.Errorf("a run is of the table %+v, which is not captured", t)
	}
	if t.Origin == "" || t.ID < 0 || t.Version < 1 || len(t.Columns) == 0 {
		return fmt.Errorf("the table %+v is not described", t)
	}
	if name, ok := r.ids[t.ID]; ok && name != t.FullName() {
		return fmt.Errorf("%s and %s have the same id", name, t.FullName())
	}
	if before := r.tables[t.Name]; before != nil && (before.ID != t.ID || before.Version > t.Version || before.Version == t.Version && !slices.EqualFunc(before.Columns, t.Columns, sameColumn)) {
		return fmt.Errorf("%s has id %d and version %d after %d and %d", t.FullName(), t.ID, t.Version, before.ID, before.Version)
	}
	r.ids[t.ID], r.tables[t.Name] = t.FullName(), t
	return nil
}

func sameColumn(a, b changelog.Column) bool { return a.Name == b.Name && a.SourceType == b.SourceType }

func (r *recording) addChange(x *changelog.Txn, run *changelog.Run, c *changelog.Change) error {
	name := strings.TrimPrefix(run.Table.Name, r.prefix)
	if err := checkImages(run.Table, c); err != nil {
		return err
	}
	if !r.open.begun { // resumed within: what the replay must repeat is compared with the first run
		r.open.begun, r.open.next = true, c.Index
	}
	if _, ok := r.open.table[name]; !ok && !x.First {
		r.open.table[name] = c.TableIndex
	}
	if c.Index != r.open.next || c.TableIndex != r.open.table[name] {
		return fmt.Errorf("it has the ordinals %d and %d, want %d and %d", c.Index, c.TableIndex, r.open.next, r.open.table[name])
	}
	r.open.next++
	r.open.table[name]++
	at := fmt.Sprintf("%s:%d/%d", run.File, run.Pos, c.RowInEvent)
	if c.Pos != 0 { // it has a place of its own, and may share a run with others
		at = fmt.Sprintf("%d", c.Pos)
	}
	r.changes = append(r.changes, change{
		full: fmt.Sprintf("%s #%d %s#%d %s %s -> %s, %d columns, committed %d, at %s", x.ID, c.Index, run.Table.Name, c.TableIndex, c.Op, render(c.Before), render(c.After),
			len(run.Table.Columns), x.Commit, at),
		brief: brief(name, c), txn: r.open.id, table: run.Table, after: renderAll(c.After),
	})
	return nil
}

// checkImages checks that the images are those of the operation and have the table's shape.
func checkImages(t *changelog.Table, c *changelog.Change) error {
	before, after := c.Before != nil, c.After != nil
	switch c.Op {
	case changelog.Insert:
		before = !before
	case changelog.Update:
		before = true
	case changelog.Delete:
		after = !after
	default:
		return fmt.Errorf("it is a %s", c.Op)
	}
	if !before || !after {
		return fmt.Errorf("a %s has the images %s and %s", c.Op, render(c.Before), render(c.After))
	}
	for _, row := range []changelog.Row{c.Before, c.After} {
		if row != nil && len(row) != len(t.Columns) {
			return fmt.Errorf("a row has %d values for %d columns", len(row), len(t.Columns))
		}
		for _, i := range t.Key {
			if row != nil && (row[i].IsNull() || row[i].IsUnchanged()) {
				return fmt.Errorf("the key of %s is %s", t.FullName(), render(row))
			}
		}
	}
	for i, v := range c.After {
		if v.IsUnchanged() {
			return fmt.Errorf("the column %s of a new row is unknown", t.Columns[i].Name)
		}
	}
	return nil
}

// brief is what databases agree on: an old image may have the key alone, or be missing when the key stays.
func brief(table string, c *changelog.Change) string {
	switch c.Op {
	case changelog.Update:
		if c.Before != nil && !c.Before[0].Equal(c.After[0]) {
			return fmt.Sprintf("update %s %s=>%s", table, render(c.Before[:1]), render(c.After))
		}
		return fmt.Sprintf("update %s %s", table, render(c.After))
	case changelog.Delete:
		return fmt.Sprintf("delete %s %s", table, render(c.Before[:1]))
	}
	return fmt.Sprintf("%s %s %s", c.Op, table, render(c.After))
}

func render(r changelog.Row) string {
	if r == nil {
		return "-"
	}
	return strings.Join(renderAll(r), ",")
}

func renderAll(r changelog.Row) []string {
	if r == nil {
		return nil
	}
	parts := make([]string, len(r))
	for i, v := range r {
		parts[i] = renderValue(v)
	}
	return parts
}

// renderValue gives different texts of different values: of integers and short texts what they are.
func renderValue(v changelog.Value) string {
	switch v.Kind() {
	case changelog.KindNull:
		return "NULL"
	case changelog.KindUnchanged:
		return "UNCHANGED"
	case changelog.KindInt:
		return fmt.Sprint(v.Int())
	case changelog.KindString:
		if p := v.Bytes(); len(p) > 60 {
			h := fnv.New64a()
			_, _ = h.Write(p)
			return fmt.Sprintf("%s…(%d)%x", p[:8], len(p), h.Sum64())
		}
		return string(v.Bytes())
	}
	return fmt.Sprintf("{%d.%d %d %q %s}", v.Kind(), v.Form(), v.Uint(), v.Bytes(), render(v.Elems()))
}
