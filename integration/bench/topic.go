package main

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	kw "cdcbridge/internal/kafkawire"
)

// onTopics is no database: the source is a topic.
const onTopics = ""

// topicLoad is what a topic is filled with: messages as Debezium's MySQL connector writes them without schemas, of a table of 12
// columns.
type topicLoad struct {
	label   string
	updates bool // with the row before
	headers bool // that Debezium puts on each record since 3.2
}

// measureTopics reads a topic of one partition and writes rows by key into one of six, exactly once. The ceiling is our own fetcher,
// which takes the same records apart and looks at nothing in them.
func measureTopics(ctx context.Context, s *stand) error {
	const outputs = 6
	for i, l := range []topicLoad{{label: "inserts"}, {label: "inserts, four headers each", headers: true}, {label: "updates", updates: true}} {
		in := fmt.Sprintf("bench-in-%d", i)
		rows := s.rows
		if err := s.fillTopic(ctx, in, 1, rows, l); err != nil {
			return err
		}
		for n := range s.runs {
			res, err := s.consumeOnly(ctx, in, 1, rows)
			if err != nil {
				return err
			}
			s.report.ceiling("topic", l.label+": consume only", res)
			smp, err := s.drainTopic(ctx, in, outputs, rows)
			if err != nil {
				return fmt.Errorf("reading %s: %w", l.label, err)
			}
			s.report.drain("topic", l.label, smp)
			progress("   run %d: %s %s rows/s, %.2f µs of CPU a row, %d MB; consume only %s rows/s", n+1, l.label, thousands(float64(smp.Rows)/smp.Seconds),
				1e6*smp.CPUSeconds/float64(smp.Rows), smp.PeakMemory>>20, thousands(float64(res.Rows)/res.Seconds))
		}
		if err := s.deleteTopics(ctx, in); err != nil {
			return err
		}
	}
	return nil
}

// measureWideTopics is about memory: a thousand partitions, each with its own share of the rows.
func measureWideTopics(ctx context.Context, s *stand) error {
	const in, wide, outputs = "bench-wide", 1000, 6
	rows := s.rows / 5
	if err := s.fillTopic(ctx, in, wide, rows, topicLoad{}); err != nil {
		return err
	}
	for n := range s.runs {
		smp, err := s.drainTopic(ctx, in, outputs, rows)
		if err != nil {
			return err
		}
		s.report.drain("topic-wide", "inserts", smp)
		progress("   run %d: %s rows/s, %.2f µs of CPU a row, %d MB", n+1, thousands(float64(smp.Rows)/smp.Seconds), 1e6*smp.CPUSeconds/float64(smp.Rows), smp.PeakMemory>>20)
	}
	return s.deleteTopics(ctx, in)
}

// fillTopic makes a topic and writes so many messages into it.
func (s *stand) fillTopic(ctx context.Context, topic string, parts int32, rows int64, l topicLoad) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Brokers()...), kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerLinger(20*time.Millisecond),
		kgo.MaxBufferedRecords(50_000), kgo.DefaultProduceTopic(topic))
	if err != nil {
		return err
	}
	defer cl.Close()
	made, err := kadm.NewClient(cl).CreateTopic(ctx, parts, 1, map[string]*string{"cleanup.policy": kadm.StringPtr("delete")}, topic)
	if err != nil || made.Err != nil {
		return fmt.Errorf("creating %s: %w, %w", topic, err, made.Err)
	}
	began := time.Now()
	var headers []kgo.RecordHeader
	if l.headers {
		for _, h := range [][2]string{{"connectorLogicalName", "shop1"}, {"taskId", "0"}, {"connectorName", "mysql"}, {"runId", "01975d9e-0b1f-7ccd-a6b5-9d4c8a37e1f2"}} {
			headers = append(headers, kgo.RecordHeader{Key: "__debezium.context." + h[0], Value: []byte(h[1])})
		}
	}
	failed := make(chan error, 1)
	for i := range rows {
		cl.Produce(ctx, &kgo.Record{Key: fmt.Appendf(nil, `{"id":%d}`, i), Value: l.message(i), Headers: headers}, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return fmt.Errorf("filling %s: %w", topic, err)
	default:
	}
	progress("   %d messages written into %d partitions in %.1f s", rows, parts, time.Since(began).Seconds())
	return nil
}

