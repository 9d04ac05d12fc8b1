package upsert

// This file is the one place that makes offsets of a consumer group a part of the transaction.
//
// The offsets go to the group's coordinator, which keeps them in a partition of __consumer_offsets and makes them the group's when
// that partition gets the control batch of the commit. So it is a partition of the transaction like any other, but for three
// things: its records are the coordinator's, it joins by the name of the group, and nothing depends on it. Rows and checkpoint
// are right without it, since the source goes on from the checkpoint; the group is for those who look at lag, and for a later
// start at what is committed. Hence:
//
//   - The calls are repeated until their answer is definite, and what is not ends the attempt, as in transaction.go. Offsets that are
//     sent twice are the same offsets; a late copy in a later transaction is kept away by the epoch, as that of any other call.
//   - Control batches that Kafka has lost there are found and written again as lost.go says, if this user may look into
//     __consumer_offsets. If it may not, readers of the group's offsets may have to wait; the next commit ends that, since the same
//     producer writes there again.
//   - A topic __consumer_offsets that is gone or another one ends nothing. Nor does a topic that the group has read and that is gone:
//     there are no offsets of it any more, and the rows that were read of it must not be lost with it.

import (
	"context"
	"errors"
	"slices"
	"time"
	"unicode/utf16"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// offsetsTopic is where Kafka keeps the offsets of all groups.
const offsetsTopic = "__consumer_offsets"

// offsetsPerCall bounds the offsets of one call: a coordinator writes them as one batch, and refuses what does not fit into
// max.message.bytes of __consumer_offsets, 1 MiB by default. One offset is less than 1 KiB with the longest names.
const offsetsPerCall = 1000

// groupPartition is the partition of __consumer_offsets, which has n, that holds a group: by the hash that Java has for texts.
func groupPartition(group string, n int32) int32 {
	h := int32(0)
	for _, unit := range utf16.Encode([]rune(group)) {
		h = 31*h + int32(unit)
	}
	if h = max(h, -h); h < 0 { // the smallest number is its own negative, and 0 for Kafka
		h = 0
	}
	return h % n
}

// joinGroup finds the partition that holds the group, so that it is watched like those of the rows. It does so once in an attempt.
func (s *Sink) joinGroup(ctx context.Context, group string) error {
	if s.group == group {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, createPatience, errTooLate)
	defer cancel()
	var found *kafkawire.Topic
	err := s.txn.repeat(ctx, kafkawire.CallGroup, "looking for the coordinator of the consumer group "+group, func(ctx context.Context) (kafkawire.Code, error) {
		// Kafka creates the topic when somebody looks for a coordinator.
		if _, code, err := s.wire.GroupCoordinator(ctx, group); err != nil || code != kafkawire.OK {
			return code, err
		}
		meta, err := s.wire.Rights(ctx, offsetsTopic)
		if err != nil {
			return kafkawire.OK, err
		}
		switch found = meta.Topic(offsetsTopic); {
		case found == nil || found.Code == kafkawire.OK && len(found.Partitions) == 0:
			return kafkawire.UnknownTopicOrPartition, nil
		case found.Code == kafkawire.TopicAuthorizationFailed:
			return kafkawire.OK, nil
		}
		return found.Code, nil
	})
	if err != nil {
		return err
	}
	s.txn.offsets = nil
	if mayWatch(found) {
		if err := s.watchGroup(ctx, group, found); err != nil {
			return err
		}
	} else {
		s.log.Info("control batches of __consumer_offsets are not looked after, this user may not read it", "group", group)
	}
	s.group = group
	return nil
}

// mayWatch reports whether this user may ask for undecided records in __consumer_offsets as it is described.
func mayWatch(t *kafkawire.Topic) bool {
	return t != nil && t.Code == kafkawire.OK && t.Rights&kafkawire.MayRead != 0
}

func (s *Sink) watchGroup(ctx context.Context, group string, found *kafkawire.Topic) error {
	t := &Topic{Index: -1, Name: offsetsTopic, ID: found.ID, Partitions: int32(len(found.Partitions))}
	p := t.pin()
	p.Group = group
	if old, durable, _ := s.pins.lookup(offsetsTopic); !durable || old != p {
		if err := s.abandon(ctx, offsetsTopic, p.at(offsetsTopic)); err != nil {
			return err
		}
	}
	s.pins.add(offsetsTopic, p)
	l, err := s.txn.routes.lane(t, groupPartition(group, t.Partitions))
	if err != nil {
		return err
	}
	s.txn.routes.byTopic[t].watched = true
	s.txn.offsets = l
	return nil
}

// commitOffsets makes offsets of a group a part of the open transaction.
func (p *producer) commitOffsets(ctx context.Context, g *changelog.GroupOffsets) (err error) {
	defer func() { p.breakOn(err) }()
	if p.phase != open {
		return fault.NewFinal(fault.Internal, "committing offsets", errors.New("no transaction is open"), "Report this as a bug.")
	}
	ctx, cancel := context.WithDeadlineCause(ctx, p.deadline(), errTooLate)
	defer cancel()
	op := "committing the offsets of the consumer group " + g.Group
	p.touched = true
	if p.offsets != nil {
		p.offsets.txn = p.number // from the first call on, which may be carried out without an answer
	}
	if p.proto == kafkawire.Classic {
		err := p.repeat(ctx, kafkawire.CallAddOffsets, op, func(ctx context.Context) (kafkawire.Code, error) {
			return p.wire.AddOffsetsToTxn(ctx, p.txnID, p.id, g.Group)
		})
		if err != nil {
			return err
		}
	}
	call := kafkawire.TxnOffsets{Protocol: p.proto, TransactionalID: p.txnID, Producer: p.id, Group: g.Group}
	for some := range slices.Chunk(g.Offsets, offsetsPerCall) {
		call.Offsets = appendOffsets(call.Offsets[:0], some)
		began := time.Now()
		err := p.repeat(ctx, kafkawire.CallTxnOffsetCommit, op, func(ctx context.Context) (kafkawire.Code, error) {
			codes, code, err := p.wire.TxnOffsetCommit(ctx, &call)
			if err == nil && time.Since(began) > newTopicPatience && !slices.ContainsFunc(codes, notGone) {
				code = kafkawire.OK
			}
			return code, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// newTopicPatience is how long a broker may need to hear of a topic.
const newTopicPatience = 2 * time.Second

// notGone tells the codes that are about anything but a topic that does not exist.
func notGone(code kafkawire.Code) bool {
	return code != kafkawire.OK && code != kafkawire.UnknownTopicOrPartition
}

func appendOffsets(dst []kafkawire.GroupOffset, offsets []changelog.GroupOffset) []kafkawire.GroupOffset {
	for _, o := range offsets {
		at := kafkawire.TopicPartition{Topic: o.Topic, Partition: o.Partition}
		dst = append(dst, kafkawire.GroupOffset{TopicPartition: at, Offset: o.Offset, LeaderEpoch: o.LeaderEpoch})
	}
	return dst
}
