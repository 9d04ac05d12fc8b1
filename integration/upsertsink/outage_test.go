package upsertsink

import (
	"context"
	"testing"
	"time"

	"cdcbridge/integration/servers"
	kw "cdcbridge/internal/kafkawire"
)

// TestOutage starts a pipeline while Kafka is down, kills Kafka in the middle for longer than the transaction timeout, and
// freezes it. Everything heals by opening again.
func TestOutage(t *testing.T) {
	for _, kind := range kinds[:2] {
		t.Run(kind.name, func(t *testing.T) {
			k := servers.KafkaFor(t, kind.options)
			e := &env{kafka: k, brokers: k.Brokers(), proto: kind.proto}
			p := e.pipeline(t)
			p.cfg.TransactionTimeout = 3 * time.Second
			p.wire.RequestTimeout = 5 * time.Second
			if err := k.KillBroker(0); err != nil {
				t.Fatal(err)
			}
			const rows = 6000
			done := make(chan error, 1)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			go func() { done <- p.resume(ctx, rows) }()
			time.Sleep(2 * time.Second)
			start := func() {
				t.Helper()
				if err := k.StartBroker(ctx, 0); err != nil {
					t.Fatal(err)
				}
			}
			start()
			time.Sleep(3 * time.Second)
			if err := k.KillBroker(0); err != nil {
				t.Fatal(err)
			}
			time.Sleep(8 * time.Second)
			start()
			time.Sleep(3 * time.Second)
			if err := k.PauseBroker(0); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
			if err := k.ContinueBroker(0); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
			case <-ctx.Done():
				t.Fatal("the pipeline did not heal")
			}
			p.mustHold(t, rows)
		})
	}
}

// TestThreeBrokers kills one broker after the other under load, and freezes one: no manual step, nothing lost or doubled.
func TestThreeBrokers(t *testing.T) {
	k := servers.KafkaFor(t, servers.KafkaOptions{Brokers: 3})
	e := &env{kafka: k, brokers: k.Brokers(), proto: kw.KIP890}
	t.Run("OneCallAddsAll", e.testOneCallAddsAll)
	p := e.pipeline(t)
	p.output.Settings.Partitions = 6
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	stop := make(chan struct{})
	done := make(chan int, 1)
	failed := make(chan error, 1)
	go func() {
		rows := 0
		for {
			select {
			case <-stop:
				done <- rows
				return
			default:
			}
			rows += 60
			if err := p.resume(ctx, rows); err != nil {
				failed <- err
				return
			}
		}
	}()
	for i := range 3 {
		time.Sleep(2 * time.Second)
		if err := k.KillBroker(i); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second)
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
	time.Sleep(15 * time.Second)
	if err := k.ContinueBroker(1); err != nil {
		t.Fatal(err)
	}
	close(stop)
	select {
	case rows := <-done:
		t.Logf("%d rows", rows)
		p.mustHold(t, rows)
	case err := <-failed:
		t.Fatal(err)
	}
}
