package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// offsets follows which offsets the target has: those of batches that were given away become committed when their position is. It
// also commits them for the consumer group where the target is another cluster, as well as it can: nothing depends on it.
type offsets struct {
	group string
	own   bool // the topics are in the target's cluster: the sink commits for the group
	wire  *kafkawire.Client
	log   *slog.Logger
	ran   bool // run was called; read when it has ended

	mu        sync.Mutex
	given     []givenOffsets
	committed map[kafkawire.TopicPartition]changelog.GroupOffset
	dirty     map[kafkawire.TopicPartition]bool // committed, and not yet for the group
	reached   uint64                            // records of the newest position that was acknowledged
	moved     chan struct{}
	succeeded uint64
	failed    uint64
}

// givenOffsets are those of one batch.
type givenOffsets struct {
	records uint64
	offsets []changelog.GroupOffset
}

func newOffsets(group string, wire *kafkawire.Client, log *slog.Logger) offsets {
	return offsets{
		group: group, wire: wire, log: log, moved: make(chan struct{}, 1),
		committed: map[kafkawire.TopicPartition]changelog.GroupOffset{}, dirty: map[kafkawire.TopicPartition]bool{},
	}
}

// check refuses a group that somebody else is a member of.
func (o *offsets) check(ctx context.Context) error {
	state, err := o.wire.DescribeGroup(ctx, o.group)
	if err != nil {
		return fmt.Errorf("looking at the consumer group %s: %w", o.group, err)
	}
	if state.Live() {
		return fault.NewFinal(fault.GroupInUse, "looking at the consumer group "+o.group, fmt.Errorf("it has %d members, one is %s", len(state.Members), state.Members[0]),
			"Stop the other consumer, or set another group in the source section, or commit_offsets: false.")
	}
	return nil
}

// began takes where the partitions stand at the start. All of that is committed for the group: what a reset has moved, and what the
// last attempt was about to commit in partitions that may be silent from now on.
func (o *offsets) began(records uint64, parts []*partition) *changelog.GroupOffsets {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reached = records
	g := &changelog.GroupOffsets{Group: o.group}
	for _, p := range parts {
		at := p.groupOffset()
		o.committed[p.at()] = at
		g.Offsets = append(g.Offsets, at)
		if !o.own {
			o.dirty[p.at()] = true
		}
	}
	if o.own {
		return g
	}
	nudge(o.moved)
	return nil
}

func (p *partition) groupOffset() changelog.GroupOffset {
	return changelog.GroupOffset{Topic: p.topic, Partition: p.number, Offset: p.offset, LeaderEpoch: p.epoch}
}

// gave notes the offsets of a batch, and returns what the sink is to commit for the group with it.
func (o *offsets) gave(records uint64, offs []changelog.GroupOffset) *changelog.GroupOffsets {
	if len(offs) == 0 {
		return nil
	}
	o.mu.Lock()
	o.given = append(o.given, givenOffsets{records, offs})
	o.mu.Unlock()
	if !o.own {
		return nil
	}
	return &changelog.GroupOffsets{Group: o.group, Offsets: offs}
}

// acked notes that everything up to a position is in the target. It never blocks for long.
func (o *offsets) acked(records uint64) {
	o.mu.Lock()
	n := 0
	for ; n < len(o.given) && o.given[n].records <= records; n++ {
		for _, g := range o.given[n].offsets {
			at := kafkawire.TopicPartition{Topic: g.Topic, Partition: g.Partition}
			o.committed[at] = g
			if !o.own {
				o.dirty[at] = true
			}
		}
	}
	o.given = append(o.given[:0:0], o.given[n:]...)
	if o.own && n > 0 {
		o.succeeded++ // with the transaction
	}
	o.reached = max(o.reached, records)
	o.mu.Unlock()
	nudge(o.moved)
}

// commitEvery is how often offsets are committed for the group at most, where that is no part of the transaction.
const commitEvery = time.Second

// run commits offsets for the group until ctx ends. What comes then is for last.
func (o *offsets) run(ctx context.Context) {
	o.ran = true
	for told := false; ; {
		select {
		case <-o.moved:
		case <-ctx.Done():
			return
		}
		if err := o.commit(context.WithoutCancel(ctx)); err != nil && !told {
			told = true
			o.log.Warn("offsets cannot be committed for the consumer group; the pipeline does not depend on it", "group", o.group, "error", err)
		}
		if kafkawire.Pause(ctx, commitEvery) != nil {
			return
		}
	}
}

// last commits what run did not come to.
func (o *offsets) last() {
	if !o.ran {
		return
	}
	if err := o.commit(context.Background()); err != nil {
		o.log.Warn("the last offsets cannot be committed for the consumer group; the pipeline does not depend on it", "group", o.group, "error", err)
	}
}

// commitPatience bounds one commit.
const commitPatience = 5 * time.Second

func (o *offsets) commit(ctx context.Context) error {
	o.mu.Lock()
	var offs []kafkawire.GroupOffset
	for at := range o.dirty {
		c := o.committed[at]
		offs = append(offs, kafkawire.GroupOffset{TopicPartition: at, Offset: c.Offset, LeaderEpoch: c.LeaderEpoch})
	}
	clear(o.dirty)
	o.mu.Unlock()
	if len(offs) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commitPatience)
	defer cancel()
	err := o.wire.CommitGroupOffsets(ctx, o.group, offs)
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == nil {
		o.succeeded++
		return nil
	}
	o.failed++
	for _, c := range offs {
		o.dirty[c.TopicPartition] = true
	}
	return err
}

// reachedBy waits until everything up to a position is in the target, or for so long.
func (o *offsets) reachedBy(ctx context.Context, records uint64, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		o.mu.Lock()
		there := o.reached >= records
		o.mu.Unlock()
		if there || kafkawire.Pause(ctx, 10*time.Millisecond) != nil {
			return
		}
	}
}

// report adds what is committed to the source's numbers.
func (o *offsets) report(st *capture.Stats) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range st.Partitions {
		p := &st.Partitions[i]
		if c, ok := o.committed[kafkawire.TopicPartition{Topic: p.Topic, Partition: p.Partition}]; ok {
			p.Committed = c.Offset
		}
	}
	st.Commits = capture.GroupCommits{Succeeded: o.succeeded, Failed: o.failed}
}
