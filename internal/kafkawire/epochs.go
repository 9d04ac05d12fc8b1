package kafkawire

import (
	"context"

	"github.com/segmentio/kafka-go/protocol"
)

// EpochQuestion asks where the records of a leader epoch end in a partition.
type EpochQuestion struct {
	TopicPartition
	LeaderEpoch int32
}

// EpochEnd is the answer: the greatest leader epoch of the partition that is not above the one asked about, and where it ends.
// A reader that has read records of the epoch asked about beyond that offset, or finds a smaller epoch here, has read records
// that the partition no longer has.
type EpochEnd struct {
	TopicPartition
	LeaderEpoch int32 // -1: the partition has no records of that epoch or an earlier one
	Offset      int64 // of the first record after it, -1 with LeaderEpoch -1
}

// EpochEnds returns where leader epochs end (KIP-320), in the order of the questions. It asks the leaders and repeats what is
// retriable until ctx ends.
func (c *Client) EpochEnds(ctx context.Context, questions []EpochQuestion) ([]EpochEnd, error) {
	parts := make([]TopicPartition, len(questions))
	ends := make([]EpochEnd, len(questions))
	for i, q := range questions {
		parts[i] = q.TopicPartition
		ends[i] = EpochEnd{q.TopicPartition, -1, -1}
	}
	err := c.atLeaders(ctx, parts, question{call: CallRead, op: "asking for the end of a leader epoch", ask: func(ctx context.Context, leader int32, group []led) ([]Code, error) {
		req := newEncoder(protocol.OffsetForLeaderEpoch, 4, true, c.cfg.ClientID)
		req.int32(-1) // replica id: a client
		req.partitions(len(group), func(k int) string { return parts[group[k].index].Topic }, func(k int) {
			req.int32(parts[group[k].index].Partition)
			req.int32(group[k].epoch)
			req.int32(questions[group[k].index].LeaderEpoch)
			req.tags()
		})
		req.tags()
		r, err := c.call(ctx, leader, req)
		if err != nil {
			return nil, err
		}
		return parseEpochEnds(r, ends, group)
	}})
	if err != nil {
		return nil, err
	}
	return ends, nil
}

// parseEpochEnds fills the ends of the group and returns their codes.
func parseEpochEnds(r *reader, ends []EpochEnd, group []led) ([]Code, error) {
	codes := make([]Code, len(group))
	for k := range codes {
		codes[k] = UnknownServerError // until the answer mentions it
	}
	find := finder{n: len(group)}
	r.int32() // throttle time
	for n := r.array(3); n > 0 && r.err == nil; n-- {
		topic := r.string()
		for m := r.array(19); m > 0 && r.err == nil; m-- {
			code := r.code() // here it comes before the partition
			end := EpochEnd{TopicPartition{topic, r.int32()}, r.int32(), r.int64()}
			r.tags()
			if k := find.index(func(k int) bool { return ends[group[k].index].TopicPartition == end.TopicPartition }); k >= 0 {
				codes[k], ends[group[k].index] = code, end
			}
		}
		r.tags()
	}
	r.tags()
	return codes, finish(r, "OffsetForLeaderEpoch")
}
