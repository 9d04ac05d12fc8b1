package kafkawire

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go/protocol"

	"cdcbridge/internal/fault"
)

// Isolation says whose records a read sees.
type Isolation int8

// The isolation levels.
const (
	ReadUncommitted Isolation = 0 // all records up to the high watermark
	ReadCommitted   Isolation = 1 // up to the last stable offset, with a list of aborted transactions
)

// Special timestamps of ListOffsets.
const (
	LatestOffset   int64 = -1 // the end: the high watermark, or the last stable offset with ReadCommitted
	EarliestOffset int64 = -2 // the start of what is retained
)

// OffsetAnswer is where a partition stands.
type OffsetAnswer struct {
	TopicPartition
	Offset      int64 // -1 if no record has the timestamp or a later one
	Timestamp   int64 // of the record found, -1 for the special timestamps
	LeaderEpoch int32
}

// ListOffsets returns the offset of each partition for a time in milliseconds since 1970, or LatestOffset or EarliestOffset,
// in the order of parts. It asks the leaders and repeats what is retriable (new leaders, offset not available yet) until ctx
// ends; a latest offset is never that of a leader which does not know its high watermark yet.
func (c *Client) ListOffsets(ctx context.Context, parts []TopicPartition, level Isolation, timestamp int64) ([]OffsetAnswer, error) {
	answers := make([]OffsetAnswer, len(parts))
	waiting := make([]int, len(parts))
	for i := range parts {
		answers[i] = OffsetAnswer{TopicPartition: parts[i], Offset: -1, Timestamp: -1, LeaderEpoch: -1}
		waiting[i] = i
	}
	for attempt := 0; ; attempt++ {
		again, last, err := c.listOffsetsOnce(ctx, answers, waiting, offsetQuery{level, timestamp})
		if err != nil {
			return nil, err
		}
		if len(again) == 0 {
			return answers, nil
		}
		waiting = again
		if Pause(ctx, backoff(attempt)) != nil {
			return nil, fmt.Errorf("listing offsets: %w", last)
		}
	}
}

type offsetQuery struct {
	level     Isolation
	timestamp int64
}

// listOffsetsOnce asks each leader once. It returns what must be asked again with the reason, or a final error.
func (c *Client) listOffsetsOnce(ctx context.Context, answers []OffsetAnswer, waiting []int, q offsetQuery) (again []int, last, final error) {
	failed := func(err error, group ...int) {
		if again, last = append(again, group...), err; fault.IsFinal(err) || errors.Is(ctx.Err(), context.Canceled) {
			final = err
		}
	}
	meta, err := c.Metadata(ctx, topicsOf(answers, waiting)...)
	if err != nil {
		failed(err, waiting...)
		return again, last, final
	}
	byLeader := map[int32][]int{}
	for _, i := range waiting {
		leader, epoch, code := meta.Leader(answers[i].TopicPartition)
		if code != OK {
			failed(readFault("finding the leader of "+answers[i].String(), code), i)
			continue
		}
		answers[i].LeaderEpoch = epoch
		byLeader[leader] = append(byLeader[leader], i)
	}
	for leader, group := range byLeader {
		codes, err := c.listOffsetsOf(ctx, leader, answers, group, q)
		if err != nil {
			failed(err, group...)
			continue
		}
		for k, i := range group {
			if codes[k] != OK {
				failed(readFault("listing offsets of "+answers[i].String(), codes[k]), i)
			}
		}
	}
	return again, last, final
}

// readFault is the fault of a code that a read met: final unless the read may be repeated.
func readFault(op string, code Code) *fault.Fault {
	f := CodeFault(op, code)
	switch verdict, _ := Judge(CallRead, KIP890, code); verdict {
	case Done, ResendSame, BackoffRepeat, RefreshMetadata:
		f.Final = false
	default:
		f.Final = true
	}
	return f
}

func (c *Client) listOffsetsOf(ctx context.Context, broker int32, answers []OffsetAnswer, group []int, q offsetQuery) ([]Code, error) {
	req := newEncoder(protocol.ListOffsets, 7, true, c.cfg.ClientID)
	req.int32(-1) // replica id: a client
	req.int8(int8(q.level))
	req.partitions(len(group), func(k int) string { return answers[group[k]].Topic }, func(k int) {
		req.int32(answers[group[k]].Partition)
		req.int32(answers[group[k]].LeaderEpoch)
		req.int64(q.timestamp)
		req.tags()
	})
	req.tags()
	r, err := c.call(ctx, broker, req)
	if err != nil {
		return nil, err
	}
	return parseListOffsets(r, answers, group)
}

// parseListOffsets fills answers[group[k]] and returns their codes by k.
func parseListOffsets(r *reader, answers []OffsetAnswer, group []int) ([]Code, error) {
	codes := make([]Code, len(group))
	for k := range codes {
		codes[k] = UnknownServerError // until the answer mentions it
	}
	r.int32() // throttle time
	r.eachPartition(27, func(at TopicPartition) {
		code, timestamp, offset, epoch := r.code(), r.int64(), r.int64(), r.int32()
		r.tags()
		for k, i := range group {
			if a := &answers[i]; a.TopicPartition == at {
				codes[k] = code
				a.Timestamp, a.Offset, a.LeaderEpoch = timestamp, offset, epoch
			}
		}
	})
	r.tags()
	return codes, finish(r, "ListOffsets")
}

// topicsOf returns the names of the topics of answers[which...], each once.
func topicsOf(answers []OffsetAnswer, which []int) []string {
	groups := groupByTopic(len(which), func(i int) string { return answers[which[i]].Topic })
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = answers[which[g[0]]].Topic
	}
	return names
}

// backoff is the pause before repetition number attempt+1: 5 ms, doubled up to 320 ms.
func backoff(attempt int) time.Duration {
	return 5 * time.Millisecond << min(attempt, 6)
}
