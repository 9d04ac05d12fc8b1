package kafkawire

import (
	"context"

	"github.com/segmentio/kafka-go/protocol"
)

// GroupOffset is where a consumer group goes on in a partition.
type GroupOffset struct {
	TopicPartition
	Offset      int64 // of the next record to read; -1: the group has none
	LeaderEpoch int32 // of the record before it, -1: unknown
}

// groupMember is the member id with which offsets of a group are committed by us, who are no member. A coordinator takes offsets
// with generation -1 for a group without members whatever the member id is; with members it knows this one not and refuses
// them. Without any member id it would take offsets that come in a transaction all the same, and the members' and ours would
// overwrite each other.
const groupMember = "cdcbridge"

// FetchGroupOffsets returns the committed offsets of a group, in the order of parts; without parts those of all partitions for
// which it has one. A partition whose offset is being changed by an open transaction is waited for. It repeats what is
// retriable until ctx ends.
func (c *Client) FetchGroupOffsets(ctx context.Context, group string, parts []TopicPartition) ([]GroupOffset, error) {
	var offsets []GroupOffset
	err := c.repeat(ctx, CallGroup, "reading the offsets of the consumer group "+group, func(ctx context.Context) (Code, error) {
		req := newEncoder(protocol.OffsetFetch, 7, true, c.cfg.ClientID)
		req.string(group)
		if parts == nil {
			req.nullArray()
		} else {
			req.partitions(len(parts), func(i int) string { return parts[i].Topic }, func(i int) { req.int32(parts[i].Partition) })
		}
		req.bool(true) // only what no open transaction changes
		req.tags()
		return c.toGroup(ctx, group, req, func(r *reader) (code Code, err error) {
			offsets, code, err = parseOffsetFetch(r, parts)
			return code, err
		})
	})
	if err != nil {
		return nil, err
	}
	return offsets, nil
}

func parseOffsetFetch(r *reader, parts []TopicPartition) ([]GroupOffset, Code, error) {
	offsets := make([]GroupOffset, len(parts))
	codes := make([]Code, len(parts), len(parts)+1)
	for i := range offsets {
		offsets[i] = GroupOffset{parts[i], -1, -1}
		codes[i] = UnknownServerError // until the answer mentions it
	}
	find := finder{n: len(parts)}
	r.int32() // throttle time
	r.eachPartition(20, func(at TopicPartition) {
		o := GroupOffset{at, r.int64(), r.int32()}
		r.string() // text beside the offset
		code := r.code()
		r.tags()
		switch i := find.index(func(i int) bool { return parts[i] == at }); {
		case i >= 0:
			offsets[i], codes[i] = o, code
		case parts == nil:
			offsets, codes = append(offsets, o), append(codes, code)
		}
	})
	if code := r.code(); code != OK {
		codes = append(codes[:0], code) // of the group: no partition has an answer
	}
	r.tags()
	return offsets, summary(codes), finish(r, "OffsetFetch")
}

// CommitGroupOffsets sets offsets of a group that has no members, outside of any transaction. A group with members is refused:
// fault.GroupInUse. It repeats what is retriable until ctx ends.
func (c *Client) CommitGroupOffsets(ctx context.Context, group string, offsets []GroupOffset) error {
	return c.repeat(ctx, CallGroup, "committing the offsets of the consumer group "+group, func(ctx context.Context) (Code, error) {
		req := newEncoder(protocol.OffsetCommit, 8, true, c.cfg.ClientID)
		req.string(group)
		req.int32(-1) // generation: none
		req.string(groupMember)
		req.optional("") // instance
		req.offsets(offsets)
		req.tags()
		codes := make([]Code, len(offsets))
		return c.toGroup(ctx, group, req, func(r *reader) (Code, error) {
			return parseOffsetCodes(r, "OffsetCommit", offsets, codes)
		})
	})
}

// offsets writes offsets to be committed.
func (e *encoder) offsets(offsets []GroupOffset) {
	e.partitions(len(offsets), func(i int) string { return offsets[i].Topic }, func(i int) {
		e.int32(offsets[i].Partition)
		e.int64(offsets[i].Offset)
		e.int32(offsets[i].LeaderEpoch)
		e.optional("") // text beside the offset
		e.tags()
	})
}

// parseOffsetCodes fills the codes of the offsets that a call committed and returns the first that is not OK.
func parseOffsetCodes(r *reader, call string, offsets []GroupOffset, codes []Code) (Code, error) {
	for i := range codes {
		codes[i] = UnknownServerError // until the answer mentions it
	}
	find := finder{n: len(offsets)}
	r.int32() // throttle time
	r.eachPartition(7, func(at TopicPartition) {
		code := r.code()
		r.tags()
		if i := find.index(func(i int) bool { return offsets[i].TopicPartition == at }); i >= 0 {
			codes[i] = code
		}
	})
	r.tags()
	return summary(codes), finish(r, call)
}
