package kafka

import (
	"context"
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// endState is the durable text of where a bounded run ends in a partition, so that it ends there after a restart too.
type endState struct {
	stateHeader
	Offset int64 `json:"offset"` // of the first record that is not read
}

func (p *partition) endKey() string { return fmt.Sprintf("%s%s/%d", endPrefix, p.topic, p.number) }

// resolveEnds sets where a bounded run ends in each partition, and returns the states that say so. Partitions that come later are no
// part of such a run.
func resolveEnds(ctx context.Context, wire *kafkawire.Client, cfg *EndConfig, parts []*partition) ([]changelog.State, error) {
	switch cfg.At {
	case wordNone:
		return nil, nil
	case fromLatest, fromTimestamp:
		if err := endsByTime(ctx, wire, cfg, parts); err != nil {
			return nil, err
		}
	case fromOffsets:
		if err := endsGiven(cfg, parts); err != nil {
			return nil, err
		}
	default:
		return nil, fault.NewFinal(fault.Config, "reading end.at", fmt.Errorf("%q is no mode", cfg.At), "")
	}
	states := make([]changelog.State, 0, len(parts))
	for _, p := range parts {
		st, err := newState(p.endKey(), endState{newStateHeader(), p.end})
		if err != nil {
			return nil, err
		}
		states = append(states, st)
	}
	return states, nil
}

func endsByTime(ctx context.Context, wire *kafkawire.Client, cfg *EndConfig, parts []*partition) error {
	latest, err := wire.ListOffsets(ctx, atsOf(parts), kafkawire.ReadCommitted, kafkawire.LatestOffset)
	if err != nil {
		return fmt.Errorf("finding where to end: %w", err)
	}
	for i, p := range parts {
		p.end = latest[i].Offset
	}
	if cfg.At == fromLatest {
		return nil
	}
	ms, err := wallClock(cfg.Timestamp)
	if err != nil {
		return fault.NewFinal(fault.Config, "reading end.timestamp", err, "")
	}
	since, err := wire.ListOffsets(ctx, atsOf(parts), kafkawire.ReadCommitted, ms)
	if err != nil {
		return fmt.Errorf("finding where to end: %w", err)
	}
	for i, p := range parts {
		if since[i].Offset >= 0 {
			p.end = since[i].Offset
		}
	}
	return nil
}

func endsGiven(cfg *EndConfig, parts []*partition) error {
	for _, o := range cfg.Offsets {
		p, err := o.among(parts, "end.offsets", "Correct end.offsets or topics.")
		if err != nil {
			return err
		}
		p.end = o.Offset
	}
	for _, p := range parts {
		if p.end < 0 {
			return fault.NewFinal(fault.Config, "reading end.offsets", fmt.Errorf("they do not name %s", p), "Name the end of every partition that is read.")
		}
	}
	return nil
}
