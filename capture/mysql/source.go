// Package mysql captures row changes from the binary log of MySQL 5.7 and later and MariaDB 10.5 and later.
//
//	Source ─ Open ─▶ conn (session, facts, identity) ─ Stream ─▶ eventReader ─▶ stream ─▶ transaction ─▶ batches
//	                                                                              │                        │
//	                                                     shape per TABLE_MAP: row images ─▶ values          complete: what the log left out
//	                                                       │
//	                         names in the log, or history ◀─┴─ statements (package schema), probe (catalogue and log)
//
//	Scanner ─▶ reader (scan*.go): chunks of tables, what they show (visible), when the stream has passed it (watch)
//
// The connection's handshake is go-mysql's. The dump loop, GTID sets, positions and all decoding are ours, because positions
// need 64 bits and tags, memory must stay bounded, and the hot path must not allocate.
package mysql

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// source is a capture.Source over one server.
type source struct {
	cfg *Config
	env capture.Env

	conn   *conn
	facts  *serverFacts
	filter *capture.Filter
	tables map[tableName]*tableFacts // as the catalogue was at Open
	from   *position                 // where Stream begins
	fresh  bool                      // there was no checkpoint: what the stream has not shown is not in the target

	shapes  capture.Shapes
	words   wordBook
	history *history
	watches watches
	trail   *trail   // on MariaDB; else nil
	scanned sync.Map // names of tables of which a reader has given rows away

	acked atomic.Pointer[changelog.Position]
	stats atomic.Pointer[capture.Stats]
}

var _ capture.Source = (*source)(nil)
var _ capture.Checker = (*checker)(nil)

func newSource(cfg *Config, env capture.Env) *source {
	if env.Aside {
		cfg = cfg.aside()
	}
	s := &source{cfg: cfg, env: env, history: emptyHistory()}
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
	if s.filter, err = s.cfg.filter(); err != nil {
		return cp, fault.NewFinal(fault.Config, "reading tables", err, "")
	}
	var tried refusals
	for _, one := range s.cfg.endpoints() {
		opened, err := s.open(ctx, one, cp)
		if err == nil {
			for _, r := range tried {
				s.env.Log.Warn("host passed over", "host", r.addr, "taken", one.addr(), "error", r.err)
			}
			return opened, nil
		}
		if ctx.Err() != nil {
			return cp, err
		}
		_ = s.Close()
		tried = append(tried, refusal{one.addr(), err})
	}
	return cp, tried.fault()
}

// open is Open at one server, where all other connections of the source then lead.
func (s *source) open(ctx context.Context, cfg *Config, cp changelog.Checkpoint) (changelog.Checkpoint, error) {
	var err error
	s.cfg = cfg
	if s.conn, err = connect(ctx, cfg); err != nil {
		return cp, err
	}
	if s.facts, err = s.conn.readFacts(ctx); err != nil {
		return cp, err
	}
	if err := settings(s.facts).problems(); err != nil {
		return cp, err
	}
	s.fresh = cp.Pos == ""
	if s.fresh {
		s.from, err = s.start()
	} else {
		s.from, err = parsePosition(cp.Pos)
	}
	if err != nil {
		return cp, err
	}
	if err := s.facts.serves(s.from); err != nil {
		return cp, err
	}
	if !s.fresh {
		err := s.conn.during(ctx, func() error { return s.conn.refuseGap(s.facts, s.from) })
		if err != nil {
			return cp, err
		}
	}
	if err := s.readCatalog(ctx); err != nil {
		return cp, err
	}
	if err := s.openHistory(ctx, cp.State); err != nil {
		return cp, err
	}
	if err := s.openTrail(ctx); err != nil {
		return cp, err
	}
	if s.fresh {
		cp.Pos = s.from.text()
	}
	st := *s.stats.Load()
	st.Connected, st.Position, st.Server = true, s.from.people(), cfg.addr()
	s.stats.Store(&st)
	return cp, nil
}

func (s *source) readCatalog(ctx context.Context) error {
	cat := catalog{s.conn, s.filter}
	var err error
	if s.tables, err = cat.tables(ctx, nil); err != nil {
		return err
	}
	for name, f := range s.tables {
		s.words.put(name, f.words)
	}
	var fs findings
	fs.tables(s.facts, s.tables)
	if err := fs.problems(); err != nil {
		return err
	}
	return s.refuseTables(ctx, cat)
}

// refuseCascades stops at foreign keys that change captured rows behind the log's back.
func (s *source) refuseCascades(ctx context.Context, cat catalog) error {
	if s.facts.logsCascades() {
		return nil
	}
	cs, err := cat.cascades(ctx)
	if err != nil {
		return err
	}
	if cs, err = unaccepted(cs, s.cfg.AcceptFKCascade); err != nil {
		return err
	}
	if len(cs) > 0 {
		return cascadeFault(cs)
	}
	return nil
}

// Stream implements capture.Source.
func (s *source) Stream(ctx context.Context, out chan<- *changelog.Batch) error {
	id := s.cfg.ServerID
	if id == 0 {
		id = rand.Uint32()
		id = max(id, 1<<16) // out of the way of people's own numbering
	}
	r, err := s.conn.startDump(ctx, s.cfg, id, s.from)
	if err != nil {
		return err
	}
	// A read blocks in the kernel: closing the connection is what ends it.
	raw := s.conn.raw
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	st := newStream(s, r, out)
	defer st.close()
	err = st.run(ctx)
	if ctx.Err() != nil { // whatever failed then failed for it
		err = ctx.Err()
	}
	return s.lower(ctx, err)
}

// Ack implements capture.Source. The server keeps no position for us; the log is kept by time.
func (s *source) Ack(p changelog.Position) { s.acked.Store(&p) }

// Stats implements capture.Source.
func (s *source) Stats() capture.Stats { return *s.stats.Load() }

// Close implements capture.Source.
func (s *source) Close() error {
	if s.conn == nil {
		return nil
	}
	_ = s.conn.raw.Close() // after a dump there is nothing to say goodbye with
	s.conn = nil
	return nil
}
