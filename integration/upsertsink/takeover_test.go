package upsertsink

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
)

// testTwoSinks has a second daemon take over: the first one stops for good, and the second is not disturbed.
func (e *env) testTwoSinks(t *testing.T) {
	p := e.pipeline(t)
	a := p.mustOpen(t, "a")
	a.mustWrite(t, 10)
	a.mustCommit(t)
	a.mustWrite(t, 5) // open
	b := p.mustOpen(t, "b")
	b.mustWrite(t, 10)
	b.mustCommit(t)
	wantFault(t, a.commit(t.Context()), fault.Fenced, true)
	b.mustWrite(t, 10)
	b.mustCommit(t)
	p.mustHold(t, 30)

	// The older one is asked to try again, as after any other failure: it must not take the pipeline back.
	_, err := p.open(t.Context(), "a")
	wantFault(t, err, fault.Fenced, true)
	b.mustWrite(t, 10)
	b.mustCommit(t)
	p.mustHold(t, 40)

	// A process that was restarted has a new name and takes over.
	c := p.mustOpen(t, "a2")
	c.mustWrite(t, 1)
	c.mustCommit(t)
	wantFault(t, b.write(t.Context(), 1), fault.Fenced, true)
	p.mustHold(t, 41)
}

// testAsleep is a daemon that is frozen without an open transaction while another one takes over and leaves again.
func (e *env) testAsleep(t *testing.T) {
	p := e.pipeline(t)
	a := p.mustOpen(t, "a")
	a.mustWrite(t, 10)
	a.mustCommit(t)
	b := p.mustOpen(t, "b")
	b.mustWrite(t, 10)
	b.mustCommit(t)
	if err := b.sink.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantFault(t, a.write(t.Context(), 10), fault.Fenced, true)
	p.mustHold(t, 20)
}

// testAsleepBeforeATopic is a daemon that is frozen before it writes to a topic for the first time, while another one takes over
// and has an open transaction there.
func (e *env) testAsleepBeforeATopic(t *testing.T) {
	p := e.pipeline(t)
	a := p.newSink("a")
	if _, err := a.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := p.mustOpen(t, "b")
	b.mustWrite(t, 10)
	_, err := a.Topic(t.Context(), p.pipelineTopic(), &p.output)
	wantFault(t, err, fault.Fenced, true)
	b.mustWrite(t, 5)
	b.mustCommit(t)
	p.mustHold(t, 15)
}

// testTimedOut lets Kafka abort the transaction of a lone sink, at every stage: it is never fenced, and the next open heals.
func (e *env) testTimedOut(t *testing.T) {
	for _, stage := range []string{"write", "commit"} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			p := e.pipeline(t)
			p.cfg.TransactionTimeout = 6 * time.Second
			r := p.mustOpen(t, "a")
			r.mustWrite(t, 5)
			r.mustCommit(t)
			r.mustWrite(t, 5)
			e.awaitAbort(t, p)
			var err error
			if stage == "write" {
				err = r.write(t.Context(), 5)
			} else {
				err = r.commit(t.Context())
			}
			if err == nil || fault.IsFinal(err) || fault.As(err) == nil {
				t.Fatalf("after the timeout: %v, want a fault that a retry cures", err)
			}
			r = p.mustOpen(t, "a")
			if r.next != 5 {
				t.Fatalf("starts at %d, want 5", r.next)
			}
			r.mustWrite(t, 5)
			r.mustCommit(t)
			p.mustHold(t, 10)
		})
	}
}

