package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"sync/atomic"
	"time"

	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// enumerator knows which topics and partitions there are to read. It reads nothing of them.
type enumerator struct {
	wire    *kafkawire.Client
	cfg     *TopicsConfig
	pattern *regexp.Regexp  // nil: names only
	before  map[string]bool // topics that were read before the source was opened
	heard   *atomic.Int64   // wall clock of the last answer, microseconds since the Unix epoch; nil: nobody asks
	log     *slog.Logger
}

var errNoTopics = errors.New("no topic matches topic_pattern")

// found is a partition that there is.
type found struct {
	at kafkawire.TopicPartition
	id kafkawire.TopicID
}

func newEnumerator(wire *kafkawire.Client, cfg *TopicsConfig, log *slog.Logger) (*enumerator, error) {
	e := &enumerator{wire: wire, cfg: cfg, before: map[string]bool{}, log: log}
	if cfg.TopicPattern != "" {
		var err error
		if e.pattern, err = regexp.Compile("^(?:" + cfg.TopicPattern + ")$"); err != nil {
			return nil, fault.NewFinal(fault.Config, "reading topic_pattern", err, "")
		}
	}
	return e, nil
}

// reads reports that the configuration names the topic.
func (e *enumerator) reads(topic string) bool {
	return slices.Contains(e.cfg.Topics, topic) || e.pattern != nil && e.pattern.MatchString(topic) && !slices.Contains(e.cfg.Exclude, topic)
}

// topics asks the cluster for the topics that there are to read, in the order of their names. One that the configuration names and
// that does not exist, or that this user must not read, is a fault.
func (e *enumerator) topics(ctx context.Context) ([]kafkawire.Topic, error) {
	names := slices.Clone(e.cfg.Topics)
	if e.pattern != nil {
		meta, err := e.wire.AllTopics(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing the topics: %w", err)
		}
		for i := range meta.Topics {
			if t := &meta.Topics[i]; !t.Internal && e.reads(t.Name) {
				names = append(names, t.Name)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if e.heard != nil && e.pattern != nil {
		e.heard.Store(time.Now().UnixMicro()) // a source that waits for topics is idle
	}
	if len(names) == 0 {
		return nil, nil
	}
	meta, err := e.wire.Rights(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("looking at the topics: %w", err)
	}
	topics := make([]kafkawire.Topic, 0, len(names))
	for _, name := range names {
		t := meta.Topic(name)
		if t == nil {
			return nil, e.refused(name, kafkawire.UnknownTopicOrPartition)
		}
		if t.Code != kafkawire.OK {
			return nil, e.refused(name, t.Code)
		}
		if t.Rights&kafkawire.MayRead == 0 {
			return nil, codeFault("looking at topic "+name, kafkawire.TopicAuthorizationFailed)
		}
		topics = append(topics, *t)
	}
	return topics, nil
}

// refused is the fault of a topic that is not there as it should be. One that was never read may be about to be created; one that was
// will not come back as it was.
func (e *enumerator) refused(topic string, code kafkawire.Code) error {
	f := codeFault("looking at topic "+topic, code)
	if f.Code == fault.TopicMissing && e.before[topic] {
		f.Final = true
	}
	return f
}

// partitions asks the cluster for the partitions that there are to read, by topic and number.
func (e *enumerator) partitions(ctx context.Context) ([]found, error) {
	topics, err := e.topics(ctx)
	if err != nil {
		return nil, err
	}
	var all []found
	for i := range topics {
		t := &topics[i]
		for k := range t.Partitions {
			all = append(all, found{kafkawire.TopicPartition{Topic: t.Name, Partition: t.Partitions[k].Index}, t.ID})
		}
	}
	return all, nil
}

// watch looks for partitions that known does not have until ctx ends, and gives them with the offset that they begin at. What cannot
// be found out now is tried again: what is read already does not depend on it, and topics that vanish are the readers' to notice.
func (e *enumerator) watch(ctx context.Context, known map[kafkawire.TopicPartition]bool, give chan<- []*partition) {
	every := time.NewTicker(e.cfg.DiscoveryInterval)
	defer every.Stop()
	troubled := false
	for {
		select {
		case <-every.C:
		case <-ctx.Done():
			return
		}
		fresh, err := e.fresh(ctx, known)
		if err != nil {
			if ctx.Err() == nil && !troubled {
				e.log.Warn("looking for new topics and partitions does not work now", "error", err)
			}
			troubled = true
			continue
		}
		troubled = false
		if len(fresh) == 0 {
			continue
		}
		select {
		case give <- fresh:
		case <-ctx.Done():
			return
		}
		for _, p := range fresh {
			known[p.at()] = true
		}
	}
}

// fresh gives the partitions that known does not have, at their beginning.
func (e *enumerator) fresh(ctx context.Context, known map[kafkawire.TopicPartition]bool) ([]*partition, error) {
	all, err := e.partitions(ctx)
	if err != nil {
		return nil, err
	}
	var fresh []*partition
	for _, f := range all {
		if !known[f.at] {
			fresh = append(fresh, newPartition(f.at, f.id))
		}
	}
	return fresh, startEarliest(ctx, e.wire, fresh)
}
