package upsert

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// TopicUse is a target topic and the output that writes it.
type TopicUse struct {
	Topic  string
	Output *Output
}

// checkPatience bounds what one look waits for: leaders that are being elected, a coordinator that is loading.
const checkPatience = 10 * time.Second

// Check looks at the cluster, the state topic and the given target topics, changes nothing, and does not disturb a daemon that
// runs the pipeline now. The error is that the rest could not be looked at.
func (s *Sink) Check(ctx context.Context, uses []TopicUse) ([]capture.Finding, error) {
	meta, err := s.wire.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	c := checker{sink: s, meta: meta}
	for _, look := range []func(context.Context) error{c.cluster, c.broker, c.transactionalID, c.decisions, c.stateTopic} {
		if err := look(ctx); err != nil {
			return c.findings, err
		}
	}
	c.producer()
	return c.findings, c.targets(ctx, uses)
}

type checker struct {
	sink     *Sink
	meta     *kafkawire.Metadata
	proto    kafkawire.Protocol
	said     kafkawire.TransactionState // of the transactional id; its State is empty when nobody has used it, or it cannot be asked
	state    stateLook
	findings []capture.Finding
}

func (c *checker) add(subject, detail string, severity capture.Severity, code fault.Code, remedy string) {
	c.findings = append(c.findings, capture.Finding{Area: "kafka", Subject: subject, Detail: detail, Severity: severity, Code: string(code), Remedy: remedy})
}

// failed makes a finding of an error that is about one thing. Others end the check.
func (c *checker) failed(subject string, err error) error {
	f := fault.As(err)
	switch {
	case f != nil && f.Code != fault.Unreachable:
		c.add(subject, f.Error(), capture.Problem, f.Code, f.Hint)
	case errors.Is(err, errTooLate):
		c.add(subject, err.Error(), capture.Problem, fault.Kafka, "Kafka did not answer this in time: look at the brokers' load and logs.")
	default:
		return err
	}
	return nil
}

// patient bounds one look.
func patient(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, checkPatience, errTooLate)
}

// found adds findings about a topic that exists, or that it is well.
func (c *checker) found(findings []capture.Finding, area string) {
	if len(findings) == 0 {
		findings = []capture.Finding{{Area: area, Subject: "settings", Detail: "as they should be", Severity: capture.OK}}
	}
	c.findings = append(c.findings, findings...)
}

// rights finds out whether the user may do with an existing topic, as Rights has described it, what only the first row would show.
func (c *checker) rights(t *kafkawire.Topic) (may bool) {
	const needed = kafkawire.MayRead | kafkawire.MayWrite
	if t.Rights == 0 || t.Rights&needed == needed { // 0: not asked, because the topic had to be waited for
		return true
	}
	detail := "this user may not write to it"
	if t.Rights&kafkawire.MayRead == 0 {
		detail = "this user may not read it"
	}
	f := kafkawire.CodeFault("looking at topic "+t.Name, kafkawire.TopicAuthorizationFailed)
	c.add("topic "+t.Name, detail, capture.Problem, f.Code, f.Hint)
	return false
}

// present is the topic with its leaders, nil if it does not exist. found is what the cluster has said of it.
func (c *checker) present(ctx context.Context, name string, found *kafkawire.Topic) (*kafkawire.Topic, error) {
	switch {
	case found != nil && found.Code == kafkawire.UnknownTopicOrPartition:
		return nil, nil
	case ready(found):
		return found, nil
	}
	ctx, cancel := patient(ctx)
	defer cancel()
	return c.sink.findTopic(ctx, name, false)
}

// creatable asks the cluster whether it would create the topics, and looks at what they would be.
func (c *checker) creatable(ctx context.Context, topics []kafkawire.NewTopic, examine func(i int, e *examiner, t *kafkawire.Topic)) error {
	if len(topics) == 0 {
		return nil
	}
	answers, err := c.sink.wire.CreateTopics(ctx, topics, checkPatience, true)
	if err != nil {
		return c.failed("topic "+topics[0].Name, err)
	}
	for i := range answers {
		a, subject := &answers[i], "topic "+topics[i].Name
		switch {
		case a.Code == kafkawire.TopicAlreadyExists: // somebody has just created it
			c.add(subject, "exists", capture.OK, "", "")
		case a.Code != kafkawire.OK:
			f := kafkawire.CodeFault("creating topic "+topics[i].Name, a.Code)
			c.add(subject, a.Code.Error()+" "+a.Message, capture.Problem, f.Code, f.Hint)
		case a.Values == nil:
			f := settingsFault(topics[i].Name, kafkawire.TopicAuthorizationFailed)
			c.add(subject, "will be created, but this user may not read its settings", capture.Problem, f.Code, f.Hint)
		default:
			c.add(subject, fmt.Sprintf("will be created, %d partitions and %d replicas", a.Partitions, a.Replication), capture.OK, "", "")
			e := &examiner{area: subject, settings: a.Values, planned: true}
			examine(i, e, planned(a))
			c.findings = append(c.findings, e.findings...)
		}
	}
	return nil
}

// planned is the description of a topic that is to be created.
func planned(a *kafkawire.CreatedTopic) *kafkawire.Topic {
	t := &kafkawire.Topic{Name: a.Name, Partitions: make([]kafkawire.Partition, a.Partitions)}
	replicas := make([]int32, a.Replication)
	for i := range t.Partitions {
		t.Partitions[i] = kafkawire.Partition{Index: int32(i), Replicas: replicas, InSync: replicas}
	}
	return t
}