// awaitAbort waits until the coordinator has aborted the pipeline's transaction, which it looks for now and then.
func (e *env) awaitAbort(t *testing.T, p *pipeline) {
	t.Helper()
	client := kw.NewClient(p.wire)
	defer client.Close()
	for {
		state, code, err := client.DescribeTransaction(t.Context(), p.cfg.TransactionalIDPrefix+p.name)
		if err != nil || code != kw.OK {
			t.Fatalf("describing the transaction: %v %v", code, err)
		}
		if state.State == "CompleteAbort" {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// testSharedState has two pipelines on one partition of the state topic. One hangs in an open transaction, which hides
// everything after it from a read_committed reader; the other is restarted and must find its newest checkpoint.
func (e *env) testSharedState(t *testing.T) {
	p := e.pipeline(t)
	q := e.pipeline(t)
	q.cfg.StateTopic = p.cfg.StateTopic
	for i := 0; kw.PartitionOf([]byte(q.name), 16) != kw.PartitionOf([]byte(p.name), 16); i++ {
		q.name = fmt.Sprintf("q%d-%d", serial.Load(), i)
	}
	hanging := q.mustOpen(t, "q")
	hanging.mustWrite(t, 3)
	// The state record too is in the open transaction, so that it stands in the shared partition.
	cut, cancel := context.WithCancel(t.Context())
	defer cancel()
	q.hangCommit(cut, t, hanging)

	r := p.mustOpen(t, "p1")
	for range 5 {
		r.mustWrite(t, 4)
		r.mustCommit(t)
	}
	r.mustWrite(t, 4)
	restart := func(p *pipeline, next int) time.Duration {
		t.Helper()
		start := time.Now()
		r := p.mustOpen(t, "restarted")
		if r.next != next {
			t.Fatalf("starts at %d, want %d", r.next, next)
		}
		r.mustWrite(t, 4)
		r.mustCommit(t)
		return time.Since(start)
	}
	took := restart(p, 20)
	alone := e.pipeline(t)
	alone.mustOpen(t, "a").mustWrite(t, 4)
	if usual := restart(alone, 0); took > 5*time.Second && took > 3*usual {
		t.Errorf("the first commit took %v, and %v with a state topic of its own", took, usual)
	}
	p.mustHold(t, 24)
}

// hangCommit writes the pipeline's state record into a transaction of its own transactional id and leaves it open.
func (p *pipeline) hangCommit(ctx context.Context, t *testing.T, r *run) {
	t.Helper()
	if err := r.sink.Abort(ctx); err != nil {
		t.Fatal(err)
	}
	client := kw.NewClient(p.wire)
	t.Cleanup(client.Close)
	txn := p.cfg.TransactionalIDPrefix + p.name
	pid, code, err := client.InitProducerID(ctx, txn, time.Minute, kw.NoProducer)
	for ; code == kw.ConcurrentTransactions; pid, code, err = client.InitProducerID(ctx, txn, time.Minute, kw.NoProducer) {
		time.Sleep(5 * time.Millisecond)
	}
	if err != nil || code != kw.OK {
		t.Fatal(code, err)
	}
	at := kw.TopicPartition{Topic: p.cfg.StateTopic, Partition: kw.PartitionOf([]byte(p.name), 16)}
	for {
		_, code, err := client.AddPartitions(ctx, txn, pid, []kw.TopicPartition{at})
		if err == nil && code == kw.OK {
			break
		}
		if err != nil || code != kw.ConcurrentTransactions {
			t.Fatal(code, err)
		}
	}
	section := kw.AppendRecord(nil, &kw.Record{Key: []byte(`{"pipeline":"` + p.name + `","kind":"position"}`), Value: []byte(`{"version":1,"min_reader":1,"position":"99"}`)})
	batch := append(kw.ReserveBatchHeader(nil), section...)
	kw.SealBatch(batch, &kw.BatchHeader{Count: 1, Producer: pid, Transactional: true})
	meta, err := client.Metadata(ctx, at.Topic)
	if err != nil {
		t.Fatal(err)
	}
	leader, _, _ := meta.Leader(at)
	results, err := client.Produce(ctx, leader, &kw.ProduceRequest{
		Protocol: p.proto, TransactionalID: txn, Timeout: 5 * time.Second,
		Parts: []kw.ProducePart{{Topic: at.Topic, Partition: at.Partition, Batch: batch}},
	})
	if err != nil || results[0].Code != kw.OK {
		t.Fatal(results, err)
	}
}

func (e *env) testTimeout(t *testing.T) {
	p := e.pipeline(t)
	p.cfg.TransactionTimeout = time.Hour
	_, err := p.open(t.Context(), "a")
	wantFault(t, err, fault.TransactionTimeout, true)
}

// testStateMissing renames a pipeline over a filled topic.
func (e *env) testStateMissing(t *testing.T) {
	p, r := e.filled(t)
	r.close()
	p.mustOpen(t, "b").close() // its own topic
	q := *p
	q.name = p.name + "-renamed"
	_, err := q.open(t.Context(), "c")
	wantFault(t, err, fault.StateMissing, true)
	q.output.Adopt = true
	r = q.mustOpen(t, "c")
	r.next = 3
	r.mustWrite(t, 3)
	r.mustCommit(t)
	q.output.Adopt = false
	q.mustOpen(t, "d") // now it is known
	p.mustHold(t, 6)
}

// testDeadTransaction leaves a topic with offsets and no record: no reason to stop.
func (e *env) testDeadTransaction(t *testing.T) {
	p := e.pipeline(t)
	r := p.mustOpen(t, "a")
	r.mustWrite(t, 30)
	if err := r.sink.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	q := *p
	q.name = p.name + "-other"
	s := q.mustOpen(t, "b")
	s.mustWrite(t, 3)
	s.mustCommit(t)
	p.mustHold(t, 3)
}

// resume goes on with a pipeline until n rows are committed, opening again whenever an attempt fails and failing on a final
// fault. It is what a supervisor does.
func (p *pipeline) resume(ctx context.Context, n int) error {
	for {
		done, err := p.attempt(ctx, n)
		if done || fault.IsFinal(err) || ctx.Err() != nil {
			return err
		}
		if fault.As(err) == nil {
			return fmt.Errorf("an error without a code: %w", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// attempt writes two chunks a transaction, of which the second travels with the checkpoint.
func (p *pipeline) attempt(ctx context.Context, n int) (done bool, err error) {
	r, err := p.open(ctx, "one")
	defer r.close()
	if err != nil {
		return false, err
	}
	if err := p.checkGroup(ctx, r.next); err != nil {
		return false, err
	}
	for r.next < n {
		if err := r.write(ctx, min(3, n-r.next)); err != nil {
			return false, err
		}
		last := r.chunk(min(3, n-r.next), kw.LZ4)
		cp := r.checkpoint()
		cp.State = []changelog.State{{Key: "rows", Value: []byte(strconv.Itoa(r.next))}}
		if _, err := r.sink.Commit(ctx, cp, last); err != nil {
			return false, err
		}
		if err := r.sink.Settle(ctx); err != nil {
			return false, err
		}
	}
	return true, nil
}
