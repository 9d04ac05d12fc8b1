package kafkawire

import (
	"context"
	"fmt"
	"testing"
	"time"

	kw "cdcbridge/internal/kafkawire"
)

// producer is the least that writes transactions by the rules: enough for tests, on one broker.
type producer struct {
	e       *env
	txn     string
	pid     kw.ProducerID
	seq     map[kw.TopicPartition]int32
	added   map[kw.TopicPartition]bool
	timeout time.Duration
}

func (e *env) producer(t *testing.T, txn string) *producer {
	t.Helper()
	p := &producer{e: e, txn: txn, timeout: 30 * time.Second}
	p.init(t, kw.NoProducer)
	return p
}

func (p *producer) init(t *testing.T, current kw.ProducerID) {
	t.Helper()
	err := p.retry(t, kw.CallInitProducerID, func(ctx context.Context) (code kw.Code, err error) {
		p.pid, code, err = p.e.client.InitProducerID(ctx, p.txn, p.timeout, current)
		return code, err
	})
	if err != nil {
		t.Fatal(err)
	}
	p.seq, p.added = map[kw.TopicPartition]int32{}, map[kw.TopicPartition]bool{}
}

// retry repeats a call while the verdict says so.
func (p *producer) retry(t *testing.T, kind kw.Call, call func(context.Context) (kw.Code, error)) error {
	t.Helper()
	ctx := testContext(t)
	for {
		code, err := call(ctx)
		if err != nil {
			return err
		}
		switch verdict, why := kw.Judge(kind, p.e.proto, code); verdict {
		case kw.Done:
			return nil
		case kw.ResendSame, kw.BackoffRepeat, kw.RefreshMetadata:
			time.Sleep(2 * time.Millisecond)
		default:
			return fmt.Errorf("%v: %s: %w", verdict, why, code)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// record is one record to write: key, value ("" = tombstone).
type record struct{ key, value string }

// produce writes records to a partition in the open transaction.
func (p *producer) produce(t *testing.T, at kw.TopicPartition, codec kw.Codec, records ...record) error {
	t.Helper()
	return p.send(t, at, p.batch(t, at, codec, records...), int32(len(records)))
}

func (p *producer) batch(t *testing.T, at kw.TopicPartition, codec kw.Codec, records ...record) []byte {
	t.Helper()
	batch := encode(t, codec, records...)
	kw.SealBatch(batch, &kw.BatchHeader{
		Count: int32(len(records)), BaseTimestamp: baseTime, MaxTimestamp: baseTime + int64(len(records)) - 1,
		Codec: codec, Transactional: true, Producer: p.pid, Sequence: p.seq[at],
	})
	return batch
}

const baseTime = 1700000000000

func encode(t *testing.T, codec kw.Codec, records ...record) []byte {
	t.Helper()
	var raw []byte
	for i, r := range records {
		rec := kw.Record{OffsetDelta: int32(i), TimestampDelta: int64(i), Key: []byte(r.key), HeaderCount: 1}
		if r.value != "" {
			rec.Value = []byte(r.value)
		}
		rec.Headers = kw.AppendRecordHeader(nil, "n", fmt.Append(nil, i))
		raw = kw.AppendRecord(raw, &rec)
	}
	batch, err := kw.AppendCompressed(kw.ReserveBatchHeader(nil), codec, raw)
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

func (p *producer) send(t *testing.T, at kw.TopicPartition, batch []byte, n int32) error {
	t.Helper()
	if p.e.proto == kw.Classic && !p.added[at] {
		err := p.retry(t, kw.CallAddPartitions, func(ctx context.Context) (kw.Code, error) {
			_, code, err := p.e.client.AddPartitions(ctx, p.txn, p.pid, []kw.TopicPartition{at})
			return code, err
		})
		if err != nil {
			return err
		}
		p.added[at] = true
	}
	leader := p.e.leader(t, at)
	err := p.retry(t, kw.CallProduce, func(ctx context.Context) (kw.Code, error) {
		res, err := p.e.client.Produce(ctx, leader, &kw.ProduceRequest{
			Protocol: p.e.proto, TransactionalID: p.txn, Timeout: 10 * time.Second,
			Parts: []kw.ProducePart{{Topic: at.Topic, Partition: at.Partition, Batch: batch}},
		})
		if err != nil {
			return kw.OK, err
		}
		return res[0].Code, nil
	})
	if err == nil {
		p.seq[at] = kw.NextSequence(p.seq[at], n)
	}
	return err
}

// end ends the transaction.
func (p *producer) end(t *testing.T, commit bool) error {
	t.Helper()
	next := p.pid
	err := p.retry(t, kw.CallEndTxn, func(ctx context.Context) (code kw.Code, err error) {
		next, code, err = p.e.client.EndTxn(ctx, p.e.proto, p.txn, p.pid, commit)
		return code, err
	})
	if err != nil {
		return err
	}
	if next != p.pid {
		p.seq = map[kw.TopicPartition]int32{}
	}
	p.pid, p.added = next, map[kw.TopicPartition]bool{}
	return nil
}

func (p *producer) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
