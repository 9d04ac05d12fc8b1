package kafkawire

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	kw "cdcbridge/internal/kafkawire"
)

// meddler is what a crash test puts between client and transport.
type meddler struct {
	rt     kafka.RoundTripper
	refuse func(kafka.Request) bool // before it is sent
	lose   func(kafka.Request) bool // after it was answered
}

func (m *meddler) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	if m.refuse != nil && m.refuse(req) {
		return nil, errors.New("refused by the test")
	}
	res, err := m.rt.RoundTrip(ctx, addr, req)
	if m.lose != nil && m.lose(req) {
		return nil, errors.New("answer lost by the test")
	}
	return res, err
}

// testFaults refuses a call, loses an answer and cuts a connection: the error says whether the broker may have acted, and
// the same bytes heal it.
func (e *env) testFaults(t *testing.T) {
	m := &meddler{}
	var conns []net.Conn
	client := kw.NewClient(kw.Config{
		Brokers: e.brokers,
		Wrap: func(rt kafka.RoundTripper) kafka.RoundTripper {
			m.rt = rt
			return m
		},
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if err == nil {
				conns = append(conns, c)
			}
			return c, err
		},
	})
	defer client.Close()
	mine := *e
	mine.client = client
	topic := mine.topic(t, 1)
	at := kw.TopicPartition{Topic: topic}
	p := mine.producer(t, topicName(t))
	batch := p.batch(t, at, kw.None, record{"k", "1"})
	once := func(key protocol.ApiKey, describe string) func(kafka.Request) bool {
		done := false
		return func(r kafka.Request) bool {
			if done || r.ApiKey() != key {
				return false
			}
			if !strings.HasPrefix(kw.Describe(r), describe) {
				t.Errorf("described as %q, want %q", kw.Describe(r), describe)
			}
			done = true
			return true
		}
	}
	m.refuse = once(protocol.Produce, "Produce v")
	if err := p.send(t, at, batch, 1); !kw.IsUnsent(err) {
		t.Fatalf("refused Produce: %v", err)
	}
	m.refuse, m.lose = nil, once(protocol.Produce, "Produce v")
	if err := p.send(t, at, batch, 1); err == nil || kw.IsUnsent(err) {
		t.Fatalf("lost Produce: %v", err)
	}
	m.lose = nil
	p.must(t, p.send(t, at, batch, 1))
	for _, c := range conns {
		_ = c.Close()
	}
	conns = nil
	m.lose = once(protocol.EndTxn, "EndTxn v")
	var next kw.ProducerID
	for attempt := 0; ; attempt++ { // pooled connections fail one by one
		got, code, err := client.EndTxn(testContext(t), e.proto, p.txn, p.pid, true)
		if err == nil && code == kw.OK {
			next = got
			break
		}
		if err == nil {
			if verdict, _ := kw.Judge(kw.CallEndTxn, e.proto, code); verdict != kw.BackoffRepeat {
				t.Fatalf("EndTxn again: %v", code)
			}
		}
		if attempt > 100 {
			t.Fatalf("EndTxn: %v %v", code, err)
		}
		time.Sleep(2 * time.Millisecond)
	}
	if e.proto == kw.KIP890 && next == p.pid {
		t.Error("the repeated EndTxn answered the old epoch")
	}
	e.settled(t, p)
	if got := e.sameEverywhere(t, topic, 1); len(got) != 1 {
		t.Fatalf("records: %q", got)
	}
}

// testCompaction overwrites keys until the cleaner has left gaps, empty batches and lone markers, and reads from every offset.
func (e *env) testCompaction(t *testing.T) {
	topic := e.topic(t, 1, kw.Setting{Name: "cleanup.policy", Value: "compact"}, kw.Setting{Name: "segment.ms", Value: "500"},
		kw.Setting{Name: "min.cleanable.dirty.ratio", Value: "0.001"}, kw.Setting{Name: "delete.retention.ms", Value: "100"},
		kw.Setting{Name: "max.compaction.lag.ms", Value: "1000"})
	at := kw.TopicPartition{Topic: topic}
	ctx := testContext(t)
	p := e.producer(t, topicName(t))
	write := func(i int) {
		p.must(t, p.produce(t, at, kw.LZ4, record{"a", strings.Repeat("x", i)}, record{"b", "y"}))
		p.must(t, p.end(t, i%3 != 1))
		if i%3 == 1 && e.proto == kw.Classic {
			p.init(t, p.pid)
		}
		e.settled(t, p)
	}
	first := "0@0 "
	for i := 1; ; i++ {
		write(i)
		got := e.byFetcher(t, topic, 1)
		if i > 30 && len(got) > 0 && !strings.HasPrefix(got[0], first) {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("the cleaner did not run: %q", got)
		}
		time.Sleep(100 * time.Millisecond)
	}
	want := e.sameEverywhere(t, topic, 1)
	ends, err := e.client.ListOffsets(ctx, []kw.TopicPartition{at}, kw.ReadCommitted, kw.LatestOffset)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d records left of %d offsets", len(want), ends[0].Offset)
	for from := int64(0); from < ends[0].Offset; from++ {
		f := e.client.NewFetcher(kw.FetcherConfig{MaxWait: 20 * time.Millisecond}, kw.Progress{TopicPartition: at, Offset: from})
		for f.Progress()[0].Offset < ends[0].Offset {
			if err := f.Poll(ctx, func(r *kw.FetchedRecord) error {
				if r.Offset < from {
					t.Fatalf("record %d before the offset %d asked for", r.Offset, from)
				}
				return nil
			}); err != nil {
				t.Fatalf("from %d: %v", from, err)
			}
		}
	}
}

// testReplacedTopic deletes a topic and creates it again: another id, and offsets that are gone.
func (e *env) testReplacedTopic(t *testing.T) {
	ctx := testContext(t)
	topic := e.topic(t, 1)
	at := kw.TopicPartition{Topic: topic}
	before := e.ready(t, topic, 1).ID
	p := e.producer(t, topicName(t))
	p.must(t, p.produce(t, at, kw.None, record{"k", "1"}))
	p.must(t, p.end(t, true))
	cl, err := kgo.NewClient(kgo.SeedBrokers(e.brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).DeleteTopics(ctx, topic); err != nil {
		t.Fatal(err)
	}
	for {
		made, err := e.client.CreateTopics(ctx, []kw.NewTopic{{Name: topic, Partitions: 1, Replication: -1}}, 10*time.Second, false)
		if err != nil {
			t.Fatal(err)
		}
		if made[0].Code == kw.OK {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if after := e.ready(t, topic, 1).ID; after == before || after == (kw.TopicID{}) {
		t.Fatalf("topic id %s, %s before", after, before)
	}
	f := e.client.NewFetcher(kw.FetcherConfig{}, kw.Progress{TopicPartition: at, Offset: 100})
	for { // a leader that is just settling in is waited out first
		err := f.Poll(ctx, func(*kw.FetchedRecord) error { return nil })
		if errors.Is(err, kw.OffsetOutOfRange) {
			return
		}
		if err != nil {
			t.Fatalf("reading past the end: %v", err)
		}
	}
}
