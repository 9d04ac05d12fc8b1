package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// WithSnapshot makes a source that reads tables while the stream of the one below flows, and is otherwise like it. newSource makes
// the source below; a second one is made when the position of the first is lost (SnapshotWhenNeeded).
//
// The tables are read in chunks by their key, each over a short transaction that locks nothing out. Rows of a chunk and the
// place where to go on leave in one batch, so whatever stops the pipeline, each row is written once. What keeps the rows of a
// chunk and the changes of the stream in the right order is in snapshot_window.go.
//
//	source below ─▶ merger ─▶ batches        merger: passes batches on, opens windows, lets chunks go
//	  readers ───────┘                       readers: one connection each, read the chunk of a window
func WithSnapshot(newSource func() Scanner, cfg SnapshotConfig, env Env) Source {
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	return &snapshotSource{make: newSource, cfg: cfg, log: env.Log, seen: map[string]struct{}{}, wanted: make(chan struct{}, 1)}
}

// snapshotSource is the decorated source.
type snapshotSource struct {
	make func() Scanner
	cfg  SnapshotConfig
	log  *slog.Logger

	mu      sync.Mutex
	src     Scanner             // the source below, nil before Open
	asks    []changelog.State   // requests that nobody has taken up
	seen    map[string]struct{} // keys of requests that were handed over
	listing bool                // the tables are to be listed anew

	wanted chan struct{} // there is something to be looked at
	told   atomic.Pointer[[]TableSnapshot]
	tables []*snapshotTable
	start  changelog.Position
}

var (
	_ Source    = (*snapshotSource)(nil)
	_ Requester = (*snapshotSource)(nil)
)

// Open implements Source.
func (s *snapshotSource) Open(ctx context.Context, cp changelog.Checkpoint) (changelog.Checkpoint, error) {
	state, err := parseSnapshotState(cp.State)
	if err != nil {
		return cp, err
	}
	below := changelog.Checkpoint{Pos: cp.Pos, State: state.others}
	src := s.make()
	opened, err := src.Open(ctx, below)
	if err != nil && s.cfg.Mode == SnapshotWhenNeeded && lost(err) {
		s.log.Warn("the position is lost: the stream begins anew and every table is read again; rows that were deleted meanwhile stay in the topics", "error", err)
		if src, err = s.startOver(ctx); err != nil {
			return cp, err
		}
		opened, err = src.Open(ctx, changelog.Checkpoint{})
		state.renew()
	}
	if err != nil {
		return cp, err
	}
	s.mu.Lock()
	s.src = src
	s.mu.Unlock()
	out, err := s.plan(ctx, src, state, cp.Pos == "")
	if err != nil {
		return cp, errors.Join(err, src.Close())
	}
	s.start = opened.Pos
	opened.State = append(opened.State, out...)
	for _, r := range state.requests {
		s.Request(r)
	}
	return opened, nil
}

// lost reports a failed Open whose position the server cannot serve any more.
func lost(err error) bool {
	switch fault.CodeOf(err) {
	case fault.BinlogPurged, fault.SlotLost, fault.SlotMissing:
		return true
	}
	return false
}

// startOver gives a source that can be opened without a checkpoint.
func (s *snapshotSource) startOver(ctx context.Context) (Scanner, error) {
	src := s.make()
	err := src.StartOver(ctx)
	if err = errors.Join(err, src.Close()); err != nil {
		return nil, fmt.Errorf("starting over: %w", err)
	}
	return s.make(), nil
}

// renew has every table read again.
func (st *snapshotState) renew() {
	for _, r := range st.tables {
		if r.Status != SnapshotSkipped {
			*r = tableRecord{Status: SnapshotWaiting, Where: r.Where}
		}
	}
}

// plan decides which tables are to be read and gives the entries that have changed. fresh says that the pipeline is new.
func (s *snapshotSource) plan(ctx context.Context, src Scanner, state *snapshotState, fresh bool) ([]changelog.State, error) {
	found, err := src.Scannable(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the tables to be read: %w", err)
	}
	var out []changelog.State
	if !state.marked {
		marker, err := stateEntry(snapshotMarker, tableRecord{Version: snapshotVersion})
		if err != nil {
			return nil, err
		}
		out = append(out, marker)
		if !fresh {
			s.log.Info("the pipeline began without snapshots: its tables are read when they are asked for, with cdcbridge snapshot")
		}
	}
	legacy := !state.marked && !fresh
	known := map[string]bool{}
	for _, t := range found {
		name := t.FullName()
		known[name] = true
		rec := state.tables[name]
		if rec == nil {
			rec = s.newRecord(name, legacy)
		}
		if rec.active() && len(t.Key) == 0 {
			return nil, fault.NewFinal(fault.NoKey, "planning the snapshot", fmt.Errorf("the table %s has no key by which it could be read in chunks", name),
				"Give the table a primary key, or list it under snapshot.tables with skip: true to have its changes only.")
		}
		entry, err := rec.entry(name)
		if err != nil {
			return nil, err
		}
		out = append(out, entry)
		s.tables = append(s.tables, newSnapshotTable(t, rec, s.cfg.table(name)))
	}
	for name := range state.tables {
		if !known[name] {
			// Its changes are not captured now, so what was read of it gets old.
			out = append(out, changelog.State{Key: snapshotPrefix + name})
		}
	}
	slices.SortFunc(s.tables, func(a, b *snapshotTable) int {
		if a.rule.Priority != b.rule.Priority {
			return b.rule.Priority - a.rule.Priority
		}
		return strings.Compare(a.name, b.name)
	})
	s.publish(s.tables)
	return out, nil
}

// newRecord is the record of a table that the checkpoint does not know.
func (s *snapshotSource) newRecord(name string, legacy bool) *tableRecord {
	rule := s.cfg.table(name)
	if legacy || rule.Skip || s.cfg.Mode == SnapshotNever || name == s.cfg.SignalTable {
		return &tableRecord{Status: SnapshotSkipped}
	}
	return &tableRecord{Status: SnapshotWaiting, Where: rule.Where}
}

// Stream implements Source.
func (s *snapshotSource) Stream(ctx context.Context, out chan<- *changelog.Batch) error {
	ctx, stop := context.WithCancel(ctx)
	var working sync.WaitGroup
	defer working.Wait()
	defer stop()
	m := newMerger(s, out)
	working.Go(func() {
		m.ended <- s.src.Stream(ctx, m.in)
		close(m.in)
	})
	for range s.cfg.Readers {
		working.Go(func() { (&snapshotReader{src: s.src, log: s.log}).run(ctx, m.jobs, m.results) })
	}
	working.Go(func() { s.look(ctx, m.requests) })
	return m.run(ctx)
}

// Ack implements Source.
func (s *snapshotSource) Ack(p changelog.Position) { s.below().Ack(p) }

// Stats implements Source.
func (s *snapshotSource) Stats() Stats {
	src := s.below()
	if src == nil {
		return Stats{}
	}
	st := src.Stats()
	if told := s.told.Load(); told != nil {
		st.Snapshots = *told
	}
	return st
}

// Close implements Source.
func (s *snapshotSource) Close() error {
	src := s.below()
	if src == nil {
		return nil
	}
	return src.Close()
}

func (s *snapshotSource) below() Scanner {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.src
}
