package upsert

import (
	"context"

	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// openStateTopic finds or creates the state topic and checks it.
func (s *Sink) openStateTopic(ctx context.Context) (*Topic, error) {
	name := s.cfg.StateTopic
	meta, err := s.findTopic(ctx, name, !s.cfg.CreateTopics)
	if err != nil {
		return nil, err
	}
	if meta == nil {
		if !s.cfg.CreateTopics {
			return nil, fault.NewFinal(fault.TopicMissing, "opening the state topic "+name, kafkawire.UnknownTopicOrPartition,
				"Create it with 16 partitions and cleanup.policy=compact, or allow it to the daemon: create_topics.")
		}
		t := kafkawire.NewTopic{Name: name, Partitions: statePartitions, Replication: -1, Configs: sortedSettings(stateSettings)}
		if s.cfg.StateReplication > 0 {
			t.Replication = int16(s.cfg.StateReplication)
		}
		if meta, _, err = s.createTopic(ctx, t); err != nil {
			return nil, err
		}
	}
	settings, err := s.topicSettings(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := s.judgeSettings(examineState(name, meta, settings.Values)); err != nil {
		return nil, err
	}
	return &Topic{Index: -1, Name: name, ID: meta.ID, Partitions: int32(len(meta.Partitions))}, nil
}
