package kafkawire

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go/protocol"

	"cdcbridge/internal/fault"
)

// apiDescribeProducers is an API that kafka-go has no name for.
const apiDescribeProducers protocol.ApiKey = 61

// Undecided returns those of parts in which the producer id has records that no control batch has decided yet: of its open
// transaction, or of one whose control batches a broker lost. It asks the leaders and repeats what is retriable until ctx ends.
func (c *Client) Undecided(ctx context.Context, parts []TopicPartition, producer int64) ([]TopicPartition, error) {
	var found []TopicPartition
	for attempt := 0; len(parts) > 0; attempt++ {
		again, last, err := c.undecidedOnce(ctx, parts, producer, &found)
		if err != nil {
			return nil, err
		}
		if parts = again; len(parts) > 0 && Pause(ctx, backoff(attempt)) != nil {
			return nil, fmt.Errorf("describing producers: %w", last)
		}
	}
	return found, nil
}

// undecidedOnce asks each leader once and adds to found. It returns what must be asked again with the reason, or a final error.
func (c *Client) undecidedOnce(ctx context.Context, parts []TopicPartition, producer int64, found *[]TopicPartition) (again []TopicPartition, last, final error) {
	failed := func(err error, group ...TopicPartition) {
		if again, last = append(again, group...), err; fault.IsFinal(err) || errors.Is(ctx.Err(), context.Canceled) {
			final = err
		}
	}
	var names []string
	for _, group := range groupByTopic(len(parts), func(i int) string { return parts[i].Topic }) {
		names = append(names, parts[group[0]].Topic)
	}
	meta, err := c.Metadata(ctx, names...)
	if err != nil {
		failed(err, parts...)
		return again, last, final
	}
	byLeader := map[int32][]TopicPartition{}
	for _, at := range parts {
		leader, _, code := meta.Leader(at)
		if code != OK {
			failed(readFault("finding the leader of "+at.String(), code), at)
			continue
		}
		byLeader[leader] = append(byLeader[leader], at)
	}
	for leader, group := range byLeader {
		codes, open, err := c.describeProducers(ctx, leader, group, producer)
		if err != nil {
			failed(err, group...)
			continue
		}
		for i, at := range group {
			switch {
			case codes[i] != OK:
				failed(readFault("describing the producers of "+at.String(), codes[i]), at)
			case open[i]:
				*found = append(*found, at)
			}
		}
	}
	return again, last, final
}

// describeProducers asks one leader. open[i] says that the producer has undecided records in parts[i].
func (c *Client) describeProducers(ctx context.Context, broker int32, parts []TopicPartition, producer int64) (codes []Code, open []bool, err error) {
	req := newEncoder(apiDescribeProducers, 0, true, c.cfg.ClientID)
	req.partitions(len(parts), func(i int) string { return parts[i].Topic }, func(i int) { req.int32(parts[i].Partition) })
	req.tags()
	r, err := c.call(ctx, broker, req)
	if err != nil {
		return nil, nil, err
	}
	return parseDescribeProducers(r, parts, producer)
}

func parseDescribeProducers(r *reader, parts []TopicPartition, producer int64) (codes []Code, open []bool, err error) {
	codes, open = make([]Code, len(parts)), make([]bool, len(parts))
	for i := range codes {
		codes[i] = UnknownServerError // until the answer mentions it
	}
	r.int32() // throttle time
	r.eachPartition(9, func(at TopicPartition) {
		code, undecided := r.code(), false
		r.string() // message
		for n := r.array(37); n > 0 && r.err == nil; n-- {
			id := r.int64()
			r.int32() // epoch
			r.int32() // last sequence
			r.int64() // last timestamp
			r.int32() // coordinator epoch
			start := r.int64()
			r.tags()
			undecided = undecided || id == producer && start >= 0
		}
		r.tags()
		for i := range parts {
			if parts[i] == at {
				codes[i], open[i] = code, undecided
			}
		}
	})
	r.tags()
	return codes, open, finish(r, "DescribeProducers")
}
