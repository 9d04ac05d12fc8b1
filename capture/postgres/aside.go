package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"

	"cdcbridge/internal/fault"
)

// This file is about a source that somebody only looks through (capture.Env.Aside). It reads by the pipeline's publication and by a slot of
// its own that ends with its connection.

// aside is the configuration of such a source.
func (c *Config) aside() *Config {
	a := *c
	a.Slot = "cdcbridge_aside_" + strings.ToLower(rand.Text()[:12])
	a.Create, a.Failover, a.EmitInterval = createNone, false, 0
	a.OnTruncate, a.UnchangedValues = truncateNote, unchangedLeave
	a.Streaming = false // what has not been committed would need room on a disk
	return &a
}

// prepareAside gives a temporary slot. The publication is taken as it is: an altered one would be the daemon's, too.
func (s *source) prepareAside(ctx context.Context) (*slotFacts, error) {
	ts, err := s.catalog().read(ctx)
	if err != nil {
		return nil, err
	}
	p, err := readPublication(ctx, s.side, s.cfg.Publication)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, fault.NewFinal(fault.SourceSettings, opPublication, errors.New("there is no publication "+s.cfg.Publication+", and the server sends nothing without one"),
			"Start the pipeline once, which makes it, or run "+createPublicationSQL(s.cfg, ts.wanted)+".")
	}
	if err := p.problem(s.cfg); err != nil {
		return nil, err
	}
	if missing := unpublished(ts); len(missing) > 0 {
		s.env.Log.Warn("tables match and are not in the publication: their changes are not shown", "publication", p.name, "tables", names(missing))
	}
	s.published = p.oid
	// By the session that streams: nobody else can use a temporary slot.
	if err := s.createSlot(ctx, s.repl, "SELECT lsn FROM pg_create_logical_replication_slot("+quote(s.cfg.Slot)+", '"+plugin+"', true, false)"); err != nil {
		return nil, err
	}
	return s.madeSlot(ctx)
}
