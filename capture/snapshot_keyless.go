package capture

import (
	"fmt"
	"slices"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// This file is about tables that have no key to be read by. Chunks are not for them: nothing says where a reading that was
// interrupted goes on, nor which of the rows that were read the stream has changed meanwhile. Such a table is read whole, in one piece:
//
//	until the piece has left, the changes of the table are withheld: every row that they leave behind will be in it
//	the piece shows all that was streamed up to p, as any chunk does
//	a change of the table that is streamed behind p, before the piece leaves, makes it useless, and it is read again a little later
//	the piece leaves in one batch, with the record that says that changes are not withheld any more
//
// So the piece holds what all changes up to the place where it leaves have made of the table, and changes that come later come behind
// it: nothing is missing and nothing is in the topic twice, wherever the pipeline is stopped. What it takes is a moment
// without changes as long as the read.

const (
	// pieceChunks is how many chunks large a piece may become.
	pieceChunks = 4
	// pieceTime is how long the read of a piece may take.
	pieceTime = time.Minute
	// pieceRest is how long a table that others change is left alone at most.
	pieceRest = time.Second

	changedByOthers = "others change it; a table without key is read at a moment without changes"
)

// keyless reports a table that can only be read whole.
func (t *snapshotTable) keyless() bool { return len(t.scan.Key) == 0 }

// withheld reports a table whose changes do not leave, because what they make of it is still to be read.
func (t *snapshotTable) withheld() bool {
	return t.keyless() && t.rec.active() && !t.rec.Incremental
}

// withhold takes the changes of such tables out of a batch. Their notes stay.
func (m *merger) withhold(b *changelog.Batch) error {
	for i := range b.Runs {
		table := b.Runs[i].Table
		if _, known := m.holders[table]; known || len(table.Key) > 0 {
			continue
		}
		if err := m.meet(table, b); err != nil {
			return err
		}
	}
	if m.holding {
		b.Runs = slices.DeleteFunc(b.Runs, func(r changelog.Run) bool { return m.held(r.Table) })
	}
	return nil
}

// held reports whether the changes of a version of a table are withheld.
func (m *merger) held(table *changelog.Table) bool {
	held, known := m.holders[table]
	if !known {
		held = slices.ContainsFunc(m.active, func(t *snapshotTable) bool { return t.withheld() && isTable(t, table) })
		m.holders[table] = held
	}
	return held
}

// meet takes up a table without key that was not there when the stream began. Its changes are withheld from the first one on, for
// after the next start nothing would tell which of its rows they have brought already.
func (m *merger) meet(table *changelog.Table, b *changelog.Batch) error {
	if slices.ContainsFunc(m.tables, func(t *snapshotTable) bool { return isTable(t, table) }) {
		m.held(table)
		return nil
	}
	scan := ScanTable{Schema: table.Namespace(), Name: table.Name, Rows: -1, Bytes: -1}
	name := scan.FullName()
	t := newSnapshotTable(scan, m.s.newRecord(name, false), m.s.cfg.table(name))
	entry, err := t.rec.entry(name)
	if err != nil {
		return err
	}
	b.Next.State = append(b.Next.State, entry)
	m.tables = append(m.tables, t)
	byPriority(m.tables)
	m.regroup()
	return nil
}

// regroup finds the active tables anew, and those whose changes are withheld. It is called wherever a table becomes one or ceases
// to be one.
func (m *merger) regroup() {
	m.active, m.holding, m.holders = nil, false, map[*changelog.Table]bool{}
	for _, t := range m.tables {
		if t.rec.active() {
			m.active = append(m.active, t)
			m.holding = m.holding || t.withheld()
		}
	}
}

// disturb gives the piece of a table up that others have changed.
func (m *merger) disturb(t *snapshotTable) {
	m.dropTable(t)
	m.rest(t, changedByOthers, pieceRest)
}

// errNoKey says what a table lacks that cannot be read again.
var errNoKey = fmt.Errorf("the table has no key by which it could be read in chunks, so its rows would be in the topic twice")

// tooLarge is what ends a pipeline that must read a table which is no piece.
func (m *merger) tooLarge(t *snapshotTable) error {
	return fault.NewFinal(fault.NoKey, "reading the table "+t.name,
		fmt.Errorf("it has no key by which it could be read in chunks, and takes more than %d bytes of memory, which is %d × chunk_bytes", pieceChunks*m.s.cfg.ChunkBytes, pieceChunks),
		"Give the table a primary key; or raise snapshot.chunk_bytes, if it is not much larger; or list it under snapshot.tables with skip: true to have its changes only, from now on.")
}

// unrepeatable refuses to begin anew when that would write the rows of a table without key again.
func (s *snapshotSource) unrepeatable(state *snapshotState, lost error) error {
	for name, rec := range state.tables {
		if rec.Keyless && !rec.active() && !s.cfg.table(name).Skip {
			return fault.NewFinal(fault.NoKey, "beginning anew", fmt.Errorf("the table %s has no key, so its rows would be in the topic twice; what made it necessary: %w", name, lost),
				"List the table under snapshot.tables with skip: true to go on with its changes from now on, without those that are lost; or give the pipeline a new name, and so new topics.")
		}
	}
	return nil
}

// unwant gives up the first snapshot of a table without key that the configuration does not want read any more.
func (s *snapshotSource) unwant(rec *tableRecord, name string) {
	*rec = tableRecord{Status: SnapshotSkipped}
	s.log.Warn("a table without key is not to be read any more: its changes are written from here on, those since the pipeline's start were withheld", "table", name)
}
