// Package postgres captures row changes from the write-ahead log of PostgreSQL 15 and later, by logical decoding.
//
//	Source ─ Open ─▶ conn (session, facts, identity), publication, slot ─ Stream ─▶ walsender frames ─▶ pgoutput messages ─▶ transaction ─▶ batches
//	                                                                                                        │
//	                                                                            shape per Relation: tuples ─▶ changelog values
//
// Connections are pgconn's. The decoding is ours, because every length must be checked, memory must stay bounded, and the hot
// path must not allocate.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/jackc/pglogrepl"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// source is a capture.Source over one slot of one database.
type source struct {
	cfg *Config // with its names resolved
	env capture.Env

	repl      *conn      // the walsender, which streams
	wal       *walReader // what repl has become once the stream began
	side      *conn      // for SQL beside the stream
	facts     *serverFacts
	filter    *capture.Filter // tables and exclude_tables; of partitions the selection knows more
	selection *selection
	published uint32    // the publication
	from      *position // where Stream begins
	fresh     bool      // there was no checkpoint: what the stream has not shown is not in the target

	flushed atomic.Uint64 // end LSN up to which the target has everything: what the slot may forget
	end     atomic.Uint64 // of the server's log, when the server was last asked
	stats   atomic.Pointer[capture.Stats]

	shapes  capture.Shapes // versions of tables, of the stream and of Readers
	watches watches        // places that are waited for
	pending pending        // transactions that Readers must see
	writers writers        // the same, of single tables

	retained, limit atomic.Uint64 // bytes of log that the server keeps for the slot, and will keep at most
}

func newSource(cfg *Config, env capture.Env) *source {
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	cfg = cfg.resolved(env.Pipeline)
	if env.Aside {
		cfg = cfg.aside()
	}
	s := &source{cfg: cfg, env: env}
	s.stats.Store(&capture.Stats{})
	return s
}

// Open implements capture.Source.
func (s *source) Open(ctx context.Context, cp changelog.Checkpoint) (_ changelog.Checkpoint, err error) {
	defer func() {
		if err != nil {
			_ = s.Close()
		}
	}()
	if s.selection, err = newSelection(s.cfg); err != nil {
		return cp, fault.NewFinal(fault.Config, "reading tables", err, "")
	}
	s.filter = s.selection.match
	if err := s.connect(ctx); err != nil {
		return cp, err
	}
	s.fresh = cp.Pos == ""
	if !s.fresh {
		if s.from, err = parsePosition(cp.Pos); err != nil {
			return cp, err
		}
		if err := s.facts.serves(ctx, s.repl, s.from); err != nil {
			return cp, err
		}
	}
	prepare := s.prepare
	if s.env.Aside {
		prepare = s.prepareAside
	}
	slot, err := prepare(ctx)
	if err != nil {
		return cp, err
	}
	if s.fresh {
		s.from = &position{system: s.facts.system, slot: slot.name, lsn: slot.confirmed}
	}
	s.from.timeline = s.facts.timeline // it descends from the checkpoint's
	if s.fresh {
		cp.Pos = s.from.text()
	}
	s.flushed.Store(uint64(s.from.lsn))
	s.end.Store(uint64(s.facts.flushed))
	st := *s.stats.Load()
	st.Connected, st.Position = true, s.from.people()
	s.stats.Store(&st)
	return cp, nil
}

// connect opens both connections and makes sure that the server is one that can be captured.
func (s *source) connect(ctx context.Context) (err error) {
	as := session{pipeline: s.env.Pipeline}
	if s.side, err = connect(ctx, s.cfg, as); err != nil {
		return err
	}
	as.replication = true
	if s.repl, err = connect(ctx, s.cfg, as); err != nil {
		return err
	}
	if s.facts, err = readFacts(ctx, s.repl, as); err != nil {
		return err
	}
	if err := s.facts.sameServer(ctx, s.side); err != nil {
		return err
	}
	if s.facts.standby {
		// Not final: a standby may be on its way to be the primary.
		return fault.New(fault.SourceSettings, "checking the server", errors.New("it is a standby (in recovery)"), standbyHint)
	}
	var fs findings
	fs.settings(s.facts, s.cfg)
	return fs.problems()
}

// prepare gives the slot that the stream begins at, after everything that could make it lose rows was looked at. The publication
// comes first: a slot decodes changes by the publications of their time.
func (s *source) prepare(ctx context.Context) (*slotFacts, error) {
	slot, err := readSlot(ctx, s.side, s.cfg.Slot)
	if err != nil {
		return nil, err
	}
	var from pglogrepl.LSN
	if s.from != nil {
		from = s.from.lsn
		if s.from.slot != s.cfg.Slot {
			return nil, fault.NewFinal(fault.SlotMissing, opSlot, fmt.Errorf("the checkpoint is of the slot %s and the configuration names %s", s.from.slot, s.cfg.Slot),
				"Set slot to "+s.from.slot+", or start over as docs/operations.md says.")
		}
	}
	switch {
	case slot != nil:
		if err := slot.problem(s.facts.database, from); err != nil {
			return nil, err
		}
	case s.from != nil || s.cfg.Create == createNone:
		return nil, missingSlot(s.cfg, s.from)
	}
	if err := s.ensurePublication(ctx, slot); err != nil {
		return nil, err
	}
	return s.ensureSlot(ctx, slot)
}

// Ack implements capture.Source. The stream tells the server, so that the slot can forget the log before p.
func (s *source) Ack(p changelog.Position) {
	at, err := parsePosition(p)
	if err != nil {
		return // a position that is not ours was never streamed by us; the slot stays where it is
	}
	for {
		old := s.flushed.Load()
		if uint64(at.lsn) <= old || s.flushed.CompareAndSwap(old, uint64(at.lsn)) {
			return
		}
	}
}

// Stats implements capture.Source.
func (s *source) Stats() capture.Stats { return s.withRetention(*s.stats.Load()) }

// Close implements capture.Source.
func (s *source) Close() error {
	for _, c := range []**conn{&s.repl, &s.side} {
		if *c != nil {
			(*c).close()
			*c = nil
		}
	}
	if s.wal != nil {
		err := s.wal.finish()
		s.wal = nil
		return err
	}
	return nil
}
