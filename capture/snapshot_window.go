package capture

import (
	"context"
	"slices"
	"strings"
	"time"

	"cdcbridge/changelog"
)

// This file is the one place that decides which rows of a chunk leave, and when. A chunk is read beside the stream, at a moment
// that nobody knows exactly, so its rows are older or newer than what the stream shows. For each chunk:
//
//	p = where the stream stands, between two transactions; from here on the keys that it changes are noted
//	the chunk is read once everything streamed up to p is visible to the read
//	End = a place by which all that the read can have seen is in the log
//	when the stream has passed End: the rows whose keys were not changed since p leave, behind what was streamed
//
// A row that leaves is therefore the newest one with its key: no change up to p is missing in it, none after p up to End has
// touched it, and what comes later comes behind it. A row that is held back has a change in the stream, behind p, that carries it whole
// or says that it is gone. That is DBLog's idea without its writes to the database.
//
// The stream is never kept waiting: windows wait for it. Everything here belongs to one goroutine.

// merger stands between the source below and the pipeline.
type merger struct {
	s   *snapshotSource
	out chan<- *changelog.Batch

	in       chan *changelog.Batch
	ended    chan error // of the stream below
	jobs     chan job
	results  chan result
	requests chan listing

	tables  []*snapshotTable
	windows []*window // all of them, dropped ones left out
	busy    int       // jobs under way
	batches uint64    // passed on
	pos     changelog.Position
	between bool // pos is between two transactions
	signals signalReader
	waiting []listing
	changed []*snapshotTable // whose records are to be written
	shown   time.Time        // when the statistics were last published
}

func newMerger(s *snapshotSource, out chan<- *changelog.Batch) *merger {
	n := s.cfg.Readers
	return &merger{
		s: s, out: out, tables: s.tables, pos: s.start, between: !MidTransaction(s.start),
		in: make(chan *changelog.Batch), ended: make(chan error, 1), jobs: make(chan job, n), results: make(chan result, n), requests: make(chan listing),
		signals: newSignalReader(s.cfg.SignalTable),
	}
}