// message is one of Debezium 3's MySQL connector with its defaults, without schemas, as a JSON converter writes it.
func (l topicLoad) message(i int64) []byte {
	row := func(dst []byte, version int64) []byte {
		return fmt.Appendf(dst, `{"id":%d,"customer_id":%d,"product_id":%d,"sku":"SKU-%06d","status":"%s","city":"Köln-%03d","note":"order %d of the day, to be delivered soon","amount":"%s",`+
			`"quantity":%d,"created_at":%d,"updated_at":"2024-05-06T07:08:%02d.123Z","priority":%d}`,
			i, i*7919%100_000, i*104_729%5000, i%1_000_000, [...]string{"new", "paid", "sent"}[(i+version)%3], i%500, i, [...]string{"BNI=", "AfQ=", "D0JA"}[i%3],
			1+(i+version)%9, 1_714_979_289_123+i, i%60, i%5)
	}
	before, op := []byte("null"), "c"
	if l.updates {
		before, op = row(nil, 0), "u"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"before":%s,"after":%s,"source":{"version":"3.6.1.Final","connector":"mysql","name":"shop1","ts_ms":%d,"snapshot":"false","db":"bench","sequence":null,`+
		`"ts_us":%d,"ts_ns":%d,"table":"orders","server_id":223344,"gtid":"3e11fa47-71ca-11e1-9e33-c80aa9429562:%d","file":"binlog.000007","pos":%d,"row":%d,"thread":11,"query":null},`+
		`"transaction":null,"op":"%s","ts_ms":%d,"ts_us":%d,"ts_ns":%d}`,
		before, row(nil, 1), 1_714_979_289_000+i, (1_714_979_289_000+i)*1000, (1_714_979_289_000+i)*1_000_000, i/100, 157+i/50*8000, i%50, op,
		1_714_979_290_000+i, (1_714_979_290_000+i)*1000, (1_714_979_290_000+i)*1_000_000)
	return b.Bytes()
}

// drainTopic reads the topic with a daemon of its own until every row is committed, and looks for each record of it in the target.
func (s *stand) drainTopic(ctx context.Context, in string, outputs int, rows int64) (sample, error) {
	s.serial++
	name := fmt.Sprintf("t%d", s.serial)
	config := s.config(name, fmt.Sprintf("topics: {partitions: %d}", outputs), fmt.Sprintf("type: kafka, topics: [%s], format: debezium-json", in), `format: plain-json, topic: "{pipeline}.{table}"`)
	smp, err := s.measure(ctx, in, name, config, inserts(rows, 1))
	if err != nil {
		return smp, err
	}
	target := name + ".orders"
	if err := s.verifyPlaces(ctx, target, rows); err != nil {
		return smp, fmt.Errorf("verifying %s: %w", target, err)
	}
	return smp, s.deleteTopics(ctx, target)
}

// verifyPlaces reads a topic with an independent read_committed consumer: its records come from as many places, and none twice.
func (s *stand) verifyPlaces(ctx context.Context, topic string, want int64) error {
	seen := map[string][]uint64{} // a bit an offset, by partition
	n := int64(0)
	err := s.scan(ctx, func(r *kgo.Record) error {
		for _, h := range r.Headers {
			if h.Key != "cdc.pos" {
				continue
			}
			partition, at, _ := bytes.Cut(h.Value, []byte{'@'})
			offset, err := strconv.ParseUint(string(at), 10, 32)
			if err != nil {
				return fmt.Errorf("cdc.pos is %q", h.Value)
			}
			bits := seen[string(partition)]
			for uint64(len(bits)) <= offset/64 {
				bits = append(bits, 0)
			}
			if bits[offset/64]>>(offset%64)&1 == 1 {
				return fmt.Errorf("%q is in the topic twice", h.Value)
			}
			bits[offset/64] |= 1 << (offset % 64)
			seen[string(partition)] = bits
			n++
		}
		return nil
	}, topic)
	if err == nil && n != want {
		err = fmt.Errorf("%d committed records, want %d", n, want)
	}
	return err
}

// consumeOnly reads the topic as the source does, takes its records apart, and drops them.
func (s *stand) consumeOnly(ctx context.Context, topic string, parts int32, rows int64) (ceiling, error) {
	wire := kw.NewClient(kw.Config{Brokers: s.kafka.Brokers(), ClientID: "bench"})
	defer wire.Close()
	var starts []kw.Progress
	for p := range parts {
		starts = append(starts, kw.Progress{TopicPartition: kw.TopicPartition{Topic: topic, Partition: p}})
	}
	f := wire.NewFetcher(kw.FetcherConfig{}, starts...)
	res := ceiling{}
	before, began := readUsage(), time.Now()
	for res.Rows < rows {
		err := f.Poll(ctx, func(r *kw.FetchedRecord) error {
			res.Rows++
			res.Bytes += int64(len(r.Key) + len(r.Value))
			return nil
		})
		if err != nil {
			return res, err
		}
	}
	res.Seconds = time.Since(began).Seconds()
	res.Shares = readUsage().since(before, 0)
	return res, nil
}
