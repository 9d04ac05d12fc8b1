package kafkawire

import (
	"context"
	"fmt"
	"testing"
	"time"

	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
)

// three is a cluster of three brokers with a topic of six partitions, so that every broker leads some.
type three struct {
	env
	k     *servers.Kafka
	topic string
	all   []kw.TopicPartition
}

// TestThreeBrokers routes by leader and coordinator while brokers are killed, frozen and restarted.
func TestThreeBrokers(t *testing.T) {
	t.Parallel()
	k := servers.KafkaFor(t, servers.KafkaOptions{Brokers: 3})
	e := &three{k: k}
	e.env = env{client: kw.NewClient(kw.Config{Brokers: k.Brokers()}), brokers: k.Brokers(), proto: kw.KIP890}
	defer e.client.Close()
	e.topic = e.env.topic(t, 6)
	for i := range int32(6) {
		e.all = append(e.all, kw.TopicPartition{Topic: e.topic, Partition: i})
	}
	t.Run("SeveralLeaders", e.testSeveralLeaders)
	t.Run("WrongLeader", e.testWrongLeader)
	t.Run("FrozenBroker", e.testFrozenBroker)
	t.Run("KilledBroker", e.testKilledBroker)
	t.Run("EpochsEnd", e.testEpochsEnd)
	t.Run("Diverged", e.testDiverged)
	t.Run("KilledCoordinator", e.testKilledCoordinator)
}

