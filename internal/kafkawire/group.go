package kafkawire

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go/protocol"

	"cdcbridge/internal/fault"
)

// apiConsumerGroupDescribe is an API that kafka-go has no name for.
const apiConsumerGroupDescribe protocol.ApiKey = 69

// GroupState is what a coordinator says about a consumer group.
type GroupState struct {
	State   string   // Empty, Dead (there is none), Stable, Assigning, PreparingRebalance, …
	Members []string // client id and host of each
}

// Live reports whether the group has members: readers that divide its partitions among them and commit its offsets.
func (s *GroupState) Live() bool { return len(s.Members) > 0 }

// DescribeGroup asks the coordinator about a consumer group, and repeats what is retriable until ctx ends. Both kinds of groups
// are found, that of the old protocol and that of KIP-848.
func (c *Client) DescribeGroup(ctx context.Context, group string) (GroupState, error) {
	state, err := c.describeGroup(ctx, protocol.DescribeGroups, 5, group, parseDescribeGroups)
	if err != nil || state.State != "Dead" {
		return state, err
	}
	// To the old call a group of the new protocol does not exist.
	broker, code, err := c.GroupCoordinator(ctx, group)
	if err != nil || code != OK {
		return state, nil //nolint:nilerr // it was there a moment ago, and what it said of the group stands
	}
	if newer, err := c.Supports(ctx, broker, apiConsumerGroupDescribe, 0); err != nil || !newer {
		return state, err
	}
	return c.describeGroup(ctx, apiConsumerGroupDescribe, 0, group, func(r *reader) (GroupState, Code, error) {
		state, code, err := parseConsumerGroup(r)
		if code == GroupIDNotFound || code == UnsupportedVersion { // Kafka 3 knows the call, and refuses it unless it is told otherwise
			state, code = GroupState{State: "Dead"}, OK
		}
		return state, code, err
	})
}

// describeGroup makes one of the two calls about a group, whose requests are alike.
func (c *Client) describeGroup(ctx context.Context, api protocol.ApiKey, version int16, group string, parse func(*reader) (GroupState, Code, error)) (state GroupState, err error) {
	err = c.repeat(ctx, CallGroup, "looking at the consumer group "+group, func(ctx context.Context) (Code, error) {
		req := newEncoder(api, version, true, c.cfg.ClientID)
		req.array(1)
		req.string(group)
		req.bool(false) // the operations that are allowed
		req.tags()
		return c.toGroup(ctx, group, req, func(r *reader) (code Code, err error) {
			state, code, err = parse(r)
			return code, err
		})
	})
	return state, err
}

func parseDescribeGroups(r *reader) (s GroupState, code Code, err error) {
	r.int32() // throttle time
	code = UnknownServerError
	for n := r.array(18); n > 0 && r.err == nil; n-- {
		code = r.code()
		r.string() // group: we asked for one
		s.State = r.string()
		r.string() // protocol type
		r.string() // protocol
		for m := r.array(8); m > 0 && r.err == nil; m-- {
			r.string() // member id
			r.string() // instance id
			s.Members = append(s.Members, memberName(r.string(), r.string()))
			r.bytes() // metadata
			r.bytes() // assignment
			r.tags()
		}
		r.int32() // allowed operations
		r.tags()
	}
	r.tags()
	return s, code, finish(r, "DescribeGroups")
}

func parseConsumerGroup(r *reader) (s GroupState, code Code, err error) {
	r.int32() // throttle time
	code = UnknownServerError
	for n := r.array(19); n > 0 && r.err == nil; n-- {
		code = r.code()
		r.string() // message
		r.string() // group
		s.State = r.string()
		r.int32()  // epoch of the group
		r.int32()  // of its assignment
		r.string() // assignor
		for m := r.array(16); m > 0 && r.err == nil; m-- {
			s.Members = append(s.Members, parseGroupMember(r))
		}
		r.int32() // allowed operations
		r.tags()
	}
	r.tags()
	return s, code, finish(r, "ConsumerGroupDescribe")
}

func parseGroupMember(r *reader) string {
	r.string() // member id
	r.string() // instance id
	r.string() // rack
	r.int32()  // epoch
	name := memberName(r.string(), r.string())
	for n := r.array(1); n > 0 && r.err == nil; n-- {
		r.string() // topic
	}
	r.string() // pattern of topics
	for range 2 {
		for n := r.array(19); n > 0 && r.err == nil; n-- { // of the assignment, and of the one to be
			r.uuid()
			r.string()
			r.int32s()
			r.tags()
		}
		r.tags()
	}
	r.tags()
	return name
}

func memberName(client, host string) string { return client + " at " + host }

// repeat makes a call until it is carried out or ctx ends. Only for calls that may be carried out twice.
func (c *Client) repeat(ctx context.Context, call Call, op string, do func(context.Context) (Code, error)) error {
	for attempt := 0; ; attempt++ {
		code, err := do(ctx)
		if err == nil {
			f, verdict := judged(call, op, code)
			switch verdict {
			case Done:
				return nil
			case BackoffRepeat, ResendSame, RefreshMetadata:
				err = f
			default:
				return f
			}
		}
		if fault.IsFinal(err) || errors.Is(ctx.Err(), context.Canceled) || Pause(ctx, backoff(attempt)) != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
	}
}
