package capture_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/changelog"
)

// modelTopics is what a reader of the topics knows, and the checkpoint.
type modelTopics struct {
	fold   map[string]map[modelKey]modelRow
	last   map[string]map[modelKey]uint64 // newest version that was written of a key
	reads  map[string]map[modelKey]int
	places map[string][]changelog.Snapshot // markers of each table but SnapshotRow, in order
	all    []changelog.Snapshot            // of all tables but SnapshotRow
	bags   map[string]map[modelLine]int    // of tables without key
	order  []string                        // tables in the order of their reads
	heads  map[string]changelog.Snapshot   // marker of each table's very first row
	shapes map[string]int                  // version of each table that the stream has come to; none: 1
	state  map[string]string
	pos    changelog.Position
	next   modelPos // of the log
}

func (s *modelTopics) clone() *modelTopics {
	c := *s
	c.fold, c.last, c.reads = map[string]map[modelKey]modelRow{}, map[string]map[modelKey]uint64{}, map[string]map[modelKey]int{}
	for n := range s.fold {
		c.fold[n], c.last[n], c.reads[n] = maps.Clone(s.fold[n]), maps.Clone(s.last[n]), maps.Clone(s.reads[n])
	}
	c.bags = map[string]map[modelLine]int{}
	for n := range s.bags {
		c.bags[n] = maps.Clone(s.bags[n])
	}
	c.places = map[string][]changelog.Snapshot{}
	for n, p := range s.places {
		c.places[n] = slices.Clone(p)
	}
	c.all, c.order, c.state, c.shapes = slices.Clone(s.all), slices.Clone(s.order), maps.Clone(s.state), maps.Clone(s.shapes)
	c.heads = maps.Clone(s.heads)
	return &c
}

func (s *modelTopics) table(name string) {
	if s.fold[name] == nil {
		s.fold[name], s.last[name], s.reads[name] = map[modelKey]modelRow{}, map[modelKey]uint64{}, map[modelKey]int{}
	}
}

// modelSink keeps what a pipeline has written and judges each batch.
type modelSink struct {
	t      *testing.T
	db     *modelDB
	signal string // table whose rows must not come

	mu        sync.Mutex
	committed *modelTopics
	open      *modelTopics // with the transaction that is not committed
}

func newModelSink(t *testing.T, db *modelDB) *modelSink {
	s := &modelTopics{state: map[string]string{}, bags: map[string]map[modelLine]int{}, shapes: map[string]int{}, heads: map[string]changelog.Snapshot{}}
	return &modelSink{t: t, db: db, committed: s, open: s.clone()}
}

func (s *modelSink) checkpoint() changelog.Checkpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	cp := changelog.Checkpoint{Pos: s.committed.pos}
	for _, k := range slices.Sorted(maps.Keys(s.committed.state)) {
		cp.State = append(cp.State, changelog.State{Key: k, Value: []byte(s.committed.state[k])})
	}
	return cp
}

// claim makes what Open has given durable.
func (s *modelSink) claim(start changelog.Checkpoint) {
	s.mu.Lock()
	if s.open.pos != start.Pos {
		s.open.next = posOf(start.Pos)
		s.db.mu.Lock()
		for _, x := range s.db.log[:s.open.next.At] {
			if x.kind == changelog.DDL {
				s.open.shapes[x.table] = x.shape.Version
			}
		}
		s.db.mu.Unlock()
	}
	s.merge(start)
	s.mu.Unlock()
	s.commit()
}

func (s *modelSink) merge(cp changelog.Checkpoint) {
	s.open.pos = cp.Pos
	for _, e := range cp.State {
		if e.Value == nil {
			delete(s.open.state, e.Key)
		} else {
			s.open.state[e.Key] = string(e.Value)
		}
	}
}

// put writes an entry from outside, as upsert.PutEntry does.
func (s *modelSink) put(e changelog.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.committed.state[e.Key] = string(e.Value)
	s.open.state[e.Key] = string(e.Value)
}

func (s *modelSink) commit() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.committed = s.open.clone()
}

// lose forgets what is not committed.
func (s *modelSink) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = s.committed.clone()
}

