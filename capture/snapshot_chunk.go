package capture

import (
	"context"
	"slices"
	"time"

	"cdcbridge/changelog"
)

// leave sends the rows of a window that nothing in the stream has overtaken, with the place where its range goes on.
func (m *merger) leave(ctx context.Context, w *window) error {
	t, b := w.table, w.batch
	if len(b.Runs) > 0 && !t.touched.comparable(b.Runs[0].Table, w.from) {
		m.dropFrom(w) // the key was changed between the read and the stream
		t.held("its key has changed", 5*time.Second)
		return nil
	}
	t.moved()
	size := b.Size()
	m.keepUntouched(w)
	marker := m.s.marker
	m.mark(w)

	r := &t.rec.Ranges[w.rng.index]
	r.Done = w.got.Done
	if w.got.Last != "" {
		r.After = w.got.Last
	}
	t.rec.Rows += uint64(w.got.Rows)
	t.rec.Written += uint64(len(b.Changes))
	t.rec.Bytes += uint64(size)
	w.batch = nil
	w.rng.windows = w.rng.windows[1:]
	m.remove(w)
	ended := t.rec.complete()
	if ended {
		if t.keyless() && len(t.rec.Then) > 0 {
			m.s.log.Error("a table cannot be read again", "table", t.name, "error", errNoKey, "hint", "Give it a primary key.")
			t.rec.Then = nil
		}
		t.rec.finish()
		t.resume()
		m.regroup()
		m.publish()
	}
	entry, err := t.rec.entry(t.name)
	if err != nil {
		return err
	}
	b.Next = changelog.Checkpoint{Pos: m.pos, State: []changelog.State{entry}}
	if m.s.marker != marker {
		entry, err := m.s.marker.entry()
		if err != nil {
			return err
		}
		b.Next.State = append(b.Next.State, entry)
	}
	b.Soon = ended
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
	if t.rec.Incremental {
		b.Runs[0].Snapshot = changelog.SnapshotIncremental
		return
	}
	head, tail := changelog.SnapshotRow, changelog.SnapshotRow
	switch {
	case !m.s.marker.Began:
		head = changelog.SnapshotFirst
	case t.rec.Written == 0:
		head = changelog.SnapshotFirstOfTable
	}
	if w.got.Done && t.rec.lastRange(w.rng.index) {
		tail = changelog.SnapshotLastOfTable
		if !m.s.marker.Ended && !m.unread(t) {
			tail = changelog.SnapshotLast
		}
	}
	m.s.marker.Began = true
	m.s.marker.Ended = m.s.marker.Ended || tail == changelog.SnapshotLast
	whole := b.Runs[0]
	b.Runs = b.Runs[:0]
	add := func(from, to int, place changelog.Snapshot) {
		if from < to {
			whole.From, whole.To, whole.Snapshot = from, to, place
			b.Runs = append(b.Runs, whole)
		}
	}
	n := whole.To
	from, to := 0, n
	// Of a row at both edges Debezium tells the last of all, the first of all, the last of its table, the first of it.
	if head != changelog.SnapshotRow && (to > 1 || tail == changelog.SnapshotRow || head == changelog.SnapshotFirst && tail != changelog.SnapshotLast) {
		add(0, 1, head)
		from = 1
	}
	if tail != changelog.SnapshotRow && from < to {
		to--
	}
	add(from, to, changelog.SnapshotRow)
	add(to, n, tail)
}

// unread reports that another table of the first snapshot is not at its end.
func (m *merger) unread(t *snapshotTable) bool {
	return slices.ContainsFunc(m.active, func(o *snapshotTable) bool { return o != t && !o.rec.Incremental })
}
