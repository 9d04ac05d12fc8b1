package postgres

import (
	"context"
	"math"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/jackc/pglogrepl"

	"cdcbridge/internal/fault"
)

// This file decides which transactions a read of the tables must see because the stream has given their rows away, and which of
// them it does not see. A commit is in the log before it is visible, and the orders differ: one that waits for a synchronous
// standby may be streamed and stay invisible for hours, while others that came later are visible at once.
//
// From the first read on, each commit that the stream gives away is remembered until it was seen. What was given away before, by
// this process or by one before it, nobody remembers. But whoever committed it had a number then, and so a lower one than a
// transaction of our own that begins afterwards: the floor. That one has ended when a read begins, so the read counts each
// transaction below the floor as ended or names it as running. Those that it names may have committed, as far as the log is
// concerned, and are waited for, unless it is certain that their commit was not in the log when the remembering began:
//   - the stream has given their commit away since, so that they stand in the list with its place; or
//   - what they were seen to do afterwards is nothing that a transaction does which has begun to commit: see sessions.go.
//
// Then their commit, if it comes, is one that the stream gives away later than all that the read must show.

// pending is what reads must see. The stream and Readers share it.
type pending struct {
	on atomic.Bool // somebody reads: the stream tells its commits

	mu       sync.Mutex
	era      uint64 // counts how often the remembering began
	floor    uint64 // below it are those that nobody remembers; 0: not known yet
	commits  []pendingCommit
	harmless map[uint64]bool   // below the floor, and certain not to have been in the log
	doing    map[uint64]string // below the floor: since when its session does what it did at the last look
	working  map[uint64]uint64 // below the floor: the last ticket when a look found it in the middle of something
	tickets  uint64            // of reads, counted
	reads    map[uint64]bool   // the reads that are under way, by their tickets
}

// pendingCommit is a transaction that the stream has given away.
type pendingCommit struct {
	xid  uint32
	end  pglogrepl.LSN // of its commit record
	seen uint64        // the last ticket that was given out when a read saw it; 0: none has
}

// mostPending is how many commits are remembered. When nobody reads for so long, the remembering begins anew.
const mostPending = 1 << 16

// streamed remembers a commit. The stream calls it before the batch with its end leaves.
func (p *pending) streamed(xid uint32, end pglogrepl.LSN) {
	if !p.on.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.commits) >= mostPending {
		p.on.Store(len(p.reads) > 0)
		p.restart()
	}
	p.commits = append(p.commits, pendingCommit{xid: xid, end: end})
}

func (p *pending) restart() {
	p.era++
	p.floor, p.commits, p.harmless, p.doing, p.working = 0, nil, map[uint64]bool{}, map[uint64]string{}, map[uint64]uint64{}
}

// read is one read of a table, from before its snapshot is taken.
type read struct {
	ticket uint64
	era    uint64
}

// begin announces a read over c, on which no transaction is open and which must lead to that server.
func (p *pending) begin(ctx context.Context, c *conn, server *serverFacts) (read, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.on.Load() {
		p.restart()
		p.on.Store(true)
	}
	if p.floor == 0 {
		era := p.era
		p.mu.Unlock()
		own, err := c.ownTransaction(ctx, server)
		p.mu.Lock()
		if err != nil {
			return read{}, err
		}
		if era == p.era && p.floor == 0 {
			p.floor = own
		}
	}
	p.tickets++
	if p.reads == nil {
		p.reads = map[uint64]bool{}
	}
	p.reads[p.tickets] = true
	return read{p.tickets, p.era}, nil
}

// end is for a read that nobody asks about any more.
func (p *pending) end(r read) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.reads, r.ticket)
}

// ownTransaction gives the number of a transaction that begins and ends here. It writes nothing.
func (c *conn) ownTransaction(ctx context.Context, server *serverFacts) (uint64, error) {
	rows, err := c.query(ctx, "BEGIN; SET LOCAL synchronous_commit = off; SELECT pg_current_xact_id(), "+timelineSQL)
	if err != nil {
		return 0, err
	}
	if err := server.sameTimeline(rows[0][1]); err != nil {
		return 0, err
	}
	xid, err := strconv.ParseUint(rows[0][0], 10, 64)
	if err != nil {
		return 0, fault.New(fault.Source, "reading a transaction's number", err, "")
	}
	_, err = c.query(ctx, "COMMIT")
	return xid, err
}

// hidden gives the transactions that a read does not see although the stream has given them away up to that place, or may have.
// It is not ok when it cannot tell, and another read can.
func (p *pending) hidden(r read, snap snapshot, upTo pglogrepl.LSN) (xids []uint64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.era != p.era || p.floor == 0 || p.floor >= snap.max {
		return nil, false
	}
	oldest := uint64(math.MaxUint64)
	for ticket := range p.reads {
		oldest = min(oldest, ticket)
	}
	listed := map[uint64]bool{}
	p.commits = slices.DeleteFunc(p.commits, func(c pendingCommit) bool { return c.seen != 0 && c.seen < oldest })
	for i := range p.commits {
		c := &p.commits[i]
		if snap.sees(c.xid) {
			// So does every read that begins from now on; those that have begun may be older.
			if c.seen == 0 {
				c.seen = p.tickets
			}
			continue
		}
		xid := snap.full(c.xid)
		listed[xid] = true
		if c.end <= upTo {
			xids = append(xids, xid)
		}
	}
	for _, xid := range snap.running {
		if at, was := p.working[xid]; was && r.ticket > at {
			p.harmless[xid] = true // it is the transaction that was at work then
		}
		if xid < p.floor && !listed[xid] && !p.harmless[xid] {
			xids = append(xids, xid)
		}
	}
	return xids, true
}

// looked takes in what transactions that a read has found running were seen to do after its snapshot.
func (p *pending) looked(r read, snap snapshot, l sessions) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.era != p.era {
		return
	}
	for _, xid := range snap.running {
		if xid >= p.floor || p.harmless[xid] {
			continue
		}
		t := l.find(xid)
		if t == nil {
			continue
		}
		if t.client && slices.Contains(inTheMiddle, t.waits) {
			p.working[xid] = p.tickets
		}
		switch before := p.doing[xid]; {
		case t.harmless(l.committers):
			p.harmless[xid] = true
		case t.client && before != "" && t.statement != "" && t.statement != before:
			p.harmless[xid] = true
		case t.client:
			p.doing[xid] = t.statement
		}
	}
}
