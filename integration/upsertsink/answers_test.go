package upsertsink

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
)

// answered is a cluster behind a proxy that changes answers.
type answered struct {
	env
	proxy *servers.KafkaProxy
}

// TestAnswers lets the broker answer what real ones answer now and then, and looks at what the sink does about it.
func TestAnswers(t *testing.T) {
	for _, kind := range kinds[:2] {
		t.Run(kind.name, func(t *testing.T) {
			options := kind.options
			options.Proxied = true
			k := servers.KafkaFor(t, options)
			e := &answered{env{kafka: k, brokers: k.Listener(servers.Proxied), proto: kind.proto}, servers.KafkaProxyFor(t, k, 0)}
			t.Run("Group", func(t *testing.T) {
				if e.proto == kw.KIP890 { // a classic broker never says it to a Produce
					t.Run("Resent/51", func(t *testing.T) { t.Parallel(); e.testResent(t, kw.ConcurrentTransactions) })
				}
				short := e.proto == kw.Classic && !harness.Long // one of each sort: the verdicts are the same
				for i, code := range resent {
					if short && i%4 != 0 {
						continue
					}
					t.Run(fmt.Sprintf("Resent/%d", code), func(t *testing.T) { t.Parallel(); e.testResent(t, code) })
				}
				for i, code := range reopened {
					if short && i%4 != 0 {
						continue
					}
					t.Run(fmt.Sprintf("Reopened/%d", code), func(t *testing.T) { t.Parallel(); e.testReopened(t, code) })
				}
				for i, code := range repeated {
					if short && i%4 != 0 {
						continue
					}
					t.Run(fmt.Sprintf("Repeated/%d", code), func(t *testing.T) { t.Parallel(); e.testRepeated(t, code) })
				}
				for name, test := range map[string]func(*testing.T){"Deadline": e.testDeadline, "RealReason": e.testRealReason, "Pace": e.testPace, "NeverACoordinator": e.testNeverACoordinator} {
					t.Run(name, func(t *testing.T) { t.Parallel(); test(t) })
				}
			})
		})
	}
}

// Codes of a Produce whose bytes are sent again, codes of one that ends the attempt, and codes of an EndTxn that is repeated.
// The broker has carried the request out all the same, which is the worst case.
var (
	resent   = []kw.Code{kw.CorruptMessage, kw.UnknownTopicOrPartition, kw.NotLeader, kw.RequestTimedOut, kw.NetworkException, kw.NotEnoughReplicas, kw.NotEnoughReplicasAfterAppend, kw.OperationNotAttempted, kw.KafkaStorageError}
	reopened = []kw.Code{kw.OutOfOrderSequence, kw.DuplicateSequence, kw.InvalidProducerEpoch, kw.InvalidTxnState, kw.InvalidProducerIDMapping, kw.UnknownProducerID, kw.ProducerFenced, kw.TransactionAbortable, kw.UnknownServerError}
	repeated = []kw.Code{kw.CoordinatorLoading, kw.CoordinatorNotAvailable, kw.NotCoordinator, kw.ConcurrentTransactions, kw.TransactionCoordinatorFenced}
)

// batchesOf are the batches that a Produce has for a topic, by partition.
func batchesOf(req kmsg.Request, topic string) map[int32][]byte {
	out := map[int32][]byte{}
	for _, t := range req.(*kmsg.ProduceRequest).Topics {
		if t.Topic == topic {
			for _, p := range t.Partitions {
				out[p.Partition] = p.Records
			}
		}
	}
	return out
}

// failing makes the answer for one partition of a topic an error.
func failing(topic string, partition int32, code kw.Code) func(kmsg.Request, kmsg.Response) {
	return func(_ kmsg.Request, resp kmsg.Response) {
		for i := range resp.(*kmsg.ProduceResponse).Topics {
			t := &resp.(*kmsg.ProduceResponse).Topics[i]
			for k := range t.Partitions {
				if t.Topic == topic && t.Partitions[k].Partition == partition {
					t.Partitions[k].ErrorCode, t.Partitions[k].BaseOffset = int16(code), -1
				}
			}
		}
	}
}

