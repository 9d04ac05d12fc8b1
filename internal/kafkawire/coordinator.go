package kafkawire

import (
	"context"

	"github.com/segmentio/kafka-go/protocol"
)

// Kinds of coordinators.
const (
	ofGroup       int8 = 0
	ofTransaction int8 = 1
)

// coordinated is what has a coordinator: a consumer group or a transactional id.
type coordinated struct {
	kind int8
	name string
}

// Coordinator returns the broker that coordinates the transactions of txnID, from the cache if it is there. Codes such as
// CoordinatorNotAvailable are normal for seconds when an id is new: Kafka then creates __transaction_state.
func (c *Client) Coordinator(ctx context.Context, txnID string) (int32, Code, error) {
	return c.coordinator(ctx, coordinated{ofTransaction, txnID})
}

// GroupCoordinator is Coordinator for a consumer group, whose topic is __consumer_offsets.
func (c *Client) GroupCoordinator(ctx context.Context, group string) (int32, Code, error) {
	return c.coordinator(ctx, coordinated{ofGroup, group})
}

func (c *Client) coordinator(ctx context.Context, of coordinated) (int32, Code, error) {
	c.mu.Lock()
	broker, ok := c.coordinators[of]
	c.mu.Unlock()
	if ok {
		return broker, OK, nil
	}
	req := newEncoder(protocol.FindCoordinator, 4, true, c.cfg.ClientID)
	req.int8(of.kind)
	req.array(1)
	req.string(of.name)
	req.tags()
	r, err := c.call(ctx, AnyBroker, req)
	if err != nil {
		return -1, OK, err
	}
	broker, code, err := parseCoordinator(r)
	if err != nil || code != OK {
		return -1, code, err
	}
	c.mu.Lock()
	c.coordinators[of] = broker
	c.mu.Unlock()
	return broker, OK, nil
}

func parseCoordinator(r *reader) (broker int32, code Code, err error) {
	r.int32() // throttle time
	broker, code = -1, CoordinatorNotAvailable
	for n := r.array(13); n > 0 && r.err == nil; n-- {
		r.string() // key: we asked for one
		broker = r.int32()
		r.string() // host
		r.int32()  // port
		code = r.code()
		r.string() // message
		r.tags()
	}
	r.tags()
	return broker, code, finish(r, "FindCoordinator")
}

// toCoordinator makes a call to the coordinator of txnID. When the answer's code, found by parse, says that the coordinator
// moved or is loading, the next call looks it up again.
func (c *Client) toCoordinator(ctx context.Context, txnID string, req *encoder, parse func(*reader) (Code, error)) (Code, error) {
	return c.coordinate(ctx, coordinated{ofTransaction, txnID}, req, parse)
}

// toGroup is toCoordinator for a consumer group.
func (c *Client) toGroup(ctx context.Context, group string, req *encoder, parse func(*reader) (Code, error)) (Code, error) {
	return c.coordinate(ctx, coordinated{ofGroup, group}, req, parse)
}

func (c *Client) coordinate(ctx context.Context, of coordinated, req *encoder, parse func(*reader) (Code, error)) (Code, error) {
	broker, code, err := c.coordinator(ctx, of)
	if err != nil || code != OK {
		return code, err
	}
	r, err := c.call(ctx, broker, req)
	if err != nil {
		return OK, err
	}
	code, err = parse(r)
	switch code {
	case CoordinatorLoading, CoordinatorNotAvailable, NotCoordinator:
		c.mu.Lock()
		delete(c.coordinators, of)
		c.mu.Unlock()
	}
	return code, err
}