// take writes a batch into the open transaction.
func (s *modelSink) take(b *changelog.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	snapshot := len(b.Txns) > 0 && b.Txns[0].Snapshot
	if snapshot {
		if s.open.next.Txn != nil {
			s.t.Errorf("rows of a chunk stand inside of a transaction, at %s", s.open.next.text())
		}
		for i := range b.Runs {
			s.read(b, &b.Runs[i])
		}
	} else {
		s.stream(b)
	}
	if posOf(b.Next.Pos).text() != s.open.next.text() {
		s.t.Errorf("a batch ends at %s, what was given ends at %s", b.Next.Pos, s.open.next.text())
	}
	if !b.InTxn() && capture.MidTransaction(b.Next.Pos) {
		s.t.Errorf("a batch that ends inside of a transaction does not say so: %s", b.Next.Pos)
	}
	s.merge(b.Next)
}

// stream follows the log through the batch.
func (s *modelSink) stream(b *changelog.Batch) {
	notes := b.Notes
	for _, n := range notes {
		if n.Kind == changelog.Watermark {
			s.t.Error("a watermark reaches the sink")
		}
	}
	run := 0
	for i := range b.Txns {
		at := s.open.next
		if b.Txns[i].ID != fmt.Sprintf("t%d", at.At) {
			s.t.Fatalf("transaction %s comes where t%d should", b.Txns[i].ID, at.At)
		}
		x := s.db.log[at.At]
		row := 0
		if at.Txn != nil {
			row = at.Txn.Rows
		}
		for ; run < len(b.Runs) && b.Runs[run].Txn == i; run++ {
			for _, ch := range b.Changes[b.Runs[run].From:b.Runs[run].To] {
				row = s.left(b, x, row)
				if row >= len(x.changes) || ch.Index != uint64(row) || ch.Pos != x.changes[row].row.version {
					s.t.Fatalf("change %d of t%d comes where %d should", ch.Index, at.At, row)
				}
				s.change(b.Runs[run].Table, &ch)
				row++
			}
		}
		row = s.left(b, x, row)
		if x.kind != 0 {
			s.note(x)
		}
		if !b.Txns[i].Last {
			// Of parts that end in signals only the position knows how many there were.
			s.open.next = posOf(b.Next.Pos)
			if p := s.open.next.Txn; s.open.next.At != at.At || p == nil || s.left(b, x, p.Rows) != row {
				s.t.Fatalf("a part ends at change %d of t%d, the position is %s", row, at.At, b.Next.Pos)
			}
			continue
		}
		if row != len(x.changes) {
			s.t.Fatalf("t%d ends after %d of %d changes", at.At, row, len(x.changes))
		}
		s.open.next = modelPos{At: at.At + 1}
	}
	if run != len(b.Runs) {
		s.t.Fatalf("%d runs belong to no transaction", len(b.Runs)-run)
	}
}

// left steps over changes that do not come: of the signal table, and of tables without key that are to be read.
func (s *modelSink) left(b *changelog.Batch, x *modelTxn, row int) int {
	for row < len(x.changes) && (s.signal != "" && x.changes[row].table == s.signal || s.withheld(b, x.changes[row].table)) {
		row++
	}
	return row
}

func (s *modelSink) note(x *modelTxn) {
	if x.kind != changelog.Truncate {
		s.open.shapes[x.table] = x.shape.Version
		return
	}
	s.open.table(x.table)
	clear(s.open.bags[x.table])
	clear(s.open.fold[x.table])
	for k := range s.open.last[x.table] {
		s.open.last[x.table][k] = x.version
	}
}

// newer judges the history of a key.
func (s *modelSink) newer(table string, k modelKey, version uint64, what string) {
	if old := s.open.last[table][k]; version < old {
		s.t.Errorf("%s: the %s of %v goes back from version %d to %d", table, what, k, old, version)
	}
	s.open.last[table][k] = version
}

