package mysql

import (
	"context"
	"fmt"

	"cdcbridge/internal/fault"
)

// This file keeps prepared XA transactions. An XA PREPARE has the rows and a GTID of its own, and nobody sees the rows before
// an XA COMMIT, which has another GTID and no rows. So the rows wait here and leave with the commit, and until it comes the
// checkpoint must make the server send the PREPARE again: its GTID stays out of the set, or reading begins before it.

// heldXA is how many bytes of prepared transactions are kept at most. They come with the server's events and not with ours,
// so they cannot wait on disk or on back-pressure.
const heldXA = 64 << 20

// preparedXA is one prepared transaction.
type preparedXA struct {
	id     string
	gtid   gtid
	from   resumePoint // where reading must begin for it to come again
	events []rowsInTxn
	size   int
}

// xaStore is the prepared transactions in log order.
type xaStore struct {
	prepared []*preparedXA
	size     int // bytes of their events and of those of the current transaction
	current  int // of the current transaction
}

// hold keeps an event of the current XA transaction.
func (s *stream) hold(ev rowsInTxn) error {
	ev.rows = ev.rows.clone()
	size := len(ev.rows.Rows)
	if n := len(s.txn.events); n == 0 || s.txn.events[n-1].query != ev.query {
		size += len(ev.query)
	}
	s.txn.events = append(s.txn.events, ev)
	s.xa.current += size
	s.xa.size += size
	if s.xa.size > heldXA {
		return fault.NewFinal(fault.Source, "keeping prepared XA transactions", fmt.Errorf("their rows in captured tables have more than %d bytes", heldXA),
			"Nothing was skipped, and this log cannot be read on: settle forgotten ones (XA RECOVER shows them), make XA transactions smaller, and start over as docs/operations.md says.")
	}
	return nil
}

// xaPrepare handles the event that ends the rows of an XA transaction.
func (s *stream) xaPrepare(ctx context.Context, onePhase bool) error {
	t := &s.txn
	if t.xa == "" {
		return badEvent("reading the binlog stream", "an XA_PREPARE event stands outside of an XA transaction")
	}
	p := &preparedXA{id: t.xa, gtid: t.gtid, from: s.beforeTxn(), events: append([]rowsInTxn(nil), t.events...), size: s.xa.current}
	t.xa, t.events, s.xa.current = "", clipped(t.events), 0
	if !onePhase {
		t.prepared = true
		s.leave(func(tr *trail) { tr.settled(p.id) })
		s.xa.prepared = append(s.xa.prepared, p)
		return s.finish("XA PREPARE")
	}
	s.xa.size -= p.size
	if err := s.release(ctx, p); err != nil {
		return err
	}
	return s.finish("XA COMMIT")
}

// xaFinish handles XA COMMIT and XA ROLLBACK of a prepared transaction.
func (s *stream) xaFinish(ctx context.Context, id string, commit bool) error {
	t := &s.txn
	if commit {
		s.leave(func(tr *trail) { tr.settle(id) })
	}
	for _, p := range s.xa.prepared {
		if p.id != id {
			continue
		}
		t.settles = p
		if commit {
			if err := s.release(ctx, p); err != nil {
				return err
			}
		}
		return s.finish("XA COMMIT")
	}
	if commit && !t.quiet && s.cfg.OnTruncate == truncateFail {
		return fault.NewFinal(fault.Diverged, "reading the binlog stream", fmt.Errorf("XA COMMIT %s commits what was prepared before the start of this stream", id),
			"Its rows are not in what was read. Snapshot the tables again, or set on_truncate to note if it concerns none of them.")
	}
	return s.finish("XA COMMIT")
}

// release lets the rows of a prepared transaction go, as rows of the current one.
func (s *stream) release(ctx context.Context, p *preparedXA) error {
	if s.txn.quiet {
		return nil
	}
	for i := range p.events {
		if err := s.append(ctx, &p.events[i]); err != nil {
			return err
		}
	}
	return nil
}

// settle forgets the transaction that t settled, now that the position passes t.
func (x *xaStore) settle(t *txn, gtids gtidState) {
	p := t.settles
	if p == nil {
		return
	}
	for i := range x.prepared {
		if x.prepared[i] == p {
			x.prepared = append(x.prepared[:i], x.prepared[i+1:]...)
			break
		}
	}
	x.size -= p.size
	if gtids != nil && gtids.holes() {
		gtids.put(p.gtid)
	}
}

// resume is where reading must begin for the prepared transactions to come again, nil when the position itself will do.
func (x *xaStore) resume(gtids gtidState) *resumePoint {
	if len(x.prepared) == 0 || gtids != nil && gtids.holes() {
		return nil
	}
	return &x.prepared[0].from
}
