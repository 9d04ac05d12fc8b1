package upsert

import (
	"context"
	"slices"
	"strings"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/internal/kafkawire"
)

// Wanted is a topic that Sink.Topic will be asked for, and the output that writes to it.
type Wanted struct {
	Name   string
	Output *Output
}

// Wanted lists the topics of a batch's tables that have no plan yet. It asks nobody and decides nothing: tables that an output cannot
// write, or whose rows say where they go, are left to Plans and RowTopics.
func (p *Planner) Wanted(b *changelog.Batch) []Wanted {
	var wanted []Wanted
	var seen map[*changelog.Table]bool
	for i := range b.Runs {
		t := b.Runs[i].Table
		if t.ID < len(p.compiled) && len(p.compiled[t.ID]) > 0 || seen[t] {
			continue
		}
		if seen == nil {
			seen = map[*changelog.Table]bool{}
		}
		seen[t] = true
		for k := range p.outputs {
			o := &p.outputs[k]
			if o.Outbox == nil && o.takes(t) {
				wanted = append(wanted, Wanted{TopicName(o.Topic, p.pipeline, t), o})
			}
		}
	}
	return wanted
}

// known is what Prepare has found out about a topic.
type known struct {
	meta     *kafkawire.Topic
	created  bool
	settings kafkawire.Settings
}

// How much one request is about: so many topics, and of those that it creates so many records that a controller makes of them. It takes
// 10 000 at once. usualPartitions stand for what the cluster gives a topic by itself, which is not known here.
const (
	preparing        = 90
	preparingRecords = 5000
	usualPartitions  = 50
)

// Prepare looks up topics that Topic will be asked for soon, and makes those that are missing, with a few calls for all of them: one by
// one they take four calls each, which is minutes with thousands of tables. It judges nothing: whatever is not in order here is left for Topic to
// find, and to tell. Like Topic, it is for one goroutine.
func (s *Sink) Prepare(ctx context.Context, wanted []Wanted) error {
	byName := map[string]*Output{}
	var names []string
	for _, w := range wanted {
		if s.topics[w.Name] == nil && byName[w.Name] == nil && validTopicName(w.Name) {
			byName[w.Name] = w.Output
			names = append(names, w.Name)
		}
	}
	if len(names) < 2 {
		return nil // nothing is gained
	}
	slices.SortFunc(names, strings.Compare)
	s.ahead = map[string]known{}
	for some := range slices.Chunk(names, preparing) {
		if err := s.prepare(ctx, some, byName); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sink) prepare(ctx context.Context, names []string, outputs map[string]*Output) error {
	meta, err := s.wire.Metadata(ctx, names...)
	if err != nil {
		return err
	}
	created, err := s.createMissing(ctx, meta, names, outputs)
	if err != nil {
		return err
	}
	if len(created) > 0 {
		if meta, err = s.awaitLeaders(ctx, names, created); err != nil {
			return err
		}
	}
	settings, err := s.wire.TopicSettings(ctx, names...)
	if err != nil {
		return err
	}
	for i, name := range names {
		if t := meta.Topic(name); ready(t) && settings[i].Code == kafkawire.OK {
			s.ahead[name] = known{meta: t, created: created[name], settings: settings[i]}
		}
	}
	return nil
}

// createMissing creates those that do not exist and may be created, and says which it has created.
func (s *Sink) createMissing(ctx context.Context, meta *kafkawire.Metadata, names []string, outputs map[string]*Output) (map[string]bool, error) {
	var missing []kafkawire.NewTopic
	most := 1 // records for one of them
	for _, name := range names {
		_, _, pinned := s.pins.lookup(name)
		if t := meta.Topic(name); t == nil || t.Code != kafkawire.UnknownTopicOrPartition || pinned || !s.mayCreate(outputs[name]) {
			continue
		}
		t := newTarget(name, outputs[name])
		most = max(most, max(int(t.Partitions), usualPartitions)+len(t.Configs)+1)
		missing = append(missing, t)
	}
	created := map[string]bool{}
	for some := range slices.Chunk(missing, max(1, preparingRecords/most)) {
		answers, err := s.wire.CreateTopics(ctx, some, createPatience/3, false)
		if err != nil {
			return nil, err
		}
		for _, a := range answers {
			if a.Code == kafkawire.OK {
				created[a.Name] = true
				s.tellCreated(a.Name, int(a.Partitions), a.ID)
			}
		}
	}
	return created, nil
}

// awaitLeaders asks until the created topics have leaders everywhere, for so long as a broker may take to hear of them.
func (s *Sink) awaitLeaders(ctx context.Context, names []string, created map[string]bool) (*kafkawire.Metadata, error) {
	for began := time.Now(); ; {
		meta, err := s.wire.Metadata(ctx, names...)
		if err != nil {
			return nil, err
		}
		waiting := slices.ContainsFunc(names, func(name string) bool { return created[name] && !ready(meta.Topic(name)) })
		if !waiting || time.Since(began) > createPatience/3 {
			return meta, nil
		}
		if err := kafkawire.Pause(ctx, confirmPause/5); err != nil {
			return nil, err
		}
	}
}
