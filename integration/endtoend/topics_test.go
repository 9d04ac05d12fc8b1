package endtoend

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

func createTopic(t *testing.T, adm *kadm.Client, name string, partitions int32, settings map[string]string) {
	t.Helper()
	config := map[string]*string{}
	for k, v := range settings {
		config[k] = &v
	}
	for range 50 { // a topic of this name may still be on its way out
		if _, err := adm.CreateTopic(t.Context(), partitions, 1, config, name); err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("topic %s cannot be created", name)
}

// exec runs statements and fails the test at the first error.
func (b *bench) exec(t *testing.T, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := b.conn.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// trickle writes a row now and then until the returned function is called.
func (b *bench) trickle(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 4; ctx.Err() == nil; i++ {
			if _, err := b.conn.ExecContext(ctx, "INSERT INTO "+b.name+".orders (id, customer) VALUES (?, ?)", i, i); err != nil && ctx.Err() == nil {
				t.Errorf("trickle: %v", err)
			}
			time.Sleep(300 * time.Millisecond)
		}
	}()
	return func() { cancel(); <-done }
}

// TestTopicsThatChangeUnderUs does to topics what must stop a pipeline, before and while it runs.
func TestTopicsThatChangeUnderUs(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{Extra: map[string]string{"message.max.bytes": "1048588"}})
	my := servers.MySQLFor(t, servers.MySQLOptions{})
	adm := harness.AdminFor(t, kafka.Brokers())
	compact := map[string]string{"cleanup.policy": "compact"}
	for _, tc := range []struct {
		name   string
		code   string
		before func(t *testing.T, topic string)           // before the daemon starts
		during func(t *testing.T, topic string, b *bench) // while it runs and has written
	}{
		{name: "deleted", code: "topic_missing", during: func(t *testing.T, topic string, _ *bench) {
			if _, err := adm.DeleteTopic(t.Context(), topic); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "replaced", code: "topic_replaced", during: func(t *testing.T, topic string, _ *bench) {
			if _, err := adm.DeleteTopic(t.Context(), topic); err != nil {
				t.Fatal(err)
			}
			createTopic(t, adm, topic, 3, compact)
		}},
		{name: "grown", code: "partitions_changed", during: func(t *testing.T, topic string, _ *bench) {
			if _, err := adm.CreatePartitions(t.Context(), 2, topic); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "deletes", code: "topic_not_compacted", before: func(t *testing.T, topic string) {
			createTopic(t, adm, topic, 3, map[string]string{"cleanup.policy": "delete"})
		}},
		{name: "huge", code: "record_too_large", during: func(t *testing.T, _ string, b *bench) {
			b.exec(t, "ALTER TABLE "+b.name+".orders ADD COLUMN big LONGBLOB")
			noise := make([]byte, 2<<20)
			for i := range noise {
				noise[i] = byte(rand.Uint32())
			}
			if _, err := b.conn.ExecContext(t.Context(), "INSERT INTO "+b.name+".orders (id, customer, big) VALUES (99999, 1, ?)", noise); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, my, tc.name)
			topic := tc.name + ".dbz.orders"
			if tc.before != nil {
				tc.before(t, topic)
			}
			d := start(t, setup{name: tc.name, b: b, brokers: kafka.Brokers(), table: "orders"}.yaml())
			b.exec(t, "INSERT INTO "+b.name+".orders (id, customer) VALUES (1, 1), (2, 2), (3, 3)")
			if tc.during != nil {
				waitRecords(t, kafka.Brokers(), topic, 3)
				tc.during(t, topic, b)
				defer b.trickle(t)()
			}
			waitFailed(t, d, 40*time.Second, tc.code)
		})
	}
}

// TestRenamedPipeline writes with another pipeline name into topics that the first one has filled.
func TestRenamedPipeline(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	my := servers.MySQLFor(t, servers.MySQLOptions{})
	b := newBench(t, my, "shop")
	config := setup{name: "before", b: b, brokers: kafka.Brokers()}.yaml()
	d := start(t, config)
	b.write(t.Context(), t, harness.FreshSeed(t), 2, 20)
	b.settle(t, "before", kafka.Brokers(), 30*time.Second)
	harness.StopFor(t, d)
	renamed := setup{name: "after", b: b, brokers: kafka.Brokers()}.yaml()
	renamed = strings.ReplaceAll(renamed, "{pipeline}", "before")
	waitFailed(t, start(t, renamed), 30*time.Second, "state_missing")
	b.settle(t, "before", kafka.Brokers(), 0)
}

func waitRecords(t *testing.T, brokers []string, topic string, n int64) {
	t.Helper()
	adm := harness.AdminFor(t, brokers)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		ends, err := adm.ListCommittedOffsets(ctx, topic)
		sum := int64(0)
		if err == nil {
			ends.Each(func(o kadm.ListedOffset) { sum += max(o.Offset, 0) })
		}
		if sum >= n {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("topic %s did not get %d records", topic, n)
}
