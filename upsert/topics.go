package upsert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// target is a target topic as Topic has found it.
type target struct {
	topic    *Topic
	meta     *kafkawire.Topic
	settings kafkawire.Settings
	modes    []Mode // that its settings were found good for
}

// createPatience is how long a new topic may need to get leaders everywhere.
const createPatience = 30 * time.Second

// Topic finds or creates a target topic and checks it: that it is the one which earlier commits wrote to, that its settings
// lose nothing in the output's mode, and that it holds nobody else's records unless the output adopts them. Its pin joins the
// next commit, and so is durable with or before the first row in it. The same name gives the same *Topic.
//
// It is for one goroutine, which need not be the one that writes.
func (s *Sink) Topic(ctx context.Context, name string, o *Output) (*Topic, error) {
	if s.txn == nil {
		return nil, misuse("opening topic "+name, "the sink is not open")
	}
	if name == s.state.Name || s.progress != nil && name == s.progress.Name {
		return nil, fault.NewFinal(fault.Config, "opening topic "+name, errors.New("it holds what the daemon itself writes down"), "Correct the topic template of the output, or the column that it is made of.")
	}
	t := s.topics[name]
	if t == nil {
		var err error
		if t, err = s.openTopic(ctx, name, o); err != nil {
			return nil, err
		}
	}
	if !slices.Contains(t.modes, o.Mode) {
		if err := s.judgeSettings(examineTopic(name, o.Mode, t.meta, t.settings.Values)); err != nil {
			return nil, err
		}
		t.modes = append(t.modes, o.Mode)
	}
	if s.topics[name] == nil {
		s.topics[name] = t
		s.pins.add(name, t.topic.pin())
		s.counters.topics.Store(int64(len(s.topics)))
	}
	return t.topic, nil
}

func (s *Sink) openTopic(ctx context.Context, name string, o *Output) (*target, error) {
	if !validTopicName(name) {
		return nil, fault.NewFinal(fault.Config, "opening topic "+name, errors.New("this is no topic name"), "Correct the topic template: 1 to 249 letters, digits, '.', '_' and '-'.")
	}
	p, _, pinned := s.pins.lookup(name)
	k, ahead := s.ahead[name]
	if !ahead {
		var err error
		if k, err = s.lookUp(ctx, name, o, p, pinned); err != nil {
			return nil, err
		}
	}
	delete(s.ahead, name)
	if pinned {
		if err := p.check(name, k.meta); err != nil {
			return nil, err
		}
	} else if !k.created {
		if err := s.takeIn(ctx, name, len(k.meta.Partitions), o); err != nil {
			return nil, err
		}
	}
	t := &Topic{Index: len(s.topics), Name: name, ID: k.meta.ID, Partitions: int32(len(k.meta.Partitions))}
	if err := t.limits(k.settings.Values, s.cfg.Compression); err != nil {
		return nil, err
	}
	return &target{topic: t, meta: k.meta, settings: k.settings}, nil
}

// lookUp finds one topic, or creates it where it may.
func (s *Sink) lookUp(ctx context.Context, name string, o *Output, p pin, pinned bool) (k known, err error) {
	create := s.mayCreate(o)
	if k.meta, err = s.findTopic(ctx, name, pinned || !create); err != nil {
		return k, err
	}
	switch {
	case k.meta != nil:
	case pinned:
		return k, p.check(name, nil)
	case !create:
		return k, fault.NewFinal(fault.TopicMissing, "opening topic "+name, kafkawire.UnknownTopicOrPartition, "Create the topic, with cleanup.policy=compact for mode: upsert, or allow it to the daemon: create_topics.")
	default:
		if k.meta, k.created, err = s.createTopic(ctx, newTarget(name, o)); err != nil {
			return k, err
		}
	}
	k.settings, err = s.topicSettings(ctx, name)
	return k, err
}

// takeIn looks at a topic that was there before the pipeline knew it.
func (s *Sink) takeIn(ctx context.Context, name string, partitions int, o *Output) error {
	if err := s.abandon(ctx, name, partitionsOf(name, int32(partitions))); err != nil || o.Adopt {
		return err
	}
	return s.refuseFilled(ctx, name, partitions)
}

// findTopic asks for a topic until there is a definite answer: its description with a leader everywhere, or nil if it does
// not exist. Insist when that would be final: brokers that have just started, or just not heard of it, say so too.
func (s *Sink) findTopic(ctx context.Context, name string, insist bool) (*kafkawire.Topic, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, createPatience, errTooLate)
	defer cancel()
	for missing := 0; ; {
		meta, err := s.wire.Metadata(ctx, name)
		if err != nil {
			return nil, err
		}
		t := meta.Topic(name)
		code := kafkawire.UnknownTopicOrPartition
		if t != nil {
			code = t.Code
		}
		switch {
		case ready(t):
			return t, nil
		case code == kafkawire.OK:
			code = kafkawire.LeaderNotAvailable
		case code == kafkawire.UnknownTopicOrPartition:
			if missing++; missing == confirmTimes || !insist {
				return nil, nil
			}
		}
		if verdict, _ := kafkawire.Judge(kafkawire.CallRead, kafkawire.KIP890, code); verdict != kafkawire.RefreshMetadata && verdict != kafkawire.BackoffRepeat {
			return nil, kafkawire.CodeFault("looking for topic "+name, code)
		}
		if werr := kafkawire.Pause(ctx, confirmPause); werr != nil {
			return nil, tooLate(werr, kafkawire.CodeFault("waiting for leaders of topic "+name, code))
		}
	}
}

