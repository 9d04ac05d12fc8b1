package kafkawire

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	kw "cdcbridge/internal/kafkawire"
)

func timeoutContext(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

// testTransactions writes committed and aborted transactions over two partitions and reads them with everything.
func (e *env) testTransactions(t *testing.T) {
	topic := e.topic(t, 2)
	p := e.producer(t, topicName(t))
	p0, p1 := kw.TopicPartition{Topic: topic}, kw.TopicPartition{Topic: topic, Partition: 1}
	want := 0
	for i := range 10 {
		commit := i%3 != 1
		for _, at := range []kw.TopicPartition{p0, p1} {
			p.must(t, p.produce(t, at, kw.None, record{fmt.Sprint("k", i), fmt.Sprint("v", i)}, record{"gone", ""}))
		}
		p.must(t, p.produce(t, p0, kw.None, record{"second", "batch"}))
		state, code, err := e.client.DescribeTransaction(testContext(t), p.txn)
		if err != nil || code != kw.OK || state.State != "Ongoing" || state.Producer != p.pid || state.Started.IsZero() || state.Timeout != p.timeout {
			t.Fatalf("open transaction: %v %v %+v, producer %s", err, code, state, p.pid)
		}
		p.must(t, p.end(t, commit))
		if commit {
			want += 5
		} else if e.proto == kw.Classic {
			p.init(t, p.pid) // an abort ends the use of an epoch
		}
		e.settled(t, p)
	}
	if got := e.sameEverywhere(t, topic, 2); len(got) != want {
		t.Fatalf("%d records, want %d:\n%s", len(got), want, strings.Join(got, "\n"))
	}
}

// testCodecs writes compressible and random batches of several sizes with every codec.
func (e *env) testCodecs(t *testing.T) {
	topic := e.topic(t, 1)
	at := kw.TopicPartition{Topic: topic}
	p := e.producer(t, topicName(t))
	want := 0
	for codec := kw.None; codec <= kw.Zstd; codec++ {
		for _, n := range []int{1, 10, 3000} {
			records := make([]record, n)
			for i := range records {
				records[i] = record{fmt.Sprint("key", i), strings.Repeat(fmt.Sprint("value ", i), 1+i%30)}
			}
			p.must(t, p.produce(t, at, codec, records...))
			want += n
		}
		p.must(t, p.end(t, true))
	}
	e.settled(t, p)
	if got := e.sameEverywhere(t, topic, 1); len(got) != want {
		t.Fatalf("%d records, want %d", len(got), want)
	}
}

// testForeignWriter reads what franz-go wrote, in every codec, with aborts and plain records between.
func (e *env) testForeignWriter(t *testing.T) {
	topic := e.topic(t, 1)
	ctx := testContext(t)
	for i, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		txn := topicName(t)
		cl, err := kgo.NewClient(kgo.SeedBrokers(e.brokers...), kgo.TransactionalID(txn), kgo.ProducerBatchCompression(codec),
			kgo.DefaultProduceTopic(topic), kgo.MetadataMinAge(100*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		for round := range 4 {
			if err := cl.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			for k := range 200 {
				cl.Produce(ctx, &kgo.Record{Key: fmt.Appendf(nil, "%d-%d-%d", i, round, k), Value: []byte(strings.Repeat("abc", k)), Headers: []kgo.RecordHeader{{Key: "h", Value: nil}, {Key: "h", Value: []byte("2")}}}, nil)
			}
			if err := cl.Flush(ctx); err != nil {
				t.Fatal(err)
			}
			if err := cl.EndTransaction(ctx, kgo.TransactionEndTry(round%2 == 0)); err != nil {
				t.Fatal(err)
			}
		}
		cl.Close()
		plain, err := kgo.NewClient(kgo.SeedBrokers(e.brokers...), kgo.DefaultProduceTopic(topic), kgo.MetadataMinAge(100*time.Millisecond), kgo.ProducerBatchCompression(codec))
		if err != nil {
			t.Fatal(err)
		}
		if err := plain.ProduceSync(ctx, kgo.StringRecord("outside")).FirstErr(); err != nil {
			t.Fatal(err)
		}
		plain.Close()
	}
	if got := e.sameEverywhere(t, topic, 1); len(got) != 5*(2*200+1) {
		t.Fatalf("%d records, want %d", len(got), 5*(2*200+1))
	}
}

// testOpenTransaction keeps one transaction open: read_committed stops before it, the undecided reader sees past it.
func (e *env) testOpenTransaction(t *testing.T) {
	topic := e.topic(t, 1)
	at := kw.TopicPartition{Topic: topic}
	hangs := e.producer(t, topicName(t))
	p := e.producer(t, topicName(t))
	p.must(t, p.produce(t, at, kw.LZ4, record{"first", "1"}))
	p.must(t, p.end(t, true))
	e.settled(t, p)
	hangs.must(t, hangs.produce(t, at, kw.None, record{"open", "x"}))
	p.must(t, p.produce(t, at, kw.LZ4, record{"second", "2"}))
	p.must(t, p.end(t, true))
	e.settled(t, p)
	if got := e.byFetcher(t, topic, 1); len(got) != 1 {
		t.Fatalf("read_committed sees past an open transaction: %q", got)
	}
	u := e.client.NewUndecidedReader(at, func(key []byte) bool { return string(key) != "first" })
	var keys []string
	emit := func(r *kw.FetchedRecord) error {
		keys = append(keys, string(r.Key))
		return nil
	}
	if err := u.ReadToEnd(testContext(t), emit); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(keys, []string{"second"}) || u.Pending() != 1 {
		t.Fatalf("undecided reader: %q, %d pending", keys, u.Pending())
	}
	hangs.must(t, hangs.end(t, true))
	e.settled(t, hangs)
	if err := u.ReadToEnd(testContext(t), emit); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(keys, []string{"second", "open"}) || u.Pending() != 0 {
		t.Fatalf("after the commit: %q, %d pending", keys, u.Pending())
	}
	e.sameEverywhere(t, topic, 1)
}

// testFence takes an id over while a transaction is open: its records are aborted, its producer is refused, and the marker
// with another epoch is what decides them.
func (e *env) testFence(t *testing.T) {
	topic := e.topic(t, 1)
	at := kw.TopicPartition{Topic: topic}
	txn := topicName(t)
	zombie := e.producer(t, txn)
	zombie.must(t, zombie.produce(t, at, kw.None, record{"zombie", "1"}))
	owner := e.producer(t, txn)
	owner.must(t, owner.produce(t, at, kw.None, record{"owner", "1"}))
	err := zombie.produce(t, at, kw.None, record{"zombie", "2"})
	var code kw.Code
	if !errors.As(err, &code) || !slices.Contains([]kw.Code{kw.InvalidProducerEpoch, kw.ProducerFenced, kw.InvalidTxnState, kw.InvalidProducerIDMapping}, code) {
		t.Fatalf("a fenced Produce answered %v", err)
	}
	if err := zombie.end(t, true); err == nil {
		t.Fatal("a fenced EndTxn was accepted")
	}
	owner.must(t, owner.end(t, true))
	e.settled(t, owner)
	if got := e.sameEverywhere(t, topic, 1); len(got) != 1 || !strings.Contains(got[0], "owner=1") {
		t.Fatalf("records: %q", got)
	}
}

// testZombieBump lets a fenced producer bump its own old epoch, with the owner idle and in the middle of a transaction. It
// never gets an epoch. With a transaction open, the broker aborts that before it looks at the epoch, which costs the owner
// a reopen and nothing else.
func (e *env) testZombieBump(t *testing.T) {
	topic := e.topic(t, 1)
	at := kw.TopicPartition{Topic: topic}
	txn := topicName(t)
	zombie := e.producer(t, txn)
	zombie.must(t, zombie.produce(t, at, kw.None, record{"zombie", "1"}))
	zombie.must(t, zombie.end(t, true))
	owner := e.producer(t, txn)
	owner.must(t, owner.produce(t, at, kw.None, record{"owner", "1"}))
	owner.must(t, owner.end(t, true))
	e.settled(t, owner)
	bump := func() {
		t.Helper()
		err := zombie.retry(t, kw.CallInitProducerID, func(ctx context.Context) (kw.Code, error) {
			_, code, err := e.client.InitProducerID(ctx, txn, zombie.timeout, zombie.pid)
			return code, err
		})
		var code kw.Code
		if !errors.As(err, &code) || code != kw.ProducerFenced && code != kw.InvalidProducerEpoch {
			t.Fatalf("a zombie's bump of its own epoch: %v", err)
		}
	}
	bump()
	owner.must(t, owner.produce(t, at, kw.None, record{"owner", "2"}))
	bump()
	err := owner.end(t, true)
	var code kw.Code
	if errors.As(err, &code) {
		if verdict, _ := kw.Judge(kw.CallEndTxn, e.proto, code); verdict != kw.Reopen {
			t.Fatalf("the owner's EndTxn: %v", err)
		}
	}
	t.Logf("the owner's EndTxn after it: %v", err)
	again := e.producer(t, txn)
	again.must(t, again.produce(t, at, kw.None, record{"owner", "3"}))
	again.must(t, again.end(t, true))
	e.settled(t, again)
	want := 3
	if err == nil {
		want = 4
	}
	if got := e.sameEverywhere(t, topic, 1); len(got) != want {
		t.Fatalf("%d records, want %d: %q", len(got), want, got)
	}
}

// testRefusals meets the codes that the verdict table must tell apart.
func (e *env) testRefusals(t *testing.T) {
	topic := e.topic(t, 1, kw.Setting{Name: "max.message.bytes", Value: "2000"}, kw.Setting{Name: "cleanup.policy", Value: "compact"})
	at := kw.TopicPartition{Topic: topic}
	p := e.producer(t, topicName(t))
	p.must(t, p.produce(t, at, kw.None, record{"k", "1"}))
	refused := func(what string, batch []byte, want kw.Code, verdict kw.Verdict) {
		t.Helper()
		err := p.send(t, at, batch, 1)
		var code kw.Code
		if !errors.As(err, &code) || code != want || !strings.HasPrefix(err.Error(), verdict.String()) {
			t.Errorf("%s: %v, want %v and %v", what, err, verdict, want)
		}
	}
	refused("too large", p.batch(t, at, kw.None, record{"k", strings.Repeat("x", 3000)}), kw.MessageTooLarge, kw.Split)
	p.must(t, p.produce(t, at, kw.None, record{"k", "2"})) // with the sequence that the refused batch did not use
	noKey := kw.AppendRecord(kw.ReserveBatchHeader(nil), &kw.Record{Value: []byte("v")})
	kw.SealBatch(noKey, &kw.BatchHeader{Count: 1, BaseTimestamp: baseTime, MaxTimestamp: baseTime, Transactional: true, Producer: p.pid, Sequence: p.seq[at]})
	refused("no key", noKey, kw.InvalidRecord, kw.Final)
	gap := encode(t, kw.None, record{"k", "3"})
	kw.SealBatch(gap, &kw.BatchHeader{Count: 1, BaseTimestamp: baseTime, MaxTimestamp: baseTime, Transactional: true, Producer: p.pid, Sequence: p.seq[at] + 5})
	refused("sequence gap", gap, kw.OutOfOrderSequence, kw.Reopen)
	damaged := p.batch(t, at, kw.None, record{"k", "4"})
	damaged[len(damaged)-1] ^= 1
	res, err := e.client.Produce(testContext(t), e.leader(t, at), &kw.ProduceRequest{Protocol: e.proto, TransactionalID: p.txn, Timeout: time.Second,
		Parts: []kw.ProducePart{{Topic: topic, Batch: damaged}}})
	if err != nil || res[0].Code != kw.CorruptMessage {
		t.Errorf("damaged batch: %v %+v", err, res)
	}
	p.must(t, p.end(t, true))
	if _, code, err := e.client.InitProducerID(testContext(t), topicName(t), 24*time.Hour, kw.NoProducer); err != nil || code != kw.InvalidTransactionTimeout {
		t.Errorf("a timeout of a day: %v %v", code, err)
	}
	if _, code, err := e.client.DescribeTransaction(testContext(t), "never used"); err != nil || code != kw.TransactionalIDNotFound {
		t.Errorf("describing an unknown id: %v %v", code, err)
	}
	if _, code, err := e.client.AddPartitions(testContext(t), p.txn, p.pid, []kw.TopicPartition{at, {Topic: "no.such.topic"}}); err != nil || code != kw.UnknownTopicOrPartition {
		t.Errorf("adding a missing topic: %v %v", code, err)
	}
}

// testResentBatch sends the same bytes several times: one copy is kept.
func (e *env) testResentBatch(t *testing.T) {
	topic := e.topic(t, 1)
	at := kw.TopicPartition{Topic: topic}
	p := e.producer(t, topicName(t))
	for i := range 3 {
		batch := p.batch(t, at, kw.Zstd, record{"k", fmt.Sprint(i)})
		p.must(t, p.send(t, at, batch, 0))
		p.must(t, p.send(t, at, batch, 0))
		p.must(t, p.send(t, at, batch, 1))
	}
	p.must(t, p.end(t, true))
	e.settled(t, p)
	if got := e.sameEverywhere(t, topic, 1); len(got) != 3 {
		t.Fatalf("records: %q", got)
	}
}

// testManyEpochs commits and aborts many short transactions, and measures the cycle.
func (e *env) testManyEpochs(t *testing.T) {
	topic := e.topic(t, 1)
	at := kw.TopicPartition{Topic: topic}
	p := e.producer(t, topicName(t))
	began := time.Now()
	const n = 200
	for i := range n {
		p.must(t, p.produce(t, at, kw.None, record{fmt.Sprint(i), "v"}))
		p.must(t, p.end(t, true))
		e.settled(t, p)
	}
	t.Logf("%d transactions of one record: %s each", n, time.Since(began)/n)
	if got := e.sameEverywhere(t, topic, 1); len(got) != n {
		t.Fatalf("%d records, want %d", len(got), n)
	}
}
