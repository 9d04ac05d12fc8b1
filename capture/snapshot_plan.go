package capture

import (
	"context"
	"fmt"

	"cdcbridge/changelog"
)

// plan decides which tables are to be read and gives the entries of the checkpoint that change by that. fresh says that the
// stream begins with this Open.
func (s *snapshotSource) plan(ctx context.Context, src Scanner, state *snapshotState, fresh bool) ([]changelog.State, error) {
	found, err := src.Scannable(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the tables to be read: %w", err)
	}
	legacy := !state.marked && !fresh
	if legacy {
		s.log.Info("the pipeline began without snapshots: its tables are read when they are asked for, with cdcbridge snapshot")
	}
	p := planner{s: s, state: state}
	if err := p.write(snapshotMarker, func() (changelog.State, error) { return state.marker.entry() }); err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, t := range found {
		name := t.FullName()
		known[name] = true
		rec := state.tables[name]
		if rec == nil {
			rec = s.newRecord(name, legacy)
		}
		s.adjust(rec, t)
		s.tables = append(s.tables, newSnapshotTable(t, rec, s.cfg.table(name)))
		if err := p.write(snapshotPrefix+name, func() (changelog.State, error) { return rec.entry(name) }); err != nil {
			return nil, err
		}
	}
	for name := range state.tables {
		if !known[name] {
			// Its changes are not captured now, so what was read of it gets old.
			p.out = append(p.out, changelog.State{Key: snapshotPrefix + name})
		}
	}
	s.marker = state.marker
	byPriority(s.tables)
	s.publish(s.tables)
	return p.out, nil
}

// planner collects the entries that a plan changes.
type planner struct {
	s     *snapshotSource
	state *snapshotState
	out   []changelog.State
}

func (p *planner) write(key string, entry func() (changelog.State, error)) error {
	e, err := entry()
	if err != nil {
		return err
	}
	if string(e.Value) != p.state.texts[key] {
		p.out = append(p.out, e)
	}
	return nil
}

// newRecord is the record of a table that the checkpoint does not know.
func (s *snapshotSource) newRecord(name string, legacy bool) *tableRecord {
	rule := s.cfg.table(name)
	if legacy || rule.Skip || s.cfg.Mode == SnapshotNever || s.isSignal(name) {
		return &tableRecord{Status: SnapshotSkipped}
	}
	return &tableRecord{Status: SnapshotWaiting, Where: rule.Where}
}

// adjust brings a record together with what configuration and server say now.
func (s *snapshotSource) adjust(rec *tableRecord, t ScanTable) {
	name, keyless := t.FullName(), len(t.Key) == 0
	unwanted := !rec.Incremental && (s.cfg.Mode == SnapshotNever || s.cfg.table(name).Skip)
	switch {
	case !rec.active():
	case keyless && rec.Incremental:
		s.log.Error("the snapshot of a table is cancelled", "table", name, "error", errNoKey, "hint", "Give it a primary key.")
		rec.end(SnapshotCancelled)
	case keyless && unwanted:
		s.unwant(rec, name)
	case !rec.wanted():
	case s.isSignal(name):
		*rec = tableRecord{Status: SnapshotSkipped}
	case unwanted:
		rec.Status = SnapshotPaused
		s.log.Info("the configuration says that a table is not to be read, so its snapshot pauses", "table", name, "hint", "It goes on with cdcbridge snapshot --resume.")
	}
}