// ready reports a topic that is there, with a leader everywhere.
func ready(t *kafkawire.Topic) bool {
	return t != nil && t.Code == kafkawire.OK && len(t.Partitions) > 0 &&
		!slices.ContainsFunc(t.Partitions, func(p kafkawire.Partition) bool { return p.Leader < 0 })
}

// tooLate prefers the reason for waiting to the end of the patience, and the end of the caller's context to both.
func tooLate(werr, last error) error {
	if errors.Is(werr, errTooLate) {
		return fmt.Errorf("%w: %w", errTooLate, last)
	}
	return werr
}

// mayCreate reports whether missing topics of the output are made.
func (s *Sink) mayCreate(o *Output) bool { return s.cfg.CreateTopics && o.Settings.Create }

func (s *Sink) tellCreated(topic string, partitions int, id kafkawire.TopicID) {
	s.log.Info("created topic", "topic", topic, "partitions", partitions, "id", id)
}

// newTarget says how a missing target topic is created.
func newTarget(name string, o *Output) kafkawire.NewTopic {
	settings := map[string]string{}
	if o.Mode == Upsert {
		settings["cleanup.policy"] = "compact"
	}
	maps.Copy(settings, o.Settings.Config)
	if o.Mode == parking {
		settings["cleanup.policy"] = "delete"
	}
	t := kafkawire.NewTopic{Name: name, Partitions: -1, Replication: -1, Configs: sortedSettings(settings)}
	if o.Settings.Partitions > 0 {
		t.Partitions = int32(o.Settings.Partitions)
	}
	if o.Settings.Replication > 0 {
		t.Replication = int16(o.Settings.Replication)
	}
	return t
}

func sortedSettings(m map[string]string) []kafkawire.Setting {
	var list []kafkawire.Setting
	for _, name := range slices.SortedFunc(maps.Keys(m), strings.Compare) {
		list = append(list, kafkawire.Setting{Name: name, Value: m[name]})
	}
	return list
}

// createTopic creates a topic and waits until it is known. created is false if somebody else was faster.
func (s *Sink) createTopic(ctx context.Context, t kafkawire.NewTopic) (meta *kafkawire.Topic, created bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, createPatience, errTooLate)
	defer cancel()
	op := "creating topic " + t.Name
	for {
		answers, err := s.wire.CreateTopics(ctx, []kafkawire.NewTopic{t}, createPatience/3, false)
		if err != nil {
			return nil, false, err
		}
		a := answers[0]
		verdict, _ := kafkawire.Judge(kafkawire.CallCreateTopics, kafkawire.KIP890, a.Code)
		if verdict == kafkawire.Done {
			created = a.Code == kafkawire.OK
			break
		}
		f := kafkawire.CodeFault(op, a.Code)
		if a.Message != "" {
			f.Err = fmt.Errorf("%w: %s", a.Code, a.Message)
		}
		if verdict != kafkawire.BackoffRepeat && verdict != kafkawire.RefreshMetadata {
			return nil, false, f
		}
		if werr := kafkawire.Pause(ctx, confirmPause); werr != nil {
			return nil, false, tooLate(werr, f)
		}
	}
	for {
		if meta, err = s.findTopic(ctx, t.Name, false); err != nil {
			return nil, false, err
		}
		if meta != nil {
			if created {
				s.tellCreated(t.Name, len(meta.Partitions), meta.ID)
			}
			return meta, created, nil
		}
		if werr := kafkawire.Pause(ctx, confirmPause/5); werr != nil {
			return nil, false, tooLate(werr, kafkawire.CodeFault(op, kafkawire.UnknownTopicOrPartition))
		}
	}
}

// topicSettings returns the effective settings of a topic.
func (s *Sink) topicSettings(ctx context.Context, name string) (kafkawire.Settings, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, createPatience, errTooLate)
	defer cancel()
	for {
		all, err := s.wire.TopicSettings(ctx, name)
		if err != nil {
			return kafkawire.Settings{}, err
		}
		code := all[0].Code
		if code == kafkawire.OK {
			return all[0], nil
		}
		f := settingsFault(name, code)
		verdict, _ := kafkawire.Judge(kafkawire.CallRead, kafkawire.KIP890, code)
		if verdict != kafkawire.BackoffRepeat && verdict != kafkawire.RefreshMetadata {
			return kafkawire.Settings{}, f
		}
		if werr := kafkawire.Pause(ctx, confirmPause/5); werr != nil {
			return kafkawire.Settings{}, tooLate(werr, f)
		}
	}
}

// judgeSettings makes the first problem of a topic's settings a fault and logs what is merely risky.
func (s *Sink) judgeSettings(findings []capture.Finding) error {
	for _, f := range findings {
		switch f.Severity {
		case capture.Problem:
			return fault.NewFinal(fault.Code(f.Code), "checking "+f.Area, fmt.Errorf("%s is %s", f.Subject, f.Detail), f.Remedy)
		case capture.Warning:
			s.log.Warn("topic settings", "topic", strings.TrimPrefix(f.Area, "topic "), "setting", f.Subject, "value", f.Detail, "remedy", f.Remedy)
		}
	}
	return nil
}
