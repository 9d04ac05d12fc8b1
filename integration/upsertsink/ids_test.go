package upsertsink

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"cdcbridge/changelog"
	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
)

// producerID is the producer id and epoch that the coordinator has for the pipeline, once its last transaction is complete:
// until then the coordinator has another record about it to write.
func (p *pipeline) producerID(t *testing.T) kw.ProducerID {
	t.Helper()
	client := kw.NewClient(p.wire)
	defer client.Close()
	for {
		state, code, err := client.DescribeTransaction(t.Context(), p.cfg.TransactionalIDPrefix+p.name)
		if err == nil && code == kw.OK && state.Settled() {
			return state.Producer
		}
		if err != nil || code != kw.OK && code != kw.CoordinatorLoading && code != kw.NotCoordinator {
			t.Fatal(code, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestProducerIDsRunOut uses all epochs of a producer id up, after which the coordinator gives another one. The newest
// checkpoint is then under an id that nobody is told any more, and is found all the same. The long tier commits 32 767
// transactions for it; the ordinary one writes into the coordinator's own log that most epochs are used.
func TestProducerIDsRunOut(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds[:2] {
		if kind.proto == kw.Classic && !harness.Long {
			continue
		}
		t.Run(kind.name, func(t *testing.T) {
			began := time.Now()
			k := servers.KafkaFor(t, kind.options)
			e := &env{kafka: k, brokers: k.Brokers(), proto: kind.proto}
			p := e.pipeline(t)
			p.mustOpen(t, "a").close()
			first := p.producerID(t)
			whole := harness.Long && kind.proto == kw.KIP890 // classic transactions use no epoch up
			if !whole {
				late := kw.ProducerID{ID: first.ID, Epoch: 32767 - 12}
				e.plant(t, p, late, completeCommit)
				e.restart(t)
				if got := p.producerID(t); got != late {
					t.Fatalf("the coordinator has %s, not %s", got, late)
				}
			}
			rows, transactions := 0, 0
			for opens := 0; opens < 12; opens++ { // each open takes an epoch, in either protocol
				r := p.mustOpen(t, "i"+strconv.Itoa(opens))
				if r.next != rows {
					t.Fatalf("open %d begins at %d, want %d", opens, r.next, rows)
				}
				most := 3
				if whole && opens == 6 {
					most = 33_000
				}
				for i := range most {
					if i%100 == 0 {
						r.mustWrite(t, 7)
					}
					cp := changelog.Checkpoint{Pos: changelog.Position(strconv.Itoa(r.next)), State: []changelog.State{{Key: "n", Value: []byte(strconv.Itoa(i))}}}
					if _, err := r.sink.Commit(t.Context(), cp, nil); err != nil {
						t.Fatalf("transaction %d: %v", transactions, err)
					}
					rows = r.next
					transactions++
				}
				if opens%2 == 0 {
					r.mustWrite(t, 5) // left behind open
				}
			}
			last := p.producerID(t)
			t.Logf("%d transactions: producer %s became %s after %v", transactions, first, last, time.Since(began))
			if first.ID == last.ID {
				t.Error("the producer id is still the same: the test proves nothing")
			}
			p.mustHold(t, rows)
			harness.Evidence(t, began, map[string]any{"transactions": transactions, "first_producer": first.String(), "last_producer": last.String(), "rows": rows,
				"checked": "every open found the newest checkpoint; each row is there once, in order for its key"})
		})
	}
}

// TestForgottenID has the cluster forget a transactional id that was idle for too long, under a sink that is open. It answers
// as it answers a stranger, and opening again heals it.
func TestForgottenID(t *testing.T) {
	for _, kind := range kinds[:2] {
		if kind.proto == kw.Classic && !harness.Long {
			continue
		}
		t.Run(kind.name, func(t *testing.T) {
			options := kind.options
			options.Extra = map[string]string{"transactional.id.expiration.ms": "1000", "transaction.remove.expired.transaction.cleanup.interval.ms": "200"}
			k := servers.KafkaFor(t, options)
			e := &env{kafka: k, brokers: k.Brokers(), proto: kind.proto}
			p := e.pipeline(t)
			client := kw.NewClient(p.wire)
			defer client.Close()
			r := p.mustOpen(t, "a")
			r.mustWrite(t, 7)
			r.mustCommit(t)
			for patience := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
				_, code, err := client.DescribeTransaction(t.Context(), p.cfg.TransactionalIDPrefix+p.name)
				if err != nil || time.Now().After(patience) {
					t.Fatalf("the id is not forgotten: %v %v", code, err)
				}
				if code == kw.TransactionalIDNotFound {
					break
				}
			}
			err := r.write(t.Context(), 3)
			if f := fault.As(err); f == nil || f.Final || f.Hint == "" {
				t.Fatalf("after the id was forgotten: %v", err)
			}
			t.Logf("a forgotten id is answered with %v", err)
			if err := p.resume(t.Context(), 16); err != nil {
				t.Fatal(err)
			}
			p.mustHold(t, 16)
		})
	}
}

// setTransactionVersion changes the feature of a running cluster. A downgrade is marked as a safe one.
func (e *env) setTransactionVersion(t *testing.T, from, to int16) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(e.brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	req := kmsg.NewPtrUpdateFeaturesRequest()
	update := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
	update.Feature, update.MaxVersionLevel, update.UpgradeType = "transaction.version", to, 1
	if to < from {
		update.UpgradeType = 2
	}
	req.FeatureUpdates = append(req.FeatureUpdates, update)
	resp, err := req.RequestWith(t.Context(), cl)
	if err == nil && resp.ErrorCode != 0 {
		err = kw.Code(resp.ErrorCode)
	}
	if err != nil {
		t.Fatalf("transaction.version %d → %d: %v", from, to, err)
	}
}

// TestFeatureChanges changes transaction.version under running pipelines. Between 1 and 2 nothing happens that opening again
// does not cure. To 0 wedges the transactional id in the coordinator, which is said with a code, and which a restart of the
// broker ends.
func TestFeatureChanges(t *testing.T) {
	t.Parallel()
	began := time.Now()
	k := servers.KafkaFor(t, servers.KafkaOptions{})
	e := &env{kafka: k, brokers: k.Brokers(), proto: kw.KIP890}
	p := e.pipeline(t)
	idle := e.pipeline(t)
	rows := 0
	version := int16(2)
	for _, next := range []int16{1, 2, 1, 2} {
		r := p.mustOpen(t, "one") // as resume calls itself
		quiet := idle.mustOpen(t, "one")
		r.mustWrite(t, 7)
		r.mustCommit(t)
		rows += 7
		r.mustWrite(t, 7) // open
		e.setTransactionVersion(t, version, next)
		version = next
		err := r.commit(t.Context())
		if fault.IsFinal(err) || err != nil && fault.As(err) == nil {
			t.Fatalf("committing after the change to %d: %v", version, err)
		}
		qerr := quiet.writeAndCommit(t.Context(), 7)
		if fault.IsFinal(qerr) {
			t.Fatalf("writing after the change to %d: %v", version, qerr)
		}
		t.Logf("after the change to %d: %v; without an open transaction: %v", version, err, qerr)
		r.close()
		quiet.close()
		rows += 7
		if err := p.resume(t.Context(), rows); err != nil {
			t.Fatal(err)
		}
		p.mustHold(t, rows)
	}
	if err := idle.resume(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	idle.mustHold(t, rows)
	e.downgradeToClassic(t, p, rows)
	harness.Evidence(t, began, map[string]any{"checked": "2→1→2→1→2 under open transactions, then 2→0, a wedged id, a restart of the broker; each row once"})
}

// downgradeToClassic takes transaction.version to 0 in the middle of a transaction.
func (e *env) downgradeToClassic(t *testing.T, p *pipeline, rows int) {
	t.Helper()
	r := p.mustOpen(t, "one")
	r.mustWrite(t, 7)
	e.setTransactionVersion(t, 2, 0)
	began := time.Now()
	err := r.commit(t.Context())
	if took := time.Since(began); !fault.Is(err, fault.KafkaVersion) || fault.IsFinal(err) || fault.As(err).Hint == "" || took > p.cfg.TransactionTimeout/3 {
		t.Fatalf("committing after the change to 0: %v after %v", err, took)
	}
	t.Logf("after the change to 0: %v", err)
	r.close()
	patience := 5 * time.Second
	if harness.Long {
		patience = 2 * time.Minute
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	again, err := p.open(ctx, "one")
	again.close()
	switch {
	case err == nil:
		t.Log("the id is not wedged")
	case harness.Long:
		wantFault(t, err, fault.TransactionsDown, false)
	case fault.IsFinal(err):
		t.Fatal(err)
	}
	t.Logf("opening again: %v", err)
	if err := e.kafka.StopBroker(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if err := e.kafka.StartBroker(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	healed, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	if err := p.resume(healed, rows+14); err != nil {
		t.Fatal(err)
	}
	p.mustHold(t, rows+14)
	proto := p.mustOpen(t, "next").sink.Stats().Protocol
	if proto != kw.Classic.String() {
		t.Errorf("the protocol is %s after the downgrade", proto)
	}
}
