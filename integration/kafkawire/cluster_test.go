package kafkawire

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
	kw "cdcbridge/internal/kafkawire"
)

// env is one cluster and a client of it.
type env struct {
	client  *kw.Client
	brokers []string
	proto   kw.Protocol
}

// clusters are the kinds that the transactional protocols must work on.
var clusters = []struct {
	name    string
	options servers.KafkaOptions
	proto   kw.Protocol
}{
	{"Kafka44KIP890", servers.KafkaOptions{}, kw.KIP890},
	{"Kafka44Classic", servers.KafkaOptions{TransactionVersion: "0"}, kw.Classic},
	{"Kafka39", servers.KafkaOptions{Version: "39"}, kw.Classic},
}

// TestMain lets the clusters run side by side.
func TestMain(m *testing.M) {
	harness.SideBySide(3)
	os.Exit(m.Run())
}

func TestCluster(t *testing.T) {
	for _, c := range clusters {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := servers.KafkaFor(t, c.options)
			e := &env{client: kw.NewClient(kw.Config{Brokers: k.Brokers()}), brokers: k.Brokers(), proto: c.proto}
			defer e.client.Close()
			t.Run("Features", e.testFeatures)
			t.Run("Topics", e.testTopics)
			t.Run("Settings", e.testSettings)
			t.Run("Offsets", e.testOffsets)
			t.Run("Transactions", e.testTransactions)
			t.Run("Groups", e.testGroups)
			t.Run("TxnOffsets", e.testTxnOffsets)
			t.Run("LiveGroups", e.testLiveGroups)
			t.Run("EpochEnds", e.testEpochEnds)
			t.Run("Fetch", e.testFetch)
			t.Run("Codecs", e.testCodecs)
			t.Run("ForeignWriter", e.testForeignWriter)
			t.Run("OpenTransaction", e.testOpenTransaction)
			t.Run("Fence", e.testFence)
			t.Run("Markers", e.testMarkers)
			t.Run("ZombieBump", e.testZombieBump)
			t.Run("Refusals", e.testRefusals)
			t.Run("ResentBatch", e.testResentBatch)
			if c.proto == kw.Classic { // in the other one they begin anew with each transaction
				t.Run("WrappedSequence", e.testWrappedSequence)
			}
			t.Run("BatchLimit", e.testBatchLimit)
			t.Run("ManyEpochs", e.testManyEpochs)
			t.Run("Faults", e.testFaults)
			t.Run("Compaction", e.testCompaction)
			t.Run("ReplacedTopic", e.testReplacedTopic)
		})
	}
}

// ctx bounds one test.
func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// topic creates a topic with a name of its own and waits until its partitions have leaders.
func (e *env) topic(t *testing.T, partitions int32, settings ...kw.Setting) string {
	t.Helper()
	ctx := testContext(t)
	name := topicName(t)
	settings = append(settings, kw.Setting{Name: "retention.ms", Value: "-1"}) // the tests' timestamps are old
	made, err := e.client.CreateTopics(ctx, []kw.NewTopic{{Name: name, Partitions: partitions, Replication: -1, Configs: settings}}, 10*time.Second, false)
	if err != nil || made[0].Code != kw.OK {
		t.Fatalf("creating %s: %v %+v", name, err, made)
	}
	e.ready(t, name, partitions)
	return name
}

var topicSerial atomic.Int64

func topicName(t *testing.T) string {
	return fmt.Sprintf("t%d.%s", topicSerial.Add(1), strings.ReplaceAll(t.Name(), "/", "."))
}

func (e *env) ready(t *testing.T, topic string, partitions int32) *kw.Topic {
	t.Helper()
	ctx := testContext(t)
	for {
		m, err := e.client.Metadata(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		led := int32(0)
		for _, p := range m.Topics[0].Partitions {
			if p.Leader >= 0 {
				led++
			}
		}
		if led == partitions {
			return &m.Topics[0]
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (e *env) leader(t *testing.T, at kw.TopicPartition) int32 {
	t.Helper()
	m, err := e.client.Metadata(testContext(t), at.Topic)
	if err != nil {
		t.Fatal(err)
	}
	leader, _, code := m.Leader(at)
	if code != kw.OK {
		t.Fatal(code)
	}
	return leader
}
