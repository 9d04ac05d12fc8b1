package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// WithSnapshot makes a source that reads tables while the stream of the one below flows, and is otherwise like it. newSource makes
// the source below; others are made when the position of the first is lost (SnapshotWhenNeeded).
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
	src     Scanner             // the source below, to be closed; nil before Open
	asks    []changelog.State   // requests that nobody has taken up
	pending int                 // requests that are not carried out
	seen    map[string]struct{} // keys of requests that were handed over
	listing bool                // the tables are to be listed anew

	wanted chan struct{} // there is something to be looked at
	told   atomic.Pointer[[]TableSnapshot]
	tables []*snapshotTable
	marker markerRecord
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
	fresh := cp.Pos == ""
	src := s.use(s.make())
	opened, err := src.Open(ctx, changelog.Checkpoint{Pos: cp.Pos, State: state.others})
	if err != nil && s.cfg.Mode == SnapshotWhenNeeded && lost(err) {
		if err := s.unrepeatable(state, err); err != nil {
			return cp, err
		}
		s.log.Warn("the position is lost: the stream begins anew and every table is read again; rows that were deleted meanwhile stay in the topics", "error", err)
		if src, err = s.startOver(ctx); err != nil {
			return cp, err
		}
		opened, err = src.Open(ctx, changelog.Checkpoint{})
		opened.State = append(state.renew(), opened.State...)
		fresh = true
	}
	if err != nil {
		return cp, err
	}
	out, err := s.plan(ctx, src, state, fresh)
	if err != nil {
		return cp, err
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

// startOver gives a source that can be opened without a checkpoint, instead of the one that could not be opened.
func (s *snapshotSource) startOver(ctx context.Context) (Scanner, error) {
	err := s.below().Close()
	s.use(nil)
	if err == nil {
		over := s.make()
		err = errors.Join(over.StartOver(ctx), over.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("starting over: %w", err)
	}
	return s.use(s.make()), nil
}

// use makes src the source below.
func (s *snapshotSource) use(src Scanner) Scanner {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.src = src
	return src
}

func (s *snapshotSource) below() Scanner {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.src
}

// Stream implements Source.
func (s *snapshotSource) Stream(ctx context.Context, out chan<- *changelog.Batch) error {
	ctx, stop := context.WithCancel(ctx)
	var working sync.WaitGroup
	defer working.Wait()
	defer stop()
	m := newMerger(s, out)
	working.Go(func() {
		m.ended <- m.src.Stream(ctx, m.in)
		close(m.in)
	})
	for range s.cfg.Readers {
		working.Go(func() { (&snapshotReader{src: m.src}).run(ctx, m.jobs, m.results) })
	}
	working.Go(func() { s.look(ctx, m.src, m.requests) })
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

// Close implements Source.
func (s *snapshotSource) Close() error {
	src := s.below()
	if src == nil {
		return nil
	}
	return src.Close()
}

// isSignal reports the signal table. Its rows are requests, and no rows of a topic.
func (s *snapshotSource) isSignal(name string) bool { return name == s.cfg.SignalTable }

// byPriority sorts tables in the order in which they are read.
func byPriority(tables []*snapshotTable) {
	slices.SortStableFunc(tables, func(a, b *snapshotTable) int { return a.compare(b) })
}
