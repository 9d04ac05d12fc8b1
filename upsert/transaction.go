package upsert

// This file is the one place that runs Kafka transactions: the state machine of one transactional producer.
//
//	          takeOver                write                     commit
//	(nothing) ───────▶ idle ─────────────────────▶ open ─────────────────────▶ idle
//	                    ▲    bump (classic, unsure)  │ write: more of it
//	                    └────────────────────────────┤
//	                                                 │ any doubt
//	                                                 ▼
//	                                               broken: only rollback is left; the next open takes the id over
//
// What must hold, whatever Kafka and the network do:
//
//   - A partition joins the transaction before its first record is appended: AddPartitionsToTxn has succeeded (classic; also
//     KIP-890 with several leaders, which else collide at the coordinator), or Produce v12 adds it itself.
//   - Until a call's answer is definite the same call is repeated: the same bytes with the same sequence, the same EndTxn.
//     After the transaction's deadline, two thirds of its timeout, the producer is broken and the open decides by the log.
//   - The opposite EndTxn never follows one whose outcome is unknown.
//   - Classic: one epoch lasts for many transactions, so a late copy of a request could still touch a later one. After any call
//     whose outcome was unknown for a while, the epoch is raised with our own id before the next transaction begins.
//     KIP-890 raises it with every EndTxn; sequences then start at 0 again.
//   - A transaction begins when the last one has ended in all of its partitions: see lost.go.
//   - What is written while no transaction is open, rows of delivery: at_least_once, has the same producer id and epoch. A request
//     of theirs that comes late is then refused in every partition that a newer epoch has written to, and its rows come again
//     before that (docs/adr/0022).
//   - (−1,−1) as the current id is for takeOver alone, which the open always follows by reading the state: anywhere else it
//     would take the id back from a legitimate successor.

import (
	"context"
	"errors"
	"time"

	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

type phase uint8

const (
	idle phase = iota
	open
	broken
)

// producer is one transactional producer. It belongs to the committer, but for the counters.
type producer struct {
	wire     *kafkawire.Client
	txnID    string
	timeout  time.Duration
	proto    kafkawire.Protocol
	id       kafkawire.ProducerID
	routes   *routes
	counters *counters

	state   *lane // of the state topic: part of every transaction
	offsets *lane // of __consumer_offsets, where it may be watched: see group.go
	phase   phase
	number  uint64 // of the transaction, from 1
	unsure  bool   // classic: some call's outcome was unknown for a while
	touched bool   // Kafka may know of the open transaction
	ending  bool   // EndTxn was sent: abort must not follow
	last    int64  // producer id of the last transaction
	closing bool   // the markers of the last transaction may not be written yet
	doubted bool   // a call had no answer since the last transaction began: see lost.go
}

// errTooLate is the cause of a context that ends because its transaction, or our patience, has no time left.
var errTooLate = errors.New("gave up waiting for Kafka")

const hintTooLate = "Kafka did not answer in time; the pipeline opens again from its checkpoint. If this repeats, look at the brokers' load, or raise transaction_timeout."

// deadline is when the open transaction must have ended: it leaves a third of the timeout, so that Kafka never aborts under a
// call of ours.
func (p *producer) deadline() time.Time {
	return time.Unix(0, p.counters.began.Load()).Add(p.timeout * 2 / 3)
}

// attemptTime bounds one call: a broker that hangs must not use up the transaction's whole time.
func (p *producer) attemptTime() time.Duration { return p.timeout / 3 }

// takeOverPatience is how long a coordinator may need to form, load or end the former holder's transaction.
const takeOverPatience = 60 * time.Second

// takeOver fences and aborts whoever held the transactional id, and waits for the markers. The state must be read after it.
// ended is called with what the coordinator says of the newest transaction, once that is over and before it is forgotten:
// InitProducerID makes the coordinator forget. takeOver returns what it said last.
func (p *producer) takeOver(ctx context.Context, ended func(context.Context, *producer, kafkawire.TransactionState) error) (newest kafkawire.TransactionState, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, takeOverPatience, errTooLate)
	defer cancel()
	var stop error
	err = p.repeat(ctx, kafkawire.CallInitProducerID, "taking over the transactional id "+p.txnID, func(attempt context.Context) (kafkawire.Code, error) {
		said, code, err := p.wire.DescribeTransaction(attempt, p.txnID)
		switch {
		case err != nil:
			return code, err
		case code == kafkawire.TransactionalIDNotFound:
			said = kafkawire.TransactionState{}
		case code != kafkawire.OK:
			return code, nil
		case said.State != "Ongoing" && !said.Settled():
			return kafkawire.ConcurrentTransactions, nil
		}
		if newest = said; said.State != "Ongoing" { // InitProducerID will only begin to abort that
			switch stop = ended(ctx, p, said); {
			case errors.Is(stop, errMoved):
				return kafkawire.ConcurrentTransactions, nil
			case stop != nil:
				return kafkawire.UnknownServerError, nil // not repeated
			}
		}
		attempt, cancel := context.WithTimeout(ctx, p.attemptTime())
		defer cancel()
		id, code, err := p.wire.InitProducerID(attempt, p.txnID, p.timeout, kafkawire.NoProducer)
		p.id = id
		return code, err
	})
	p.unsure, p.doubted = false, false // no transaction of ours is older
	if stop != nil && !errors.Is(stop, errMoved) {
		return newest, stop
	}
	return newest, err
}

