package kafkawire

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"cdcbridge/integration/harness"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
)

// testGroups commits offsets of a group by our client and by another one; each reads what the other wrote.
func (e *env) testGroups(t *testing.T) {
	ctx := testContext(t)
	topic, other := e.topic(t, 3), e.topic(t, 1)
	group := topicName(t)
	parts := []kw.TopicPartition{{Topic: topic, Partition: 2}, {Topic: other}, {Topic: topic}}
	got, err := e.client.FetchGroupOffsets(ctx, group, parts)
	if err != nil || !slices.Equal(got, []kw.GroupOffset{{TopicPartition: parts[0], Offset: -1, LeaderEpoch: -1}, {TopicPartition: parts[1], Offset: -1, LeaderEpoch: -1}, {TopicPartition: parts[2], Offset: -1, LeaderEpoch: -1}}) {
		t.Fatalf("of a group that never was: %+v, %v", got, err)
	}
	ours := []kw.GroupOffset{{TopicPartition: parts[0], Offset: 42, LeaderEpoch: 0}, {TopicPartition: parts[1], Offset: 1 << 40, LeaderEpoch: -1}}
	if err := e.client.CommitGroupOffsets(ctx, group, ours); err != nil {
		t.Fatal(err)
	}
	adm := harness.AdminFor(t, e.brokers)
	theirs, err := adm.FetchOffsets(ctx, group)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range ours {
		if at, ok := theirs.Lookup(o.Topic, o.Partition); !ok || at.At != o.Offset || at.LeaderEpoch != o.LeaderEpoch {
			t.Errorf("%s: they read %+v, we wrote %+v", o.TopicPartition, at, o)
		}
	}
	if err := adm.CommitAllOffsets(ctx, group, kadm.Offsets{topic: {0: kadm.Offset{Topic: topic, Partition: 0, At: 7, LeaderEpoch: 3, Metadata: "theirs"}}}); err != nil {
		t.Fatal(err)
	}
	want := append(slices.Clone(ours), kw.GroupOffset{TopicPartition: parts[2], Offset: 7, LeaderEpoch: 3})
	if got, err := e.client.FetchGroupOffsets(ctx, group, parts); err != nil || !slices.Equal(got, want) {
		t.Errorf("we read %+v, %v, want %+v", got, err, want)
	}
	all, err := e.client.FetchGroupOffsets(ctx, group, nil)
	if err != nil || len(all) != 3 || !slices.Contains(all, want[0]) || !slices.Contains(all, want[1]) || !slices.Contains(all, want[2]) {
		t.Errorf("all: %+v, %v", all, err)
	}
	if state, err := e.client.DescribeGroup(ctx, group); err != nil || state.State != "Empty" || state.Live() {
		t.Errorf("%+v, %v", state, err)
	}
	if state, err := e.client.DescribeGroup(ctx, topicName(t)); err != nil || state.State != "Dead" || state.Live() {
		t.Errorf("of a group that never was: %+v, %v", state, err)
	}
}

// testTxnOffsets commits and aborts offsets with transactions. While one is open, its offsets are waited for.
func (e *env) testTxnOffsets(t *testing.T) {
	topic := e.topic(t, 2)
	group := topicName(t)
	p := e.producer(t, topicName(t))
	parts := []kw.TopicPartition{{Topic: topic}, {Topic: topic, Partition: 1}}
	at := func() []int64 {
		got, err := e.client.FetchGroupOffsets(testContext(t), group, parts)
		if err != nil {
			t.Fatal(err)
		}
		return []int64{got[0].Offset, got[1].Offset}
	}
	want := []int64{-1, -1}
	for i := int64(1); i <= 6; i++ {
		p.must(t, p.produce(t, parts[0], kw.None, record{"k", "v"}))
		p.commitOffsets(t, group, kw.GroupOffset{TopicPartition: parts[0], Offset: i, LeaderEpoch: -1}, kw.GroupOffset{TopicPartition: parts[1], Offset: 10 * i, LeaderEpoch: 0})
		short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if got, err := e.client.FetchGroupOffsets(short, group, parts); !fault.Is(err, fault.TransactionsDown) && !fault.Is(err, fault.Unreachable) {
			t.Fatalf("while the transaction is open: %+v, %v", got, err)
		}
		cancel()
		commit := i%3 != 1
		p.must(t, p.end(t, commit))
		if commit {
			want = []int64{i, 10 * i}
		} else if e.proto == kw.Classic {
			p.init(t, p.pid)
		}
		e.settled(t, p)
		if got := at(); !slices.Equal(got, want) {
			t.Fatalf("after transaction %d: %v, want %v", i, got, want)
		}
	}
}

