package mishaps

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/integration/harness"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
)

// stateMishaps are about the checkpoint.
var stateMishaps = []mishap{
	{name: "renamed", code: fault.StateMissing, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		c := setup{source: s.mysql(s.my), pipeline: []string{"topic: " + s.topic()}}
		s.ran(c, 1)
		s.name += "-anew"
		return s.start(c)
	}},
	{name: "newer", code: fault.StateNewer, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		s.ran(setup{source: s.mysql(s.my)}, 1)
		s.write(&kgo.Record{Topic: "cdcbridge.state", Partition: kw.PartitionOf([]byte(s.name), 16),
			Key: []byte(`{"pipeline":"` + s.name + `","kind":"future"}`), Value: []byte(`{"version":2,"min_reader":2,"new":true}`)})
		return s.start(setup{source: s.mysql(s.my)})
	}},
	{name: "twice", code: fault.Fenced, once: true, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		c := setup{source: s.mysql(s.my)}
		d := s.start(c)
		s.read(d, 1)
		s.ending = "stay"
		s.read(s.start(c), 0)
		s.exec(s.my, "INSERT INTO t VALUES (2, '')") // has the older one commit
		return d
	}},
}

// topicMishaps are about the topics that are written.
var topicMishaps = []mishap{
	{name: "repartitioned", code: fault.PartitionsChanged, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		s.ran(setup{source: s.mysql(s.my)}, 1)
		if _, err := s.adm.CreatePartitions(s.Context(), 1, s.topic()); err != nil {
			s.Fatal(err)
		}
		return s.start(setup{source: s.mysql(s.my)})
	}},
	{name: "replaced", code: fault.TopicReplaced, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		s.ran(setup{source: s.mysql(s.my)}, 1)
		s.drop(s.topic())
		s.create(s.topic(), 1, "cleanup.policy", "compact")
		return s.start(setup{source: s.mysql(s.my)})
	}},
	{name: "deleted", code: fault.TopicMissing, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		s.ran(setup{source: s.mysql(s.my)}, 1)
		s.drop(s.topic())
		return s.start(setup{source: s.mysql(s.my)})
	}},
	{name: "not-compacted", code: fault.TopicNotCompacted, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		s.create(s.topic(), 1, "cleanup.policy", "delete")
		return s.start(setup{source: s.mysql(s.my)})
	}},
	{name: "too-few-replicas", code: fault.TopicSettings, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		s.create(s.topic(), 1, "cleanup.policy", "compact", "min.insync.replicas", "2")
		return s.start(setup{source: s.mysql(s.my)})
	}},
	{name: "narrow-timestamps", code: fault.TopicSettings, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		return s.start(setup{source: s.mysql(s.my), kafka: `, topics: {config: [{name: message.timestamp.before.max.ms, value: "1000"}]}`})
	}},
	{name: "refused-setting", code: fault.Config, exit: 3, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		return s.start(setup{source: s.mysql(s.my), kafka: `, topics: {config: [{name: segment.bytes, value: "few"}]}`})
	}},
}

// recordMishaps are about single records.
var recordMishaps = []mishap{
	{name: "large-row", code: fault.RecordTooLarge, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		s.exec(s.my, "INSERT INTO t VALUES (2, REPEAT('x', 1500))")
		return s.start(setup{source: s.mysql(s.my), kafka: `, compression: none, topics: {config: [{name: max.message.bytes, value: "500"}]}`})
	}},
	{name: "changed-message", code: fault.Outbox, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		s.exec(s.my, "UPDATE t SET v = 'another message'")
		return s.start(setup{source: s.mysql(s.my), pipeline: []string{"outbox: {key: id, payload: v, headers: []}"}})
	}},
	{name: "old-row", code: fault.Timestamp, once: true, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		d := s.start(setup{source: s.mysql(s.my)})
		s.read(d, 1)
		s.configure(s.topic(), "message.timestamp.before.max.ms", "3600000") // a running daemon gives rows their own time
		s.exec(s.my, "SET original_commit_timestamp = 1577836800000000", "INSERT INTO t VALUES (2, 'of 2020')")
		return d
	}},
}

