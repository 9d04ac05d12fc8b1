package kafkawire

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// Protocol is the form of transactions that a cluster speaks. It is chosen at every open by Features.
type Protocol uint8

// The transactional protocols.
const (
	Classic Protocol = iota + 1 // AddPartitionsToTxn before Produce v8, EndTxn v3; one epoch for many transactions
	KIP890                      // Produce v12 adds partitions, EndTxn v5 answers with a new epoch for each transaction
)

// String names the protocol.
func (p Protocol) String() string {
	switch p {
	case Classic:
		return "classic"
	case KIP890:
		return "KIP-890"
	}
	return fmt.Sprintf("protocol %d", uint8(p))
}

// ProducerID identifies a transactional producer: a number and an epoch that fences older holders of the number.
type ProducerID struct {
	ID    int64
	Epoch int16
}

// NoProducer is passed to InitProducerID to fence whoever holds the transactional id, and stands in batches without
// idempotence.
var NoProducer = ProducerID{ID: -1, Epoch: -1}

// String renders id and epoch.
func (p ProducerID) String() string { return fmt.Sprintf("%d/%d", p.ID, p.Epoch) }

// InitProducerID takes the transactional id over: the broker aborts an open transaction of its former holder, waits for its
// markers, and answers with a producer id and epoch that fence it. timeout is the time after which the broker aborts a
// transaction of ours. current is NoProducer only when a pipeline opens; to bump the epoch in mid-run it is our own id,
// because NoProducer would take the id back from a legitimate successor.
func (c *Client) InitProducerID(ctx context.Context, txnID string, timeout time.Duration, current ProducerID) (ProducerID, Code, error) {
	req := newEncoder(protocol.InitProducerId, 4, true, c.cfg.ClientID)
	req.string(txnID)
	req.int32(int32(timeout.Milliseconds()))
	req.int64(current.ID)
	req.int16(current.Epoch)
	req.tags()
	pid := NoProducer
	code, err := c.toCoordinator(ctx, txnID, req, func(r *reader) (code Code, err error) {
		pid, code, err = parseInitProducerID(r)
		return code, err
	})
	return pid, code, err
}

func parseInitProducerID(r *reader) (ProducerID, Code, error) {
	r.int32() // throttle time
	code := r.code()
	pid := ProducerID{ID: r.int64(), Epoch: r.int16()}
	r.tags()
	return pid, code, finish(r, "InitProducerID")
}

// AddPartitions adds partitions to the open transaction of txnID, or opens one with them. It answers ConcurrentTransactions
// at once while the markers of the previous transaction are being written. The codes are in the order of parts; code is the
// first of them that is neither OK nor OperationNotAttempted (which only says that another partition failed), so OK means
// that all are added.
func (c *Client) AddPartitions(ctx context.Context, txnID string, pid ProducerID, parts []TopicPartition) (codes []Code, code Code, err error) {
	req := newEncoder(protocol.AddPartitionsToTxn, 3, true, c.cfg.ClientID)
	req.string(txnID)
	req.int64(pid.ID)
	req.int16(pid.Epoch)
	req.partitions(len(parts), func(i int) string { return parts[i].Topic }, func(i int) { req.int32(parts[i].Partition) })
	req.tags()
	codes = make([]Code, len(parts))
	code, err = c.toCoordinator(ctx, txnID, req, func(r *reader) (Code, error) {
		return parseAddPartitions(r, parts, codes)
	})
	return codes, code, err
}

func parseAddPartitions(r *reader, parts []TopicPartition, codes []Code) (Code, error) {
	for i := range codes {
		codes[i] = UnknownServerError // until the answer mentions it
	}
	r.int32() // throttle time
	r.eachPartition(7, func(at TopicPartition) {
		code := r.code()
		r.tags()
		for i := range parts {
			if parts[i] == at {
				codes[i] = code
			}
		}
	})
	r.tags()
	return summary(codes), finish(r, "AddPartitionsToTxn")
}

