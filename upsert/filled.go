package upsert

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// refuseFilled stops a pipeline that is about to write into a topic which holds records and which no checkpoint of it knows:
// it was renamed, its state was lost, or the topic belongs to somebody else. Records decide, not offsets: a first transaction
// that died leaves an end offset of 2 and no record.
func (s *Sink) refuseFilled(ctx context.Context, name string, partitions int) error {
	filled, err := s.filled(ctx, name, partitions)
	if err != nil || !filled {
		return err
	}
	if err := s.refuseReplaced(ctx, "opening topic "+name); err != nil {
		return err
	}
	return s.filledFault(name)
}

func (s *Sink) filledFault(name string) *fault.Fault {
	return fault.NewFinal(fault.StateMissing, "opening topic "+name, fmt.Errorf("it holds records, and no checkpoint of pipeline %s knows the topic", s.id.Pipeline),
		"If the pipeline was renamed or its state topic changed, undo that. To write into the topic as it is, set adopt on the output; to begin anew, delete the topic.")
}

// refuseReplaced stops a daemon that was frozen and finds what its successor has written meanwhile.
func (s *Sink) refuseReplaced(ctx context.Context, op string) error {
	now := newStateReader(s.wire, s.stateAt(), s.id.Pipeline)
	if err := now.readToEnd(ctx); err != nil {
		return err
	}
	if claim := now.state.claim; claim.follows(s.seen, s.id.Instance) {
		return fencedFault(op, claim, nil)
	}
	return nil
}

// undecidedPatience is how long records that are neither committed nor aborted are waited for before they count as records.
const undecidedPatience = time.Second

var errFound = errors.New("found a record")

// filled reports whether a topic has a committed record, or somebody is writing one now.
func (s *Sink) filled(ctx context.Context, name string, partitions int) (bool, error) {
	at := make([]kafkawire.TopicPartition, partitions)
	for i := range at {
		at[i] = kafkawire.TopicPartition{Topic: name, Partition: int32(i)}
	}
	first, err := s.wire.ListOffsets(ctx, at, kafkawire.ReadUncommitted, kafkawire.EarliestOffset)
	if err != nil {
		return false, err
	}
	last, err := s.wire.ListOffsets(ctx, at, kafkawire.ReadUncommitted, kafkawire.LatestOffset)
	if err != nil {
		return false, err
	}
	var starts []kafkawire.Progress
	for i := range at {
		if last[i].Offset > first[i].Offset {
			starts = append(starts, kafkawire.Progress{TopicPartition: at[i], Offset: first[i].Offset})
		}
	}
	if len(starts) == 0 {
		return false, nil
	}
	fetcher := s.wire.NewFetcher(kafkawire.FetcherConfig{MaxWait: undecidedPatience / 10}, starts...)
	for patience := time.Now().Add(undecidedPatience); ; {
		err := fetcher.Poll(ctx, func(*kafkawire.FetchedRecord) error { return errFound })
		if errors.Is(err, errFound) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		read, undecided := true, false
		for _, p := range fetcher.Progress() {
			read = read && p.CaughtUp()
			undecided = undecided || p.LastStable < p.HighWatermark
		}
		switch {
		case read && !undecided:
			return false, nil
		case read && time.Now().After(patience):
			return true, nil
		}
	}
}