// testResent fails one of three partitions: it alone is sent again, with the same bytes, and the broker keeps one copy.
func (e *answered) testResent(t *testing.T, code kw.Code) {
	p := e.pipeline(t)
	r := p.mustOpen(t, "a")
	r.mustWrite(t, 7)
	r.mustCommit(t)
	var mu sync.Mutex
	var requests []map[int32][]byte
	m := e.proxy.Begin(servers.KafkaRule{Key: kmsg.Produce, Fate: servers.Alter, Change: failing(p.topic, 0, code), Match: func(req kmsg.Request) bool {
		batches := batchesOf(req, p.topic)
		if len(batches) == 0 {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		requests = append(requests, batches)
		return len(requests) < 4 // three times
	}})
	defer m.End()
	r.mustWrite(t, 14)
	r.mustCommit(t)
	mu.Lock()
	defer mu.Unlock()
	if len(requests) != 4 || len(requests[0]) != 3 {
		t.Fatalf("%d requests, the first for %d partitions", len(requests), len(requests[0]))
	}
	for _, again := range requests[1:] {
		if len(again) != 1 || !bytes.Equal(again[0], requests[0][0]) {
			t.Errorf("the repetition is for %d partitions, the bytes are the same: %v", len(again), bytes.Equal(again[0], requests[0][0]))
		}
	}
	p.mustHold(t, 21)
}

// testReopened fails a Produce in a way that makes its transaction worthless: nothing of it may commit, and the next open
// heals.
func (e *answered) testReopened(t *testing.T, code kw.Code) {
	p := e.pipeline(t)
	r := p.mustOpen(t, "a")
	r.mustWrite(t, 7)
	r.mustCommit(t)
	m := e.proxy.Begin(servers.KafkaRule{Key: kmsg.Produce, Times: 1, Fate: servers.Alter, Change: failing(p.topic, 0, code), Match: func(req kmsg.Request) bool {
		return len(batchesOf(req, p.topic)) > 0
	}})
	defer m.End()
	err := r.write(t.Context(), 14)
	if fault.As(err) == nil || fault.IsFinal(err) {
		t.Fatalf("got %v, want a fault that opening again cures", err)
	}
	if err := r.commit(t.Context()); err == nil {
		t.Fatal("the transaction was committed all the same")
	}
	p.mustHold(t, 7)
	if err := p.resume(t.Context(), 21); err != nil {
		t.Fatal(err)
	}
	p.mustHold(t, 21)
}

// testRepeated has a commit carried out and answered with a code of a coordinator that is busy or elsewhere.
func (e *answered) testRepeated(t *testing.T, code kw.Code) {
	p := e.pipeline(t)
	r := p.mustOpen(t, "a")
	r.mustWrite(t, 7)
	m := e.proxy.Begin(servers.KafkaRule{
		Key: kmsg.EndTxn, Times: 2, Fate: servers.Alter,
		Match: func(req kmsg.Request) bool {
			return req.(*kmsg.EndTxnRequest).TransactionalID == p.cfg.TransactionalIDPrefix+p.name
		},
		Change: func(_ kmsg.Request, resp kmsg.Response) { resp.(*kmsg.EndTxnResponse).ErrorCode = int16(code) },
	})
	defer m.End()
	r.mustCommit(t)
	if m.Hits() != 2 {
		t.Errorf("%d answers were changed", m.Hits())
	}
	r.mustWrite(t, 7)
	r.mustCommit(t)
	p.mustHold(t, 14)
}

// testDeadline keeps the requests of an open transaction from the broker: the sink gives it up when two thirds of the
// timeout have passed since its first request, before Kafka aborts it.
func (e *answered) testDeadline(t *testing.T) {
	p := e.pipeline(t)
	p.cfg.TransactionTimeout = 9 * time.Second
	r := p.mustOpen(t, "a")
	began := time.Now()
	r.mustWrite(t, 7)
	m := e.proxy.Begin(servers.KafkaRule{Key: kmsg.Produce, Fate: servers.WithholdSilently, Match: func(req kmsg.Request) bool {
		return len(batchesOf(req, p.topic)) > 0
	}})
	err := r.write(t.Context(), 7)
	m.End()
	took := time.Since(began)
	if fault.As(err) == nil || fault.IsFinal(err) || took < 5900*time.Millisecond || took > p.cfg.TransactionTimeout {
		t.Errorf("after %v: %v", took, err)
	}
	if state, serr := harness.TransactionState(t.Context(), e.kafka.Brokers(), p.cfg.TransactionalIDPrefix+p.name); serr != nil || state != "Ongoing" {
		t.Errorf("after %v the transaction is %s, %v", took, state, serr)
	}
	if m.Hits() < 2 {
		t.Errorf("%d attempts", m.Hits())
	}
	if err := p.resume(t.Context(), 14); err != nil {
		t.Fatal(err)
	}
	p.mustHold(t, 14)
}

// testRealReason adds partitions to the state topic under an open transaction, in which the broker then says nothing but that
// the one before is being ended. The sink finds out what is wrong before its time is up.
func (e *answered) testRealReason(t *testing.T) {
	p := e.pipeline(t)
	p.cfg.TransactionTimeout = 9 * time.Second
	r := p.mustOpen(t, "a")
	r.mustWrite(t, 1)
	if _, err := e.admin(t).CreatePartitions(t.Context(), 1, p.cfg.StateTopic); err != nil {
		t.Fatal(err)
	}
	busy := servers.KafkaRule{Key: kmsg.Produce, Fate: servers.Alter,
		Match: func(req kmsg.Request) bool { return len(batchesOf(req, p.topic)) > 0 },
		Change: func(_ kmsg.Request, resp kmsg.Response) {
			for _, part := range resp.(*kmsg.ProduceResponse).Topics[0].Partitions {
				failing(p.topic, part.Partition, kw.ConcurrentTransactions)(nil, resp)
			}
		},
	}
	if e.proto == kw.Classic {
		busy.Key = kmsg.AddPartitionsToTxn
		busy.Match = func(req kmsg.Request) bool {
			return req.(*kmsg.AddPartitionsToTxnRequest).TransactionalID == p.transactionalID()
		}
		busy.Change = func(_ kmsg.Request, resp kmsg.Response) {
			for _, topic := range resp.(*kmsg.AddPartitionsToTxnResponse).Topics {
				for i := range topic.Partitions {
					topic.Partitions[i].ErrorCode = int16(kw.ConcurrentTransactions)
				}
			}
		}
	}
	m := e.proxy.Begin(busy)
	defer m.End()
	wantFault(t, r.write(t.Context(), 14), fault.PartitionsChanged, true)
	if m.Hits() == 0 {
		t.Error("the broker was not busy: the test proves nothing")
	}
}

// testPace has the coordinator say for a while that the last transaction is being ended: nothing is written until it is over.
func (e *answered) testPace(t *testing.T) {
	p := e.pipeline(t)
	r := p.mustOpen(t, "a")
	r.mustWrite(t, 7)
	r.mustCommit(t)
	const most = 40
	var asked, early atomic.Int64
	m := e.proxy.Begin(servers.KafkaRule{
		Key: kmsg.DescribeTransactions, Times: most, Fate: servers.Alter,
		Match: func(req kmsg.Request) bool {
			return req.(*kmsg.DescribeTransactionsRequest).TransactionalIDs[0] == p.transactionalID()
		},
		Change: func(_ kmsg.Request, resp kmsg.Response) {
			asked.Add(1)
			resp.(*kmsg.DescribeTransactionsResponse).TransactionStates[0].State = "PrepareCommit"
		},
	})
	defer m.End()
	seen := e.proxy.Begin(servers.KafkaRule{Key: kmsg.Produce, Fate: servers.Alter, Match: func(req kmsg.Request) bool {
		if len(batchesOf(req, p.topic)) > 0 && asked.Load() < most {
			early.Add(1)
		}
		return false
	}})
	defer seen.End()
	r.mustWrite(t, 7)
	if asked.Load() != most || early.Load() > 0 {
		t.Errorf("%d questions, %d requests before the last one was answered", asked.Load(), early.Load())
	}
	r.mustCommit(t)
	p.mustHold(t, 14)
}

// testNeverACoordinator is a cluster that cannot form __transaction_state. It is asked again and again, for a minute, which only
// the long tier waits for.
func (e *answered) testNeverACoordinator(t *testing.T) {
	p := e.pipeline(t)
	p.mustOpen(t, "a").close()
	m := e.proxy.Begin(servers.KafkaRule{
		Key: kmsg.FindCoordinator, Fate: servers.Alter,
		Match: func(req kmsg.Request) bool {
			return strings.Contains(strings.Join(req.(*kmsg.FindCoordinatorRequest).CoordinatorKeys, " "), p.name)
		},
		Change: func(_ kmsg.Request, resp kmsg.Response) {
			resp.(*kmsg.FindCoordinatorResponse).Coordinators[0].ErrorCode = int16(kw.CoordinatorNotAvailable)
		},
	})
	defer m.End()
	patience := 3 * time.Second
	if harness.Long {
		patience = 2 * time.Minute
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := p.open(ctx, "b")
	if harness.Long {
		wantFault(t, err, fault.TransactionsDown, false)
	} else if ctx.Err() == nil {
		t.Errorf("gave up at once: %v", err)
	}
	if m.Hits() < 5 {
		t.Errorf("asked %d times", m.Hits())
	}
	m.End()
	p.mustOpen(t, "b").close()
}
