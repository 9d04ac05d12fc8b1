package kafkawire

import (
	"context"
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
	for i := range parts {
		answers[i] = OffsetAnswer{TopicPartition: parts[i], Offset: -1, Timestamp: -1, LeaderEpoch: -1}
	}
	err := c.atLeaders(ctx, parts, question{call: CallRead, op: "listing offsets", ask: func(ctx context.Context, leader int32, group []led) ([]Code, error) {
		req := newEncoder(protocol.ListOffsets, 7, true, c.cfg.ClientID)
		req.int32(-1) // replica id: a client
		req.int8(int8(level))
		req.partitions(len(group), func(k int) string { return parts[group[k].index].Topic }, func(k int) {
			req.int32(parts[group[k].index].Partition)
			req.int32(group[k].epoch)
			req.int64(timestamp)
			req.tags()
		})
		req.tags()
		r, err := c.call(ctx, leader, req)
		if err != nil {
			return nil, err
		}
		return parseListOffsets(r, answers, group)
	}})
	if err != nil {
		return nil, err
	}
	return answers, nil
}

// ReadFault is the fault of a code that a read met: final unless another read may do better.
func ReadFault(op string, code Code) *fault.Fault {
	f, _ := judged(CallRead, op, code)
	return f
}

// parseListOffsets fills the answers of the group and returns their codes.
func parseListOffsets(r *reader, answers []OffsetAnswer, group []led) ([]Code, error) {
	codes := make([]Code, len(group))
	for k := range codes {
		codes[k] = UnknownServerError // until the answer mentions it
	}
	r.int32() // throttle time
	r.eachPartition(27, func(at TopicPartition) {
		code, timestamp, offset, epoch := r.code(), r.int64(), r.int64(), r.int32()
		r.tags()
		for k := range group {
			if a := &answers[group[k].index]; a.TopicPartition == at {
				codes[k] = code
				a.Timestamp, a.Offset, a.LeaderEpoch = timestamp, offset, epoch
			}
		}
	})
	r.tags()
	return codes, finish(r, "ListOffsets")
}

// backoff is the pause before repetition number attempt+1: 5 ms, doubled up to 320 ms.
func backoff(attempt int) time.Duration {
	return 5 * time.Millisecond << min(attempt, 6)
}
