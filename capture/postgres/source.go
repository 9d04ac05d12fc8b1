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
	"sync/atomic"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// source is a capture.Source over one slot of one database.
type source struct {
	cfg *Config // with its names resolved
	env capture.Env

	repl   *conn // the walsender, which streams
	side   *conn // for SQL beside the stream
	facts  *serverFacts
	filter *capture.Filter
	from   *position // where Stream begins
	fresh  bool      // there was no checkpoint: what the stream has not shown is not in the target

	flushed atomic.Uint64 // end LSN up to which the target has everything: what the slot may forget
	stats   atomic.Pointer[capture.Stats]
}

func newSource(cfg *Config, env capture.Env) *source {
	s := &source{cfg: cfg.resolved(env.Pipeline), env: env}
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
	if s.filter, err = capture.NewFilter(s.cfg.Tables, s.cfg.ExcludeTables); err != nil {
		return cp, fault.NewFinal(fault.Config, "reading tables", err, "")
	}
	if s.side, err = connect(ctx, s.cfg, session{pipeline: s.env.Pipeline}); err != nil {
		return cp, err
	}
	if s.repl, err = connect(ctx, s.cfg, session{pipeline: s.env.Pipeline, replication: true}); err != nil {
		return cp, err
	}
	return cp, nil
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
func (s *source) Stats() capture.Stats { return *s.stats.Load() }

// Close implements capture.Source.
func (s *source) Close() error {
	for _, c := range []**conn{&s.repl, &s.side} {
		if *c != nil {
			(*c).close()
			*c = nil
		}
	}
	return nil
}