// transact writes one record to every partition in one transaction and commits, resending the same bytes through whatever
// happens. It returns an error only for a verdict that ends the transaction.
func (e *three) transact(t *testing.T, p *producer, value string) {
	t.Helper()
	ctx := testContext(t)
	batches := map[kw.TopicPartition][]byte{}
	for _, at := range e.all {
		batches[at] = p.batch(t, at, kw.LZ4, record{fmt.Sprint("p", at.Partition), value})
	}
	e.until(ctx, t, kw.CallAddPartitions, func(ctx context.Context) (kw.Code, error) {
		_, code, err := e.client.AddPartitions(ctx, p.txn, p.pid, e.all)
		return code, err
	})
	for len(batches) > 0 {
		m, err := e.client.Metadata(ctx, e.topic)
		if err == nil {
			err = e.produceOnce(ctx, t, p, m, batches)
		}
		if err != nil && (fault.IsFinal(err) || ctx.Err() != nil) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	next := p.pid
	e.until(ctx, t, kw.CallEndTxn, func(ctx context.Context) (code kw.Code, err error) {
		next, code, err = e.client.EndTxn(ctx, e.proto, p.txn, p.pid, true)
		return code, err
	})
	p.pid, p.seq = next, map[kw.TopicPartition]int32{}
}

// produceOnce sends each leader its batches in one request and removes what was accepted.
func (e *three) produceOnce(ctx context.Context, t *testing.T, p *producer, m *kw.Metadata, batches map[kw.TopicPartition][]byte) error {
	byLeader := map[int32][]kw.ProducePart{}
	for at, batch := range batches {
		if leader, _, code := m.Leader(at); code == kw.OK {
			byLeader[leader] = append(byLeader[leader], kw.ProducePart{Topic: at.Topic, Partition: at.Partition, Batch: batch})
		}
	}
	var last error
	for leader, parts := range byLeader {
		short, cancel := context.WithTimeout(ctx, 3*time.Second)
		results, err := e.client.Produce(short, leader, &kw.ProduceRequest{Protocol: e.proto, TransactionalID: p.txn, Timeout: 2 * time.Second, Parts: parts})
		cancel()
		if err != nil {
			last = err
			continue
		}
		for i, res := range results {
			switch verdict, why := kw.Judge(kw.CallProduce, e.proto, res.Code); verdict {
			case kw.Done:
				delete(batches, kw.TopicPartition{Topic: parts[i].Topic, Partition: parts[i].Partition})
			case kw.ResendSame, kw.BackoffRepeat, kw.RefreshMetadata:
			default:
				t.Fatalf("producing to %d: %v, %s", parts[i].Partition, res.Code, why)
			}
		}
	}
	return last
}

// until repeats a call to the coordinator until it is done, also through lost answers.
func (e *three) until(ctx context.Context, t *testing.T, kind kw.Call, call func(context.Context) (kw.Code, error)) {
	t.Helper()
	for {
		short, cancel := context.WithTimeout(ctx, 3*time.Second)
		code, err := call(short)
		cancel()
		if err == nil {
			switch verdict, why := kw.Judge(kind, e.proto, code); verdict {
			case kw.Done:
				return
			case kw.ResendSame, kw.BackoffRepeat, kw.RefreshMetadata:
			default:
				t.Fatalf("call %d: %v, %s", kind, code, why)
			}
		} else if fault.IsFinal(err) || ctx.Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (e *three) testSeveralLeaders(t *testing.T) {
	m, err := e.client.Metadata(testContext(t), e.topic)
	if err != nil {
		t.Fatal(err)
	}
	leaders := map[int32]bool{}
	for _, at := range e.all {
		leader, _, _ := m.Leader(at)
		leaders[leader] = true
	}
	if len(leaders) != 3 {
		t.Fatalf("leaders %v", leaders)
	}
	for broker := range leaders {
		if s, err := e.client.BrokerSettings(testContext(t), broker); err != nil || s.Values["node.id"] != fmt.Sprint(broker) {
			t.Fatalf("settings of broker %d are those of %s: %v", broker, s.Values["node.id"], err)
		}
	}
	p := e.producer(t, topicName(t))
	began := time.Now()
	for i := range 20 {
		e.transact(t, p, fmt.Sprint(i))
	}
	t.Logf("%s a transaction over 3 leaders, one after the other", time.Since(began)/20)
	e.settled(t, p)
	if got := e.sameEverywhere(t, e.topic, 6); len(got) != 20*6 {
		t.Fatalf("%d records", len(got))
	}
}

// testWrongLeader asks a broker for partitions that it does not lead. A follower answers Fetch too, which is why each one names
// the epoch of the leader that is meant.
func (e *three) testWrongLeader(t *testing.T) {
	leader := e.leader(t, e.all[0])
	other := leader%3 + 1
	meta := e.ready(t, e.topic, 6)
	part := kw.FetchPart{TopicPartition: e.all[0], ID: meta.ID, LeaderEpoch: meta.Partitions[0].LeaderEpoch + 1, LastEpoch: -1, MaxBytes: 1 << 20}
	f, err := e.client.Fetch(testContext(t), other, &kw.FetchRequest{MaxBytes: 1 << 20, Parts: []kw.FetchPart{part}})
	if err != nil || f[0].Code != kw.UnknownLeaderEpoch {
		t.Fatalf("fetch: %v %+v", err, f)
	}
	p := e.producer(t, topicName(t))
	res, err := e.client.Produce(testContext(t), other, &kw.ProduceRequest{Protocol: e.proto, TransactionalID: p.txn, Timeout: time.Second,
		Parts: []kw.ProducePart{{Topic: e.topic, Batch: p.batch(t, e.all[0], kw.None, record{"k", "v"})}}})
	if err != nil || res[0].Code != kw.NotLeader {
		t.Fatalf("produce: %v %+v", err, res)
	}
}

// testFrozenBroker stops a broker's process without closing its connections: calls to it end in time, the others go on, and
// its partitions move.
func (e *three) testFrozenBroker(t *testing.T) {
	p := e.producer(t, topicName(t))
	const frozen = 2
	before := len(e.byFetcher(t, e.topic, 6))
	for i := range frozen {
		if err := e.k.PauseBroker(i); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		short, cancel := timeoutContext(t, time.Second)
		_, err := e.client.BrokerSettings(short, int32(i+1))
		cancel()
		if took := time.Since(began); !fault.Is(err, fault.Unreachable) || took > 3*time.Second {
			t.Errorf("a frozen broker after %s: %v", took, err)
		}
		e.transact(t, p, fmt.Sprint("frozen", i))
		t.Logf("committed after %s", time.Since(began))
		if err := e.k.ContinueBroker(i); err != nil {
			t.Fatal(err)
		}
		e.waitForAll(t)
	}
	e.settled(t, p)
	if got := e.sameEverywhere(t, e.topic, 6); len(got) != before+frozen*6 {
		t.Fatalf("%d records, want %d", len(got), before+frozen*6)
	}
}

// testKilledBroker kills and restarts two brokers in turn under transactions, with readers that must follow the leaders.
func (e *three) testKilledBroker(t *testing.T) {
	p := e.producer(t, topicName(t))
	before := len(e.byFetcher(t, e.topic, 6))
	n := 0
	for i := range 2 {
		if err := e.k.KillBroker(i); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			e.transact(t, p, fmt.Sprint("killed", i))
			n++
		}
		if err := e.k.StartBroker(t.Context(), i); err != nil {
			t.Fatal(err)
		}
		e.transact(t, p, fmt.Sprint("back", i))
		n++
		e.waitForAll(t)
	}
	e.settled(t, p)
	if got := e.sameEverywhere(t, e.topic, 6); len(got) != before+n*6 {
		t.Fatalf("%d records, want %d", len(got), before+n*6)
	}
}

// waitForAll waits until every replica is in sync.
func (e *three) waitForAll(t *testing.T) {
	t.Helper()
	ctx := testContext(t)
	for ctx.Err() == nil {
		m, err := e.client.Metadata(ctx, e.topic, "__transaction_state")
		if err == nil {
			behind := 0
			for _, topic := range m.Topics {
				for _, part := range topic.Partitions {
					behind += 3 - len(part.InSync)
				}
			}
			if behind == 0 {
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the cluster does not heal")
}
