package postgres

import (
	"context"
	"errors"
	"time"

	"cdcbridge/changelog"
)

// linger is how long what has been read waits for more while the server has not said that it has none. A backlog comes with
// pauses, and to hand over and commit what lies between two of them costs more than to read it.
const linger = 20 * time.Millisecond

// drained hands over what is there when nothing more has come. Between the messages of a transaction it waits: the server writes
// them together.
func (s *stream) drained(ctx context.Context) error {
	if s.txn.active {
		return nil
	}
	now := time.Now()
	if now.Sub(s.looked) >= lookAgain {
		if err := s.checkPublications(ctx); err != nil {
			return err
		}
	}
	all := s.atEnd || now.Sub(s.r.heard) >= linger
	switch {
	case len(s.batch.Txns) > 0, s.moved && len(s.batch.Notes) > 0:
		if s.held.IsZero() {
			s.held = now
		}
		if all || now.Sub(s.held) >= linger {
			return s.emit(ctx, all)
		}
	case s.due(), s.owing && all, s.moved && (now.Sub(s.sent) >= idleMove || s.urgent || s.grown()):
		return s.emit(ctx, all)
	}
	if now.Sub(s.shown) > 100*time.Millisecond {
		s.publishStats()
	}
	return nil
}

// grown reports that so much log has passed that the server should soon be allowed to forget it.
func (s *stream) grown() bool { return s.pos.lsn-s.urged >= idleGrowth }

// size is what the batch takes in memory once its gaps are filled.
func (s *stream) size() int { return s.batch.Size() + s.owed }

// emit gives the batch away with the position after it and begins a new one.
func (s *stream) emit(ctx context.Context, drained bool) error {
	b := s.batch
	if len(s.gaps) > 0 {
		if err := s.aside(func() error { return s.src.complete(ctx, b, s.gaps) }); err != nil {
			return err
		}
		clear(s.gaps)
		s.gaps, s.owed = s.gaps[:0], 0
	}
	s.markPassed()
	s.text = s.pos.appendText(s.text[:0])
	b.Next.Pos, b.Drained = changelog.Position(s.text), drained
	if s.urgent || s.grown() {
		b.Soon, s.urged, s.urgent = true, s.pos.lsn, false
	}
	s.stats.Transactions += uint64(len(b.Txns))
	s.stats.Changes += uint64(len(b.Changes))
	if b.InTxn() {
		s.stats.Transactions--
	}
	s.batch, s.moved, s.owing, s.held = nil, false, !drained, time.Time{}
	s.publishStats()
	if err := s.hand(ctx, b); err != nil {
		return err
	}
	s.batch, s.sent, s.filled = changelog.NewBatch(), time.Now(), 0
	return nil
}

// hand waits until the batch is taken and keeps the connection alive meanwhile. From then on the batch is the reader's, whatever
// goes wrong next; one that nobody takes is released.
func (s *stream) hand(ctx context.Context, b *changelog.Batch) error {
	s.timer.Reset(min(tick, s.r.beat))
	defer s.timer.Stop()
	for {
		select {
		case s.out <- b:
			return s.r.alive()
		case <-s.done:
			b.Release()
			return ctx.Err()
		case <-s.timer.C:
			if err := s.r.alive(); err != nil {
				b.Release()
				return err
			}
			s.timer.Reset(min(tick, s.r.beat))
		}
	}
}

// aside runs something that takes time, not on the stream's connection, and keeps that alive meanwhile.
func (s *stream) aside(do func() error) error {
	result := make(chan error, 1)
	go func() { result <- do() }()
	ticker := time.NewTicker(min(tick, s.r.beat))
	defer ticker.Stop()
	for {
		select {
		case err := <-result:
			return err
		case <-ticker.C:
			if err := s.r.alive(); err != nil {
				return errors.Join(err, <-result)
			}
		}
	}
}

func (s *stream) checkPublications(ctx context.Context) error {
	s.looked = time.Now()
	return s.aside(func() error { return s.tables.catalog.checkPublications(ctx) })
}

// caughtUp reports that the server has nothing more, as far as is known. That nothing comes does not say so: a server also
// sends nothing while it reads the log from where the slot's oldest transaction began.
func (s *stream) caughtUp() bool {
	return !s.queued && uint64(s.pos.lsn) >= s.src.end.Load()
}

func (s *stream) publishStats() {
	s.shown = time.Now()
	st := s.stats
	st.Bytes, st.Position, st.CaughtUp, st.LastEvent = s.r.bytes, s.pos.people(), s.caughtUp(), s.r.heard.UnixMicro()
	s.src.stats.Store(&st)
}
