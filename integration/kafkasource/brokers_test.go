package kafkasource

import (
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"cdcbridge/integration/harness"
)

// TestThreeBrokers reads a cluster whose brokers go and come.
func TestThreeBrokers(t *testing.T) {
	t.Parallel()
	t.Run("LeadersMove", leadersMove)
	t.Run("Truncated", truncated)
}

// leadersMove kills the leader of some partitions while they are read, and lets it come back. Nothing is lost, nothing comes twice.
func leadersMove(t *testing.T) {
	from, to := three.get(t), modern.get(t)
	s, table := from.newSource(t, unique(t)+".in.orders", 6), newShop(debezium, 1, 6)
	b := to.reads(t, debezium, elsewhere(from), s.topic)
	s.write(t, table.fill(0, 60)...)
	b.running(t)
	b.came(t, s)
	if err := from.kafka.KillBroker(0); err != nil {
		t.Fatal(err)
	}
	s.write(t, table.some(60)...) // waits for the new leaders
	b.came(t, s)
	if err := from.kafka.StartBroker(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if err := from.kafka.WaitInSync(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.write(t, table.some(60)...)
	if _, err := from.adm.ElectLeaders(t.Context(), kadm.ElectPreferredReplica, nil); err != nil { // back to where they were
		t.Fatal(err)
	}
	s.write(t, table.some(60)...)
	b.holds(t, table.table(), s)
}

// elsewhere says that topics are read on another cluster.
func elsewhere(e *env) string { return ", brokers: [" + strings.Join(e.brokers, ", ") + "]" }

// truncated puts an older copy of topics into their place, as a restored backup would: one ends before the place where the bridge is,
// one has other records there, and one is being read meanwhile. Each of them is noticed, and nothing is read of what came instead.
func truncated(t *testing.T) {
	const broker = 2
	from, to := three.get(t), modern.get(t)
	type victim struct {
		s     *source
		table *shop
		b     bridge
	}
	var all []*victim
	for _, name := range []string{"shorter", "other", "running"} {
		topic := unique(t) + "-" + name + ".in.orders"
		from.createOn(t, topic, broker)
		v := &victim{s: from.existing(topic), table: newShop(debezium, 1, 1)}
		v.b = to.reads(t, debezium, elsewhere(from), topic)
		v.b.name += "-" + name
		v.s.write(t, v.table.fill(0, 4)...)
		all = append(all, v)
	}
	running := all[2]
	folder := func(v *victim) string { return filepath.Join(from.kafka.DataDir(broker), v.s.topic+"-0") }
	saved := t.TempDir()
	from.withoutBroker(t, broker, func() {
		for _, v := range all {
			run(t, "cp", "-a", folder(v), saved)
		}
	})
	for _, v := range all {
		v.s.write(t, v.table.fill(4, 8)...)
		d := v.b.running(t)
		v.b.came(t, v.s)
		harness.StopFor(t, d)
	}
	d := running.b.running(t)
	from.withoutBroker(t, broker, func() {
		for _, v := range all {
			run(t, "rm", "-r", folder(v))
			run(t, "cp", "-a", filepath.Join(saved, v.s.topic+"-0"), folder(v))
		}
	})
	for _, v := range all {
		before := maps.Clone(v.s.changes)
		v.s.anew(t)
		var fresh []string
		if v != all[0] {
			v.s.write(t, v.table.fill(100, 110)...)
			fresh = v.s.from(0, 4)
		}
		v.s.changes = before
		if v == running {
			gaveUp(t, d, "topic_truncated", v.s.topic)
		} else {
			d := v.b.fails(t, "topic_truncated", v.s.topic)
			v.b.came(t, v.s)
			v.b.reset(t, d, "offsets="+v.s.topic+":0:4")
			v.b.startsAt(t, fresh...)
			continue
		}
		v.b.came(t, v.s)
	}
}

// createOn makes a topic of one partition, whose one replica is on a broker.
func (e *env) createOn(t *testing.T, topic string, broker int) {
	t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 30_000
	one := kmsg.NewCreateTopicsRequestTopic()
	one.Topic, one.NumPartitions, one.ReplicationFactor = topic, -1, -1
	replicas := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
	replicas.Replicas = []int32{int32(broker + 1)}
	one.ReplicaAssignment = append(one.ReplicaAssignment, replicas)
	for name, value := range map[string]string{"retention.ms": "-1", "min.insync.replicas": "1"} {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = name, &value
		one.Configs = append(one.Configs, c)
	}
	req.Topics = append(req.Topics, one)
	resp, err := req.RequestWith(t.Context(), e.cl)
	if err != nil {
		t.Fatal(err)
	}
	if code := resp.Topics[0].ErrorCode; code != 0 {
		t.Fatalf("creating %s: %d", topic, code)
	}
	e.led(t, topic, 1)
}

// withoutBroker does something while a broker is down.
func (e *env) withoutBroker(t *testing.T, broker int, do func()) {
	t.Helper()
	if err := e.kafka.StopBroker(t.Context(), broker); err != nil {
		t.Fatal(err)
	}
	do()
	if err := e.kafka.StartBroker(t.Context(), broker); err != nil {
		t.Fatal(err)
	}
	if err := e.kafka.WaitInSync(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatal(fmt.Errorf("%v: %w: %s", args, err, out))
	}
}