func (m *merger) run(ctx context.Context) error {
	wake := time.NewTimer(0)
	defer wake.Stop()
	for {
		if err := m.advance(ctx); err != nil {
			return err
		}
		if m.s.cfg.Mode == SnapshotOnly && m.between && !m.unfinished() {
			m.publish()
			return ErrComplete
		}
		wake.Reset(m.rest())
		select {
		case b, ok := <-m.in:
			if !ok {
				return <-m.ended
			}
			if err := m.pass(ctx, b); err != nil {
				return err
			}
		case r := <-m.results:
			if err := m.take(r); err != nil {
				return err
			}
		case r := <-m.requests:
			m.waiting = append(m.waiting, r)
		case <-wake.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Pauses of a merger to which nothing happens.
const (
	restReading = 20 * time.Millisecond
	restIdle    = time.Second
)

func (m *merger) rest() time.Duration {
	if m.unfinished() {
		return restReading
	}
	return restIdle
}

func (m *merger) unfinished() bool {
	return slices.ContainsFunc(m.tables, func(t *snapshotTable) bool { return t.rec.active() })
}

// pass sends a batch of the stream on, after what windows must know of it was noted.
func (m *merger) pass(ctx context.Context, b *changelog.Batch) error {
	m.batches++
	m.note(b)
	marks := takeMarks(b)
	signals := m.signals.take(b)
	b.Next.State = append(b.Next.State, signals...)
	m.pos, m.between = b.Next.Pos, !b.InTxn()
	if m.between {
		for _, w := range m.windows {
			w.passed = w.passed || w.scanned && slices.Contains(marks, string(w.got.End))
		}
	}
	if b.Empty() && len(b.Next.State) == 0 && !b.Soon && m.leaving() != nil {
		b.Release() // the position leaves with the chunk
		return nil
	}
	if err := m.send(ctx, b); err != nil {
		return err
	}
	for _, e := range signals {
		m.s.Request(e)
	}
	return nil
}

func (m *merger) send(ctx context.Context, b *changelog.Batch) error {
	select {
	case m.out <- b:
		return nil
	case <-ctx.Done():
		b.Release()
		return ctx.Err()
	}
}

// takeMarks removes the watermarks from a batch and gives their texts.
func takeMarks(b *changelog.Batch) []string {
	var marks []string
	b.Notes = slices.DeleteFunc(b.Notes, func(n changelog.Note) bool {
		if n.Kind == changelog.Watermark {
			marks = append(marks, strings.Clone(n.Text))
		}
		return n.Kind == changelog.Watermark
	})
	return marks
}

// note writes down which keys of tables with open windows a batch changes.
func (m *merger) note(b *changelog.Batch) {
	if len(m.windows) == 0 {
		return
	}
	for i := range b.Runs {
		r := &b.Runs[i]
		t := m.open(r.Table)
		if t == nil {
			continue
		}
		if !t.touched.run(r.Table, b.Changes[r.From:r.To], m.batches) {
			m.dropTable(t)
			t.held("changes leave values out that the log does not carry", time.Second)
		}
		m.bound(t)
	}
	for i := range b.Notes {
		n := &b.Notes[i]
		if n.Kind != changelog.Truncate && n.Kind != changelog.DDL {
			continue
		}
		// What was read may be from before or from after it.
		for _, t := range m.tables {
			if n.Table == nil || isTable(t, n.Table) {
				m.dropTable(t)
			}
		}
	}
}

// bound keeps the memory of touched keys within its limit.
func (m *merger) bound(t *snapshotTable) {
	if t.touched.size <= tooMuchTouched {
		return
	}
	oldest := m.batches
	for _, w := range m.windows {
		if w.table == t {
			oldest = min(oldest, w.from)
		}
	}
	t.touched.forget(oldest)
	if t.touched.size > tooMuchTouched/2 {
		m.dropTable(t)
		t.held("a large transaction changes it", time.Second)
	}
}

// open finds the table of a run if it has windows.
func (m *merger) open(table *changelog.Table) *snapshotTable {
	for _, w := range m.windows {
		if isTable(w.table, table) {
			return w.table
		}
	}
	return nil
}

func isTable(t *snapshotTable, table *changelog.Table) bool {
	schema := table.Schema
	if schema == "" {
		schema = table.Database
	}
	return t.scan.Name == table.Name && t.scan.Schema == schema
}

// advance does what can be done where the stream stands now.
func (m *merger) advance(ctx context.Context) error {
	if time.Since(m.shown) > 100*time.Millisecond {
		m.publish()
	}
	if !m.between {
		return nil
	}
	for w := m.leaving(); w != nil; w = m.leaving() {
		if err := m.leave(ctx, w); err != nil {
			return err
		}
	}
	for len(m.waiting) > 0 {
		l := m.waiting[0]
		m.waiting = m.waiting[1:]
		if err := m.apply(ctx, l); err != nil {
			return err
		}
	}
	if err := m.write(ctx, nil); err != nil {
		return err
	}
	m.dispatch()
	return nil
}

// write sends the records that have changed, and other entries.
func (m *merger) write(ctx context.Context, entries []changelog.State) error {
	for _, t := range m.changed {
		entry, err := t.rec.entry(t.name)
		if err != nil {
			return err
		}
		entries = append(entries, entry)
	}
	m.changed = nil
	if len(entries) == 0 {
		return nil
	}
	m.publish()
	b := changelog.NewBatch()
	b.Next = changelog.Checkpoint{Pos: m.pos, State: entries}
	b.Soon = true
	return m.send(ctx, b)
}

// leaving finds a window whose rows may leave. Those of a range leave in their order, for that is the cursor's.
func (m *merger) leaving() *window {
	if !m.between {
		return nil
	}
	for _, w := range m.windows {
		if w.passed && w.rng.windows[0] == w {
			return w
		}
	}
	return nil
}

// dispatch opens windows for readers that have nothing to do: first for ranges of which nothing is under way, then ahead.
func (m *merger) dispatch() {
	at := time.Now()
	readers := m.s.cfg.Readers
	for depth := 0; depth <= 1; depth++ {
		for _, t := range m.tables {
			for m.busy < readers && len(m.windows) < 2*readers && t.ready(at) {
				if t.rec.Ranges == nil && !t.cutting {
					m.cut(t)
					continue
				}
				r := t.vacant(depth)
				if r == nil {
					break
				}
				m.openWindow(t, r)
			}
		}
	}
}

// cut has a reader look for the bounds of the table's ranges; one range needs none.
func (m *merger) cut(t *snapshotTable) {
	n := t.pieces(m.s.cfg.Readers)
	if n < 2 {
		t.cut(nil)
		return
	}
	t.cutting = true
	m.busy++
	m.jobs <- job{table: t, scan: t.scan, pieces: n}
}

func (m *merger) openWindow(t *snapshotTable, r *tableRange) {
	w := &window{table: t, rng: r, from: m.batches + 1, chunk: Chunk{
		Table: t.scan, After: r.next, UpTo: t.rec.Ranges[r.index].UpTo, Where: t.rec.Where, Seen: m.pos,
		Bytes: m.s.cfg.ChunkBytes, Time: m.s.cfg.ChunkTime,
	}}
	r.windows = append(r.windows, w)
	m.windows = append(m.windows, w)
	if t.rec.Began == nil {
		t.rec.Began = now()
	}
	t.rec.Status = SnapshotReading
	m.busy++
	m.jobs <- job{window: w, chunk: w.chunk, table: t, scan: t.scan}
}

// take looks at what a reader brings.
func (m *merger) take(r result) error {
	m.busy--
	t, w := r.table, r.window
	switch {
	case r.err != nil:
		return m.failed(r)
	case w == nil:
		if t.cutting {
			t.cut(r.bounds)
		}
	case w.dropped:
		r.batch.Release()
	default:
		t.moved()
		w.scanned, w.got, w.batch = true, r.got, r.batch
		if r.got.Last != "" {
			w.rng.next = r.got.Last
		}
		w.rng.read = r.got.Done
		m.s.src.Watch(r.got.End)
	}
	return nil
}

// dropTable gives up the windows of a table. They are read again.
func (m *merger) dropTable(t *snapshotTable) {
	t.cutting = false
	for _, r := range t.ranges {
		if len(r.windows) > 0 {
			m.dropFrom(r.windows[0])
		}
	}
}

// dropFrom gives up a window and those behind it in its range.
func (m *merger) dropFrom(w *window) {
	r := w.rng
	i := slices.Index(r.windows, w)
	for _, d := range r.windows[i:] {
		d.dropped = true
		if d.batch != nil {
			d.batch.Release()
			d.batch = nil
		}
		m.remove(d)
	}
	r.windows = r.windows[:i]
	r.next, r.read = w.chunk.After, false
}

// remove forgets a window, and the keys that only it had to know.
func (m *merger) remove(w *window) {
	m.windows = slices.DeleteFunc(m.windows, func(o *window) bool { return o == w })
	if !slices.ContainsFunc(m.windows, func(o *window) bool { return o.table == w.table }) {
		w.table.touched = touched{}
	}
}

func (m *merger) publish() {
	m.shown = time.Now()
	m.s.publish(m.tables)
}

// publish shows how far the tables are.
func (s *snapshotSource) publish(tables []*snapshotTable) {
	var out []TableSnapshot
	for _, t := range tables {
		if t.listed {
			out = append(out, t.stats())
		}
	}
	s.told.Store(&out)
}
