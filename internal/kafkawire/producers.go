package kafkawire

import (
	"context"
	"errors"
	"slices"

	"github.com/segmentio/kafka-go/protocol"

	"cdcbridge/internal/fault"
)

// apiDescribeProducers is an API that kafka-go has no name for.
const apiDescribeProducers protocol.ApiKey = 61

// LeftOpen is a partition in which a producer has records that no control batch has decided: of its open transaction, or of
// one whose control batch Kafka has lost.
type LeftOpen struct {
	TopicPartition
	Producer    ProducerID // as of its last batch there
	Coordinator int32      // epoch of the coordinator that wrote the producer's last control batch there; -1: there is none
}

// Undecided returns where the producers with these ids have records that are undecided. It asks the leaders and repeats what
// is retriable until ctx ends.
func (c *Client) Undecided(ctx context.Context, parts []TopicPartition, producers []int64) ([]LeftOpen, error) {
	var found []LeftOpen
	err := c.atLeaders(ctx, parts, question{call: CallRead, op: "describing the producers", ask: func(ctx context.Context, leader int32, group []led) ([]Code, error) {
		asked := make([]TopicPartition, len(group))
		for k := range group {
			asked[k] = parts[group[k].index]
		}
		req := newEncoder(apiDescribeProducers, 0, true, c.cfg.ClientID)
		req.partitions(len(asked), func(k int) string { return asked[k].Topic }, func(k int) { req.int32(asked[k].Partition) })
		req.tags()
		r, err := c.call(ctx, leader, req)
		if err != nil {
			return nil, err
		}
		codes, open, err := parseDescribeProducers(r, asked, producers)
		if err == nil {
			found = append(found, open...)
		}
		return codes, err
	}})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func parseDescribeProducers(r *reader, parts []TopicPartition, producers []int64) (codes []Code, open []LeftOpen, err error) {
	codes = make([]Code, len(parts))
	for i := range codes {
		codes[i] = UnknownServerError // until the answer mentions it
	}
	r.int32() // throttle time
	r.eachPartition(9, func(at TopicPartition) {
		code := r.code()
		if i := slices.Index(parts, at); i >= 0 {
			codes[i] = code
		}
		r.string() // message
		for n := r.array(37); n > 0 && r.err == nil; n-- {
			p := LeftOpen{TopicPartition: at}
			p.Producer = ProducerID{ID: r.int64(), Epoch: int16(r.int32())}
			r.int32() // last sequence
			r.int64() // last timestamp
			p.Coordinator = r.int32()
			start := r.int64()
			r.tags()
			if code == OK && start >= 0 && slices.Contains(producers, p.Producer.ID) {
				open = append(open, p)
			}
		}
		r.tags()
	})
	r.tags()
	return codes, open, finish(r, "DescribeProducers")
}

// WriteMarkers writes the control batches that a coordinator failed to write, with the epoch of the records, so that a late
// copy of the request cannot end a transaction of a newer epoch. It must be known that the coordinator has ended the
// transaction and how: this is the one call that goes past it. Kafka allows it to users with Alter on the cluster, the right
// of kafka-transactions.sh abort; to others it is a final fault. What a broker has refused for a while is repeated until ctx
// ends, and what had no answer is not: only Undecided tells what became of it.
func (c *Client) WriteMarkers(ctx context.Context, open []LeftOpen, commit bool) error {
	parts := make([]TopicPartition, len(open))
	for i := range open {
		parts[i] = open[i].TopicPartition
	}
	err := c.atLeaders(ctx, parts, question{call: CallWriteMarkers, op: "writing the control batches", once: true, ask: func(ctx context.Context, leader int32, group []led) ([]Code, error) {
		asked := make([]LeftOpen, len(group))
		for k := range group {
			asked[k] = open[group[k].index]
		}
		req := newEncoder(protocol.WriteTxnMarkers, 1, true, c.cfg.ClientID)
		appendMarkers(req, asked, commit)
		r, err := c.call(ctx, leader, req)
		if err != nil {
			return nil, err
		}
		return parseWriteMarkers(r, asked)
	}})
	if f := fault.As(err); f != nil && errors.Is(err, ClusterAuthorizationFailed) {
		f.Hint = "Kafka has lost control batches of this pipeline's last transaction, and this user may not write them. Grant it Alter on the cluster, reload or restart the daemon, and take the right away again when the pipeline runs."
	}
	return err
}

// appendMarkers has one control batch for each producer, with an epoch of its coordinator that none of the partitions refuses.
// A broker that refuses the whole says so only for the last one of a producer's batches.
func appendMarkers(req *encoder, open []LeftOpen, commit bool) {
	var producers []ProducerID
	for i := range open {
		if !slices.Contains(producers, open[i].Producer) {
			producers = append(producers, open[i].Producer)
		}
	}
	req.array(len(producers))
	for _, producer := range producers {
		var at []TopicPartition
		coordinator := int32(0)
		for i := range open {
			if open[i].Producer == producer {
				at, coordinator = append(at, open[i].TopicPartition), max(coordinator, open[i].Coordinator)
			}
		}
		req.int64(producer.ID)
		req.int16(producer.Epoch)
		req.bool(commit)
		req.partitions(len(at), func(i int) string { return at[i].Topic }, func(i int) { req.int32(at[i].Partition) })
		req.int32(coordinator)
		req.tags()
	}
	req.tags()
}

func parseWriteMarkers(r *reader, open []LeftOpen) ([]Code, error) {
	codes := make([]Code, len(open))
	for k := range codes {
		codes[k] = UnknownServerError // until the answer mentions it
	}
	for n := r.array(10); n > 0 && r.err == nil; n-- {
		producer := r.int64()
		r.eachPartition(7, func(at TopicPartition) {
			code := r.code()
			r.tags()
			for k := range open {
				if open[k].Producer.ID == producer && open[k].TopicPartition == at {
					codes[k] = code
				}
			}
		})
		r.tags()
	}
	r.tags()
	return codes, finish(r, "WriteTxnMarkers")
}
