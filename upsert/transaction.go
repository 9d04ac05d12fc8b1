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
//   - (−1,−1) as the current id is for takeOver alone, which the open always follows by reading the state: anywhere else it
//     would take the id back from a legitimate successor.

import (
	"context"
	"errors"
	"fmt"
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

	state    *lane // of the state topic: part of every transaction
	phase    phase
	number   uint64 // of the transaction, from 1
	unsure   bool   // classic: some call's outcome was unknown for a while
	touched  bool   // Kafka may know of the open transaction
	ending   bool   // EndTxn was sent: abort must not follow
	closing  bool   // the markers of the last transaction may not be written yet
	noPacing bool   // this user may not describe transactions
	doubted  bool   // a broker may have restarted: see lost.go
	former   string // what the coordinator said of the transaction before takeOver
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
func (p *producer) takeOver(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, takeOverPatience, errTooLate)
	defer cancel()
	if err := p.askFormer(ctx); err != nil {
		return err
	}
	return p.repeat(ctx, kafkawire.CallInitProducerID, "taking over the transactional id "+p.txnID, func(ctx context.Context) (kafkawire.Code, error) {
		id, code, err := p.wire.InitProducerID(ctx, p.txnID, p.timeout, kafkawire.NoProducer)
		p.id = id
		return code, err
	})
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
	p.unsure, p.closing = false, false
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
	if p.unsure {
		if err := p.bump(ctx); err != nil {
			return err
		}
	}
	if err := p.refuseLost(ctx); err != nil {
		return err
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
		return p.awaitMarkers(ctx)
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
	p.closing = false // the coordinator answers ConcurrentTransactions until the markers are written
	for _, l := range missing {
		l.txn = p.number
	}
	return nil
}

// Pacing: a Produce that comes before the markers of the last transaction are written waits for the broker's own retry of
// 20 ms and more, while the coordinator tells in half a millisecond whether they are.
const (
	pacePause = 500 * time.Microsecond
	paceLimit = 30 * time.Millisecond
)

// awaitMarkers waits until the last transaction is complete. It is about speed only, so an answer that does not come is not
// an error: Produce is answered ConcurrentTransactions then.
func (p *producer) awaitMarkers(ctx context.Context) error {
	if !p.closing || p.noPacing {
		return nil
	}
	p.closing = false
	for limit := time.Now().Add(paceLimit); time.Now().Before(limit); {
		state, code, err := p.wire.DescribeTransaction(ctx, p.txnID)
		if err != nil {
			return nil
		}
		if code != kafkawire.OK {
			p.noPacing = code == kafkawire.TransactionalIDAuthorization
			return nil
		}
		if state.Settled() {
			return nil
		}
		if err := kafkawire.Pause(ctx, pacePause); err != nil {
			return err
		}
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
	p.ending, p.closing, p.phase = false, true, idle
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

// repeat makes a call until it is carried out. It ends with an error when the verdict is hard or when ctx ends.
func (p *producer) repeat(ctx context.Context, call kafkawire.Call, op string, do func(context.Context) (kafkawire.Code, error)) error {
	var answered error
	for times := 0; ; times++ {
		attempt, cancel := context.WithTimeout(ctx, p.attemptTime())
		code, err := do(attempt)
		cancel()
		if err != nil {
			if fault.IsFinal(err) {
				return err
			}
			p.doubt(err)
			err = reason(ctx, answered, err)
		} else {
			verdict, _ := kafkawire.Judge(call, p.proto, code)
			if verdict == kafkawire.Done {
				return nil
			}
			err = kafkawire.CodeFault(op, code)
			answered = err
			switch verdict {
			case kafkawire.ResendSame, kafkawire.BackoffRepeat:
			case kafkawire.RefreshMetadata:
				if rerr := p.refresh(ctx, err); rerr != nil {
					return rerr
				}
			default:
				return err
			}
		}
		if werr := p.rest(ctx, times, err); werr != nil {
			return werr
		}
	}
}

// doubt notes that a call may or may not have been carried out.
func (p *producer) doubt(err error) {
	p.counters.repeated.Add(1)
	p.doubted = true
	if p.proto == kafkawire.Classic && !kafkawire.IsUnsent(err) {
		p.unsure = true
	}
}

// refresh is routes.refresh for the middle of a call: an answer that does not come is no error, for the call will be repeated
// and needs one sooner or later. An attempt has the time to make sure that a topic is gone.
func (p *producer) refresh(ctx context.Context, last error) error {
	if p.routes == nil {
		return nil // nothing is routed before the open is through
	}
	for times := 0; ; times++ {
		attempt, cancel := context.WithTimeout(ctx, p.attemptTime()+confirmTimes*confirmPause)
		err := p.routes.refresh(attempt)
		cancel()
		if err == nil || fault.IsFinal(err) {
			return err
		}
		if last == nil {
			last = err
		}
		if werr := p.rest(ctx, times, last); werr != nil {
			return werr
		}
	}
}

// rest waits before a repetition: 1 ms, doubled up to 250 ms; what is only waiting for markers is never kept long. When the
// time is up it returns last, the reason for the repetition.
func (p *producer) rest(ctx context.Context, times int, last error) error {
	d := min(time.Millisecond<<min(times, 8), 250*time.Millisecond)
	if code, ok := codeOf(last); ok && code == kafkawire.ConcurrentTransactions {
		d = min(d, 8*time.Millisecond)
	}
	if kafkawire.Pause(ctx, d) == nil {
		return nil
	}
	if !errors.Is(context.Cause(ctx), errTooLate) {
		return fmt.Errorf("talking to Kafka: %w", context.Cause(ctx))
	}
	if f := fault.As(last); f != nil {
		return fmt.Errorf("%w: %w", errTooLate, last)
	}
	return fault.New(fault.Kafka, "waiting for Kafka", errors.Join(errTooLate, last), hintTooLate)
}
