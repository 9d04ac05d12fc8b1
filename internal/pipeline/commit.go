package pipeline

import (
	"context"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/upsert"
)

// writer is the part of upsert.Sink that the committer uses.
type writer interface {
	Write(ctx context.Context, c *upsert.Chunk) error
	Report(p upsert.Progress)
	Commit(ctx context.Context, cp changelog.Checkpoint, last *upsert.Chunk) (upsert.Committed, error)
	Settle(ctx context.Context) error
	Truncate(ctx context.Context, list []upsert.Truncation) (began time.Time, err error)
}

// committer writes chunks in order and decides where a transaction ends. It is the only one that talks to Kafka while
// the pipeline runs, apart from the feeder's look at new topics.
type committer struct {
	sink       writer
	ack        func(changelog.Position)
	policy     CommitPolicy
	splitAfter time.Duration   // age at which any transaction is committed, even inside a source transaction
	release    func(int64)     // gives memory back to the feeder
	wanted     chan<- struct{} // asks the feeder for what it gathers
	eager      bool            // rows are readable as soon as they are written: the feeder is asked for them between two commits too
	stats      *counters

	next       merged    // covers everything written so far
	began      time.Time // first write of the open transaction, zero: none
	bytes      int64     // written into it
	inTxn      bool      // next is inside a source transaction
	drained    bool      // the source had nothing more after the last chunk
	commitTime int64     // source commit time of the newest transaction in next
	watermark  int64     // of what comes after next; 0: not known
	moved      bool      // next is ahead of what is committed
	soon       bool      // the source waits for next to be committed
	last       time.Time // end of the last commit
	asked      bool      // what the feeder has gathered is on its way
}

// splitBytes is how many times max_bytes a transaction may grow before it is split inside a source transaction.
const splitBytes = 4

// busyGaps is how many times min_gap lies between two commits of a busy stream with which the daemon keeps up: more is always waiting,
// but it is no backlog, of which max_interval makes few large transactions.
const busyGaps = 3

// freshness is how old the newest change may be that belongs to no backlog, by the clocks of the database and of this machine. Where these
// differ, a stream is taken for a backlog or a backlog for a stream, which costs latency or some commits and nothing else.
const freshness = 2 * time.Second

// keepAlive is how often a state-only transaction is written when nothing moves, so that the cluster does not forget the
// transactional id (transactional.id.expiration.ms is seven days by default).
const keepAlive = 24 * time.Hour

