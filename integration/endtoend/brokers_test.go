package endtoend

import (
	"math/rand/v2"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// TestThreeBrokersOneDying kills and restarts one of three brokers again and again under load. Nobody else does anything.
func TestThreeBrokersOneDying(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{Brokers: 3})
	my := servers.MySQLFor(t, servers.MySQLOptions{})
	b := newBench(t, my, "shop")
	began, seed := time.Now(), harness.FreshSeed(t)
	r := rand.New(rand.NewPCG(seed, 2))
	d := start(t, setup{name: "three", b: b, brokers: kafka.Brokers()}.yaml())
	b.load.pause = 20 * time.Millisecond // the topics must be read several times at the end
	quiet := b.during(t, seed)
	deaths := 0
	for end := time.Now().Add(harness.Longer(time.Minute, 10*time.Minute)); time.Now().Before(end); deaths++ {
		i := r.IntN(3)
		if err := kafka.KillBroker(i); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(1+r.IntN(9)) * time.Second)
		if err := kafka.StartBroker(t.Context(), i); err != nil {
			t.Fatal(err)
		}
		if err := kafka.WaitInSync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	quiet()
	t.Logf("%d transactions, %d broker deaths", b.load.committed.Load(), deaths)
	catchUp(t, d, harness.Longer(2*time.Minute, 10*time.Minute))
	b.settle(t, "three", kafka.Brokers(), 10*time.Second)
	harness.StopFor(t, d)
	records := b.settle(t, "three", kafka.Brokers(), 0)
	b.complete(t, "three", kafka.Brokers())
	evidence(t, began, map[string]any{"seed": seed, "broker_deaths": deaths, "transactions": b.load.committed.Load(), "records": records})
}

// TestKafkaDown starts a daemon while Kafka is down, and kills Kafka under load for longer than a transaction may be open.
func TestKafkaDown(t *testing.T) {
	t.Parallel()
	my := servers.MySQLFor(t, servers.MySQLOptions{})
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	b := newBench(t, my, "shop")
	if err := kafka.StopBroker(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	b.load.pause = 10 * time.Millisecond
	d := start(t, setup{name: "down", b: b, brokers: kafka.Brokers()}.yaml())
	if s := harness.StateFor(t, d, 30*time.Second, "retrying"); s.Code != "unreachable" || s.Hint == "" {
		t.Errorf("with Kafka down at start: %+v", s)
	}
	b.write(t.Context(), t, harness.FreshSeed(t), 2, 30)
	if err := kafka.StartBroker(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	b.settle(t, "down", kafka.Brokers(), 60*time.Second)

	quiet := b.during(t, harness.FreshSeed(t))
	time.Sleep(time.Second)
	if err := kafka.KillBroker(0); err != nil {
		t.Fatal(err)
	}
	time.Sleep(harness.Longer(20*time.Second, time.Minute))
	if err := kafka.StartBroker(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	quiet()
	b.settle(t, "down", kafka.Brokers(), 90*time.Second)
	harness.StateFor(t, d, 30*time.Second, "running")
}

// TestOtherClusters runs the kill loop on the classic transaction protocol and on an older Kafka.
func TestOtherClusters(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]servers.KafkaOptions{
		"kafka44-classic": {TransactionVersion: "0"},
		"kafka39":         {Version: "39"},
	} {
		t.Run(name, func(t *testing.T) {
			kafka := servers.KafkaFor(t, o)
			my := servers.MySQLFor(t, servers.MySQLOptions{Version: "80"})
			killLoop(t, kafka, newBench(t, my, "shop"), setup{name: "kill"}, harness.Longer(3, 100))
		})
	}
}