// commitOffsets adds offsets to the open transaction.
func (p *producer) commitOffsets(t *testing.T, group string, offsets ...kw.GroupOffset) {
	t.Helper()
	p.joinGroup(t, group)
	p.must(t, p.retry(t, kw.CallTxnOffsetCommit, func(ctx context.Context) (kw.Code, error) {
		_, code, err := p.e.client.TxnOffsetCommit(ctx, &kw.TxnOffsets{Protocol: p.e.proto, TransactionalID: p.txn, Producer: p.pid, Group: group, Offsets: offsets})
		return code, err
	}))
}

// joinGroup tells the transaction of a group, which the protocol since KIP-890 does by itself.
func (p *producer) joinGroup(t *testing.T, group string) {
	t.Helper()
	if p.e.proto == kw.Classic {
		p.must(t, p.retry(t, kw.CallAddOffsets, func(ctx context.Context) (kw.Code, error) {
			return p.e.client.AddOffsetsToTxn(ctx, p.txn, p.pid, group)
		}))
	}
}

// testLiveGroups has a member in a group, of the old protocol or of the new one: it is found, and offsets of others are refused
// in and outside of transactions.
func (e *env) testLiveGroups(t *testing.T) {
	topic := e.topic(t, 1)
	at := kw.TopicPartition{Topic: topic}
	for kind, join := range map[string]func(*testing.T, string, string) bool{"classic": e.joinClassic, "consumer": e.joinConsumer} {
		group := topicName(t)
		if !join(t, group, topic) {
			continue
		}
		for {
			state, err := e.client.DescribeGroup(testContext(t), group)
			if err != nil {
				t.Fatal(err)
			}
			if state.Live() {
				t.Logf("%s: %+v", kind, state)
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		offset := kw.GroupOffset{TopicPartition: at, Offset: 1, LeaderEpoch: -1}
		if err := e.client.CommitGroupOffsets(testContext(t), group, []kw.GroupOffset{offset}); !fault.Is(err, fault.GroupInUse) || !fault.IsFinal(err) {
			t.Errorf("%s: %v", kind, err)
		}
		p := e.producer(t, topicName(t))
		p.must(t, p.produce(t, at, kw.None, record{"k", "v"}))
		p.joinGroup(t, group)
		codes, code, err := e.client.TxnOffsetCommit(testContext(t), &kw.TxnOffsets{Protocol: e.proto, TransactionalID: p.txn, Producer: p.pid, Group: group, Offsets: []kw.GroupOffset{offset}})
		if err != nil || code != kw.UnknownMemberID || codes[0] != code {
			t.Errorf("%s: %v %v %v", kind, codes, code, err)
		}
		p.must(t, p.end(t, false))
	}
}

func (e *env) joinClassic(t *testing.T, group, topic string) bool {
	cl, err := kgo.NewClient(kgo.SeedBrokers(e.brokers...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return true
}

// joinConsumer makes a member by the new protocol's one request. It stays for the session timeout, 45 s. Kafka 3.9 does not speak
// that protocol by default.
func (e *env) joinConsumer(t *testing.T, group, topic string) bool {
	cl, err := kgo.NewClient(kgo.SeedBrokers(e.brokers...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID, req.SubscribedTopicNames = group, "bWVtYmVyLW9mLXRlc3Q", []string{topic}
	req.RebalanceTimeoutMillis = 5000
	req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	for ctx := testContext(t); ; time.Sleep(20 * time.Millisecond) {
		res, err := req.RequestWith(ctx, cl)
		if err != nil {
			t.Fatal(err)
		}
		if res.ErrorCode == 0 {
			return true
		}
		if kw.Code(res.ErrorCode) == kw.UnsupportedVersion && e.proto == kw.Classic {
			return false
		}
		if code := kw.Code(res.ErrorCode); code != kw.CoordinatorLoading && code != kw.CoordinatorNotAvailable && code != kw.NotCoordinator {
			t.Fatal(code, res.ErrorMessage)
		}
	}
}

// testEpochEnds asks for the ends of leader epochs: the current one ends where the partition does, one that never was has no end.
func (e *env) testEpochEnds(t *testing.T) {
	topic := e.topic(t, 2)
	p := e.producer(t, topicName(t))
	at := kw.TopicPartition{Topic: topic, Partition: 1}
	p.must(t, p.produce(t, at, kw.None, record{"a", "1"}, record{"b", "2"}))
	p.must(t, p.end(t, true))
	e.settled(t, p)
	ends, err := e.client.EpochEnds(testContext(t), []kw.EpochQuestion{{TopicPartition: at}, {TopicPartition: kw.TopicPartition{Topic: topic}}, {TopicPartition: at, LeaderEpoch: 9}})
	if err != nil {
		t.Fatal(err)
	}
	want := []kw.EpochEnd{{TopicPartition: at, Offset: 3}, {TopicPartition: kw.TopicPartition{Topic: topic}}, {TopicPartition: at, LeaderEpoch: -1, Offset: -1}}
	if !slices.Equal(ends, want) {
		t.Errorf("got  %+v\nwant %+v", ends, want)
	}
	all, err := e.client.AllTopics(testContext(t))
	if err != nil || all.Topic(topic) == nil || len(all.Topic(topic).Partitions) != 2 {
		t.Errorf("%s is not among all topics: %v", topic, err)
	}
	if offsets := all.Topic("__consumer_offsets"); offsets != nil && !offsets.Internal {
		t.Error("__consumer_offsets is no internal topic")
	}
}

// firstEpochs asks where the first leader epoch of each partition ends.
func (e *three) firstEpochs(t *testing.T) []kw.EpochEnd {
	t.Helper()
	var questions []kw.EpochQuestion
	for _, at := range e.all {
		questions = append(questions, kw.EpochQuestion{TopicPartition: at})
	}
	ends, err := e.client.EpochEnds(testContext(t), questions)
	if err != nil {
		t.Fatal(err)
	}
	return ends
}

// testEpochsEnd asks where the first leader epoch ends, after brokers were killed. It ends before the partition does where
// another one wrote since.
func (e *three) testEpochsEnd(t *testing.T) {
	ends := e.firstEpochs(t)
	latest, err := e.client.ListOffsets(testContext(t), e.all, kw.ReadUncommitted, kw.LatestOffset)
	if err != nil {
		t.Fatal(err)
	}
	moved := 0
	for i, end := range ends {
		if end.TopicPartition != e.all[i] || end.LeaderEpoch != 0 || end.Offset <= 0 || end.Offset > latest[i].Offset {
			t.Errorf("epoch 0 of %s: %+v, the partition ends at %d", e.all[i], end, latest[i].Offset)
		}
		if end.Offset < latest[i].Offset {
			moved++
		}
	}
	if moved == 0 {
		t.Error("no leader has moved: the test proves nothing")
	}
}

// testKilledCoordinator kills the broker that keeps the offsets of a group: the one that takes over has them, and takes new ones.
func (e *three) testKilledCoordinator(t *testing.T) {
	group := topicName(t)
	at := e.all[:1]
	commit := func(n int64) {
		t.Helper()
		if err := e.client.CommitGroupOffsets(testContext(t), group, []kw.GroupOffset{{TopicPartition: at[0], Offset: n, LeaderEpoch: -1}}); err != nil {
			t.Fatal(err)
		}
	}
	mustBe := func(n int64) {
		t.Helper()
		if got, err := e.client.FetchGroupOffsets(testContext(t), group, at); err != nil || got[0].Offset != n {
			t.Fatalf("%+v, %v, want %d", got, err, n)
		}
	}
	commit(1)
	broker, code, err := e.client.GroupCoordinator(testContext(t), group)
	if err != nil || code != kw.OK {
		t.Fatal(code, err)
	}
	if err := e.k.KillBroker(int(broker) - 1); err != nil {
		t.Fatal(err)
	}
	mustBe(1)
	commit(2)
	if err := e.k.StartBroker(t.Context(), int(broker)-1); err != nil {
		t.Fatal(err)
	}
	e.waitForAll(t)
	mustBe(2)
	commit(3)
	mustBe(3)
	if state, err := e.client.DescribeGroup(testContext(t), group); err != nil || state.State != "Empty" {
		t.Errorf("%+v, %v", state, err)
	}
}
