package kafka

import (
	"context"
	"fmt"

	"cdcbridge/internal/kafkawire"
)

// regain finds out what lanes have lost whose leader does not have their offset, or has other records before it, and lets them go on
// behind that where the configuration allows it.
func (r *readers) regain(ctx context.Context, lost []lostLane) error {
	for i := range lost {
		first, err := r.whatIsLeft(ctx, &lost[i])
		if err != nil {
			return err
		}
		r.mu.Lock()
		l := lost[i].lane
		if first >= 0 {
			l.next, l.epoch, l.refused = first, -1, 0
		}
		l.asked = false
		r.mu.Unlock()
	}
	return nil
}

// lostLane is a lane that was refused.
type lostLane struct {
	lane       *lane
	divergedAt int64 // from where on the partition has other records, -1: it does not say
}

// maxRefusals is how often in a row a leader may refuse an offset that the partition has: while its leader changes.
const maxRefusals = 5

// whatIsLeft finds where a lane can go on, -1: where it was.
func (r *readers) whatIsLeft(ctx context.Context, lost *lostLane) (int64, error) {
	l := lost.lane
	if lost.divergedAt >= 0 {
		return -1, truncated(l.at, l.next, lost.divergedAt)
	}
	firsts, ends, err := boundsOf(ctx, r.wire, []kafkawire.TopicPartition{l.at}, kafkawire.ReadUncommitted)
	if err != nil {
		return -1, err
	}
	first, end := firsts[0], ends[0]
	switch {
	case l.next > end:
		return -1, truncated(l.at, l.next, end)
	case l.next >= first:
		if l.refused++; l.refused > maxRefusals {
			return -1, truncated(l.at, l.next, first)
		}
		return -1, kafkawire.Pause(ctx, retryPause(l.refused))
	case r.lost != fromEarliest:
		return -1, offsetLost(l.at, l.next, first)
	}
	r.log.Warn("records were deleted before they were read; going on with the first ones that are left",
		"topic", l.at.Topic, "partition", l.at.Partition, "offset", l.next, "first", first, "lost", fmt.Sprint(first-l.next))
	return first, nil
}
