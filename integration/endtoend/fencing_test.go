package endtoend

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/kafkawire"
)

// waitFailed waits until the pipeline is down for good and checks why. The process must live on.
func waitFailed(t *testing.T, d *harness.Daemon, limit time.Duration, code string) {
	t.Helper()
	s := harness.StateFor(t, d, limit, "failed")
	if s.Code != code || s.Hint == "" {
		t.Fatalf("failed with code %q, want %q: %s (hint %q)", s.Code, code, s.Error, s.Hint)
	}
	select {
	case <-d.Exited():
		t.Fatal("the daemon ended with its pipeline")
	default:
	}
}

// during runs the workload in the background until the returned function is called.
func (b *bench) during(t *testing.T, seed uint64) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.write(ctx, t, seed, 2, -1)
	}()
	return func() { cancel(); <-done }
}

func TestFencing(t *testing.T) {
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	my := servers.MySQLFor(t, servers.MySQLOptions{})
	const quick = ", transaction_timeout: 3s"

	t.Run("the older of two daemons stops", func(t *testing.T) {
		b := newBench(t, my, "two")
		b.load.pause = 10 * time.Millisecond
		config := setup{name: "two", b: b, brokers: kafka.Brokers()}.yaml()
		quiet := b.during(t, harness.FreshSeed(t))
		older := start(t, config)
		harness.StateFor(t, older, 20*time.Second, "running")
		time.Sleep(time.Second)
		newer := start(t, config)
		waitFailed(t, older, 30*time.Second, "fenced")
		harness.StateFor(t, newer, 20*time.Second, "running")
		quiet()
		b.settle(t, "two", kafka.Brokers(), 60*time.Second)
	})
	t.Run("a lone daemon that was frozen goes on", func(t *testing.T) {
		b := newBench(t, my, "frozen")
		b.load.pause = 10 * time.Millisecond
		d := start(t, setup{name: "frozen", b: b, brokers: kafka.Brokers(), kafka: quick}.yaml())
		harness.StateFor(t, d, 20*time.Second, "running")
		quiet := b.during(t, harness.FreshSeed(t))
		for range 3 {
			time.Sleep(500 * time.Millisecond)
			freeze(t, d, 5*time.Second)
		}
		quiet()
		b.settle(t, "frozen", kafka.Brokers(), 60*time.Second)
		harness.StateFor(t, d, 20*time.Second, "running")
		if strings.Contains(d.Log(), "fenced") {
			t.Error("a lone daemon was fenced")
		}
	})
	t.Run("a frozen daemon that was replaced stops", func(t *testing.T) {
		b := newBench(t, my, "replaced")
		b.load.pause = 10 * time.Millisecond
		config := setup{name: "replaced", b: b, brokers: kafka.Brokers(), kafka: quick}.yaml()
		old := start(t, config)
		harness.StateFor(t, old, 20*time.Second, "running")
		quiet := b.during(t, harness.FreshSeed(t))
		time.Sleep(500 * time.Millisecond)
		if err := old.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		next := start(t, config)
		harness.StateFor(t, next, 20*time.Second, "running")
		time.Sleep(4 * time.Second)
		if err := old.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		waitFailed(t, old, 60*time.Second, "fenced")
		quiet()
		b.settle(t, "replaced", kafka.Brokers(), 60*time.Second)
		harness.StateFor(t, next, time.Second, "running")
	})
}

func freeze(t *testing.T, d *harness.Daemon, pause time.Duration) {
	t.Helper()
	if err := d.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(pause)
	if err := d.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

// TestTwoPipelinesShareTheStatePartition hangs one pipeline in an open transaction and restarts the other one.
func TestTwoPipelinesShareTheStatePartition(t *testing.T) {
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	my := servers.MySQLFor(t, servers.MySQLOptions{})
	first, second := "p0", sameStatePartition("p0")
	a, b := newBench(t, my, "one"), newBench(t, my, "other")
	long := ", transaction_timeout: 120s" // so that the hanging transaction outlives the test
	quietA := a.during(t, harness.FreshSeed(t))
	hanging := start(t, setup{name: first, b: a, brokers: kafka.Brokers(), kafka: long}.yaml())
	harness.StateFor(t, hanging, 20*time.Second, "running")
	config := setup{name: second, b: b, brokers: kafka.Brokers()}.yaml()
	d := start(t, config)
	b.write(t.Context(), t, harness.FreshSeed(t), 2, 50)
	b.settle(t, second, kafka.Brokers(), 30*time.Second)
	freezeInTransaction(t, hanging, kafka.Brokers(), first)
	quietA()

	d.Kill()
	b.write(t.Context(), t, harness.FreshSeed(t), 2, 50)
	before := time.Now()
	start(t, config)
	b.settle(t, second, kafka.Brokers(), 5*time.Second)
	t.Logf("settled %v after the restart", time.Since(before))
	if err := hanging.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	a.settle(t, first, kafka.Brokers(), 60*time.Second)
}

// freezeInTransaction stops the daemon while it has a Kafka transaction open.
func freezeInTransaction(t *testing.T, d *harness.Daemon, brokers []string, pipeline string) {
	t.Helper()
	for range 200 {
		if err := d.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		state, err := harness.TransactionState(t.Context(), brokers, "cdcbridge-"+pipeline)
		if err != nil {
			t.Fatal(err)
		}
		if state == "Ongoing" {
			return
		}
		if err := d.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		time.Sleep(7 * time.Millisecond)
	}
	t.Fatal("never saw an open transaction")
}

// sameStatePartition finds another pipeline name whose state is in the same partition.
func sameStatePartition(name string) string {
	const partitions = 16
	for i := 1; ; i++ {
		other := fmt.Sprintf("p%d", i)
		if kafkawire.PartitionOf([]byte(other), partitions) == kafkawire.PartitionOf([]byte(name), partitions) {
			return other
		}
	}
}
