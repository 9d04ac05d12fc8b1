package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// source is a capture.Source over topics.
type source struct {
	cfg *Config
	env capture.Env
	log *slog.Logger

	wire       *kafkawire.Client
	own        bool // it is a client of the cluster that the pipeline writes to
	enumerator *enumerator
	readers    *readers
	reader     formats.Reader
	lessons    lessons
	order      *orderState // of the checkpoint, nil: none
	emptied    []emptying  // of the checkpoint
	pos        position
	parts      []*partition // that are read, by topic and number
	resolved   []*partition // whose state is not that of the checkpoint
	shapes     capture.Shapes
	found      chan []*partition // by the enumerator while the stream runs

	offsets offsets // that were given away, and are committed
	numbers numbers
}

func newSource(cfg *Config, env capture.Env) *source {
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	if env.Aside {
		cfg = cfg.aside()
	}
	s := &source{cfg: cfg, env: env, log: env.Log, found: make(chan []*partition)}
	s.wire = kafkawire.NewClient(cfg.wire())
	s.readers = newReaders(s.wire, cfg.OnOffsetLost, s.log)
	s.offsets = newOffsets(cfg.group(env.Pipeline), s.wire, s.log)
	return s
}

// openPatience bounds how long the cluster may need to say what must be known before anything is read.
const openPatience = time.Minute

// Open implements capture.Source.
func (s *source) Open(ctx context.Context, cp changelog.Checkpoint) (_ changelog.Checkpoint, err error) {
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	defer func() {
		if err != nil {
			s.wire.Close()
		}
	}()
	if s.cfg.format == nil {
		return cp, fault.NewFinal(fault.Internal, "opening the source", errors.New("nothing reads its messages"), "Report this as a bug.")
	}
	fresh := cp.Pos == ""
	if err := s.identify(ctx, cp.Pos); err != nil {
		return cp, err
	}
	if s.enumerator, err = newEnumerator(s.wire, s.cfg.wanted(s.own), s.log); err != nil {
		return cp, err
	}
	s.enumerator.heard = &s.readers.heard
	known, err := readPartitions(cp.State)
	if err != nil {
		return cp, err
	}
	if !s.cfg.Deduplicate { // what is read without it is unknown to it later
		for _, p := range known {
			p.repeats = repeats{}
		}
	}
	if err := s.enumerate(ctx, known, fresh); err != nil {
		return cp, err
	}
	s.reader = s.cfg.format.Reader(formats.ReaderOptions{Intern: s.shapes.Intern})
	if err := s.orderable(); err != nil {
		return cp, err
	}
	if err := s.restoreOrder(cp.State); err != nil {
		return cp, err
	}
	if err := s.restoreEmptied(cp.State); err != nil {
		return cp, err
	}
	if s.lessons, err = restoreLessons(cp.State, s.reader, s.enumerator.reads); err != nil {
		return cp, err
	}
	return s.resolve(ctx, cp, fresh)
}

// Reads implements capture.TopicReader.
func (s *source) Reads(topic string) bool { return s.own && s.enumerator.reads(topic) }

// identify finds out which cluster this is, and whether it is the checkpoint's and the target's.
func (s *source) identify(ctx context.Context, pos changelog.Position) error {
	meta, err := s.wire.Metadata(ctx)
	if err != nil {
		return fmt.Errorf("asking the cluster: %w", err)
	}
	s.pos = position{Cluster: meta.ClusterID}
	if pos != "" {
		p, err := parsePosition(pos)
		if err != nil {
			return err
		}
		if err := p.serves(meta.ClusterID); err != nil {
			return err
		}
		s.pos = p
	}
	if s.own, err = s.cfg.ownCluster(ctx, meta.ClusterID); err != nil {
		return err
	}
	if !s.cfg.CommitOffsets {
		return nil
	}
	s.offsets.own = s.own
	return s.offsets.check(ctx)
}

