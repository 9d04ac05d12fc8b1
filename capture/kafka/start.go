package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// atsOf names the partitions.
func atsOf(parts []*partition) []kafkawire.TopicPartition {
	ats := make([]kafkawire.TopicPartition, len(parts))
	for i, p := range parts {
		ats[i] = p.at()
	}
	return ats
}

// at names the partition.
func (o *PartitionOffset) at() kafkawire.TopicPartition {
	return kafkawire.TopicPartition{Topic: o.Topic, Partition: o.Partition}
}

// among finds the partition among those that are read. setting is where the offset was said.
func (o *PartitionOffset) among(parts []*partition, setting, hint string) (*partition, error) {
	i := slices.IndexFunc(parts, func(p *partition) bool { return p.at() == o.at() })
	if i < 0 {
		return nil, fault.NewFinal(fault.Config, "reading "+setting, fmt.Errorf("%s is none of the partitions that are read", o.at()), hint)
	}
	return parts[i], nil
}

// startEarliest lets partitions begin with the first record that they have.
func startEarliest(ctx context.Context, wire *kafkawire.Client, parts []*partition) error {
	return startAt(ctx, wire, parts, kafkawire.EarliestOffset)
}

// startAt lets partitions begin where ListOffsets says for a timestamp. Behind the last stable offset nothing is to be had for a
// committed reader, so that is the latest offset.
func startAt(ctx context.Context, wire *kafkawire.Client, parts []*partition, timestamp int64) error {
	if len(parts) == 0 {
		return nil
	}
	answers, err := wire.ListOffsets(ctx, atsOf(parts), kafkawire.ReadCommitted, timestamp)
	if err != nil {
		return fmt.Errorf("finding where to begin: %w", err)
	}
	for i, p := range parts {
		p.offset, p.epoch = answers[i].Offset, -1
	}
	return nil
}

// starter resolves where partitions begin at a pipeline's first start.
type starter struct {
	wire  *kafkawire.Client
	cfg   *StartConfig
	group string
	log   *slog.Logger
}

// resolve sets the offset of each partition.
func (s *starter) resolve(ctx context.Context, parts []*partition) error {
	var err error
	switch s.cfg.From {
	case fromEarliest:
		return startEarliest(ctx, s.wire, parts)
	case fromLatest:
		return startAt(ctx, s.wire, parts, kafkawire.LatestOffset)
	case fromCommitted:
		err = s.committed(ctx, parts)
	case fromTimestamp:
		ms, err := wallClock(s.cfg.Timestamp)
		if err != nil {
			return fault.NewFinal(fault.Config, "reading start.timestamp", err, "")
		}
		return s.since(ctx, parts, ms)
	case fromOffsets:
		err = s.given(ctx, parts)
	default:
		err = fault.NewFinal(fault.Config, "reading start.from", fmt.Errorf("%q is no mode", s.cfg.From), "")
	}
	if err != nil {
		return err
	}
	return s.inRange(ctx, parts)
}

// unset is the offset of a partition of which the mode says nothing.
const unset = -1

func (s *starter) committed(ctx context.Context, parts []*partition) error {
	offsets, err := s.wire.FetchGroupOffsets(ctx, s.group, atsOf(parts))
	if err != nil {
		return fmt.Errorf("finding the offsets of group %s: %w", s.group, err)
	}
	for i, p := range parts {
		p.offset, p.epoch = offsets[i].Offset, -1
	}
	return s.fallBack(ctx, parts, func(p *partition) error {
		return fmt.Errorf("the group %s has no offset of %s", s.group, p)
	})
}

// since begins with the first record of a time or later, or at the end where there is none.
func (s *starter) since(ctx context.Context, parts []*partition, ms int64) error {
	if err := startAt(ctx, s.wire, parts, ms); err != nil {
		return err
	}
	var none []*partition
	for _, p := range parts {
		if p.offset == unset {
			none = append(none, p)
		}
	}
	return startAt(ctx, s.wire, none, kafkawire.LatestOffset)
}

func (s *starter) given(ctx context.Context, parts []*partition) error {
	for _, p := range parts {
		p.offset = unset
	}
	for _, o := range s.cfg.Offsets {
		p, err := o.among(parts, "start.offsets", "Correct start.offsets or topics.")
		if err != nil {
			return err
		}
		p.offset = o.Offset
	}
	return s.fallBack(ctx, parts, func(p *partition) error { return fmt.Errorf("start.offsets does not name %s", p) })
}

