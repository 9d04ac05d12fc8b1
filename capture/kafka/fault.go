package kafka

import (
	"context"
	"fmt"

	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// codeFault is the fault of a code that reading a topic met: final unless another try may do better.
func codeFault(op string, code kafkawire.Code) *fault.Fault {
	f := kafkawire.CodeFault(op, code)
	verdict, _ := kafkawire.Judge(kafkawire.CallRead, kafkawire.KIP890, code)
	f.Final = verdict == kafkawire.Final
	switch code {
	case kafkawire.TopicAuthorizationFailed:
		f.Hint = "Grant this user Read and Describe on the topic."
	case kafkawire.UnknownTopicOrPartition, kafkawire.UnknownTopicID:
		f.Code, f.Hint = fault.TopicMissing, hintMissing
	}
	return f
}

const hintMissing = "The topic does not exist. Correct topics; or, if it was deleted and is not needed any more, take it out of topics or name it in exclude."

// replaced is the fault of a topic that was deleted and created again.
func replaced(topic string, was, is kafkawire.TopicID) error {
	return fault.NewFinal(fault.TopicReplaced, "reading topic "+topic, fmt.Errorf("it had the id %s and has %s now", was, is),
		"The topic was deleted and created again, so the offsets of the checkpoint mean nothing in it. cdcbridge reset --to earliest reads the new one from its beginning.")
}

// recover finds out what lanes have lost, and goes on behind that where the configuration allows it.
func (r *readers) recover(ctx context.Context, lanes []*lane, fetched []kafkawire.Fetched, lost []*lane) error {
	for i, l := range lanes {
		if len(lost) == 0 {
			return nil
		}
		if l != lost[0] {
			continue
		}
		lost = lost[1:]
		if at := fetched[i].DivergedAt; at >= 0 {
			return truncated(l.at, l.next, at)
		}
		first, err := r.regain(ctx, l)
		if err != nil {
			return err
		}
		r.mu.Lock()
		if first >= 0 {
			l.next, l.epoch = first, -1
		}
		l.asked = false
		r.mu.Unlock()
	}
	return nil
}

// regain finds where a lane can go on whose offset the partition does not have, -1: where it was.
func (r *readers) regain(ctx context.Context, l *lane) (int64, error) {
	first, end, err := bounds(ctx, r.wire, l.at)
	if err != nil {
		return -1, err
	}
	switch {
	case l.next > end:
		return -1, truncated(l.at, l.next, end)
	case l.next >= first:
		return -1, nil // the partition has it again: its leader has moved
	case r.lost != fromEarliest:
		return -1, offsetLost(l.at, l.next, first)
	}
	r.log.Warn("records were deleted before they were read; going on with the first ones that are left", "topic", l.at.Topic, "partition", l.at.Partition, "offset", l.next, "first", first)
	return first, nil
}

// bounds asks which offsets a partition has.
func bounds(ctx context.Context, wire *kafkawire.Client, at kafkawire.TopicPartition) (first, end int64, err error) {
	parts := []kafkawire.TopicPartition{at}
	firsts, err := wire.ListOffsets(ctx, parts, kafkawire.ReadUncommitted, kafkawire.EarliestOffset)
	if err != nil {
		return 0, 0, fmt.Errorf("finding the first offset: %w", err)
	}
	ends, err := wire.ListOffsets(ctx, parts, kafkawire.ReadUncommitted, kafkawire.LatestOffset)
	if err != nil {
		return 0, 0, fmt.Errorf("finding the end: %w", err)
	}
	return firsts[0].Offset, ends[0].Offset, nil
}

func offsetLost(at kafkawire.TopicPartition, next, first int64) error {
	return fault.NewFinal(fault.OffsetLost, "reading "+at.String(), fmt.Errorf("offset %d comes next, and the partition begins at %d: %d records are gone unread", next, first, first-next),
		"The topic's retention is shorter than the pipeline stood still. on_offset_lost: earliest goes on with what is left; cdcbridge reset --to earliest does so once.")
}

func truncated(at kafkawire.TopicPartition, next, end int64) error {
	return fault.NewFinal(fault.TopicTruncated, "reading "+at.String(), fmt.Errorf("records up to offset %d were read, and the partition ends, or has others, at %d", next, end),
		"A leader without all records was elected, or the topic was restored from an older copy. Compare it with its source, then cdcbridge reset --to offsets or earliest.")
}
