package kafkawire

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// NewTopic is a topic to create.
type NewTopic struct {
	Name        string
	Partitions  int32     // -1 = the cluster's default
	Replication int16     // -1 = the cluster's default
	Configs     []Setting // settings that differ from the cluster's defaults
}

// Setting is one setting by its Kafka name.
type Setting struct{ Name, Value string }

// CreatedTopic is the answer for one topic.
type CreatedTopic struct {
	Name        string
	Code        Code // TopicAlreadyExists is harmless, but then the other fields are empty
	Message     string
	ID          TopicID
	Partitions  int32
	Replication int16
	Values      map[string]string // its effective settings by their Kafka names, as far as this user may see them
}

// CreateTopics creates topics, the answers in the order of topics. A new topic is not known to every broker at once: for a
// moment others answer UnknownTopicOrPartition. With validateOnly nothing is created and the answers say whether it could be.
func (c *Client) CreateTopics(ctx context.Context, topics []NewTopic, timeout time.Duration, validateOnly bool) ([]CreatedTopic, error) {
	meta, err := c.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	req := newEncoder(protocol.CreateTopics, 7, true, c.cfg.ClientID)
	req.array(len(topics))
	for i := range topics {
		t := &topics[i]
		req.string(t.Name)
		req.int32(t.Partitions)
		req.int16(t.Replication)
		req.array(0) // no manual assignment of replicas
		req.array(len(t.Configs))
		for _, s := range t.Configs {
			req.string(s.Name)
			req.string(s.Value)
			req.tags()
		}
		req.tags()
	}
	req.int32(int32(timeout.Milliseconds()))
	req.bool(validateOnly)
	req.tags()
	r, err := c.call(ctx, meta.Controller, req)
	if err != nil {
		return nil, err
	}
	return parseCreateTopics(r, topics)
}

func parseCreateTopics(r *reader, topics []NewTopic) ([]CreatedTopic, error) {
	created := make([]CreatedTopic, len(topics))
	for i := range created {
		created[i] = CreatedTopic{Name: topics[i].Name, Code: UnknownServerError, Message: "the answer does not mention this topic"}
	}
	r.int32() // throttle time
	for n := r.array(28); n > 0 && r.err == nil; n-- {
		t := CreatedTopic{Name: r.string(), ID: r.uuid(), Code: r.code(), Message: r.string(), Partitions: r.int32(), Replication: r.int16()}
		for m := r.array(6); m > 0 && r.err == nil; m-- {
			name, value := r.string(), r.string()
			r.bool() // read only
			r.int8() // source
			r.bool() // sensitive
			r.tags()
			if t.Values == nil {
				t.Values = map[string]string{}
			}
			t.Values[name] = value
		}
		r.tags()
		for i := range created {
			if created[i].Name == t.Name {
				created[i] = t
			}
		}
	}
	r.tags()
	return created, finish(r, "CreateTopics")
}