func (c *committer) run(ctx context.Context, queue <-chan *job) error {
	c.last = time.Now()
	timer := time.NewTimer(c.policy.IdleInterval)
	defer timer.Stop()
	for {
		now := time.Now()
		c.ask(now)
		wait := c.due(now, c.asked || len(queue) > 0)
		if wait <= 0 {
			if err := c.commit(ctx, nil); err != nil {
				return err
			}
			continue
		}
		var wanted chan<- struct{}
		switch gap := c.gap(now); {
		case c.asked:
		case gap > 0:
			wait = min(wait, gap)
		default:
			wanted = c.wanted
		}
		timer.Reset(wait)
		select {
		case j, ok := <-queue:
			if !ok {
				return c.drain(ctx)
			}
			c.asked = false
			if err := c.write(ctx, j, len(queue) > 0); err != nil {
				return err
			}
		case wanted <- struct{}{}:
			c.asked = true
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// gap is in how long rows could be committed that are written now, as far as nothing else is known of them; 0 or less: now.
func (c *committer) gap(now time.Time) time.Duration {
	if c.eager {
		return 0
	}
	return c.policy.MinGap - now.Sub(c.last)
}

// ask has the feeder hand on what it has gathered, if that could be committed.
func (c *committer) ask(now time.Time) {
	if c.asked || c.gap(now) > 0 {
		return
	}
	select {
	case c.wanted <- struct{}{}:
		c.asked = true
	default:
	}
}

// due says in how long a commit is due if nothing else happens; 0 or less: now.
func (c *committer) due(now time.Time, more bool) time.Duration {
	switch {
	case c.began.IsZero() && c.moved && c.soon:
		return c.policy.MinGap - now.Sub(c.last)
	case c.began.IsZero() && c.moved:
		return c.policy.IdleInterval - now.Sub(c.last)
	case c.began.IsZero():
		return keepAlive - now.Sub(c.last)
	case c.inTxn:
		if c.bytes >= splitBytes*c.policy.MaxBytes {
			return 0
		}
		return c.splitAfter - now.Sub(c.began)
	case c.bytes >= c.policy.MaxBytes:
		return 0
	case c.drained && !more:
		return min(c.policy.MinGap-now.Sub(c.last), c.oldest(now))
	case c.drained, c.fresh(now):
		return min(busyGaps*c.policy.MinGap-now.Sub(c.last), c.oldest(now))
	default:
		return c.oldest(now)
	}
}

// fresh reports that the newest change written was made just now.
func (c *committer) fresh(now time.Time) bool {
	return c.commitTime != 0 && now.Sub(time.UnixMicro(c.commitTime)) < freshness
}

// oldest is how much longer the open transaction may stay open between two source transactions.
func (c *committer) oldest(now time.Time) time.Duration {
	return min(c.policy.MaxInterval, c.splitAfter) - now.Sub(c.began)
}

// write makes a chunk a part of the open transaction, and commits that if it is due then: the end of a transaction travels with its last rows.
func (c *committer) write(ctx context.Context, j *job, more bool) error {
	select {
	case <-j.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := c.truncate(ctx, j.truncations); err != nil {
		return err
	}
	c.add(j.chunk)
	var err error
	if c.due(time.Now(), more) <= 0 {
		err = c.commit(ctx, j.chunk)
	} else if len(j.chunk.Parts) > 0 {
		err = c.sink.Write(ctx, j.chunk)
	}
	if err != nil {
		return err
	}
	c.stats.inFlight.Add(-j.held)
	c.release(j.held)
	return nil
}

// add counts a chunk as a part of the open transaction.
func (c *committer) add(chunk *upsert.Chunk) {
	if len(chunk.Parts) > 0 && c.began.IsZero() {
		c.began = time.Now()
		c.stats.openSince.Store(c.began.UnixMicro())
	}
	for _, next := range chunk.Next {
		c.moved = c.next.add(next) || c.moved
	}
	c.bytes += int64(chunk.Bytes)
	c.inTxn, c.drained, c.soon = chunk.InTxn, chunk.Drained, c.soon || chunk.Soon
	c.commitTime, c.watermark = later(c.commitTime, chunk.Commit), later(c.watermark, chunk.Watermark)
	c.stats.written(chunk)
}

// commit ends the transaction with a chunk that is counted and not written, nil: none.
func (c *committer) commit(ctx context.Context, last *upsert.Chunk) error {
	begin := time.Now()
	c.sink.Report(upsert.Progress{Watermark: c.watermark, CommitTime: c.commitTime, InTxn: c.inTxn})
	done, err := c.sink.Commit(ctx, c.next.Checkpoint, last)
	if err != nil {
		return err
	}
	c.ack(c.next.Pos)
	c.last = time.Now()
	c.stats.committed(c, done, c.last.Sub(begin))
	c.began, c.bytes, c.moved, c.soon = time.Time{}, 0, false, false
	c.next.committed()
	return c.sink.Settle(ctx) // while nothing waits for it
}

// drain commits what is left when the source has ended in an orderly way.
func (c *committer) drain(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if c.began.IsZero() && !c.moved {
		return nil
	}
	return c.commit(ctx, nil)
}

// later is the later of two times, of which 0 is none.
func later(a, b int64) int64 {
	if a == 0 || b != 0 && b > a {
		return b
	}
	return a
}
