package upsertsink

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
)

// States of a transaction in the coordinator's log.
const (
	empty          = kmsg.TransactionStateEmpty
	completeCommit = kmsg.TransactionStateCompleteCommit
	completeAbort  = kmsg.TransactionStateCompleteAbort
)

// plant writes into __transaction_state what the pipeline's last transaction was, with no partitions. Brokers take such records
// from their own tools alone, by the name of the client, and read them when they start.
func (e *env) plant(t *testing.T, p *pipeline, at kw.ProducerID, state kmsg.TransactionState) {
	t.Helper()
	const partitions = 3
	id := p.cfg.TransactionalIDPrefix + p.name
	var hash int32 // java.lang.String.hashCode
	for _, c := range []byte(id) {
		hash = 31*hash + int32(c)
	}
	if hash < 0 { // the coordinator takes its absolute value
		hash = -hash
	}
	key, value := kmsg.NewTxnMetadataKey(), kmsg.NewTxnMetadataValue()
	key.TransactionalID = id
	value.ProducerID, value.ProducerEpoch, value.TimeoutMillis, value.State = at.ID, at.Epoch, int32(p.cfg.TransactionTimeout.Milliseconds()), state
	value.Topics = []kmsg.TxnMetadataValueTopic{} // none, which is not the same as null
	value.LastUpdateTimestamp, value.StartTimestamp = time.Now().UnixMilli(), time.Now().UnixMilli()
	cl, err := kgo.NewClient(kgo.SeedBrokers(e.brokers...), kgo.ClientID("__admin_client"), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DisableIdempotentWrite())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	rec := &kgo.Record{Topic: "__transaction_state", Partition: hash % partitions, Key: key.AppendTo(nil), Value: value.AppendTo(nil)}
	if err := cl.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func (e *env) restart(t *testing.T) {
	t.Helper()
	if err := e.kafka.StopBroker(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if err := e.kafka.StartBroker(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
}

type lostCase struct {
	name    string
	state   kmsg.TransactionState
	covered bool // the checkpoint of the transaction was written too
	next    int  // where the next open begins; -1: it is refused
}

// TestLostMarkers has a coordinator call a transaction complete whose control batches were never written, as one does that
// comes back while partitions have no leader. The next open decides the records as the coordinator had, and a person must
// where nothing tells how. Rows are there once in any case.
func TestLostMarkers(t *testing.T) {
	for _, kind := range kinds[:2] {
		t.Run(kind.name, func(t *testing.T) {
			options := kind.options
			options.Proxied = true
			k := servers.KafkaFor(t, options)
			e := &env{kafka: k, brokers: k.Brokers(), proto: kind.proto}
			check := map[string]func(*testing.T){"under a running sink": e.loseMarkersUnderway(t)}
			for _, c := range []lostCase{
				{name: "committed", state: completeCommit, covered: true, next: 14},
				{name: "aborted", state: completeAbort, covered: true, next: 7},
				{name: "aborted rows", state: completeAbort, next: 7},
				{name: "interrupted open", state: empty, covered: true, next: 14},
				{name: "nobody knows", state: empty, next: -1},
			} {
				check[c.name] = e.loseMarkers(t, c)
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

// loseMarkers prepares a case and returns what to look at when the broker was restarted.
func (e *env) loseMarkers(t *testing.T, c lostCase) func(*testing.T) {
	t.Helper()
	p := e.pipeline(t)
	victim, x := *p, &endless{}
	victim.wire.Wrap = func(rt kafka.RoundTripper) kafka.RoundTripper {
		x.rt = rt
		return x
	}
	r := victim.mustOpen(t, "a")
	r.mustWrite(t, 7)
	r.mustCommit(t)
	r.mustWrite(t, 7)
	client := kw.NewClient(p.wire)
	defer client.Close()
	last, code, err := client.DescribeTransaction(t.Context(), p.cfg.TransactionalIDPrefix+p.name)
	if err != nil || code != kw.OK || last.State != "Ongoing" {
		t.Fatalf("%+v %v %v", last, code, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	x.cancel = cancel // the abort of a sink that is closed does not arrive either
	if c.covered {
		if err := r.commit(ctx); err == nil {
			t.Fatal("the commit went through")
		}
	}
	e.plant(t, p, last.Producer, c.state)
	return func(t *testing.T) {
		p.mustHold(t, 7)
		again, err := p.open(t.Context(), "a")
		defer again.close()
		if c.next < 0 {
			wantFault(t, err, fault.TransactionsDown, true)
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if again.next != c.next {
			t.Errorf("begins at %d, want %d", again.next, c.next)
		}
		p.mustHold(t, c.next)
		again.mustWrite(t, 21-c.next)
		again.mustCommit(t)
		p.mustHold(t, 21)
	}
}

// loseMarkersUnderway answers a commit in the broker's stead, so that the sink believes in it, and has the coordinator believe
// it too. The sink goes on only when the records are decided.
func (e *env) loseMarkersUnderway(t *testing.T) func(*testing.T) {
	t.Helper()
	proxy := servers.KafkaProxyFor(t, e.kafka, 0)
	p := e.pipeline(t)
	victim := *p
	victim.wire.Brokers = e.kafka.Listener(servers.Proxied)
	r := victim.mustOpen(t, "one")
	r.mustWrite(t, 7)
	r.mustCommit(t)
	r.mustWrite(t, 7)
	id := p.cfg.TransactionalIDPrefix + p.name
	client := kw.NewClient(p.wire)
	defer client.Close()
	last, code, err := client.DescribeTransaction(t.Context(), id)
	if err != nil || code != kw.OK {
		t.Fatal(code, err)
	}
	m := proxy.Begin(servers.KafkaRule{
		Key: kmsg.EndTxn, Times: 1, Fate: servers.Refuse, Match: func(req kmsg.Request) bool { return req.(*kmsg.EndTxnRequest).TransactionalID == id },
		Change: func(_ kmsg.Request, resp kmsg.Response) {
			end := resp.(*kmsg.EndTxnResponse)
			end.ProducerID, end.ProducerEpoch = last.Producer.ID, last.Producer.Epoch+1
		},
	})
	r.mustCommit(t)
	m.End()
	e.plant(t, p, last.Producer, completeCommit)
	began := time.Now()
	return func(t *testing.T) {
		p.mustHold(t, 7)
		time.Sleep(6*time.Second - time.Since(began)) // until it looks at the leaders again
		err := r.write(t.Context(), 7)
		if !fault.Is(err, fault.TransactionsDown) || fault.IsFinal(err) {
			t.Fatalf("the next transaction: %v", err)
		}
		if err := p.resume(t.Context(), 21); err != nil {
			t.Fatal(err)
		}
		p.mustHold(t, 21)
	}
}
