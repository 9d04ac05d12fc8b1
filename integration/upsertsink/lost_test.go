package upsertsink

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
)

// lostCase is a transaction of the rows 7 to 13 whose control batches are lost, all or some.
type lostCase struct {
	name  string
	rows  bool // it has rows alone: the checkpoint was not written yet
	state kmsg.TransactionState
	other bool                         // the coordinator has given out another producer id since
	mark  func(kw.TopicPartition) bool // partitions that have their control batch; nil: none
	next  int                          // where the next open begins
}

var lostCases = []lostCase{
	{name: "committed", state: completeCommit, next: 14},
	{name: "committed, rows lost", state: completeCommit, mark: isState, next: 14},
	{name: "committed, state lost", state: completeCommit, mark: isRows, next: 14},
	{name: "committed, one lost", state: completeCommit, mark: isLow, next: 14},
	{name: "committed under another id", state: completeCommit, other: true, next: 14},
	{name: "committed under another id, rows lost", state: completeCommit, other: true, mark: isState, next: 14},
	{name: "aborted", state: completeAbort, next: 7},
	{name: "aborted, rows lost", state: completeAbort, mark: isState, next: 7},
	{name: "aborted, state lost", state: completeAbort, mark: isRows, next: 7},
	{name: "committed, offsets lost", state: completeCommit, mark: isOurs, next: 14},
	{name: "committed, only offsets left", state: completeCommit, mark: isOffsets, next: 14},
	{name: "aborted, offsets lost", state: completeAbort, mark: isOurs, next: 7},
	{name: "aborted before the checkpoint", rows: true, state: completeAbort, next: 7},
	{name: "aborted before the checkpoint, one lost", rows: true, state: completeAbort, mark: isLow, next: 7},
}

func isState(at kw.TopicPartition) bool { return strings.HasSuffix(at.Topic, ".state") }
func isRows(at kw.TopicPartition) bool  { return !isState(at) }

func isOffsets(at kw.TopicPartition) bool { return at.Topic == offsetsTopic }
func isOurs(at kw.TopicPartition) bool    { return !isOffsets(at) }
func isLow(at kw.TopicPartition) bool     { return at.Partition < 2 }

// TestLostMarkers has a coordinator call a transaction complete whose control batches were not all written, as one does that
// finds partitions without a leader. The next open decides the rest as the coordinator had, wherever an open before it died,
// and a person must where nothing tells how. Rows are there once in any case.
func TestLostMarkers(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		if kind.name == "Kafka39" && !harness.Long {
			continue
		}
		t.Run(kind.name, func(t *testing.T) {
			options := kind.options
			options.Proxied = true
			k := servers.KafkaFor(t, options)
			e := &env{kafka: k, brokers: k.Brokers(), proto: kind.proto}
			proxy := servers.KafkaProxyFor(t, k, 0)
			check := map[string]func(*testing.T){
				"under a running sink":         e.loseUnderway(t, proxy, false),
				"under a sink that was unsure": e.loseUnderway(t, proxy, true),
				"in a new topic":               e.loseInNewTopic(t, false),
				"in a new topic, rows alone":   e.loseInNewTopic(t, true),
				"nobody knows":                 e.loseDecision(t, func(p *pipeline, at kw.ProducerID) { e.plant(t, p, at, empty) }, true),
				"forgotten":                    e.loseDecision(t, func(p *pipeline, _ kw.ProducerID) { e.forget(t, p) }, false),
			}
			for _, c := range lostCases {
				check[c.name] = e.loseMarkers(t, c)
			}
			for _, mode := range []string{refused, lost} {
				check["dying opens, "+mode] = e.loseUnderDyingOpens(t, mode)
			}
			e.restart(t)
			for name, f := range check {
				t.Run(name, f)
			}
		})
	}
}

// endless keeps every EndTxn from the broker.
type endless struct {
	rt     kafka.RoundTripper
	cancel func()
}