// wanted says which topics are read, in the cluster that the pipeline writes to or in another one.
func (c *Config) wanted(own bool) *TopicsConfig {
	topics := c.TopicsConfig
	if own && c.DeadLetter != "" { // what the pipeline has parked is not to be parked again
		topics.Exclude = append(slices.Clone(topics.Exclude), c.DeadLetter)
	}
	return &topics
}

// enumerator makes the enumerator of the cluster with that id. Whether the pipeline writes to it is asked where that makes a difference.
func (c *Config) enumerator(ctx context.Context, wire *kafkawire.Client, cluster string, log *slog.Logger) (*enumerator, error) {
	own := false
	if c.TopicPattern != "" && c.DeadLetter != "" {
		var err error
		if own, err = c.ownCluster(ctx, cluster); err != nil {
			return nil, err
		}
	}
	return newEnumerator(wire, c.wanted(own), log)
}

// ownCluster reports that the topics are in the cluster that the pipeline writes to.
func (c *Config) ownCluster(ctx context.Context, cluster string) (bool, error) {
	if len(c.Cluster.Brokers) == 0 || slices.Equal(c.Cluster.Brokers, c.target.Brokers) {
		return true, nil
	}
	target := kafkawire.NewClient(c.target)
	defer target.Close()
	meta, err := target.Metadata(ctx)
	if err != nil {
		return false, fmt.Errorf("asking the cluster that the pipeline writes to: %w", err)
	}
	return meta.ClusterID == cluster, nil
}

// readPartitions reads the states of all partitions, and where a bounded run ends in them.
func readPartitions(states []changelog.State) (map[kafkawire.TopicPartition]*partition, error) {
	known := map[kafkawire.TopicPartition]*partition{}
	for _, st := range states { // in the order of their keys
		if strings.HasPrefix(st.Key, partitionPrefix) {
			at, err := partitionOf(st.Key, partitionPrefix)
			if err != nil {
				return nil, err
			}
			var ps partitionState
			if err := readState(st, &ps, &ps.stateHeader); err != nil {
				return nil, err
			}
			p := newPartition(at, kafkawire.TopicID{})
			if err := p.restore(&ps); err != nil {
				return nil, err
			}
			known[at] = p
		}
	}
	for _, st := range states {
		if strings.HasPrefix(st.Key, endPrefix) {
			at, err := partitionOf(st.Key, endPrefix)
			if err != nil {
				return nil, err
			}
			var es endState
			if err := readState(st, &es, &es.stateHeader); err != nil {
				return nil, err
			}
			if p := known[at]; p != nil {
				p.end = es.Offset
			}
		}
	}
	return known, nil
}

