package upsert

import (
	"context"
	"fmt"
	"math"
	"strconv"
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

// Check looks at the cluster, the state topic and the given target topics, changes nothing, and does not disturb a daemon that
// runs the pipeline now. The error is that nothing could be looked at.
func (s *Sink) Check(ctx context.Context, uses []TopicUse) ([]capture.Finding, error) {
	meta, err := s.wire.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	c := checker{sink: s, meta: meta}
	c.add("brokers", fmt.Sprintf("%d reachable", len(meta.Brokers)), capture.OK, "", "")
	for _, look := range []func(context.Context) error{c.protocol, c.broker, c.transactionalID, c.stateTopic} {
		if err := look(ctx); err != nil {
			return nil, err
		}
	}
	for _, u := range uses {
		if err := c.target(ctx, u); err != nil {
			return nil, err
		}
	}
	return c.findings, nil
}

type checker struct {
	sink     *Sink
	meta     *kafkawire.Metadata
	proto    kafkawire.Protocol
	findings []capture.Finding
}

func (c *checker) add(subject, detail string, severity capture.Severity, code fault.Code, remedy string) {
	c.findings = append(c.findings, capture.Finding{Area: "kafka", Subject: subject, Detail: detail, Severity: severity, Code: string(code), Remedy: remedy})
}

// failed makes a finding of an error that is about one thing. Others end the check.
func (c *checker) failed(subject string, err error) error {
	f := fault.As(err)
	if f == nil || f.Code == fault.Unreachable {
		return err
	}
	c.add(subject, f.Error(), capture.Problem, f.Code, f.Hint)
	return nil
}

func (c *checker) protocol(ctx context.Context) error {
	features, err := c.sink.wire.Features(ctx)
	if err != nil {
		return c.failed("version", err)
	}
	c.proto = features.Protocol()
	c.add("transaction.version", fmt.Sprintf("%d, %s transactions", features.TransactionVersion, c.proto), capture.OK, "", "")
	return nil
}

// broker looks at the settings of a broker. They need a right of their own, without which two questions stay open.
func (c *checker) broker(ctx context.Context) error {
	if len(c.meta.Brokers) == 0 {
		c.add("brokers", "the cluster lists none", capture.Problem, fault.Unreachable, "Look at the brokers' logs.")
		return nil
	}
	settings, err := c.sink.wire.BrokerSettings(ctx, c.meta.Brokers[0].ID)
	if err != nil {
		return c.failed("broker settings", err)
	}
	if settings.Code != kafkawire.OK {
		c.add("broker settings", settings.Code.Error(), capture.Warning, "", "Grant this user DescribeConfigs on the cluster so that transaction.max.timeout.ms and partition verification can be checked.")
		return nil
	}
	const timeout = "transaction.max.timeout.ms"
	if most, err := strconv.ParseInt(settings.Values[timeout], 10, 64); err == nil {
		if c.sink.cfg.TransactionTimeout.Milliseconds() > most {
			c.add(timeout, strconv.FormatInt(most, 10), capture.Problem, fault.TransactionTimeout,
				fmt.Sprintf("Lower kafka.transaction_timeout to at most %s, or raise %s of the brokers.", time.Duration(most)*time.Millisecond, timeout))
		} else {
			c.add(timeout, strconv.FormatInt(most, 10), capture.OK, "", "")
		}
	}
	const verify = "transaction.partition.verification.enable"
	if c.proto == kafkawire.Classic && settings.Values[verify] != "true" {
		c.add(verify, settings.Values[verify], capture.Warning, "", "A late request of a stopped daemon could join a later transaction: use Kafka 3.6 or newer with this setting on, or transaction.version 2.")
	}
	return nil
}

// transactionalID finds out whether the id may be used. An initialisation with the impossible timeout 0 is refused for its
// timeout after the right was checked and before anything is changed, so nobody is fenced.
func (c *checker) transactionalID(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, createPatience, errTooLate)
	defer cancel()
	id := c.sink.transactionalID()
	p := producer{proto: c.proto, timeout: createPatience, counters: &counters{}}
	err := p.repeat(ctx, kafkawire.CallInitProducerID, "using the transactional id "+id, func(ctx context.Context) (kafkawire.Code, error) {
		_, code, err := c.sink.wire.DescribeTransaction(ctx, id)
		if err != nil || code != kafkawire.OK && code != kafkawire.TransactionalIDNotFound {
			return code, err
		}
		_, code, err = c.sink.wire.InitProducerID(ctx, id, 0, kafkawire.NoProducer)
		if code == kafkawire.InvalidTransactionTimeout {
			code = kafkawire.OK
		}
		return code, err
	})
	if err != nil {
		return c.failed("transactional id", err)
	}
	c.add("transactional id", id, capture.OK, "", "")
	return nil
}

