package harness

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Record is one committed record of a topic. Value nil is a tombstone.
type Record struct {
	Partition int32
	Offset    int64
	Time      time.Time
	Key       []byte
	Value     []byte
	Headers   map[string]string
}

// ID is what must occur only once in a topic: transaction, ordinal and operation.
func (r *Record) ID() string {
	return r.Headers["cdc.txn"] + " " + r.Headers["cdc.ord"] + " " + r.Headers["cdc.op"]
}

// ReadTopic returns every committed record of a topic as franz-go's read_committed consumer sees it, per partition in
// order. Open transactions are not waited for: it reads up to the last stable offset of the moment.
func ReadTopic(ctx context.Context, brokers []string, topic string) ([]Record, error) {
	var out []Record
	err := EachRecord(ctx, brokers, topic, func(r *kgo.Record) {
		rec := Record{Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp, Key: r.Key, Value: r.Value, Headers: map[string]string{}}
		for _, h := range r.Headers {
			rec.Headers[h.Key] = string(h.Value)
		}
		out = append(out, rec)
	})
	sort.SliceStable(out, func(i, j int) bool {
		if out[i].Partition != out[j].Partition {
			return out[i].Partition < out[j].Partition
		}
		return out[i].Offset < out[j].Offset
	})
	return out, err
}

// EachRecord gives the same records to a function and keeps none, each partition's in order.
func EachRecord(ctx context.Context, brokers []string, topic string, each func(*kgo.Record)) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.MetadataMinAge(100*time.Millisecond), kgo.FetchMaxWait(200*time.Millisecond))
	if err != nil {
		return err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	ends, err := adm.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return fmt.Errorf("listing the stable offsets of %s: %w", topic, err)
	}
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err != nil {
		return fmt.Errorf("listing the start offsets of %s: %w", topic, err)
	}
	todo := map[int32]int64{}
	from := map[int32]kgo.Offset{}
	var failed error
	ends.Each(func(o kadm.ListedOffset) {
		if o.Err != nil {
			failed = o.Err
			return
		}
		if s, ok := starts.Lookup(topic, o.Partition); ok && s.Offset < o.Offset {
			todo[o.Partition] = o.Offset
			from[o.Partition] = kgo.NewOffset().AtStart()
		}
	})
	if failed != nil {
		return fmt.Errorf("listing the offsets of %s: %w", topic, failed)
	}
	cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: from})
	return consume(ctx, cl, todo, each)
}

// consume polls until each partition has been read to its end. Control records are asked for, because they are what stands
// at the end.
func consume(ctx context.Context, cl *kgo.Client, todo map[int32]int64, each func(*kgo.Record)) error {
	quiet := 0
	for len(todo) > 0 {
		wait, cancel := context.WithTimeout(ctx, time.Second)
		fetches := cl.PollFetches(wait)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, e := range fetches.Errors() {
			if !errors.Is(e.Err, context.DeadlineExceeded) {
				return fmt.Errorf("reading %s/%d: %w", e.Topic, e.Partition, e.Err)
			}
		}
		got := 0
		fetches.EachRecord(func(r *kgo.Record) {
			got++
			if end, ok := todo[r.Partition]; !ok || r.Offset >= end {
				return
			}
			if r.Offset == todo[r.Partition]-1 {
				delete(todo, r.Partition)
			}
			if r.Attrs.IsControl() {
				return
			}
			each(r)
		})
		if got > 0 {
			quiet = 0
		} else if quiet++; quiet >= 20 {
			return fmt.Errorf("nothing comes any more before the ends %v", todo)
		}
	}
	return nil
}

// Fold keeps the last record of each key and drops the keys that end in a tombstone: what a compacted topic holds.
func Fold(records []Record) map[string]Record {
	m := map[string]Record{}
	for _, r := range records {
		if r.Value == nil {
			delete(m, string(r.Key))
		} else {
			m[string(r.Key)] = r
		}
	}
	return m
}

