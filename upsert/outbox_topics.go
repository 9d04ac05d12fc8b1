package upsert

import (
	"context"
	"fmt"
	"strings"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// This file is about topics that rows decide. They are found where plans are made, before the workers, since a topic may have to be
// looked at or created first; and so they are pinned before the first record in them, as all topics are.

// topicPart is a constant text, or a column's.
type topicPart struct {
	text   []byte
	column int // -1: text
}

// RowTopics are where the rows of a batch go, each, of outputs whose topics are decided by rows; nil: there are none. It is immutable.
type RowTopics struct {
	of [][][]*Topic // by run, plan of the run, and change of the run; nil for rows that go nowhere
}

// at gives those of one run and plan; nil: all go to the plan's topic.
func (r *RowTopics) at(run, plan int) []*Topic {
	if r == nil || r.of[run] == nil {
		return nil
	}
	return r.of[run][plan]
}

// TopicByRows reports that the topics of an output are known only when rows come.
func (o *Output) TopicByRows() bool {
	return o.Outbox != nil && strings.Contains(fillTemplate(o.Topic, "p", &changelog.Table{Schema: "s", Name: "t"}), "{")
}

// topic splits a template into its parts; nil: no column is in it.
func (f *outboxColumns) topic(template, pipeline string) []topicPart {
	var parts []topicPart
	columns := false
	for rest := template; rest != ""; {
		before, after, found := strings.Cut(rest, "{")
		name, tail, closed := strings.Cut(after, "}")
		if !found || !closed {
			before, name, tail = rest, "", ""
		}
		rest = tail
		if before != "" {
			parts = append(parts, topicPart{text: []byte(before), column: -1})
		}
		if name == "" {
			continue
		}
		if known := fillTemplate("{"+name+"}", pipeline, f.table); known != "{"+name+"}" {
			parts = append(parts, topicPart{text: []byte(known), column: -1})
			continue
		}
		columns = true
		parts = append(parts, topicPart{column: f.text("topic", name)})
	}
	if !columns {
		return nil
	}
	return parts
}

// compileOutbox is compile for an output whose rows are messages.
func (p *Planner) compileOutbox(ctx context.Context, t *changelog.Table, o *Output) (*Plan, error) {
	x, err := p.outboxPlan(t, o)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Output: o, Table: t, outbox: x, headers: tableHeaders(p.pipeline, t), lsns: hasLSNs(t)}
	if x.topic == nil {
		plan.Topic, err = p.messageTopic(ctx, []byte(TopicName(o.Topic, p.pipeline, t)), plan)
	}
	return plan, err
}

// RowTopics finds the topics of the rows of a batch whose runs have these plans, opening them at first use.
func (p *Planner) RowTopics(ctx context.Context, b *changelog.Batch, runs [][]*Plan) (*RowTopics, error) {
	var topics *RowTopics
	for i, plans := range runs {
		for k, plan := range plans {
			if plan.outbox == nil || plan.outbox.topic == nil {
				continue
			}
			if topics == nil {
				topics = &RowTopics{of: make([][][]*Topic, len(runs))}
			}
			if topics.of[i] == nil {
				topics.of[i] = make([][]*Topic, len(plans))
			}
			var err error
			if topics.of[i][k], err = p.topicsOf(ctx, b, &b.Runs[i], plan); err != nil {
				return nil, err
			}
		}
	}
	return topics, nil
}

func (p *Planner) topicsOf(ctx context.Context, b *changelog.Batch, run *changelog.Run, plan *Plan) ([]*Topic, error) {
	topics := make([]*Topic, run.To-run.From)
	for i := range topics {
		ch := &b.Changes[run.From+i]
		is, err := plan.outbox.message(ch)
		if is && err == nil {
			topics[i], err = p.topicOf(ctx, ch.After, plan)
		}
		if err != nil {
			return nil, fmt.Errorf("planning the message of %s at %s for output %s: %w", plan.Table.FullName(), placeOf(b, run, ch), plan.Output.Name, err)
		}
	}
	return topics, nil
}

// topicOf finds the topic of a row.
func (p *Planner) topicOf(ctx context.Context, row changelog.Row, plan *Plan) (*Topic, error) {
	text := p.text[:0]
	for _, part := range plan.outbox.topic {
		if part.column < 0 {
			text = append(text, part.text...)
			continue
		}
		before, ok := len(text), false
		column := &plan.Table.Columns[part.column]
		if text, ok = appendColumn(text, &column.Type, &row[part.column]); !ok || len(text) == before {
			return nil, outboxFault(fmt.Errorf("column %s is NULL or empty, and the topic is made of it", column.Name),
				"Declare the column NOT NULL and let it name the kind of the message. To get past this row, let the topic of the output be one without the column for a while.")
		}
	}
	p.text = text
	p.name = appendLegal(p.name[:0], text)
	if t := p.messages[string(p.name)]; t != nil {
		return t, nil
	}
	return p.messageTopic(ctx, p.name, plan)
}

// messageTopic opens a topic of messages. Several outboxes may share it, but no rows are in it and nothing that stands beside rows.
func (p *Planner) messageTopic(ctx context.Context, name []byte, plan *Plan) (*Topic, error) {
	o, topic := plan.Output, string(name)
	if other := p.besides[topic]; p.rows[topic] || other != nil && other.Outbox == nil {
		return nil, fault.NewFinal(fault.Config, "routing messages to topics", fmt.Errorf("messages of %s would be written to topic %s, which holds rows, or records beside them", plan.Table.FullName(), topic),
			"Readers of either would fail at the other: let the topic templates of the outputs tell them apart.")
	}
	p.besides[topic] = o
	t, err := p.topic(ctx, topic, o)
	if err != nil {
		return nil, err
	}
	p.messages[topic] = t
	return t, nil
}
