package upsert

// This file is the one place that deals with transactions that Kafka has decided and never ended.
//
// A coordinator that has the control batches of a transaction to write takes partitions that have no leader just then for
// deleted, and calls the transaction complete without them ("likely deleted already and hence can be skipped" in the broker's
// log). A single broker that was killed and started again does that in most cases; with several it takes a partition that has
// lost all replicas. The records are then neither readable nor gone: they hold read_committed readers back, and whatever ends
// our next transaction in such a partition decides them along with it. An abort would lose committed rows, a commit would make
// aborted ones readable, which come again.
//
// Three rules keep that away:
//
//   - No transaction begins before the last one has ended in every partition that it has: awaitEnd. What is left open is
//     therefore always of the coordinator's newest transaction, and all of one.
//   - The coordinator forgets in InitProducerID how its newest transaction was decided. So the open ends what is left before
//     it calls InitProducerID, by control batches of its own: endLost. An open that dies anywhere leaves to the next one what
//     it has found itself.
//   - When nobody knows any more how a transaction was decided, a person must look.

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// lostRounds bounds how often control batches may be lost while others are written.
const lostRounds = 5

// errMoved says that the coordinator has gone on since it was asked.
var errMoved = errors.New("the coordinator has gone on")

const opLost = "ending a transaction that Kafka left open"

// endLost checks the pins, and writes the control batches of the newest transaction that the coordinator has not written, as
// the coordinator had decided. It returns errMoved when that is no longer the newest one.
func (s *Sink) endLost(ctx context.Context, txn *producer, newest kafkawire.TransactionState) error {
	for round := 0; ; round++ {
		if err := s.refuseSuccessor(ctx); err != nil {
			return err
		}
		if err := s.checkPins(ctx); err != nil {
			return err
		}
		lost, err := s.wire.Undecided(ctx, s.pinnedPartitions(), s.producers(newest))
		if err != nil || len(lost) == 0 {
			return err
		}
		if round == lostRounds {
			return lostFault(lost)
		}
		commit, err := decision(newest, lost)
		if err != nil {
			return err
		}
		// The old writer may live, and go on as soon as its transaction has ended everywhere: what is open may be another one.
		if now, code, err := s.wire.DescribeTransaction(ctx, txn.txnID); err != nil || code != kafkawire.OK || now != newest {
			return errMoved
		}
		s.log.Warn("Kafka has lost control batches of the last transaction, they are written again", "partitions", len(lost), "commit", commit)
		if err := s.wire.WriteMarkers(ctx, lost, commit); fault.IsFinal(err) {
			return err
		}
		// What had no answer is looked at again; and a commit may have made pins readable, of topics that were not looked at.
	}
}

// pinnedPartitions are the pipeline's partition of the state and those of the topics that a checkpoint knows.
func (s *Sink) pinnedPartitions() []kafkawire.TopicPartition {
	at := []kafkawire.TopicPartition{s.stateAt()}
	for _, n := range s.pins.all() {
		if n.topic != s.state.Name {
			at = append(at, n.at(n.topic)...)
		}
	}
	return at
}

func partitionsOf(topic string, n int32) []kafkawire.TopicPartition {
	at := make([]kafkawire.TopicPartition, n)
	for i := range at {
		at[i] = kafkawire.TopicPartition{Topic: topic, Partition: int32(i)}
	}
	return at
}