// CheckOnce verifies that no (transaction, ordinal, operation) occurs twice in the topic, and that the records of each key
// stand in the order of the log. Rows of snapshots are of no transaction.
func CheckOnce(records []Record) error {
	seen := map[string]Record{}
	last := map[string]place{}
	for _, r := range records {
		if r.Headers["cdc.op"] == "r" {
			continue
		}
		if old, ok := seen[r.ID()]; ok {
			return fmt.Errorf("%s is in %d/%d and again in %d/%d", r.ID(), old.Partition, old.Offset, r.Partition, r.Offset)
		}
		seen[r.ID()] = r
		p, err := placeOf(&r)
		if err != nil {
			return err
		}
		key := string(r.Key)
		if q, ok := last[key]; ok && p.before(q) {
			return fmt.Errorf("key %s: %v comes after %v", key, p, q)
		}
		last[key] = p
	}
	return nil
}

// CheckRepeats verifies that the changes of each key stand in the order of the log, but for those that come again: these are followed by
// all that came behind them.
func CheckRepeats(records []Record) error {
	numbers := map[string]map[string]int{} // by key and change: as it was there first
	last := map[string]int{}
	var first []Record
	for _, r := range records {
		if r.Headers["cdc.op"] == "r" {
			continue
		}
		key := string(r.Key)
		if numbers[key] == nil {
			numbers[key] = map[string]int{}
		}
		n, again := numbers[key][r.ID()]
		if !again {
			n = len(numbers[key]) + 1
			numbers[key][r.ID()] = n
			first = append(first, r)
		}
		if n > last[key]+1 {
			return fmt.Errorf("key %s: %s in %d/%d comes again without what came before it", key, r.ID(), r.Partition, r.Offset)
		}
		last[key] = n
	}
	return CheckOnce(first)
}

// place is where a change stands in the order of the log.
type place struct {
	file     string // PostgreSQL: the position of the commit, of which text has the order
	pos, ord uint64
}

func (p place) before(q place) bool {
	return p.file < q.file || p.file == q.file && (p.pos < q.pos || p.pos == q.pos && p.ord < q.ord)
}

// placeOf takes file and offset of the event in MySQL. In PostgreSQL transactions overlap in the log, and an insert can even
// stand before the delete that makes room for it: the order is that of the commits, and in a transaction that of its changes.
func placeOf(r *Record) (p place, err error) {
	file, pos, ok := strings.Cut(r.Headers["cdc.pos"], ":")
	if !ok || file == "" {
		return p, fmt.Errorf("%d/%d has no position: %v", r.Partition, r.Offset, r.Headers)
	}
	p.file = file
	if !strings.Contains(pos, "/") {
		p.pos, err = strconv.ParseUint(pos, 10, 64)
	}
	if err == nil {
		p.ord, err = strconv.ParseUint(r.Headers["cdc.ord"], 10, 64)
	}
	if err != nil {
		return p, fmt.Errorf("reading the position of %d/%d: %w", r.Partition, r.Offset, err)
	}
	return p, nil
}

// TransactionState is the coordinator's word for the state of a transactional id, such as "Ongoing" or "CompleteCommit".
func TransactionState(ctx context.Context, brokers []string, id string) (string, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		return "", err
	}
	defer cl.Close()
	found, err := kadm.NewClient(cl).DescribeTransactions(ctx, id)
	if err != nil {
		return "", fmt.Errorf("describing the transaction %s: %w", id, err)
	}
	one, err := found.On(id, nil)
	return one.State, err
}

// StableEnds are the ends of the topics' partitions once no transaction is open in them: a commit is confirmed before its markers are
// in all partitions. It asks until ctx ends.
func StableEnds(ctx context.Context, cl *kadm.Client, topics ...string) (kadm.ListedOffsets, error) {
	for {
		stable, err := cl.ListCommittedOffsets(ctx, topics...)
		ends, err2 := cl.ListEndOffsets(ctx, topics...)
		err = errors.Join(err, err2, stable.Error(), ends.Error())
		ends.Each(func(end kadm.ListedOffset) {
			if o, ok := stable.Lookup(end.Topic, end.Partition); err == nil && (!ok || o.Offset < end.Offset) {
				err = fmt.Errorf("a transaction is open in %s/%d", end.Topic, end.Partition)
			}
		})
		if err == nil {
			return ends, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the stable ends: %w: %w", ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