// enumerate finds the partitions that are read: those of the checkpoint that the configuration still means, and new ones.
func (s *source) enumerate(ctx context.Context, known map[kafkawire.TopicPartition]*partition, first bool) error {
	for at, p := range known {
		s.enumerator.before[at.Topic] = true
		if !s.cfg.bounded() { // it was once, and goes on now
			p.end = -1
		}
	}
	all, err := s.enumerator.partitions(ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 && (s.cfg.DiscoveryInterval == 0 || s.cfg.bounded()) {
		return fault.New(fault.TopicMissing, "looking for topics", errNoTopics, "Correct topic_pattern, or set discovery_interval so that the pipeline waits for topics.")
	}
	exist := map[kafkawire.TopicPartition]bool{}
	var begin []*partition
	for _, f := range all {
		exist[f.at] = true
		p := known[f.at]
		switch {
		case p == nil && !first && s.cfg.bounded():
			continue // it came after the run's end was decided
		case p == nil:
			p = newPartition(f.at, f.id)
			begin = append(begin, p)
		case p.id != f.id:
			return replaced(f.at.Topic, p.id, f.id)
		}
		s.parts = append(s.parts, p)
	}
	if err := s.leave(known, exist); err != nil {
		return err
	}
	s.resolved = begin
	if !first {
		return startEarliest(ctx, s.wire, begin)
	}
	starter := starter{wire: s.wire, cfg: &s.cfg.Start, group: s.cfg.group(s.env.Pipeline), log: s.log}
	return starter.resolve(ctx, begin)
}

// ends finds where a bounded run ends in partitions that have no end yet: in all of them at the first start, or when the configuration
// has got an end since then.
func (s *source) ends(ctx context.Context, first bool) ([]changelog.State, error) {
	parts := s.parts
	if !first {
		parts = slices.DeleteFunc(slices.Clone(parts), func(p *partition) bool { return p.end >= 0 })
		if len(parts) == 0 {
			return nil, nil
		}
		if s.cfg.End.At == fromOffsets { // the configuration names all of them
			parts = s.parts
		}
	}
	return resolveEnds(ctx, s.wire, &s.cfg.End, parts)
}

// leave deals with partitions of the checkpoint that are not read: those that the configuration no longer means keep their state, and
// those that are gone are a fault.
func (s *source) leave(known map[kafkawire.TopicPartition]*partition, exist map[kafkawire.TopicPartition]bool) error {
	left := map[string]int{}
	for at := range known {
		switch {
		case exist[at]:
		case s.enumerator.reads(at.Topic):
			return fault.NewFinal(fault.TopicMissing, "looking for "+at.String(), errors.New("it was read before and is gone"), hintMissing)
		default:
			left[at.Topic]++
		}
	}
	for topic, n := range left {
		s.log.Info("a topic is not read any more; where the pipeline stood in it is kept", "topic", topic, "partitions", n)
	}
	return nil
}

// resolve makes sure that the partitions can be read on, and gives the checkpoint from which the stream starts.
func (s *source) resolve(ctx context.Context, cp changelog.Checkpoint, first bool) (changelog.Checkpoint, error) {
	restored := slices.DeleteFunc(slices.Clone(s.parts), func(p *partition) bool { return slices.Contains(s.resolved, p) })
	if err := s.recheck(ctx, restored); err != nil {
		return cp, err
	}
	next := changelog.Checkpoint{}
	var err error
	if next.State, err = s.ends(ctx, first); err != nil {
		return cp, err
	}
	for _, p := range s.resolved {
		st, err := p.state()
		if err != nil {
			return cp, err
		}
		next.State = append(next.State, st)
	}
	next.State = s.appendOrder(next.State)
	text, err := s.pos.text()
	if err != nil {
		return cp, err
	}
	next.Pos = text
	next.Group = s.offsets.began(s.pos.Records, s.parts)
	s.numbers.listed(s.parts)
	s.numbers.opened(s.pos.people(len(s.parts)))
	return next, nil
}

// Stream implements capture.Source.
func (s *source) Stream(ctx context.Context, out chan<- *changelog.Batch) error {
	ctx, cancel := context.WithCancel(ctx)
	var beside sync.WaitGroup
	defer func() {
		cancel()
		beside.Wait()
		s.numbers.ended()
	}()
	st := newStream(s, out)
	st.add(s.parts...)
	s.numbers.listed(st.parts) // with where they end, which is not known before they are read
	if err := s.beginOrder(st); err != nil {
		return err
	}
	beside.Go(func() { _ = s.readers.run(ctx) }) // the stream asks for its error
	if s.cfg.DiscoveryInterval > 0 && !s.cfg.bounded() {
		known := map[kafkawire.TopicPartition]bool{}
		for _, p := range s.parts {
			known[p.at()] = true
		}
		beside.Go(func() { s.enumerator.watch(ctx, known, s.found) })
	}
	if s.cfg.CommitOffsets && !s.offsets.own {
		beside.Go(func() { s.offsets.run(ctx) })
	}
	return st.run(ctx)
}

// Ack implements capture.Source.
func (s *source) Ack(p changelog.Position) {
	if pos, err := parsePosition(p); err == nil { // it is our own text
		s.offsets.acked(pos.Records)
	}
}

// Close implements capture.Source. What was committed after the stream's end is still told to the group.
func (s *source) Close() error {
	if s.cfg.CommitOffsets && !s.offsets.own {
		s.offsets.last()
	}
	s.wire.Close()
	return nil
}
