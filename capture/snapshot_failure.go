package capture

import (
	"errors"
	"time"

	"cdcbridge/internal/fault"
)

const (
	// quietWait is how long a table may wait for others before the log says so.
	quietWait = 10 * time.Second
	// maxFails is how often in a row the server may refuse to read a table before the attempt ends. A server that cannot be
	// reached does not count: the stream will find that out by itself.
	maxFails = 10
)

// failed decides what becomes of a table whose chunk or bounds were not read. The stream goes on wherever that is right.
func (m *merger) failed(r result) error {
	t, w := r.table, r.window
	var notYet NotYet
	if w != nil && errors.As(r.err, &notYet) {
		w.again = true
		m.rest(t, notYet.Why, 250*time.Millisecond)
		return nil
	}
	if w == nil {
		t.cutting = 0
	} else {
		m.dropFrom(w)
	}
	switch {
	case errors.Is(r.err, ErrTableGone):
		m.s.log.Warn("the snapshot of a table ends, because the table is gone", "table", t.name)
		m.end(t, SnapshotGone)
		return nil
	case errors.Is(r.err, ErrKeyChanged):
		m.s.log.Warn("the snapshot of a table begins anew, because its key has changed", "table", t.name)
		m.dropTable(t)
		t.rec.restart()
		t.resume()
		m.changed = append(m.changed, t)
		t.outdated = true
		t.held("its key has changed", 5*time.Second)
		m.s.list()
		return nil
	case fault.IsFinal(r.err) && t.rec.Incremental && !r.broken:
		// Who has asked may have asked for something that cannot be; that is no reason to stop everything else.
		m.s.log.Error("the snapshot of a table is cancelled", "table", t.name, "error", r.err)
		m.end(t, SnapshotCancelled)
		t.waits = r.err.Error()
		return nil
	case fault.IsFinal(r.err):
		return r.err
	}
	if !fault.Is(r.err, fault.Unreachable) {
		t.fails++
	}
	if t.fails >= maxFails {
		code := fault.CodeOf(r.err)
		if code == "" {
			code = fault.Source
		}
		return fault.New(code, "reading the snapshot of "+t.name, r.err,
			"The server cannot read some of its rows: mend them, or have only the table's changes with skip: true under snapshot.tables, or end the snapshot with cdcbridge snapshot "+t.name+" --cancel.")
	}
	t.held(r.err.Error(), 5*time.Second)
	m.s.log.Warn("reading a chunk failed, it is read again", "table", t.name, "error", r.err, "in", t.pause)
	return nil
}

// rest lets a table rest that waits for others, and says so when that takes long.
func (m *merger) rest(t *snapshotTable, why string, longest time.Duration) {
	t.held(why, longest)
	if !t.warned && time.Since(t.since) > quietWait {
		t.warned = true
		m.s.log.Warn("the snapshot of a table waits", "table", t.name, "because", why)
	}
}

// end stops the reading of a table for good.
func (m *merger) end(t *snapshotTable, status SnapshotStatus) {
	m.dropTable(t)
	t.rec.end(status)
	t.moved()
	m.changed = append(m.changed, t)
	m.regroup()
}
