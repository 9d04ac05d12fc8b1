package upsertsink

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

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
	value := kmsg.NewTxnMetadataValue()
	value.ProducerID, value.ProducerEpoch, value.TimeoutMillis, value.State = at.ID, at.Epoch, int32(p.cfg.TransactionTimeout.Milliseconds()), state
	value.Topics = []kmsg.TxnMetadataValueTopic{} // none, which is not the same as null
	value.LastUpdateTimestamp, value.StartTimestamp = time.Now().UnixMilli(), time.Now().UnixMilli()
	e.plantValue(t, p, value.AppendTo(nil))
}

// forget has the coordinator know nothing of the pipeline when it starts, as after a week of silence.
func (e *env) forget(t *testing.T, p *pipeline) {
	t.Helper()
	e.plantValue(t, p, nil)
}

func (e *env) plantValue(t *testing.T, p *pipeline, value []byte) {
	t.Helper()
	const partitions = 3
	key := kmsg.NewTxnMetadataKey()
	key.TransactionalID = p.transactionalID()
	var hash int32 // java.lang.String.hashCode
	for _, c := range []byte(key.TransactionalID) {
		hash = 31*hash + int32(c)
	}
	if hash < 0 { // the coordinator takes its absolute value
		hash = -hash
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(e.brokers...), kgo.ClientID("__admin_client"), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DisableIdempotentWrite())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	rec := &kgo.Record{Topic: "__transaction_state", Partition: hash % partitions, Key: key.AppendTo(nil), Value: value}
	if err := cl.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func (p *pipeline) transactionalID() string { return p.cfg.TransactionalIDPrefix + p.name }

// described is what the coordinator says of the pipeline.
func (p *pipeline) described(t *testing.T) (kw.TransactionState, kw.Code) {
	t.Helper()
	client := kw.NewClient(kw.Config{Brokers: p.brokers})
	defer client.Close()
	state, code, err := client.DescribeTransaction(t.Context(), p.transactionalID())
	if err != nil {
		t.Fatal(err)
	}
	return state, code
}

// stateAt is the pipeline's partition of the state topic.
func (p *pipeline) stateAt() kw.TopicPartition {
	return kw.TopicPartition{Topic: p.cfg.StateTopic, Partition: kw.PartitionOf([]byte(p.name), 16)}
}

// partitions are those that the pipeline writes to, that of the state first, and with a group all that may hold its offsets.
func (p *pipeline) partitions() []kw.TopicPartition {
	at := []kw.TopicPartition{p.stateAt()}
	for i := range p.output.Settings.Partitions {
		at = append(at, kw.TopicPartition{Topic: p.topic, Partition: int32(i)})
	}
	for i := range int32(3) {
		if p.group != "" {
			at = append(at, kw.TopicPartition{Topic: offsetsTopic, Partition: i})
		}
	}
	return at
}

// undecided are the places in which a producer has a transaction open, as an independent client sees them.
func (p *pipeline) undecided(t *testing.T, producer int64) []kadm.DescribedProducer {
	t.Helper()
	var set kadm.TopicsSet
	for _, at := range p.partitions() {
		set.Add(at.Topic, at.Partition)
	}
	described, err := p.admin(t).DescribeProducers(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	described.EachPartition(func(d kadm.DescribedProducersPartition) {
		if d.Err != nil {
			t.Fatalf("%s/%d: %v", d.Topic, d.Partition, d.Err)
		}
	})
	return slices.DeleteFunc(described.SortedProducers(), func(d kadm.DescribedProducer) bool {
		return d.ProducerID != producer || d.CurrentTxnStartOffset < 0
	})
}

// mark writes the control batches of the open transaction into some of its partitions as a coordinator does.
func (e *env) mark(t *testing.T, p *pipeline, at kw.ProducerID, commit bool, chosen func(kw.TopicPartition) bool) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(e.brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	written := 0
	for _, open := range p.undecided(t, at.ID) {
		if !chosen(kw.TopicPartition{Topic: open.Topic, Partition: open.Partition}) {
			continue
		}
		req := kmsg.NewPtrWriteTxnMarkersRequest()
		m, topic := kmsg.NewWriteTxnMarkersRequestMarker(), kmsg.NewWriteTxnMarkersRequestMarkerTopic()
		topic.Topic, topic.Partitions = open.Topic, []int32{open.Partition}
		m.ProducerID, m.ProducerEpoch, m.Committed, m.CoordinatorEpoch = at.ID, at.Epoch, commit, max(open.CoordinatorEpoch, 0)
		if e.proto == kw.KIP890 {
			m.ProducerEpoch++
		}
		m.Topics = append(m.Topics, topic)
		req.Markers = append(req.Markers, m)
		resp, err := cl.Broker(1).Request(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if code := kw.Code(resp.(*kmsg.WriteTxnMarkersResponse).Markers[0].Topics[0].Partitions[0].ErrorCode); code != kw.OK {
			t.Fatalf("writing a control batch to %s/%d: %v", open.Topic, open.Partition, code)
		}
		written++
	}
	if written == 0 {
		t.Fatal("no control batch was written")
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
