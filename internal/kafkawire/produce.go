package kafkawire

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// ProduceRequest is one Produce call: one sealed batch for each of some partitions that the same broker leads.
type ProduceRequest struct {
	Protocol        Protocol      // Classic sends v8, KIP890 v12
	TransactionalID string        // empty outside transactions
	Timeout         time.Duration // how long the broker waits for the replicas
	Parts           []ProducePart
}

// ProducePart is the batch of one partition. A partition occurs at most once in a request: only one request of it may be in
// flight, and brokers take one batch a request.
type ProducePart struct {
	Topic     string
	Partition int32
	Batch     []byte // sealed; must not change until Produce returns, and may be used again after that
}

// ProduceResult is the broker's answer for one partition.
type ProduceResult struct {
	Code        Code
	BaseOffset  int64  // offset of the first record, -1 after an error or for a duplicate it no longer remembers
	FirstRecord int32  // index of the first record that was refused, -1 if the answer names none
	Message     string // the broker's own words, may be empty
}

// Produce sends batches to the broker that leads their partitions and waits until all in-sync replicas have them. The
// results are in the order of r.Parts. An error means an unknown outcome for every part, unless IsUnsent; then the same
// bytes are sent again.
func (c *Client) Produce(ctx context.Context, broker int32, r *ProduceRequest) ([]ProduceResult, error) {
	version, flex := int16(8), false
	if r.Protocol == KIP890 {
		version, flex = 12, true
	}
	req := newEncoder(protocol.Produce, version, flex, c.cfg.ClientID)
	req.optional(r.TransactionalID)
	req.reserve(len(r.Parts), func(i int) []byte { return r.Parts[i].Batch })
	req.int16(-1) // acks: all in-sync replicas
	req.int32(int32(r.Timeout.Milliseconds()))
	req.partitions(len(r.Parts), func(i int) string { return r.Parts[i].Topic }, func(i int) {
		req.int32(r.Parts[i].Partition)
		req.bytes(r.Parts[i].Batch)
		req.tags()
	})
	req.tags()
	answer, err := c.call(ctx, broker, req)
	if err != nil {
		return nil, err
	}
	return parseProduce(answer, r.Parts)
}

func parseProduce(r *reader, parts []ProducePart) ([]ProduceResult, error) {
	results := make([]ProduceResult, len(parts))
	for i := range results {
		results[i] = ProduceResult{Code: UnknownServerError, BaseOffset: -1, FirstRecord: -1, Message: "the answer does not mention this partition"}
	}
	r.eachPartition(30, func(at TopicPartition) {
		result := parseProducePart(r)
		for i := range parts {
			if parts[i].Partition == at.Partition && parts[i].Topic == at.Topic {
				results[i] = result
			}
		}
	})
	r.int32() // throttle time
	r.tags()
	return results, finish(r, "Produce")
}

func parseProducePart(r *reader) ProduceResult {
	result := ProduceResult{Code: r.code(), BaseOffset: r.int64(), FirstRecord: -1}
	r.int64() // log append time
	r.int64() // log start offset
	for n := r.array(5); n > 0 && r.err == nil; n-- {
		index, message := r.int32(), r.string()
		r.tags()
		if result.FirstRecord < 0 {
			result.FirstRecord, result.Message = index, message
		}
	}
	if message := r.string(); message != "" {
		result.Message = message
	}
	r.tags()
	return result
}