// configure sets a topic's setting.
func (s *scene) configure(topic, setting, value string) {
	s.Helper()
	answers, err := s.adm.AlterTopicConfigs(s.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: setting, Value: &value}}, topic)
	if err == nil {
		err = answers[0].Err
	}
	if err != nil {
		s.Fatal(err)
	}
}

// drop deletes a topic.
func (s *scene) drop(topic string) {
	s.Helper()
	if _, err := s.adm.DeleteTopic(s.Context(), topic); err != nil {
		s.Fatal(err)
	}
	s.until(func() error {
		found, err := s.adm.ListTopics(s.Context(), topic)
		if err == nil && found.Has(topic) {
			err = fmt.Errorf("%s is still there", topic)
		}
		return err
	})
}

// sourceTopicMishaps are about topics that are read.
var sourceTopicMishaps = []mishap{
	{name: "shorter", code: fault.TopicTruncated, cause: shorter},
	{name: "nothing-committed", code: fault.OffsetLost, cause: func(s *scene) *harness.Daemon {
		s.inserts(1, 1)
		return s.start(setup{source: s.topics("start: {from: committed}")})
	}},
	{name: "junk", code: fault.Decode, cause: func(s *scene) *harness.Daemon {
		s.create(s.in(), 1)
		s.write(&kgo.Record{Topic: s.in(), Key: []byte(`{"id":1}`), Value: []byte(`{"after":{"id":`)})
		return s.start(setup{source: s.topics()})
	}},
	{name: "moved-key", code: fault.KeyMoved, cause: func(s *scene) *harness.Daemon {
		s.create(s.in(), 2)
		s.write(&kgo.Record{Topic: s.in(), Key: []byte(`{"id":1}`), Value: []byte(`{"before":{"id":1},"after":{"id":2},"source":{"connector":"mysql","db":"shop","table":"t"},"op":"u"}`)})
		return s.start(setup{source: s.topics()})
	}},
	{name: "no-schema", code: fault.SchemaUnknown, cause: func(s *scene) *harness.Daemon {
		s.inserts(1, 1)
		return s.start(setup{source: s.topics(), pipeline: []string{"format: debezium-json", "options: {schemas_enable: true}"}})
	}},
	{name: "group-of-others", code: fault.GroupInUse, cause: func(s *scene) *harness.Daemon {
		s.inserts(1, 1)
		s.member("cdcbridge-" + s.name)
		return s.start(setup{source: s.topics()})
	}},
	{name: "no-such-topic", code: fault.TopicMissing, retried: true, cause: func(s *scene) *harness.Daemon {
		return s.start(setup{source: s.topics()})
	}},
}

// in is the topic that the scene's pipeline reads.
func (s *scene) in() string { return s.name + ".in" }

// topics is a source section that reads it.
func (s *scene) topics(more ...string) string {
	text := fmt.Sprintf("type: kafka, topics: [%s], format: debezium-json", s.in())
	for _, m := range more {
		text += ", " + m
	}
	return text
}

// inserts writes rows of a table into the topic, which it makes.
func (s *scene) inserts(from, to int) {
	s.Helper()
	if from == 1 {
		s.create(s.in(), 1)
	}
	for i := from; i <= to; i++ {
		s.write(insert(s.in(), i))
	}
}

func insert(topic string, id int) *kgo.Record {
	return &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, `{"id":%d}`, id),
		Value: fmt.Appendf(nil, `{"before":null,"after":{"id":%d},"source":{"connector":"mysql","db":"shop","table":"t"},"op":"c"}`, id)}
}

// member is a consumer of a group that lives until the test ends.
func (s *scene) member(group string) {
	s.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Brokers()...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(s.in()), kgo.DisableAutoCommit())
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			cl.PollFetches(ctx)
		}
	}()
	s.Cleanup(func() { cancel(); <-done; cl.Close() })
	s.until(func() error {
		groups, err := kadm.NewClient(cl).DescribeGroups(s.Context(), group)
		if err == nil && groups[group].State != "Stable" {
			err = fmt.Errorf("group %s is %s", group, groups[group].State)
		}
		return err
	})
}
