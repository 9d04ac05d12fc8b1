package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// Resetter makes what plans where a pipeline goes on. It does no I/O.
func (c *Config) Resetter(env capture.Env) capture.Resetter { return &resetter{cfg: c, env: env} }

var _ capture.Resettable = (*Config)(nil)

// resetter is a capture.Resetter over topics. Its plans do not depend on what the checkpoint says of a topic that was created again,
// or of another cluster: they are the way out of that.
type resetter struct {
	cfg *Config
	env capture.Env
}

// Plan implements capture.Resetter.
func (r *resetter) Plan(ctx context.Context, cp changelog.Checkpoint, to string) (capture.ResetPlan, error) {
	target, err := parseTarget(to)
	if err != nil {
		return capture.ResetPlan{}, fault.NewFinal(fault.Config, "reading --to", err, "Say earliest, latest, timestamp=2026-01-31T12:00:00Z or offsets=orders:0:42,orders:1:17.")
	}
	wire := kafkawire.NewClient(r.cfg.wire())
	defer wire.Close()
	meta, err := wire.Metadata(ctx)
	if err != nil {
		return capture.ResetPlan{}, fmt.Errorf("asking the cluster: %w", err)
	}
	old, err := parsePosition(cp.Pos)
	if err != nil {
		old = position{} // the pipeline had a source of another type: there is nothing to keep
	}
	enum, err := r.cfg.enumerator(ctx, wire, meta.ClusterID, r.env.Log)
	if err != nil {
		return capture.ResetPlan{}, err
	}
	all, err := enum.partitions(ctx)
	if err != nil {
		return capture.ResetPlan{}, err
	}
	known, err := readPartitions(cp.State)
	if err != nil {
		return capture.ResetPlan{}, err
	}
	a := arrangement{cfg: r.cfg, wire: wire, states: cp.State, known: known, same: old.Cluster == meta.ClusterID}
	if err := a.arrange(ctx, all, target); err != nil {
		return capture.ResetPlan{}, err
	}
	old.Cluster, old.Watermark = meta.ClusterID, 0
	old.Records++ // another position than the one before, even when nothing else says so
	return a.plan(ctx, enum, old)
}

// target is where to go on.
type target struct {
	mode    string
	millis  int64             // with timestamp
	offsets []PartitionOffset // with offsets
}

func parseTarget(text string) (target, error) {
	mode, value, said := strings.Cut(text, "=")
	t := target{mode: mode}
	var err error
	switch {
	case (mode == fromEarliest || mode == fromLatest) && !said:
	case mode == fromTimestamp && said:
		t.millis, err = wallClock(value)
	case mode == fromOffsets && said:
		t.offsets, err = parseOffsets(value)
	default:
		err = fmt.Errorf("%q is no place to go on", text)
	}
	return t, err
}

// parseOffsets reads topic:partition:offset, separated by commas. Names of topics have neither colons nor commas.
func parseOffsets(text string) ([]PartitionOffset, error) {
	var offsets []PartitionOffset
	for _, one := range strings.Split(text, ",") {
		parts := strings.Split(strings.TrimSpace(one), ":")
		if len(parts) != 3 {
			return nil, fmt.Errorf("%q is not topic:partition:offset", one)
		}
		number, err1 := strconv.ParseInt(parts[1], 10, 32)
		offset, err2 := strconv.ParseInt(parts[2], 10, 64)
		if err := errors.Join(topicName(parts[0]), err1, err2); err != nil {
			return nil, fmt.Errorf("%q: %w", one, err)
		}
		o := PartitionOffset{Topic: parts[0], Partition: int32(number), Offset: offset}
		if number < 0 || offset < 0 || slices.ContainsFunc(offsets, func(p PartitionOffset) bool { return p.at() == o.at() }) {
			return nil, fmt.Errorf("%q has a negative number, or names a partition for the second time", one)
		}
		offsets = append(offsets, o)
	}
	return offsets, nil
}

// arrangement is the way from the partitions of a checkpoint to those of a plan.
type arrangement struct {
	cfg    *Config
	wire   *kafkawire.Client
	states []changelog.State                       // of the checkpoint
	known  map[kafkawire.TopicPartition]*partition // of the checkpoint
	same   bool                                    // the cluster is that of the checkpoint

	parts []*partition // that there are to read, with the offsets to go on at
}

// stays gives the partition of the checkpoint if its offset still means something.
func (a *arrangement) stays(p *partition) *partition {
	k := a.known[p.at()]
	if k == nil || !a.same || k.id != p.id {
		return nil
	}
	return k
}

