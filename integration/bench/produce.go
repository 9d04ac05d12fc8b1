package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	kw "cdcbridge/internal/kafkawire"
)

// The ceiling on Kafka's side: the records that the daemon has written, encoded and compressed before the clock starts,
// written again in transactions by a producer that does nothing else.

const (
	batchRecords = 500      // in a batch, about what a batch of changes gives one of three partitions
	commitBytes  = 16 << 20 // in a transaction, as the daemon's default
)

// sealed is one batch that lacks only what is known when it is sent.
type sealed struct {
	batch  []byte
	header kw.BatchHeader
}

// load is what a produce ceiling writes: batches by partition.
type load struct {
	rows  int64
	parts [partitions][]sealed
}

// builder collects the records of one partition's next batch.
type builder struct {
	raw    []byte
	header kw.BatchHeader
}

// encodeTopic makes the batches of a topic.
func (s *stand) encodeTopic(ctx context.Context, topic string) (*load, error) {
	l := &load{}
	var building [partitions]builder
	flush := func(p int32) error {
		b := &building[p]
		batch, err := kw.AppendCompressed(kw.ReserveBatchHeader(nil), kw.LZ4, b.raw)
		if err != nil {
			return err
		}
		b.header.Codec, b.header.Transactional = kw.LZ4, true
		l.parts[p] = append(l.parts[p], sealed{batch, b.header})
		b.raw, b.header = b.raw[:0], kw.BatchHeader{}
		return nil
	}
	var headers []byte
	err := s.scan(ctx, func(r *kgo.Record) error {
		b := &building[r.Partition]
		at := r.Timestamp.UnixMilli()
		if b.header.Count == 0 {
			b.header.BaseTimestamp, b.header.MaxTimestamp = at, at
		}
		headers = headers[:0]
		for _, h := range r.Headers {
			headers = kw.AppendRecordHeader(headers, h.Key, h.Value)
		}
		b.raw = kw.AppendRecord(b.raw, &kw.Record{
			OffsetDelta: b.header.Count, TimestampDelta: at - b.header.BaseTimestamp,
			Key: r.Key, Value: r.Value, Headers: headers, HeaderCount: len(r.Headers),
		})
		b.header.MaxTimestamp = max(b.header.MaxTimestamp, at)
		b.header.Count++
		l.rows++
		if b.header.Count == batchRecords {
			return flush(r.Partition)
		}
		return nil
	}, topic)
	for p := range building {
		if err == nil && building[p].header.Count > 0 {
			err = flush(int32(p))
		}
	}
	return l, err
}

// produce writes the load into a new topic and deletes that.
func (s *stand) produce(ctx context.Context, l *load) (ceiling, error) {
	ctx, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	s.serial++
	p := &producer{load: l, topic: fmt.Sprintf("p%d", s.serial), wire: kw.NewClient(kw.Config{Brokers: s.kafka.Brokers()})}
	defer p.wire.Close()
	if err := p.open(ctx); err != nil {
		return ceiling{}, err
	}
	before := readUsage()
	began := time.Now()
	res, err := p.run(ctx)
	if err != nil {
		return ceiling{}, fmt.Errorf("producing: %w", err)
	}
	res.Seconds, res.Shares = time.Since(began).Seconds(), readUsage().since(before, 0)
	return res, s.deleteTopics(ctx, p.topic)
}

// producer is the least that writes transactions over KIP-890 to the one broker.
type producer struct {
	load   *load
	topic  string
	wire   *kw.Client
	leader int32
	pid    kw.ProducerID
}

func (p *producer) open(ctx context.Context) error {
	made, err := p.wire.CreateTopics(ctx, []kw.NewTopic{{Name: p.topic, Partitions: partitions, Replication: 1}}, 10*time.Second, false)
	if err != nil {
		return err
	}
	if made[0].Code != kw.OK {
		return fmt.Errorf("creating %s: %w", p.topic, made[0].Code)
	}
	err = p.repeat(ctx, kw.CallInitProducerID, func() (code kw.Code, err error) {
		p.pid, code, err = p.wire.InitProducerID(ctx, p.topic, time.Minute, kw.NoProducer)
		return code, err
	})
	if err != nil {
		return err
	}
	for {
		m, err := p.wire.Metadata(ctx, p.topic)
		if err != nil {
			return err
		}
		code := kw.OK
		for i := int32(0); i < partitions && code == kw.OK; i++ {
			p.leader, _, code = m.Leader(kw.TopicPartition{Topic: p.topic, Partition: i})
		}
		if code == kw.OK {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// run writes transactions of commitBytes, each partition's batches one after the other, the partitions side by side.
func (p *producer) run(ctx context.Context) (ceiling, error) {
	var res ceiling
	var at [partitions]int
	for more := true; more; {
		g, gctx := errgroup.WithContext(ctx)
		more = false
		for i := range at {
			from, bytes := at[i], 0
			for ; at[i] < len(p.load.parts[i]) && bytes < commitBytes/partitions; at[i]++ {
				bytes += len(p.load.parts[i][at[i]].batch)
			}
			res.Bytes += int64(bytes)
			more = more || at[i] < len(p.load.parts[i])
			g.Go(func() error { return p.write(gctx, int32(i), p.load.parts[i][from:at[i]]) })
		}
		if err := g.Wait(); err != nil {
			return res, err
		}
		err := p.repeat(ctx, kw.CallEndTxn, func() (kw.Code, error) {
			next, code, err := p.wire.EndTxn(ctx, kw.KIP890, p.topic, p.pid, true)
			if err == nil && code == kw.OK {
				p.pid = next
			}
			return code, err
		})
		if err != nil {
			return res, err
		}
		res.Commits++
	}
	res.Rows = p.load.rows
	return res, nil
}

// write sends one partition's batches of a transaction.
func (p *producer) write(ctx context.Context, partition int32, batches []sealed) error {
	sequence := int32(0)
	for _, b := range batches {
		b.header.Producer, b.header.Sequence = p.pid, sequence
		kw.SealBatch(b.batch, &b.header)
		sequence += b.header.Count
		err := p.repeat(ctx, kw.CallProduce, func() (kw.Code, error) {
			res, err := p.wire.Produce(ctx, p.leader, &kw.ProduceRequest{
				Protocol: kw.KIP890, TransactionalID: p.topic, Timeout: 10 * time.Second,
				Parts: []kw.ProducePart{{Topic: p.topic, Partition: partition, Batch: b.batch}},
			})
			if err != nil {
				return kw.OK, err
			}
			return res[0].Code, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *producer) repeat(ctx context.Context, call kw.Call, do func() (kw.Code, error)) error {
	for ctx.Err() == nil {
		code, err := do()
		if err != nil {
			return err
		}
		switch verdict, why := kw.Judge(call, kw.KIP890, code); verdict {
		case kw.Done:
			return nil
		case kw.ResendSame, kw.BackoffRepeat, kw.RefreshMetadata:
			time.Sleep(time.Millisecond)
		default:
			return fmt.Errorf("%s: %w", why, code)
		}
	}
	return ctx.Err()
}
