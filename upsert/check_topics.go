package upsert

import (
	"context"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// targets looks at the target topics, with one call for each question about all of them.
func (c *checker) targets(ctx context.Context, uses []TopicUse) error {
	if len(uses) == 0 {
		return nil
	}
	names := make([]string, len(uses))
	for i := range uses {
		names[i] = uses[i].Topic
	}
	meta, err := c.sink.wire.Rights(ctx, names...)
	if err != nil {
		return c.failed("target topics", err)
	}
	var there []*kafkawire.Topic
	var used, missing []TopicUse
	for _, u := range uses {
		t, err := c.present(ctx, u.Topic, meta.Topic(u.Topic))
		switch {
		case err != nil:
			if err := c.failed("topic "+u.Topic, err); err != nil {
				return err
			}
		case t == nil:
			missing = append(missing, u)
		default:
			there, used = append(there, t), append(used, u)
		}
	}
	if err := c.missing(ctx, missing); err != nil {
		return err
	}
	return c.existing(ctx, there, used)
}

// missing looks at targets that do not exist.
func (c *checker) missing(ctx context.Context, uses []TopicUse) error {
	var create []kafkawire.NewTopic
	var outputs []*Output
	for _, u := range uses {
		_, pinned := c.state.pins[u.Topic]
		switch {
		case pinned: // the look at the checkpoint has told that it is gone
		case c.sink.mayCreate(u.Output):
			create, outputs = append(create, newTarget(u.Topic, u.Output)), append(outputs, u.Output)
		default:
			c.add("topic "+u.Topic, "does not exist", capture.Problem, fault.TopicMissing, "Create it, with cleanup.policy=compact for mode: upsert, or set create_topics.")
		}
	}
	return c.creatable(ctx, create, func(i int, e *examiner, t *kafkawire.Topic) {
		e.policy(outputs[i].Mode)
		e.replication(t)
		e.unclean()
		e.target(t, outputs[i], len(c.meta.Brokers))
	})
}

// existing looks at targets that exist.
func (c *checker) existing(ctx context.Context, topics []*kafkawire.Topic, uses []TopicUse) error {
	if len(topics) == 0 {
		return nil
	}
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.Name
	}
	all, err := c.sink.wire.TopicSettings(ctx, names...)
	if err != nil {
		return c.failed("settings of the target topics", err)
	}
	for i, t := range topics {
		if all[i].Code != kafkawire.OK {
			if err := c.failed("topic "+t.Name, settingsFault(t.Name, all[i].Code)); err != nil {
				return err
			}
			continue
		}
		e := &examiner{area: "topic " + t.Name, settings: all[i].Values}
		e.findings = examineTopic(t.Name, uses[i].Output.Mode, t, all[i].Values)
		e.target(t, uses[i].Output, len(c.meta.Brokers))
		c.findings = append(c.findings, e.findings...)
		if c.rights(t) {
			if err := c.foreign(ctx, t, uses[i].Output); err != nil {
				return err
			}
		}
	}
	return nil
}

// foreign looks for records in a topic that the checkpoint does not know: the first row would not get in beside them.
func (c *checker) foreign(ctx context.Context, t *kafkawire.Topic, o *Output) error {
	if _, pinned := c.state.pins[t.Name]; pinned || o.Adopt || !c.state.known {
		return nil
	}
	filled, err := c.sink.filled(ctx, t.Name, len(t.Partitions))
	if err == nil && filled {
		err = c.sink.filledFault(t.Name)
	}
	if err != nil {
		return c.failed("topic "+t.Name, err)
	}
	return nil
}