// bump raises the epoch with our own id, so that late copies of earlier requests are refused. Whatever is not a success may
// mean that somebody else has the id now: the open sorts it out.
func (p *producer) bump(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, errTooLate)
	defer cancel()
	current, op := p.id, "raising the producer epoch"
	err := p.repeat(ctx, kafkawire.CallInitProducerID, op, func(ctx context.Context) (kafkawire.Code, error) {
		id, code, err := p.wire.InitProducerID(ctx, p.txnID, p.timeout, current)
		if err != nil && !kafkawire.IsUnsent(err) {
			return kafkawire.UnknownServerError, nil // not repeated: the judge calls it a reopen
		}
		p.id = id
		return code, err
	})
	if err != nil {
		return err
	}
	p.routes.restart()
	p.unsure = false
	return nil
}

// begin opens a transaction if none is open. Kafka learns of it by the first AddPartitions or Produce.
func (p *producer) begin(ctx context.Context) error {
	switch p.phase {
	case open:
		return nil
	case broken:
		return fault.New(fault.Internal, "beginning a transaction", errors.New("the last one failed"), "The pipeline must be opened again.")
	}
	if err := p.awaitEnd(ctx); err != nil {
		return err
	}
	if p.unsure {
		if err := p.bump(ctx); err != nil {
			return err
		}
	}
	p.number++
	p.counters.began.Store(time.Now().UnixNano())
	p.phase, p.touched = open, false
	return nil
}

