package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/integration/servers"
)

// rival is Debezium on Kafka Connect with exactly-once on, which drains the same backlogs beside the daemon when -debezium is given.
//
//	before the load   a connector for each run looks at the empty tables, remembers where the log stands, and ends
//	a run             the connector comes back under its name, goes on from there, and is followed until its topic no longer grows
//
// Its worker has a JVM as one would give it: the optimizing compiler, the usual collector, 2 GB of heap. Queue, batches and producer are set for
// throughput.
type rival struct {
	connect *servers.Connect
	ready   []string // connectors that wait for the backlog of now, one a run
	serial  int
}

const (
	rivalHeap  = "2g"
	rivalLabel = "Debezium, exactly-once"
	// rivalQuiet is how long its topic must not have grown until it is through.
	rivalQuiet = 5 * time.Second
	rivalLimit = 15 * time.Minute
)

// rivals starts the worker when the first suite wants it.
func (s *stand) rivals(ctx context.Context) (*rival, error) {
	if s.rival != nil {
		return s.rival, nil
	}
	progress("   starting Kafka Connect")
	c, err := servers.StartConnect(ctx, s.kafka, servers.ConnectOptions{ExactlyOnce: true, Heap: rivalHeap})
	if err != nil {
		return nil, err
	}
	s.rival = &rival{connect: c}
	return s.rival, nil
}

// prepareRivals leaves connectors behind that know where the empty log stands.
func (s *stand) prepareRivals(ctx context.Context) error {
	r, err := s.rivals(ctx)
	if err != nil {
		return err
	}
	if err := s.db.begin(ctx); err != nil {
		return err
	}
	r.ready = r.ready[:0]
	for range s.runs {
		r.serial++
		name := fmt.Sprintf("dbz%d", r.serial)
		config := s.rivalConfig(name)
		config["heartbeat.interval.ms"] = "500" // so that it has an offset to remember
		if err := r.connect.Create(ctx, name, config); err != nil {
			return err
		}
		for until := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
			if err := r.connect.Check(ctx, name); err != nil {
				return err
			}
			if offsets, err := r.connect.Offsets(ctx, name); err == nil && strings.Contains(offsets, s.db.remembered()) {
				break
			}
			if time.Now().After(until) {
				return fmt.Errorf("the connector %s remembers no position", name)
			}
		}
		if err := r.connect.Delete(ctx, name); err != nil {
			return err
		}
		r.ready = append(r.ready, name)
	}
	return nil
}

// rivalConfig is a connector that reads the schema bench.
func (s *stand) rivalConfig(name string) map[string]string {
	c := map[string]string{
		"topic.prefix": name, "snapshot.mode": "no_data", "tasks.max": "1",
		"schema.history.internal.kafka.bootstrap.servers": strings.Join(s.kafka.Brokers(), ","), "schema.history.internal.kafka.topic": name + ".history",
		"topic.creation.default.partitions": strconv.Itoa(partitions), "topic.creation.default.replication.factor": "1",
		"exactly.once.support": "required", "transaction.boundary": "poll",
		"key.converter.schemas.enable": "false", "value.converter.schemas.enable": "false",
		"max.batch.size": "20480", "max.queue.size": "81920", "poll.interval.ms": "50",
		"producer.override.compression.type": "lz4", "producer.override.batch.size": "1048576", "producer.override.linger.ms": "20",
		"producer.override.buffer.memory": "134217728", "producer.override.max.request.size": "33554432",
	}
	for k, v := range s.db.connector(name) {
		c[k] = v
	}
	return c
}

// drainRival lets one of the prepared connectors read the backlog, and verifies the count of what is in its topic.
func (s *stand) drainRival(ctx context.Context, run int, b backlog) (smp sample, err error) {
	r, name := s.rival, s.rival.ready[run]
	ctx, cancel := context.WithTimeout(ctx, rivalLimit)
	defer cancel()
	smp = sample{Rows: b.changes, Txns: b.txns}
	before, cpu := readUsage(), cpuOf(r.connect.PID())
	began := time.Now()
	if err := r.connect.Create(ctx, name, s.rivalConfig(name)); err != nil {
		return smp, err
	}
	topic := name + ".bench.orders"
	first, last, err := s.followTopic(ctx, topic, b.records, func() error { return r.connect.Check(ctx, name) })
	if err != nil {
		return smp, err
	}
	smp.Seconds, smp.SteadySeconds, smp.SteadyRows = last.at.Sub(began).Seconds(), last.at.Sub(first.at).Seconds(), last.end-first.end
	smp.CPUSeconds, smp.Shares, smp.PeakMemory = cpuOf(r.connect.PID())-cpu, readUsage().since(before, r.connect.PID()), peakOf(r.connect.PID())
	if err := r.connect.Delete(ctx, name); err != nil {
		return smp, err
	}
	err = s.scan(ctx, func(*kgo.Record) error { smp.Records++; return nil }, topic)
	if err == nil && smp.Records != b.records {
		err = fmt.Errorf("%d records are in %s, want %d", smp.Records, topic, b.records)
	}
	return smp, errors.Join(err, s.deleteTopics(ctx, topic))
}

// mark is how far a topic was, and when.
type mark struct {
	at  time.Time
	end int64 // the sum of what can be read of its partitions, markers of transactions included
}

// followTopic looks at a topic's stable end until it is that far and no longer moves.
func (s *stand) followTopic(ctx context.Context, topic string, records int64, alive func() error) (first, last mark, err error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Brokers()...), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		return first, last, err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	for ; ; time.Sleep(100 * time.Millisecond) {
		if ctx.Err() != nil {
			return first, last, fmt.Errorf("%s is at %d of %d: %w", topic, last.end, records, ctx.Err())
		}
		if err := alive(); err != nil {
			return first, last, err
		}
		ends, err := adm.ListCommittedOffsets(ctx, topic)
		sum := int64(0)
		if err == nil {
			ends.Each(func(o kadm.ListedOffset) { sum += max(o.Offset, 0) })
		}
		now := time.Now()
		if sum > last.end {
			last = mark{now, sum}
			if first.end == 0 {
				first = last
			}
		}
		if last.end >= records && now.Sub(last.at) > rivalQuiet {
			return first, last, nil
		}
	}
}

// cpuOf is the CPU time that a process has used, in seconds.
func cpuOf(pid int) float64 { return readUsage().processes[pid] }

// peakOf is the largest resident memory that a process has had, in bytes; 0 when it is gone.
func peakOf(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kib, _ := strconv.ParseInt(fields[0], 10, 64)
	return kib << 10
}
