package upsert

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// stateLook is what a check has learnt from the state topic.
type stateLook struct {
	known     bool // it was read to its end, or there is none yet
	pins      map[string]pin
	producers []int64   // whose records are in the pipeline's partition
	instance  string    // that wrote the newest position; "": none was
	wrote     time.Time // when, by its own clock
}

// stateTopic looks at the state topic and at the checkpoint in it.
func (c *checker) stateTopic(ctx context.Context) error {
	name := c.sink.cfg.StateTopic
	meta, err := c.sink.wire.Rights(ctx, name)
	if err != nil {
		return c.failed("topic "+name, err)
	}
	t, err := c.present(ctx, name, meta.Topic(name))
	switch {
	case err != nil:
		return c.failed("topic "+name, err)
	case t == nil:
		c.state.known = true
		return c.stateMissing(ctx, name)
	}
	all, err := c.sink.wire.TopicSettings(ctx, name)
	if err != nil {
		return c.failed("topic "+name, err)
	}
	if all[0].Code != kafkawire.OK {
		return c.failed("topic "+name, settingsFault(name, all[0].Code))
	}
	c.found(examineState(name, t, all[0].Values), "topic "+name)
	e := &examiner{area: "topic " + name, settings: all[0].Values}
	e.durability(t, len(c.meta.Brokers))
	e.sizes()
	c.findings = append(c.findings, e.findings...)
	if !c.rights(t) || len(t.Partitions) != statePartitions {
		return nil
	}
	return c.checkpoint(ctx)
}

func (c *checker) stateMissing(ctx context.Context, name string) error {
	if !c.sink.cfg.CreateTopics {
		c.add("topic "+name, "does not exist", capture.Problem, fault.TopicMissing, "Create it with 16 partitions and cleanup.policy=compact, or set create_topics.")
		return nil
	}
	t := kafkawire.NewTopic{Name: name, Partitions: statePartitions, Replication: c.stateReplication(), Configs: sortedSettings(stateSettings)}
	return c.creatable(ctx, []kafkawire.NewTopic{t}, func(_ int, e *examiner, t *kafkawire.Topic) {
		e.replication(t)
		e.unclean()
		e.durability(t, len(c.meta.Brokers))
		e.sizes()
	})
}

func (c *checker) stateReplication() int16 {
	if n := c.sink.cfg.StateReplication; n > 0 && n <= math.MaxInt16 {
		return int16(n)
	}
	return -1
}

// checkpoint reads the pipeline's checkpoint as a start would, and holds what it depends on against the cluster.
func (c *checker) checkpoint(ctx context.Context) error {
	ctx, cancel := patient(ctx)
	defer cancel()
	s := c.sink
	r := newStateReader(s.wire, s.stateAt(), s.id.Pipeline)
	if err := r.readToEnd(ctx); err != nil {
		return c.failed("checkpoint", err)
	}
	c.state = stateLook{known: true, pins: r.state.pins, producers: r.reader.Producers()}
	if r.state.pos == "" {
		c.add("checkpoint", "there is none yet", capture.OK, "", "")
	} else if err := c.newestPosition(r); err != nil {
		return err
	}
	return c.pinned(ctx, newPinBook(r.state.pins).all())
}

// newestPosition says who has written the checkpoint.
func (c *checker) newestPosition(r *stateReader) error {
	key, err := marshal(stateKey{c.sink.id.Pipeline, kindPosition, ""})
	if err != nil {
		return err
	}
	var v positionValue
	if err := json.Unmarshal(r.newest[string(key)].value, &v); err != nil {
		return fmt.Errorf("reading the newest position: %w", err) // it was read once already
	}
	c.state.instance = v.Instance
	if c.state.wrote, err = time.Parse(time.RFC3339Nano, v.Time); err != nil {
		c.state.wrote = time.Time{} // a restored one may have none
	}
	c.add("checkpoint", fmt.Sprintf("of %s, by instance %s", v.Time, v.Instance), capture.OK, "", "")
	return nil
}

// pinned looks for topics that the pipeline has written to, or reads its state from.
func (c *checker) pinned(ctx context.Context, pins []named) error {
	if len(pins) == 0 {
		return nil
	}
	names := make([]string, len(pins))
	for i := range pins {
		names[i] = pins[i].topic
	}
	meta, err := c.sink.wire.Metadata(ctx, names...)
	if err != nil {
		return c.failed("checkpoint", err)
	}
	for _, n := range pins {
		if n.Group != "" { // its loss ends nothing: see group.go
			continue
		}
		if err := n.check(n.topic, meta.Topic(n.topic)); err != nil {
			if err := c.failed("topic "+n.topic, err); err != nil {
				return err
			}
		}
	}
	return nil
}