// summary is the first code that says why something failed.
func summary(codes []Code) Code {
	first := OK
	for _, code := range codes {
		if code != OK && (first == OK || first == OperationNotAttempted) {
			first = code
		}
	}
	return first
}

// EndTxn commits or aborts the open transaction. With KIP890 the answer holds the producer id and epoch of the next
// transaction (now and then another id); with Classic they are those passed in. The same call may be repeated until its
// answer is definite; the opposite one must never follow it.
func (c *Client) EndTxn(ctx context.Context, proto Protocol, txnID string, pid ProducerID, commit bool) (ProducerID, Code, error) {
	version := int16(3)
	if proto == KIP890 {
		version = 5
	}
	req := newEncoder(protocol.EndTxn, version, true, c.cfg.ClientID)
	req.string(txnID)
	req.int64(pid.ID)
	req.int16(pid.Epoch)
	req.bool(commit)
	req.tags()
	next := pid
	code, err := c.toCoordinator(ctx, txnID, req, func(r *reader) (Code, error) {
		answered, code, err := parseEndTxn(r, version)
		if version >= 5 && code == OK && err == nil {
			next = answered
		}
		return code, err
	})
	return next, code, err
}

func parseEndTxn(r *reader, version int16) (ProducerID, Code, error) {
	pid := NoProducer
	r.int32() // throttle time
	code := r.code()
	if version >= 5 {
		pid = ProducerID{ID: r.int64(), Epoch: r.int16()}
	}
	r.tags()
	return pid, code, finish(r, "EndTxn")
}

// TransactionState is what the coordinator says about a transactional id.
type TransactionState struct {
	State    string // Empty, Ongoing, PrepareCommit, PrepareAbort, CompleteCommit, CompleteAbort, PrepareEpochFence, Dead
	Timeout  time.Duration
	Started  time.Time // zero if none is open
	Producer ProducerID
}

// Settled reports whether no transaction is open or being ended: all markers of the last one are written.
func (s *TransactionState) Settled() bool {
	return s.State == "CompleteCommit" || s.State == "CompleteAbort" || s.State == "Empty"
}

// DescribeTransaction asks the coordinator for the state of txnID. It answers TransactionalIDNotFound for one never used.
func (c *Client) DescribeTransaction(ctx context.Context, txnID string) (TransactionState, Code, error) {
	req := newEncoder(apiDescribeTransactions, 0, true, c.cfg.ClientID)
	req.array(1)
	req.string(txnID)
	req.tags()
	var state TransactionState
	code, err := c.toCoordinator(ctx, txnID, req, func(r *reader) (code Code, err error) {
		state, code, err = parseDescribeTransaction(r)
		return code, err
	})
	return state, code, err
}

func parseDescribeTransaction(r *reader) (state TransactionState, code Code, err error) {
	r.int32() // throttle time
	code = TransactionalIDNotFound
	for n := r.array(28); n > 0 && r.err == nil; n-- {
		code = r.code()
		r.string() // transactional id: we asked for one
		state.State = r.string()
		state.Timeout = time.Duration(r.int32()) * time.Millisecond
		if ms := r.int64(); ms >= 0 {
			state.Started = time.UnixMilli(ms)
		}
		state.Producer = ProducerID{ID: r.int64(), Epoch: r.int16()}
		for m := r.array(3); m > 0 && r.err == nil; m-- {
			r.string()
			r.int32s()
			r.tags()
		}
		r.tags()
	}
	r.tags()
	return state, code, finish(r, "DescribeTransactions")
}

// groupByTopic returns the indexes 0..n-1 by topic, both in their first order. Requests name each topic once.
func groupByTopic(n int, topic func(int) string) [][]int {
	var groups [][]int
	place := make(map[string]int, 8)
	for i := range n {
		at, ok := place[topic(i)]
		if !ok {
			at = len(groups)
			place[topic(i)] = at
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], i)
	}
	return groups
}