func (c *checker) stateTopic(ctx context.Context) error {
	name := c.sink.cfg.StateTopic
	meta, settings, err := c.describe(ctx, name)
	switch {
	case err != nil:
		return c.failed("topic "+name, err)
	case meta == nil && c.sink.cfg.CreateTopics:
		return c.creatable(ctx, kafkawire.NewTopic{Name: name, Partitions: statePartitions, Replication: c.stateReplication(), Configs: sortedSettings(stateSettings)})
	case meta == nil:
		c.add("topic "+name, "does not exist", capture.Problem, fault.TopicMissing, "Create it with 16 partitions and cleanup.policy=compact, or set create_topics.")
	default:
		c.found(examineState(name, meta, settings.Values), "topic "+name)
		return c.rights(ctx, name, kafkawire.MayRead|kafkawire.MayWrite)
	}
	return nil
}

func (c *checker) stateReplication() int16 {
	if n := c.sink.cfg.StateReplication; n > 0 && n <= math.MaxInt16 {
		return int16(n)
	}
	return -1
}

func (c *checker) target(ctx context.Context, u TopicUse) error {
	meta, settings, err := c.describe(ctx, u.Topic)
	switch {
	case err != nil:
		return c.failed("topic "+u.Topic, err)
	case meta == nil && c.sink.cfg.CreateTopics && u.Output.Settings.Create:
		return c.creatable(ctx, newTarget(u.Topic, u.Output))
	case meta == nil:
		c.add("topic "+u.Topic, "does not exist", capture.Problem, fault.TopicMissing, "Create it, with cleanup.policy=compact for mode: upsert, or set create_topics.")
	default:
		c.found(examineTopic(u.Topic, u.Output.Mode, meta, settings.Values), "topic "+u.Topic)
		return c.rights(ctx, u.Topic, kafkawire.MayRead|kafkawire.MayWrite)
	}
	return nil
}

// rights finds out whether the user may do with an existing topic what only the first row would show.
func (c *checker) rights(ctx context.Context, name string, needed kafkawire.Rights) error {
	meta, err := c.sink.wire.Rights(ctx, name)
	if err != nil {
		return c.failed("topic "+name, err)
	}
	t := meta.Topic(name)
	if t == nil || t.Code != kafkawire.OK || t.Rights&needed == needed {
		return nil // a topic that has gone meanwhile is no matter of rights
	}
	detail := "this user may not write to it"
	if t.Rights&needed&kafkawire.MayRead < needed&kafkawire.MayRead {
		detail = "this user may not read it"
	}
	f := kafkawire.CodeFault("looking at topic "+name, kafkawire.TopicAuthorizationFailed)
	c.add("topic "+name, detail, capture.Problem, f.Code, f.Hint)
	return nil
}

// found adds findings about a topic that exists, or that it is well.
func (c *checker) found(findings []capture.Finding, area string) {
	if len(findings) == 0 {
		findings = []capture.Finding{{Area: area, Subject: "settings", Detail: "as they should be", Severity: capture.OK}}
	}
	c.findings = append(c.findings, findings...)
}

func (c *checker) describe(ctx context.Context, name string) (*kafkawire.Topic, kafkawire.Settings, error) {
	meta, err := c.sink.findTopic(ctx, name, false)
	if err != nil || meta == nil {
		return nil, kafkawire.Settings{}, err
	}
	settings, err := c.sink.topicSettings(ctx, name)
	return meta, settings, err
}

// creatable asks the cluster whether it would create the topic.
func (c *checker) creatable(ctx context.Context, t kafkawire.NewTopic) error {
	answers, err := c.sink.wire.CreateTopics(ctx, []kafkawire.NewTopic{t}, createPatience/3, true)
	if err != nil {
		return c.failed("topic "+t.Name, err)
	}
	if a := answers[0]; a.Code != kafkawire.OK && a.Code != kafkawire.TopicAlreadyExists {
		f := kafkawire.CodeFault("creating topic "+t.Name, a.Code)
		c.add("topic "+t.Name, a.Code.Error()+" "+a.Message, capture.Problem, f.Code, f.Hint)
		return nil
	}
	c.add("topic "+t.Name, "will be created", capture.OK, "", "")
	return nil
}
