package kafkawire

import (
	"strconv"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol"

	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
)

func (e *env) testFeatures(t *testing.T) {
	ctx := testContext(t)
	f, err := e.client.Features(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if f.Protocol() != e.proto || f.MetadataVersion == 0 || f.Epoch < 0 {
		t.Fatalf("features %+v, want the %s protocol", f, e.proto)
	}
	for version, want := range map[int16]bool{8: true, 99: false} {
		if ok, err := e.client.Supports(ctx, kw.AnyBroker, protocol.Produce, version); err != nil || ok != want {
			t.Fatalf("Produce v%d: %v %v", version, ok, err)
		}
	}
}

func (e *env) testTopics(t *testing.T) {
	ctx := testContext(t)
	name := topicName(t)
	m, err := e.client.Metadata(ctx, name)
	if err != nil || m.Topics[0].Code != kw.UnknownTopicOrPartition || m.ClusterID == "" || len(m.Brokers) != 1 {
		t.Fatalf("metadata of a missing topic: %v %+v", err, m)
	}
	spec := []kw.NewTopic{
		{Name: name, Partitions: 3, Replication: 1, Configs: []kw.Setting{{Name: "cleanup.policy", Value: "compact"}}},
		{Name: "bad name!", Partitions: 1, Replication: 1},
		{Name: name + ".wide", Partitions: 1, Replication: 7},
		{Name: name + ".bad", Partitions: 1, Replication: 1, Configs: []kw.Setting{{Name: "cleanup.policy", Value: "nonsense"}}},
	}
	checked, err := e.client.CreateTopics(ctx, spec, 10*time.Second, true)
	if err != nil || checked[0].Code != kw.OK {
		t.Fatalf("validating: %v %+v", err, checked)
	}
	made, err := e.client.CreateTopics(ctx, spec, 10*time.Second, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []kw.Code{kw.OK, kw.InvalidTopic, kw.InvalidReplicationFactor, kw.InvalidConfig} {
		if made[i].Code != want {
			t.Errorf("%s: %v (%s), want %v", spec[i].Name, made[i].Code, made[i].Message, want)
		}
	}
	topic := e.ready(t, name, 3)
	if made[0].ID != topic.ID || topic.ID == (kw.TopicID{}) || made[0].Partitions != 3 || made[0].Replication != 1 {
		t.Fatalf("created %+v, metadata %+v", made[0], topic)
	}
	for i, p := range topic.Partitions {
		if p.Index != int32(i) || p.LeaderEpoch < 0 || len(p.Replicas) != 1 || len(p.InSync) != 1 {
			t.Errorf("partition %+v", p)
		}
	}
	again, err := e.client.CreateTopics(ctx, spec[:1], 10*time.Second, false)
	if err != nil || again[0].Code != kw.TopicAlreadyExists {
		t.Fatalf("creating it again: %v %+v", err, again)
	}
}

func (e *env) testSettings(t *testing.T) {
	ctx := testContext(t)
	name := e.topic(t, 1, kw.Setting{Name: "cleanup.policy", Value: "compact"}, kw.Setting{Name: "segment.bytes", Value: "16777216"})
	all, err := e.client.TopicSettings(ctx, name, "no.such.topic")
	if err != nil {
		t.Fatal(err)
	}
	if s := all[0]; s.Code != kw.OK || s.Values["cleanup.policy"] != "compact" || s.Values["segment.bytes"] != "16777216" || s.Values["max.message.bytes"] == "" {
		t.Fatalf("settings %+v", s)
	}
	if all[1].Code != kw.UnknownTopicOrPartition {
		t.Fatalf("settings of a missing topic: %+v", all[1])
	}
	m, err := e.client.Metadata(ctx)
	if err != nil {
		t.Fatal(err)
	}
	broker, err := e.client.BrokerSettings(ctx, m.Brokers[0].ID)
	if err != nil || broker.Code != kw.OK {
		t.Fatal(err, broker.Code)
	}
	if ms, err := strconv.Atoi(broker.Values["transaction.max.timeout.ms"]); err != nil || ms < 1000 {
		t.Fatalf("transaction.max.timeout.ms = %q", broker.Values["transaction.max.timeout.ms"])
	}
}

func (e *env) testOffsets(t *testing.T) {
	ctx := testContext(t)
	at := kw.TopicPartition{Topic: e.topic(t, 2)}
	p := e.producer(t, topicName(t))
	p.must(t, p.produce(t, at, kw.None, record{"a", "1"}, record{"b", "2"}, record{"c", "3"}))
	p.must(t, p.end(t, true))
	other := kw.TopicPartition{Topic: at.Topic, Partition: 1}
	for _, c := range []struct {
		timestamp int64
		want      [2]int64
	}{{kw.EarliestOffset, [2]int64{0, 0}}, {kw.LatestOffset, [2]int64{4, 0}}, {baseTime + 1, [2]int64{1, -1}}, {time.Now().Add(time.Hour).UnixMilli(), [2]int64{-1, -1}}} {
		e.settled(t, p)
		got, err := e.client.ListOffsets(ctx, []kw.TopicPartition{at, other}, kw.ReadUncommitted, c.timestamp)
		if err != nil || got[0].Offset != c.want[0] || got[1].Offset != c.want[1] {
			t.Errorf("offsets for %d: %v %+v, want %v", c.timestamp, err, got, c.want)
		}
	}
	short, cancel := timeoutContext(t, 2*time.Second)
	defer cancel()
	if _, err := e.client.ListOffsets(short, []kw.TopicPartition{{Topic: "no.such.topic"}}, kw.ReadUncommitted, kw.LatestOffset); !fault.Is(err, fault.TopicMissing) {
		t.Errorf("offsets of a missing topic: %v", err)
	}
}

// settled waits until all markers of the producer's last transaction are written.
func (e *env) settled(t *testing.T, p *producer) {
	t.Helper()
	ctx := testContext(t)
	for {
		s, code, err := e.client.DescribeTransaction(ctx, p.txn)
		if err != nil || code != kw.OK {
			t.Fatal(err, code)
		}
		if s.Settled() {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
