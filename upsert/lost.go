package upsert

// This file is the one place that deals with transactions that Kafka has decided and never ended.
//
// A coordinator that comes back while the partitions of a transaction have no leader takes them for deleted, and calls the
// transaction complete without control batches ("likely deleted already and hence can be skipped" in the broker's log). A
// single broker that was killed and started again does that in most cases. The records are then neither readable nor gone:
// they hold read_committed readers back, and whatever ends our next transaction in their partitions decides them along with it.
// After a reopen that would make rows readable that the checkpoint does not cover, and that come again.
//
// So no transaction begins before such records are decided as the coordinator had decided them: by an empty transaction that
// has the same partitions. The leaders tell where they are.

import (
	"context"
	"encoding/json"
	"fmt"

	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// lostRounds bounds how often ending what was lost may be lost itself.
const lostRounds = 5

const opLost = "ending a transaction that Kafka left open"

// askFormer asks the coordinator what became of the last transaction. After InitProducerID it no longer knows.
func (p *producer) askFormer(ctx context.Context) error {
	p.former = ""
	err := p.repeat(ctx, kafkawire.CallDescribeTransaction, "describing the last transaction", func(ctx context.Context) (kafkawire.Code, error) {
		state, code, err := p.wire.DescribeTransaction(ctx, p.txnID)
		p.former = state.State
		if code == kafkawire.TransactionalIDNotFound || code == kafkawire.TransactionalIDAuthorization {
			code = kafkawire.OK // there was none; or InitProducerID will say the same
		}
		return code, err
	})
	return err
}

// decision is how the coordinator decided the last transaction before takeOver. covered says that the state has an undecided
// position: it is written last, so all rows of the transaction are there.
func (p *producer) decision(covered bool) (commit bool, err error) {
	switch p.former {
	case "PrepareCommit", "CompleteCommit":
		return true, nil
	case "Ongoing", "PrepareAbort", "CompleteAbort", "PrepareEpochFence":
		return false, nil
	}
	if covered { // an open that was interrupted has taken the id over since; only a commit leaves that behind
		return true, nil
	}
	return false, fault.NewFinal(fault.TransactionsDown, opLost, fmt.Errorf("producer %s has undecided records, and the coordinator says %q of its last transaction", p.id, p.former),
		"Look for the transaction with kafka-transactions.sh find-hanging, end it with its abort command, and restart the daemon.")
}

// endLost checks the pins, and ends the last transaction in the partitions where Kafka has left it open. The state is read
// anew if there were any.
func (s *Sink) endLost(ctx context.Context, txn *producer) error {
	for round := 0; ; round++ {
		if err := s.checkPins(ctx); err != nil {
			return err
		}
		at := []kafkawire.TopicPartition{s.stateAt()}
		for _, n := range s.pins.all() {
			for i := int32(0); i < n.Partitions && n.topic != s.state.Name; i++ {
				at = append(at, kafkawire.TopicPartition{Topic: n.topic, Partition: i})
			}
		}
		lost, err := s.wire.Undecided(ctx, at, txn.id.ID)
		if err != nil || len(lost) == 0 {
			return err
		}
		if round == lostRounds {
			return lostFault(lost)
		}
		commit, err := txn.decision(s.reader.covers(txn.id.ID))
		if err != nil {
			return err
		}
		s.log.Warn("Kafka has lost the end of the last transaction, it is ended again", "partitions", len(lost), "commit", commit)
		if err := txn.endEmpty(ctx, lost, commit); err != nil {
			return err
		}
		if err := txn.takeOver(ctx); err != nil { // it waits for the control batches
			return err
		}
		if err := s.refuseSuccessor(ctx); err != nil {
			return err
		}
	}
}

// endEmpty runs a transaction that has these partitions and no record.
func (p *producer) endEmpty(ctx context.Context, at []kafkawire.TopicPartition, commit bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout*2/3, errTooLate)
	defer cancel()
	err := p.repeat(ctx, kafkawire.CallAddPartitions, opLost, func(ctx context.Context) (kafkawire.Code, error) {
		_, code, err := p.wire.AddPartitions(ctx, p.txnID, p.id, at)
		return code, err
	})
	if err != nil {
		return err
	}
	return p.repeat(ctx, kafkawire.CallEndTxn, opLost, func(ctx context.Context) (kafkawire.Code, error) {
		_, code, err := p.wire.EndTxn(ctx, p.proto, p.txnID, p.id, commit)
		return code, err
	})
}

// refuseLost is for the next transaction after a broker may have restarted: when the last one was left open, this attempt ends,
// and the next open sees to it. That a broker may have restarted is known by calls without an answer and by leaders with a new
// epoch.
func (p *producer) refuseLost(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, errTooLate)
	defer cancel()
	if err := p.freshen(ctx); err != nil {
		return err
	}
	if !p.doubted && !p.routes.moved {
		return nil
	}
	err := p.repeat(ctx, kafkawire.CallDescribeTransaction, "waiting for the end of the last transaction", func(ctx context.Context) (kafkawire.Code, error) {
		state, code, err := p.wire.DescribeTransaction(ctx, p.txnID)
		switch {
		case code == kafkawire.TransactionalIDAuthorization: // then Undecided may come too early, which costs a reopen
			code = kafkawire.OK
		case err == nil && code == kafkawire.OK && !state.Settled():
			code = kafkawire.ConcurrentTransactions
		}
		return code, err
	})
	if err != nil {
		return err
	}
	var at []kafkawire.TopicPartition
	for _, rt := range p.routes.order {
		for i := range rt.lanes {
			if l := &rt.lanes[i]; l.at.Topic != p.state.at.Topic || l == p.state {
				at = append(at, l.at)
			}
		}
	}
	lost, err := p.wire.Undecided(ctx, at, p.id.ID)
	if err == nil && len(lost) > 0 {
		err = lostFault(lost)
	}
	if err != nil {
		return err
	}
	p.doubted, p.routes.moved = false, false
	return nil
}

// freshen looks at leaders and pins when that was a while ago.
func (p *producer) freshen(ctx context.Context) error {
	if !p.routes.stale() {
		return nil
	}
	return p.refresh(ctx, nil)
}

func lostFault(lost []kafkawire.TopicPartition) error {
	return fault.New(fault.TransactionsDown, opLost, fmt.Errorf("there is no control batch in %s and %d other partitions", lost[0], len(lost)-1),
		"A broker was restarted while it ended a transaction. The pipeline opens again and ends it by itself; if this repeats, look at the brokers' logs.")
}

// covers reports whether the partition has a position of ours that is undecided.
func (r *stateReader) covers(producer int64) (found bool) {
	r.reader.PendingOf(producer, func(key []byte) {
		var k stateKey
		found = found || json.Unmarshal(key, &k) == nil && k.Pipeline == r.pipeline && k.Kind == kindPosition
	})
	return found
}