// inRange deals with offsets that the partition does not have.
func (s *starter) inRange(ctx context.Context, parts []*partition) error {
	firsts, ends, err := boundsOf(ctx, s.wire, atsOf(parts), kafkawire.ReadUncommitted)
	if err != nil {
		return err
	}
	gone := map[*partition]error{}
	for i, p := range parts {
		if p.offset < firsts[i] || p.offset > ends[i] {
			gone[p] = fmt.Errorf("%s has the offsets %d to %d and is to begin at %d", p, firsts[i], ends[i], p.offset)
			p.offset = unset
		}
	}
	return s.fallBack(ctx, parts, func(p *partition) error { return gone[p] })
}

// fallBack applies start.fallback to the partitions that have no offset.
func (s *starter) fallBack(ctx context.Context, parts []*partition, why func(*partition) error) error {
	var none []*partition
	for _, p := range parts {
		if p.offset == unset {
			none = append(none, p)
		}
	}
	if len(none) == 0 {
		return nil
	}
	at := kafkawire.EarliestOffset
	switch s.cfg.Fallback {
	case fromEarliest:
	case fromLatest:
		at = kafkawire.LatestOffset
	default:
		return fault.NewFinal(fault.OffsetLost, "finding where to begin", why(none[0]),
			"start.fallback: earliest or latest says where such partitions begin; or name their offsets by start.from: offsets.")
	}
	for _, p := range none {
		s.log.Info("a partition begins at the fallback", "topic", p.topic, "partition", p.number, "fallback", s.cfg.Fallback, "why", why(p))
	}
	return startAt(ctx, s.wire, none, at)
}

// boundsOf asks which offsets partitions have, for a reader of that isolation.
func boundsOf(ctx context.Context, wire *kafkawire.Client, parts []kafkawire.TopicPartition, level kafkawire.Isolation) (firsts, ends []int64, err error) {
	if len(parts) == 0 {
		return nil, nil, nil
	}
	for _, of := range []struct {
		timestamp int64
		to        *[]int64
	}{{kafkawire.EarliestOffset, &firsts}, {kafkawire.LatestOffset, &ends}} {
		answers, err := wire.ListOffsets(ctx, parts, level, of.timestamp)
		if err != nil {
			return nil, nil, fmt.Errorf("finding what offsets there are: %w", err)
		}
		for i := range answers {
			*of.to = append(*of.to, answers[i].Offset)
		}
	}
	return firsts, ends, nil
}

// recheck makes sure that partitions still have what was read of them, and have what comes next, if anything does.
func (s *source) recheck(ctx context.Context, parts []*partition) error {
	parts = slices.DeleteFunc(slices.Clone(parts), (*partition).complete)
	if len(parts) == 0 {
		return nil
	}
	firsts, ends, err := boundsOf(ctx, s.wire, atsOf(parts), kafkawire.ReadUncommitted)
	if err != nil {
		return err
	}
	var asked []*partition
	var questions []kafkawire.EpochQuestion
	for i, p := range parts {
		switch {
		case p.offset > ends[i]:
			return truncated(p.at(), p.offset, ends[i])
		case p.offset < firsts[i] && s.cfg.OnOffsetLost != fromEarliest:
			return offsetLost(p.at(), p.offset, firsts[i])
		case p.offset < firsts[i]:
			s.log.Warn("records were deleted before they were read; going on with the first ones that are left",
				"topic", p.topic, "partition", p.number, "offset", p.offset, "first", firsts[i])
			p.offset, p.epoch = firsts[i], -1
			s.resolved = append(s.resolved, p)
		case p.epoch >= 0:
			asked = append(asked, p)
			questions = append(questions, kafkawire.EpochQuestion{TopicPartition: p.at(), LeaderEpoch: p.epoch})
		}
	}
	if len(questions) == 0 {
		return nil
	}
	answers, err := s.wire.EpochEnds(ctx, questions)
	if err != nil {
		return fmt.Errorf("asking where leader epochs end: %w", err)
	}
	for i, p := range asked {
		if a := &answers[i]; a.LeaderEpoch < p.epoch || a.Offset < p.offset {
			return truncated(p.at(), p.offset, max(a.Offset, 0))
		}
	}
	return nil
}