// RoundTrip makes all calls but one.
func (x *endless) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	if strings.HasPrefix(kw.Describe(req), "EndTxn ") && x.cancel != nil {
		x.cancel()
		return nil, errInjected
	}
	return x.rt.RoundTrip(ctx, addr, req)
}

// leave leaves a transaction behind with the rows 7 to 13 and, unless it is to have rows alone, its checkpoint. Its producer is
// the one that it returns.
func (p *pipeline) leave(t *testing.T, rowsAlone bool) kw.ProducerID {
	t.Helper()
	victim, x := p.victim()
	r := victim.mustOpen(t, "a")
	r.mustWrite(t, 7)
	r.mustCommit(t)
	return x.abandon(t, r, rowsAlone)
}

// victim is the pipeline with a transaction that does not time out before the broker is restarted.
func (p *pipeline) victim() (*pipeline, *endless) {
	victim, x := *p, &endless{}
	victim.cfg.TransactionTimeout = 10 * time.Minute
	victim.wire.Wrap = func(rt kafka.RoundTripper) kafka.RoundTripper {
		x.rt = rt
		return x
	}
	return &victim, x
}

// abandon writes seven rows that are never committed.
func (x *endless) abandon(t *testing.T, r *run, rowsAlone bool) kw.ProducerID {
	t.Helper()
	r.mustWrite(t, 7)
	last, code := r.described(t)
	if code != kw.OK || last.State != "Ongoing" {
		t.Fatalf("%+v %v", last, code)
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	x.cancel = cancel // the abort of a sink that is closed does not arrive either
	if !rowsAlone {
		if err := r.commit(ctx); err == nil {
			t.Fatal("the commit went through")
		}
	}
	return last.Producer
}

// loseMarkers prepares a case and returns what to look at when the broker was restarted.
func (e *env) loseMarkers(t *testing.T, c lostCase) func(*testing.T) {
	t.Helper()
	p := e.grouped(t)
	at := p.leave(t, c.rows)
	if c.mark != nil {
		e.mark(t, p, at, c.state == completeCommit, c.mark)
	}
	known := at
	if c.other {
		known = kw.ProducerID{ID: at.ID + 1_000_000}
	}
	e.plant(t, p, known, c.state)
	return func(t *testing.T) {
		if len(p.undecided(t, at.ID)) == 0 {
			t.Fatal("nothing was lost: the test proves nothing")
		}
		p.mustGoOn(t, c.next)
	}
}

// mustGoOn opens the pipeline, finds it where it should be, and goes on to 21 rows.
func (p *pipeline) mustGoOn(t *testing.T, next int) {
	t.Helper()
	r := p.mustOpen(t, "b")
	if r.next != next {
		t.Errorf("begins at %d, want %d", r.next, next)
	}
	p.mustHold(t, next)
	p.mustBeAt(t, next)
	r.mustWrite(t, 21-next)
	r.mustCommit(t)
	p.mustHold(t, 21)
	p.mustBeAt(t, 21)
}

// loseInNewTopic loses the control batches of an aborted transaction in a topic that no checkpoint knows yet.
func (e *env) loseInNewTopic(t *testing.T, rowsAlone bool) func(*testing.T) {
	t.Helper()
	p := e.pipeline(t)
	victim, x := p.victim()
	at := x.abandon(t, victim.mustOpen(t, "a"), rowsAlone)
	e.plant(t, p, at, completeAbort)
	return func(t *testing.T) { p.mustGoOn(t, 0) }
}

// loseDecision leaves nobody who knows how the transaction was decided. The pipeline does not open, and does once a person has
// aborted the transaction.
func (e *env) loseDecision(t *testing.T, plant func(*pipeline, kw.ProducerID), final bool) func(*testing.T) {
	t.Helper()
	p := e.pipeline(t)
	at := p.leave(t, false)
	plant(p, at)
	return func(t *testing.T) {
		for range 2 {
			r, err := p.open(t.Context(), "a")
			r.close()
			wantFault(t, err, fault.TransactionsDown, final)
		}
		if state, code := p.described(t); final && state.Producer != at || !final && code != kw.TransactionalIDNotFound {
			t.Errorf("the open has moved the coordinator to %+v, %v", state, code)
		}
		p.mustHold(t, 7)
		e.mark(t, p, at, false, func(kw.TopicPartition) bool { return true })
		p.mustGoOn(t, 7)
	}
}

// loseUnderDyingOpens has each open end at its next call, until one gets through: wherever one dies, the rows are there once.
func (e *env) loseUnderDyingOpens(t *testing.T, mode string) func(*testing.T) {
	t.Helper()
	p := e.pipeline(t)
	at := p.leave(t, false)
	e.mark(t, p, at, true, isLow)
	e.plant(t, p, at, completeCommit)
	return func(t *testing.T) {
		for k := int64(1); ; k++ {
			ctx, cancel := context.WithCancel(t.Context())
			dying := *p
			in := &injector{k: k, mode: mode, dies: cancel}
			dying.wire = in.into(dying.wire)
			r, err := dying.open(ctx, "i"+strconv.FormatInt(k, 10))
			cancel()
			r.close()
			if err == nil {
				t.Logf("an open makes %d calls", k-1)
				break
			}
			if fault.IsFinal(err) {
				t.Fatalf("after dying at call %d, %v: %v", k, in.hit.Load(), err)
			}
		}
		p.mustGoOn(t, 14)
	}
}

// loseUnderway answers a commit in the broker's stead, so that the sink believes in it, and has the coordinator believe it
// too. The sink goes on only when the records are decided. unsure is a sink that had to repeat the commit, after which the
// classic protocol raises its epoch, and the coordinator forgets.
func (e *env) loseUnderway(t *testing.T, proxy *servers.KafkaProxy, unsure bool) func(*testing.T) {
	t.Helper()
	p := e.pipeline(t)
	victim := *p
	victim.cfg.TransactionTimeout = 10 * time.Minute
	victim.wire.Brokers = e.kafka.Listener(servers.Proxied)
	r := victim.mustOpen(t, "one")
	r.mustWrite(t, 7)
	r.mustCommit(t)
	r.mustWrite(t, 7)
	last, code := p.described(t)
	if code != kw.OK {
		t.Fatal(code)
	}
	ours := func(req kmsg.Request) bool { return req.(*kmsg.EndTxnRequest).TransactionalID == p.transactionalID() }
	if unsure {
		m := proxy.Begin(servers.KafkaRule{Key: kmsg.EndTxn, Times: 1, Fate: servers.Withhold, Match: ours})
		defer m.End()
	}
	m := proxy.Begin(servers.KafkaRule{
		Key: kmsg.EndTxn, Times: 1, Fate: servers.Refuse, Match: ours,
		Change: func(_ kmsg.Request, resp kmsg.Response) {
			end := resp.(*kmsg.EndTxnResponse)
			end.ProducerID, end.ProducerEpoch = last.Producer.ID, last.Producer.Epoch+1
		},
	})
	r.mustCommit(t)
	m.End()
	e.mark(t, p, last.Producer, true, isLow)
	e.plant(t, p, last.Producer, completeCommit)
	return func(t *testing.T) {
		err := r.write(t.Context(), 7)
		if !fault.Is(err, fault.TransactionsDown) || fault.IsFinal(err) {
			t.Fatalf("the next transaction: %v", err)
		}
		if state, code := p.described(t); code != kw.OK || state.State != "CompleteCommit" {
			t.Errorf("the coordinator has moved to %+v, %v", state, code)
		}
		if err := p.resume(t.Context(), 21); err != nil {
			t.Fatal(err)
		}
		p.mustHold(t, 21)
	}
}
