package capture

import (
	"context"
	"slices"
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
// The stream is never kept waiting: windows wait for it. A read that does not show p yet is tried again for the same p, since a newer
// one would take longer still; only when the keys noted meanwhile become too many is the window given up and a new one opened.
//
// A table without key is read in one window, which any change gives up: snapshot_keyless.go.

// note writes down which keys of tables with open windows a batch changes.
func (m *merger) note(b *changelog.Batch) {
	if len(m.windows) == 0 {
		return
	}
	for i := range b.Runs {
		r := &b.Runs[i]
		t := m.windowed(r.Table)
		if t == nil {
			continue
		}
		if t.keyless() {
			m.disturb(t)
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

// windowed finds the table of a run if it has windows.
func (m *merger) windowed(table *changelog.Table) *snapshotTable {
	for _, w := range m.windows {
		if isTable(w.table, table) {
			return w.table
		}
	}
	return nil
}

func isTable(t *snapshotTable, table *changelog.Table) bool {
	return t.scan.Name == table.Name && t.scan.Schema == table.Namespace()
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

// take looks at what a reader brings.
func (m *merger) take(ctx context.Context, r result) error {
	m.busy--
	t, w := r.table, r.window
	switch {
	case r.stale():
		if r.batch != nil {
			r.batch.Release()
		}
	case r.err != nil:
		if ctx.Err() == nil {
			return m.failed(r)
		}
	case w == nil:
		t.cut(r.bounds)
	case t.keyless() && !r.got.Done:
		r.batch.Release()
		return m.tooLarge(t)
	default:
		w.scanned, w.got, w.batch = true, r.got, r.batch
		if r.got.Last != "" {
			w.rng.next = r.got.Last
		}
		w.rng.read = r.got.Done
		m.src.Watch(r.got.End)
	}
	return nil
}

// dropTable gives up the windows of a table. They are read again.
func (m *merger) dropTable(t *snapshotTable) {
	t.cutting = 0
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
