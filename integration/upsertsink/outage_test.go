package upsertsink

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
)

// TestOutage starts a pipeline while Kafka is down, kills Kafka in the middle and starts it again at once, kills it for longer
// than the transaction timeout, and freezes it. Everything heals by opening again, for rows at least once beside it too.
func TestOutage(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		if kind.name == "Kafka39" && !harness.Long {
			continue
		}
		t.Run(kind.name, func(t *testing.T) {
			began := time.Now()
			options := kind.options
			options.Extra = map[string]string{"broker.session.timeout.ms": "3000"} // which a start after a kill waits for
			k := servers.KafkaFor(t, options)
			e := &env{kafka: k, brokers: k.Brokers(), proto: kind.proto}
			p := e.grouped(t)
			p.cfg.TransactionTimeout = 3 * time.Second
			p.wire.RequestTimeout = 5 * time.Second
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			beside := e.repeating(t)
			beside.cfg.TransactionTimeout, beside.wire = p.cfg.TransactionTimeout, p.wire
			must(k.KillBroker(0))
			w, besides := p.work(ctx, 0), beside.work(ctx, 0)
			w.awaitAttempts(t, 3)
			must(k.StartBroker(ctx, 0))
			cycles := 1
			if harness.Long {
				cycles = 10
			}
			for range cycles {
				w.await(t, 60)
				must(k.KillBroker(0))
				must(k.StartBroker(ctx, 0))
				w.await(t, 60)
				must(k.KillBroker(0))
				time.Sleep(p.cfg.TransactionTimeout + time.Second)
				must(k.StartBroker(ctx, 0))
				w.await(t, 60)
				must(k.PauseBroker(0))
				time.Sleep(p.cfg.TransactionTimeout + time.Second)
				must(k.ContinueBroker(0))
			}
			w.await(t, 60)
			w.finish(t)
			besides.finish(t)
			skipped := e.skipped(t)
			t.Logf("Kafka took partitions without a leader for deleted %d times", skipped)
			harness.Evidence(t, began, map[string]any{"kills": 2*cycles + 1, "freezes": cycles, "rows": w.rows.Load(), "attempts": w.opens.Load(),
				"control_batches_skipped": skipped, "checked": "each row is there once, in order for its key"})
		})
	}
}

// skipped is how often the first broker has left control batches out.
func (e *env) skipped(t *testing.T) int {
	t.Helper()
	log, err := os.ReadFile(e.kafka.Log(0))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(log), "these partitions are likely deleted already and hence can be skipped")
}

// TestThreeBrokers kills one broker after the other under load, and freezes one: no manual step, nothing lost or doubled.
func TestThreeBrokers(t *testing.T) {
	k := servers.KafkaFor(t, servers.KafkaOptions{Brokers: 3})
	e := &env{kafka: k, brokers: k.Brokers(), proto: kw.KIP890}
	t.Run("OneCallAddsAll", e.testOneCallAddsAll)
	t.Run("Leaderless", e.testLeaderless)
	t.Run("CheckDurability", e.testCheckDurability)
	if harness.Long {
		t.Run("CheckOlderCluster", checkOlderCluster)
	}
	p := e.grouped(t)
	p.output.Settings.Partitions = 6
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	w := p.work(ctx, 10)
	var beside *workload // rows at least once
	if harness.Long {
		beside = e.repeating(t).work(ctx, 10)
	}
	for i := range 3 {
		w.await(t, 120)
		if err := k.KillBroker(i); err != nil {
			t.Fatal(err)
		}
		w.await(t, 120)
		if err := k.StartBroker(ctx, i); err != nil {
			t.Fatal(err)
		}
		if err := k.WaitInSync(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.PauseBroker(1); err != nil {
		t.Fatal(err)
	}
	w.await(t, 240)
	if err := k.ContinueBroker(1); err != nil {
		t.Fatal(err)
	}
	w.await(t, 240)
	w.finish(t)
	if beside != nil {
		beside.finish(t)
	}
}

// testLeaderless takes the only replica of a partition away before its transaction is committed. Kafka commits, and forgets the
// partition. The sink goes on only when that has ended there as well.
func (e *env) testLeaderless(t *testing.T) {
	p := e.pipeline(t)
	p.output.Settings.Partitions, p.output.Settings.Replication = 6, 1
	p.output.Settings.Config = map[string]string{"min.insync.replicas": "1"}
	p.cfg.TransactionTimeout = 2 * time.Minute
	r := p.mustOpen(t, "one")
	r.mustWrite(t, 7)
	r.mustCommit(t)
	r.mustWrite(t, 7)
	last, _ := p.described(t)
	client := kw.NewClient(p.wire)
	defer client.Close()
	coordinator, _, err := client.Coordinator(t.Context(), p.transactionalID())
	if err != nil {
		t.Fatal(err)
	}
	open := slices.DeleteFunc(p.undecided(t, last.Producer.ID), func(d kadm.DescribedProducer) bool { return d.Topic != p.topic || d.Leader == coordinator })
	if len(open) == 0 {
		t.Fatal("the coordinator leads all partitions")
	}
	victim := int(open[0].Leader) - 1
	if err := e.kafka.StopBroker(t.Context(), victim); err != nil {
		t.Fatal(err)
	}
	r.mustCommit(t)
	for state := ""; state != "CompleteCommit"; time.Sleep(5 * time.Millisecond) {
		last, _ := p.described(t)
		state = last.State
	}
	if err := e.kafka.StartBroker(t.Context(), victim); err != nil {
		t.Fatal(err)
	}
	if err := e.kafka.WaitInSync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(p.undecided(t, last.Producer.ID)) == 0 {
		t.Fatal("the partition has its control batch: the test proves nothing")
	}
	err = r.write(t.Context(), 7)
	if !fault.Is(err, fault.TransactionsDown) || fault.IsFinal(err) {
		t.Fatalf("the next transaction: %v", err)
	}
	if err := p.resume(t.Context(), 21); err != nil {
		t.Fatal(err)
	}
	p.mustHold(t, 21)
}