// write makes parts a piece of the open transaction, beginning one if needed. It returns when all of them are acknowledged.
func (p *producer) write(ctx context.Context, parts []Part) (err error) {
	defer func() { p.breakOn(err) }()
	if err := p.begin(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithDeadlineCause(ctx, p.deadline(), errTooLate)
	defer cancel()
	busy, err := p.enqueue(parts)
	if err != nil {
		return err
	}
	if err := p.freshen(ctx); err != nil {
		return err
	}
	p.touched = true
	if err := p.enlist(ctx, busy); err != nil {
		return err
	}
	return p.deliver(ctx, busy)
}

// append writes parts outside of any transaction. It returns when all of them are acknowledged, and so are readable.
func (p *producer) append(ctx context.Context, parts []Part) (err error) {
	defer func() { p.breakOn(err) }()
	if p.phase != idle {
		return fault.New(fault.Internal, "writing rows", errors.New("a transaction is open, or the last one failed"), "The pipeline must be opened again.")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout*2/3, errTooLate)
	defer cancel()
	busy, err := p.enqueue(parts)
	if err != nil {
		return err
	}
	if err := p.freshen(ctx); err != nil {
		return err
	}
	return p.deliver(ctx, busy)
}

// enqueue puts each part into the lane of its partition and returns the lanes that have something to send.
func (p *producer) enqueue(parts []Part) ([]*lane, error) {
	var busy []*lane
	for i := range parts {
		l, err := p.routes.lane(parts[i].Topic, parts[i].Partition)
		if err != nil {
			return nil, err
		}
		if len(l.queue) == 0 {
			busy = append(busy, l)
		}
		l.queue = append(l.queue, &parts[i])
	}
	return busy, nil
}

// enlist adds the lanes' partitions to the transaction, unless Produce does that by itself.
func (p *producer) enlist(ctx context.Context, busy []*lane) error {
	var missing []*lane
	leaders := map[int32]bool{}
	for _, l := range busy {
		leaders[l.leader] = true
		if l.txn != p.number {
			missing = append(missing, l)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if p.proto == kafkawire.KIP890 && len(leaders) == 1 {
		return nil
	}
	if p.state.txn != p.number && p.state.queue == nil {
		missing = append(missing, p.state) // it joins in any case: one call fewer at the commit
	}
	at := make([]kafkawire.TopicPartition, len(missing))
	for i, l := range missing {
		at[i] = l.at
	}
	err := p.repeat(ctx, kafkawire.CallAddPartitions, "adding partitions to the transaction", func(ctx context.Context) (kafkawire.Code, error) {
		_, code, err := p.wire.AddPartitions(ctx, p.txnID, p.id, at)
		return code, err
	})
	if err != nil {
		return err
	}
	for _, l := range missing {
		l.txn = p.number
	}
	return nil
}

// commit ends the open transaction. Its success means that everything in it is readable for good.
func (p *producer) commit(ctx context.Context) (err error) {
	defer func() { p.breakOn(err) }()
	if p.phase != open {
		return fault.NewFinal(fault.Internal, "committing", errors.New("no transaction is open"), "Report this as a bug.")
	}
	ctx, cancel := context.WithDeadlineCause(ctx, p.deadline(), errTooLate)
	defer cancel()
	p.ending = true
	next := p.id
	err = p.repeat(ctx, kafkawire.CallEndTxn, "committing the transaction", func(ctx context.Context) (kafkawire.Code, error) {
		id, code, err := p.wire.EndTxn(ctx, p.proto, p.txnID, p.id, true)
		if err == nil && code == kafkawire.OK {
			next = id
		}
		return code, err
	})
	if err != nil {
		return err
	}
	p.ending, p.closing, p.last, p.phase = false, true, p.id.ID, idle
	p.counters.began.Store(0)
	if p.proto == kafkawire.KIP890 {
		p.id = next
		p.unsure = false
		p.routes.restart()
	}
	return nil
}

// rollback aborts the open transaction so that readers need not wait for its timeout. It is a courtesy: what it cannot do,
// the timeout or the next takeOver does. The producer is broken afterwards.
func (p *producer) rollback(ctx context.Context) error {
	mine := p.counters.began.Swap(0) != 0 && p.touched && !p.ending
	p.phase = broken
	if !mine {
		return nil
	}
	_, code, err := p.wire.EndTxn(ctx, p.proto, p.txnID, p.id, false)
	if err == nil && code != kafkawire.OK {
		err = kafkawire.CodeFault("aborting the transaction", code)
	}
	if err != nil {
		return err
	}
	p.counters.aborted.Add(1)
	return nil
}

// breakOn makes the producer broken by an error: what it has in memory is no longer what Kafka has.
func (p *producer) breakOn(err error) {
	if err == nil {
		return
	}
	p.phase = broken
	if code, ok := codeOf(err); ok && ownershipInDoubt(code) {
		p.counters.began.Store(0) // there is no transaction of ours to abort
	}
}