func (s *modelSink) change(shape *changelog.Table, ch *changelog.Change) {
	n := shape.Name
	s.open.table(n)
	if n == s.signal {
		s.t.Errorf("a row of the signal table reaches the sink")
	}
	if len(shape.Key) == 0 {
		s.bag(n, ch)
		return
	}
	if ch.Before != nil {
		k := keyOf(shape, ch.Before)
		s.newer(n, k, ch.Pos, "end")
		if ch.After == nil || keyOf(shape, ch.After) != k {
			delete(s.open.fold[n], k)
		}
	}
	if ch.After == nil {
		return
	}
	k := keyOf(shape, ch.After)
	s.newer(n, k, ch.Pos, ch.Op.String())
	r := modelRow{ch.After[2].Uint(), string(ch.After[3].Bytes())}
	if ch.After[3].IsUnchanged() {
		r.pad = "unknown"
		if old, ok := s.open.fold[n][k]; ok {
			r.pad = old.pad
		}
	}
	s.open.fold[n][k] = r
}

func (s *modelSink) read(b *changelog.Batch, run *changelog.Run) {
	n := run.Table.Name
	s.open.table(n)
	if n == s.signal {
		s.t.Errorf("a row of the signal table reaches the sink")
	}
	if run.Snapshot == changelog.Streamed || run.To <= run.From {
		s.t.Errorf("a run of %d rows that were read is marked %d", run.To-run.From, run.Snapshot)
	}
	if v := max(s.open.shapes[n], 1); run.Table.Version != v {
		s.t.Errorf("%s: rows of version %d are written when the stream is at version %d", n, run.Table.Version, v)
	}
	s.open.order = append(s.open.order, n)
	if _, begun := s.open.heads[n]; !begun && run.Snapshot != changelog.SnapshotIncremental {
		s.open.heads[n] = run.Snapshot
	}
	switch run.Snapshot {
	case changelog.SnapshotRow, changelog.SnapshotIncremental:
	default:
		if run.To-run.From != 1 {
			s.t.Errorf("%d rows are marked %d", run.To-run.From, run.Snapshot)
		}
		s.open.places[n] = append(s.open.places[n], run.Snapshot)
		s.open.all = append(s.open.all, run.Snapshot)
	}
	for _, ch := range b.Changes[run.From:run.To] {
		if ch.Op != changelog.Read {
			s.t.Errorf("a chunk has a change of kind %s", ch.Op)
		}
		if len(run.Table.Key) == 0 {
			s.bag(n, &ch)
			continue
		}
		k := keyOf(run.Table, ch.After)
		r := modelRow{ch.After[2].Uint(), string(ch.After[3].Bytes())}
		s.newer(n, k, r.version, "read")
		s.open.fold[n][k] = r
		s.open.reads[n][k]++
	}
}

// equals compares what was written with a table. Tables whose rows were not all read are equal as far as they go.
func (s *modelSink) equals(name string, whole bool) {
	s.t.Helper()
	t := s.db.tables[name]
	if len(s.db.invisible) > 0 {
		s.t.Error("the database is not settled")
	}
	if t.keyless && len(t.shape.Key) == 0 {
		s.sameBag(t)
		return
	}
	fold := s.committed.fold[name]
	for k, r := range t.visible {
		got, ok := fold[k]
		switch {
		case !ok && whole:
			s.t.Errorf("%s: row %v is missing", name, k)
		case ok && got != r && (whole || got.pad != "unknown"):
			s.t.Errorf("%s: row %v is %v in the topic and %v in the table", name, k, got, r)
		}
	}
	for k, r := range fold {
		if _, ok := t.visible[k]; !ok {
			s.t.Errorf("%s: the topic has %v %v, the table does not", name, k, r)
		}
	}
}

// status is the status that the committed checkpoint has of a table.
func (s *modelSink) status(table string) capture.SnapshotStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return statusIn(s.committed.state, table)
}

func statusIn(state map[string]string, table string) capture.SnapshotStatus {
	var r struct{ Status capture.SnapshotStatus }
	if text, ok := state["snapshot/shop."+table]; ok {
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			panic(err)
		}
	}
	return r.Status
}

// requests gives the requests that wait, in the order in which they were made.
func (s *modelSink) requests() []changelog.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []changelog.State
	for k, v := range s.open.state {
		if strings.HasPrefix(k, capture.RequestPrefix) {
			out = append(out, changelog.State{Key: k, Value: []byte(v)})
		}
	}
	slices.SortFunc(out, func(a, b changelog.State) int {
		x, _ := capture.ParseSnapshotRequest(a.Value)
		y, _ := capture.ParseSnapshotRequest(b.Value)
		return x.Time.Compare(y.Time)
	})
	return out
}
