package upsert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// A record that could not be read goes to the dead-letter topic as it is: key, value and headers, in the transaction of the
// position that is behind it. After its own headers it has these. They begin with a word of their own, for a record that another
// bridge has written has HeaderPipeline and the others already.
const (
	HeaderParkedPipeline  = "cdc.parked.pipeline"  // name of the pipeline that could not read it
	HeaderParkedTopic     = "cdc.parked.topic"     // where it was
	HeaderParkedPartition = "cdc.parked.partition" //
	HeaderParkedOffset    = "cdc.parked.offset"    //
	HeaderParkedTime      = "cdc.parked.timestamp" // its timestamp, milliseconds since the Unix epoch
	HeaderParkedCode      = "cdc.parked.code"      // code of the fault
	HeaderParkedReason    = "cdc.parked.reason"    // what is wrong with it, for people
)

// parking is the mode of the dead-letter topic: as Changelog, and never compacted.
const parking Mode = "dead letter"

// deadLetter is the output that a dead-letter topic is opened as. Several pipelines may share one, and it may hold records already.
func deadLetter(outputs []Output) *Output {
	o := &Output{Name: "dead letter", Mode: parking, Adopt: true}
	if len(outputs) > 0 {
		o.Settings = outputs[0].Settings // how topics are created is the same for all
	}
	return o
}

// DeadLetterUse is the use of a dead-letter topic: what a check looks at beside Uses.
func DeadLetterUse(topic string, outputs []Output) TopicUse {
	return TopicUse{Topic: topic, Output: deadLetter(outputs)}
}

// ValidateDeadLetter returns every reason why a topic cannot be the dead-letter topic beside these outputs. progress is the progress
// topic, "" for none.
func ValidateDeadLetter(topic, progress string, c *Config, outputs []Output) []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("dead_letter: "+format, args...)) }
	switch topic {
	case c.StateTopic:
		bad("%s is the state topic", topic)
	case progress:
		bad("%s is the progress topic", topic)
	}
	if slices.ContainsFunc(outputs, func(o Output) bool { return o.Topic == topic }) {
		bad("rows are written to %s", topic)
	}
	return errs
}

// Parking says where the records of one batch that could not be read go; nil: there are none. It is immutable.
type Parking struct {
	pipeline string
	topics   []*Topic // by note
}

// Parking prepares what of a batch could not be read, opening the dead-letter topic at first use.
func (p *Planner) Parking(ctx context.Context, b *changelog.Batch) (*Parking, error) {
	var parking *Parking
	for i := range b.Notes {
		n := &b.Notes[i]
		if n.Kind != changelog.Parked {
			continue
		}
		if n.Record == 0 {
			return nil, fault.NewFinal(fault.Internal, "parking a record", errors.New("the note has none"), "Report this with the daemon's log.")
		}
		t, err := p.parkingTopic(ctx, n.Prefix)
		if err != nil {
			return nil, fmt.Errorf("planning the dead-letter topic: %w", err)
		}
		if parking == nil {
			parking = &Parking{pipeline: p.pipeline, topics: make([]*Topic, len(b.Notes))}
		}
		parking.topics[i] = t
	}
	return parking, nil
}

func (p *Planner) parkingTopic(ctx context.Context, name string) (*Topic, error) {
	if err := p.ownSide(name, p.parking); err != nil {
		return nil, err
	}
	return p.topic(ctx, name, p.parking)
}

// park writes the records of a batch that could not be read. Those with a key go where a producer would put them, those without
// one stay in the order of their partition.
func (m *Materializer) park(b *changelog.Batch, p *Parking) error {
	if p == nil {
		return nil
	}
	for i, t := range p.topics {
		if t == nil {
			continue
		}
		n := &b.Notes[i]
		r := recordOf(b, n.Record)
		m.parkedHeaders(n, r, p.pipeline)
		rec := kafkawire.Record{Key: r.Key, Value: r.Value, Headers: m.header, HeaderCount: len(r.Headers) + parkedHeaderCount}
		at := r.Key
		if at == nil {
			m.key = strconv.AppendInt(append(append(m.key[:0], r.Topic...), '/'), int64(r.Partition), 10)
			at = m.key
		}
		if err := m.parts.add(t, kafkawire.PartitionOf(at, t.Partitions), &rec, m.ctx.Now/1000); err != nil {
			return fmt.Errorf("parking record %s: %w", appendRecordPlace(nil, r), err)
		}
	}
	return nil
}

// parkedHeaderCount is how many headers of ours a parked record has.
const parkedHeaderCount = 7

func (m *Materializer) parkedHeaders(n *changelog.Note, r *changelog.Record, pipeline string) {
	h, num := m.header[:0], m.num
	for _, own := range r.Headers {
		h = kafkawire.AppendRecordHeader(h, own.Name, own.Value)
	}
	text := func(name, value string) {
		num = append(num[:0], value...)
		h = kafkawire.AppendRecordHeader(h, name, num)
	}
	number := func(name string, value int64) {
		num = strconv.AppendInt(num[:0], value, 10)
		h = kafkawire.AppendRecordHeader(h, name, num)
	}
	text(HeaderParkedPipeline, pipeline)
	text(HeaderParkedTopic, r.Topic)
	number(HeaderParkedPartition, int64(r.Partition))
	number(HeaderParkedOffset, r.Offset)
	number(HeaderParkedTime, r.Timestamp)
	text(HeaderParkedCode, n.Code)
	text(HeaderParkedReason, n.Text)
	m.header, m.num = h, num
}