// producers are the ids under which the newest transaction may have been written: the coordinator's own, unless it has just
// given out a new one because the epochs of the old one were used up, or knows none. Then the state tells: each attempt begins
// with a record there.
func (s *Sink) producers(last kafkawire.TransactionState) []int64 {
	var ids []int64
	ended := last.State == "CompleteCommit" || last.State == "CompleteAbort"
	if last.State != "" {
		ids = append(ids, last.Producer.ID)
	}
	if last.State == "" || ended && last.Producer.Epoch == 0 {
		for _, id := range s.reader.reader.Producers() {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// decision is how the coordinator has decided its newest transaction.
func decision(last kafkawire.TransactionState, lost []kafkawire.LeftOpen) (commit bool, err error) {
	switch last.State {
	case "CompleteCommit":
		return true, nil
	case "CompleteAbort":
		return false, nil
	}
	err = fmt.Errorf("producer %d has undecided records in %s, and the coordinator does not know how they were decided", lost[0].Producer.ID, list(lost))
	const hint = "They may be of a transaction under another transactional_id_prefix, which ends by itself in transaction_timeout. If not, look for it with kafka-transactions.sh find-hanging: docs/kafka.md says how to end it."
	if last.State == "" {
		return false, fault.New(fault.TransactionsDown, opLost, err, hint)
	}
	return false, fault.NewFinal(fault.TransactionsDown, opLost, err, hint)
}

// abandon aborts what an earlier attempt has left in a topic that no checkpoint knows: had its transaction been committed, so
// would have been the topic's pin. A daemon that was frozen before it came here may find the open transaction of its successor,
// which has the same producer id and a newer epoch: that one is left alone. What has an older epoch than ours is not the
// successor's, and a broker refuses its control batch where the successor has written meanwhile.
func (s *Sink) abandon(ctx context.Context, topic string, at []kafkawire.TopicPartition) error {
	ctx, cancel := context.WithTimeoutCause(ctx, createPatience, errTooLate)
	defer cancel()
	lost, err := s.wire.Undecided(ctx, at, s.former)
	if err != nil || len(lost) == 0 {
		return err
	}
	for _, l := range lost {
		if l.Producer.ID != s.opened.ID || l.Producer.Epoch < s.opened.Epoch {
			continue
		}
		if err := s.refuseReplaced(ctx, "opening topic "+topic); err != nil {
			return err
		}
		return fault.New(fault.TransactionsDown, "opening topic "+topic, fmt.Errorf("another writer of this pipeline has an open transaction in %s", l), "The pipeline opens again, and finds out who it is.")
	}
	s.log.Warn("Kafka has lost control batches of an aborted transaction, they are written again", "topic", topic, "partitions", len(lost))
	return s.wire.WriteMarkers(ctx, lost, false)
}

// awaitEnd waits until the last transaction has ended, and makes sure that it has in each of its partitions. When one was left
// open, this attempt ends, and the next open sees to it.
//
// The coordinator says when it believes that all control batches are written. Its belief is right if no partition was without
// a leader, and one that was has another leader epoch since, in the eyes of the coordinator's own broker. So the leaders are
// asked themselves only when an epoch has changed, or when a call had no answer: that costs two requests a transaction.
func (p *producer) awaitEnd(ctx context.Context) error {
	if !p.closing {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, errTooLate)
	defer cancel()
	var coordinator int32
	err := p.repeat(ctx, kafkawire.CallDescribeTransaction, "waiting for the end of the last transaction", func(ctx context.Context) (kafkawire.Code, error) {
		last, code, err := p.wire.DescribeTransaction(ctx, p.txnID)
		if err != nil || code != kafkawire.OK {
			return code, err
		}
		if last.State == "Ongoing" { // not by us: by another instance, or by a late copy of a request
			return kafkawire.InvalidTxnState, nil
		}
		if !last.Settled() {
			return kafkawire.ConcurrentTransactions, nil
		}
		coordinator, code, err = p.wire.Coordinator(ctx, p.txnID)
		return code, err
	})
	if err != nil {
		return err
	}
	if err := p.glance(ctx, coordinator, p.number); fault.IsFinal(err) {
		return err
	} else if err != nil {
		p.doubted = true
	}
	if p.doubted || p.routes.moved {
		if err := p.refuseLost(ctx); err != nil {
			return err
		}
	}
	p.closing, p.doubted, p.routes.moved = false, false, false
	return nil
}

// refuseLost asks the leaders whether the last transaction has ended.
func (p *producer) refuseLost(ctx context.Context) error {
	lost, err := p.wire.Undecided(ctx, p.routes.partitions(p.number), []int64{p.last})
	if err != nil {
		return err
	}
	if len(lost) > 0 {
		return lostFault(lost)
	}
	return nil
}

func lostFault(lost []kafkawire.LeftOpen) error {
	return fault.New(fault.TransactionsDown, opLost, errors.New("there is no control batch in "+list(lost)),
		"A partition had no leader while its transaction was ended. The pipeline opens again and ends it by itself; if this repeats, look at the brokers' logs.")
}

// list names partitions for people.
func list(lost []kafkawire.LeftOpen) string {
	if len(lost) == 1 {
		return lost[0].String()
	}
	return fmt.Sprintf("%s and %d other partitions", lost[0], len(lost)-1)
}
