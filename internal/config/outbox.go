package config

import (
	"fmt"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/upsert"
)

// outboxSection says how the rows of an output are messages: the outbox group, which stands where another output has its format.
type outboxSection struct {
	Key       string                `mapstructure:"key"`
	Payload   string                `mapstructure:"payload"`
	Timestamp string                `mapstructure:"timestamp"`
	Headers   []outboxHeaderSection `mapstructure:"headers"`
	OnUpdate  string                `mapstructure:"on_update"`
}

// outboxHeaderSection is one element of headers.
type outboxHeaderSection struct {
	Column string `mapstructure:"column"`
	Name   string `mapstructure:"name"`
}

// The columns are called as Debezium's outbox has them.
const defaultOutboxTopic = "outbox.event.{aggregatetype}"

func (o *outboxSection) setDefaults() {
	o.Key = "aggregateid"
	o.Payload = "payload"
	o.Headers = []outboxHeaderSection{{Column: "id", Name: "id"}}
	o.OnUpdate = string(upsert.FailOnUpdate)
}

// outboxForeign are the keys of an output that say what becomes of rows.
var outboxForeign = []string{"format", "preset", "mode", "tombstones_on_delete", "message_key_columns", "metadata", "key_prefix", "options"}

// outbox makes an output whose rows are messages.
func (b *builder) outbox(at string, s *outputSection) upsert.Output {
	for _, key := range outboxForeign {
		if p := join(at, key); b.lines[p] > 0 {
			b.report(p, "is about rows, and those of an outbox are messages: leave it out")
		}
	}
	if s.Writing.Topic == defaultTopic && b.lines[join(at, "topic")] == 0 {
		s.Writing.Topic = defaultOutboxTopic
		if at == b.at {
			b.section.Writing.Topic = defaultOutboxTopic
		}
	}
	var x outboxSection
	x.setDefaults()
	group := join(at, "outbox")
	b.decode(group, s.Writing.Outbox, &x)
	out := &upsert.Outbox{Key: x.Key, Payload: x.Payload, Timestamp: x.Timestamp, OnUpdate: upsert.OnUpdate(x.OnUpdate)}
	for i := range x.Headers {
		h := &x.Headers[i]
		if h.Name == "" {
			h.Name = h.Column
		}
		out.Headers = append(out.Headers, upsert.OutboxHeader{Column: h.Column, Name: h.Name})
	}
	b.validated(group, out.Validate())
	b.effective(group, &x)
	o := upsert.Output{
		Name: s.Name, Mode: upsert.Changelog, Topic: s.Writing.Topic, Adopt: s.Writing.Adopt, Outbox: out,
		Settings: b.doc.Kafka.Topics.settings(b.doc.Kafka.Delivery.CreateTopics),
	}
	if o.Name == "" {
		o.Name = "outbox"
	}
	o.Tables = b.tableFilter(at, s.Tables)
	b.topicTemplate(join(at, "topic"), o.Topic, true)
	b.validated(at, o.Validate())
	return o
}

// outboxes keeps snapshots away from messages. What a table holds is not read for them, so what is lost with a position is lost.
func (b *builder) outboxes(p *Pipeline) {
	mode := p.Spec.Snapshot.Mode
	for i := range p.Spec.Outputs {
		if p.Spec.Outputs[i].Outbox == nil || mode != capture.SnapshotWhenNeeded && mode != capture.SnapshotOnly {
			continue
		}
		at := join(b.at, "outbox")
		if b.section.Outputs != nil {
			at = fmt.Sprintf("%s[%d].outbox", join(b.at, "outputs"), i)
		}
		b.report(at, "does not go together with snapshot.mode %s: rows that a snapshot reads are no messages, and those that were inserted meanwhile would be lost", mode)
	}
	p.Spec.Snapshot.Skips = unreadTables(p.Spec.Outputs)
}

// unreadTables tells the tables whose rows are nothing but messages; nil: there are none.
func unreadTables(outputs []upsert.Output) func(schema, table string) bool {
	found := false
	for i := range outputs {
		found = found || outputs[i].Outbox != nil
	}
	if !found {
		return nil
	}
	return func(schema, table string) bool {
		messages := false
		for i := range outputs {
			o := &outputs[i]
			if o.Tables != nil && !o.Tables.Match(schema, table) {
				continue
			}
			if o.Outbox == nil {
				return false
			}
			messages = true
		}
		return messages
	}
}

// tableFilter makes the filter of an output's tables; nil: it takes all.
func (b *builder) tableFilter(at string, tables []string) *capture.Filter {
	if tables == nil {
		return nil
	}
	filter, err := capture.NewFilter(tables, nil)
	if err != nil {
		b.report(join(at, "tables"), "%s", err)
	}
	return filter
}

// columnPlaceholder reports whether a name between braces can be a column.
func columnPlaceholder(name string) bool { return strings.TrimSpace(name) != "" }