// arrange finds the offsets.
func (a *arrangement) arrange(ctx context.Context, all []found, to target) error {
	for _, f := range all {
		a.parts = append(a.parts, newPartition(f.at, f.id))
	}
	if len(a.parts) == 0 {
		return fault.New(fault.TopicMissing, "looking for topics", fmt.Errorf("no topic matches %q", a.cfg.TopicPattern), "Correct topics or topic_pattern.")
	}
	switch to.mode {
	case fromEarliest:
		return startEarliest(ctx, a.wire, a.parts)
	case fromLatest:
		return startAt(ctx, a.wire, a.parts, kafkawire.LatestOffset)
	case fromTimestamp:
		return (&starter{wire: a.wire}).since(ctx, a.parts, to.millis)
	}
	return a.given(ctx, to.offsets)
}

// given takes offsets as they were said, and leaves all other partitions where they are.
func (a *arrangement) given(ctx context.Context, offsets []PartitionOffset) error {
	said := make([]*partition, len(offsets))
	for i, o := range offsets {
		p, err := o.among(a.parts, "--to", "Correct the offsets, or topics in the source section.")
		if err != nil {
			return err
		}
		p.offset, said[i] = o.Offset, p
	}
	firsts, ends, err := boundsOf(ctx, a.wire, atsOf(said), kafkawire.ReadUncommitted)
	if err != nil {
		return err
	}
	for i, p := range said {
		if p.offset < firsts[i] || p.offset > ends[i] {
			return fault.NewFinal(fault.Config, "reading --to", fmt.Errorf("%s has the offsets %d to %d, not %d", p, firsts[i], ends[i], p.offset), "Name an offset that the partition has, or its end.")
		}
	}
	var left []*partition // that were never read, or not as they are now
	for _, p := range a.parts {
		switch k := a.stays(p); {
		case slices.Contains(said, p):
		case k != nil:
			p.offset = k.offset
		case a.known[p.at()] != nil:
			return fault.NewFinal(fault.Config, "reading --to", fmt.Errorf("%s is not the partition any more that the checkpoint is about, and its offset is not said", p),
				"Name the offset of every partition, or use --to earliest, latest or timestamp=….")
		default:
			left = append(left, p)
		}
	}
	return startEarliest(ctx, a.wire, left)
}

// plan writes down what changes.
func (a *arrangement) plan(ctx context.Context, enum *enumerator, pos position) (plan capture.ResetPlan, err error) {
	if plan.Next.Pos, err = pos.text(); err != nil {
		return plan, err
	}
	exist := map[kafkawire.TopicPartition]bool{}
	var back, forth, moved bool
	for _, p := range a.parts {
		exist[p.at()] = true
		move := capture.ResetMove{Place: p.String(), From: -1, To: p.offset}
		if k := a.stays(p); k != nil {
			move.From = k.offset
		}
		plan.Moves = append(plan.Moves, move)
		if move.From == move.To {
			continue
		}
		back, forth = back || move.To < move.From, forth || move.From >= 0 && move.To > move.From
		moved = moved || a.known[p.at()] != nil
		st, err := p.state()
		if err != nil {
			return plan, err
		}
		plan.Next.State = append(plan.Next.State, st)
	}
	for at, k := range a.known {
		if !exist[at] && enum.reads(at.Topic) { // the topic has fewer partitions now, or is gone
			plan.Next.State = append(plan.Next.State, changelog.State{Key: k.stateKey()}, changelog.State{Key: k.endKey()})
		}
	}
	for _, st := range a.states {
		if moved && (st.Key == orderKey || st.Key == emptiedKey) { // what is known of rows is of another place in the log
			plan.Next.State = append(plan.Next.State, changelog.State{Key: st.Key})
		}
	}
	ends, err := resolveEnds(ctx, a.wire, &a.cfg.End, a.parts)
	plan.Next.State = append(plan.Next.State, ends...)
	slices.SortFunc(plan.Next.State, func(x, y changelog.State) int { return strings.Compare(x.Key, y.Key) })
	plan.Notes = a.notes(back, forth)
	return plan, err
}

// notes are what a person should know.
func (a *arrangement) notes(back, forth bool) []string {
	var notes []string
	if !a.same {
		notes = append(notes, "The checkpoint is of another cluster or source, where offsets mean something else: all of them are replaced.")
	}
	if back {
		notes = append(notes, "What is read again is written again: rows of upsert topics end as they should, though older states of them are readable for a while; topics of mode changelog have it twice.")
	}
	if back && a.cfg.Deduplicate {
		notes = append(notes, "What deduplication knows of these partitions is forgotten, so that what is read again is not dropped.")
	}
	if forth {
		notes = append(notes, "What is passed over is not read: rows that it changes stay in the target as they are until they change again.")
	}
	if a.cfg.bounded() {
		notes = append(notes, "The end of the run is found anew.")
	}
	return notes
}
