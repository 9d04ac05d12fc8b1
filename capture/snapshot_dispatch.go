package capture

import (
	"slices"
	"time"
)

// dispatch gives work to readers that have none: first the windows that wait for another try, then, table by table in the order of
// their priority, ranges of which nothing is under way, then the chunks behind those that wait for the stream.
func (m *merger) dispatch() {
	at := time.Now()
	for _, w := range m.windows {
		if w.again && m.busy < m.s.cfg.Readers && w.table.ready(at) {
			m.scan(w)
		}
	}
	for class := m.active; len(class) > 0; {
		n := slices.IndexFunc(class, func(t *snapshotTable) bool { return t.rule.Priority != class[0].rule.Priority })
		if n < 0 {
			n = len(class)
		}
		for depth := 0; depth <= 1; depth++ {
			for _, t := range class[:n] {
				m.open(t, depth, at)
			}
		}
		class = class[n:]
	}
}

// open opens windows on ranges of a table that have no more than depth of them.
func (m *merger) open(t *snapshotTable, depth int, at time.Time) {
	for m.busy < m.s.cfg.Readers && m.loaded() < 2*m.s.cfg.Readers && t.ready(at) {
		if t.rec.Ranges == nil && t.cutting == 0 {
			m.cut(t)
			continue
		}
		r := t.vacant(depth)
		if r == nil {
			return
		}
		m.openWindow(t, r)
	}
}

// loaded counts the windows that have rows or will have them soon: what bounds the memory.
func (m *merger) loaded() (n int) {
	for _, w := range m.windows {
		if !w.again {
			n++
		}
	}
	return n
}

// cut has a reader look for the bounds of the table's ranges; one range needs none.
func (m *merger) cut(t *snapshotTable) {
	n := t.pieces(m.s.cfg.Readers)
	if n < 2 {
		t.cut(nil)
		return
	}
	m.cuts++
	t.cutting = m.cuts
	m.give(job{table: t, cut: t.cutting, scan: t.scan, pieces: n})
}

func (m *merger) openWindow(t *snapshotTable, r *tableRange) {
	w := &window{table: t, rng: r, from: m.batches + 1, chunk: Chunk{
		Table: t.scan, After: r.next, UpTo: t.rec.Ranges[r.index].UpTo, Where: t.rec.Where, Seen: m.pos,
		Bytes: m.s.cfg.ChunkBytes, Time: m.s.cfg.ChunkTime,
	}}
	if t.keyless() {
		w.chunk.Bytes, w.chunk.Time = pieceChunks*w.chunk.Bytes, pieceTime
	}
	r.windows = append(r.windows, w)
	m.windows = append(m.windows, w)
	if t.rec.Began == nil {
		t.rec.Began = now()
	}
	t.rec.Status = SnapshotReading
	m.scan(w)
}

// scan has a reader read the chunk of a window.
func (m *merger) scan(w *window) {
	w.again = false
	m.give(job{window: w, chunk: w.chunk, table: w.table})
}

// give hands a job over. There is room for as many as there are readers, and no more are busy.
func (m *merger) give(j job) {
	m.busy++
	m.jobs <- j
}
