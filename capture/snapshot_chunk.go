package capture

import (
	"context"
	"slices"

	"cdcbridge/changelog"
)

// leave sends the rows of a window that nothing in the stream has overtaken, with the place where its range goes on.
func (m *merger) leave(ctx context.Context, w *window) error {
	t, b := w.table, w.batch
	if len(b.Runs) > 0 && !t.touched.comparable(b.Runs[0].Table, w.from) {
		m.dropFrom(w) // the key was changed between the read and the stream
		t.held("its key has changed", restReading)
		return nil
	}
	size := b.Size()
	m.keepUntouched(w)
	left := len(b.Changes)
	m.mark(w)

	r := &t.rec.Ranges[w.rng.index]
	r.Done = w.got.Done
	if w.got.Last != "" {
		r.After = w.got.Last
	}
	t.rec.Rows += uint64(w.got.Rows)
	t.rec.Written += uint64(left)
	t.rec.Bytes += uint64(size)
	if t.rec.complete() {
		t.rec.Status, t.rec.Ended = SnapshotDone, now()
	}
	entry, err := t.rec.entry(t.name)
	if err != nil {
		return err
	}
	w.batch = nil
	w.rng.windows = w.rng.windows[1:]
	m.remove(w)
	if !t.rec.active() {
		m.publish()
	}
	b.Next = changelog.Checkpoint{Pos: m.pos, State: []changelog.State{entry}}
	b.Soon = !t.rec.active()
	b.Drained = len(m.windows) == 0
	return m.send(ctx, b)
}

// keepUntouched removes the rows whose keys the stream has changed since the window was opened.
func (m *merger) keepUntouched(w *window) {
	b := w.batch
	if len(b.Runs) == 0 {
		return
	}
	run := &b.Runs[0]
	kept := b.Changes[:0]
	for _, ch := range b.Changes {
		if !w.table.touched.has(ch.After, run.Table.Key, w.from) {
			kept = append(kept, ch)
		}
	}
	clear(b.Changes[len(kept):])
	b.Changes = kept
	run.To = len(kept)
	if len(kept) == 0 {
		b.Runs, b.Txns = b.Runs[:0], b.Txns[:0]
	}
}

// mark says where in the snapshot the rows stand. A row at an edge has a run of its own.
func (m *merger) mark(w *window) {
	b, t := w.batch, w.table
	if len(b.Runs) == 0 {
		return
	}
	run := &b.Runs[0]
	if t.rec.Incremental {
		run.Snapshot = changelog.SnapshotIncremental
		return
	}
	run.Snapshot = changelog.SnapshotRow
	if w.got.Done && t.rec.lastRange(w.rng.index) {
		place := changelog.SnapshotLastOfTable
		if !slices.ContainsFunc(m.tables, func(o *snapshotTable) bool { return o != t && o.rec.active() && !o.rec.Incremental }) {
			place = changelog.SnapshotLast
		}
		splitRun(b, run.To-1, place)
		run = &b.Runs[0]
	}
	if t.rec.Written > 0 || run.Snapshot != changelog.SnapshotRow {
		return
	}
	place := changelog.SnapshotFirstOfTable
	if !slices.ContainsFunc(m.tables, func(o *snapshotTable) bool { return o.rec.Written > 0 && !o.rec.Incremental }) {
		place = changelog.SnapshotFirst
	}
	if run.To-run.From > 1 {
		splitRun(b, run.From+1, changelog.SnapshotRow)
	}
	b.Runs[0].Snapshot = place
}

// splitRun makes a run of its own of the first run's changes from at on.
func splitRun(b *changelog.Batch, at int, place changelog.Snapshot) {
	if at == b.Runs[0].From {
		b.Runs[0].Snapshot = place
		return
	}
	rest := b.Runs[0]
	rest.From, rest.Snapshot = at, place
	b.Runs[0].To = at
	b.Runs = slices.Insert(b.Runs, 1, rest)
}
