package kafkawire

import (
	"context"
	"maps"
	"strconv"

	"github.com/segmentio/kafka-go/protocol"
)

// Kinds of things that have settings.
const (
	topicResource  int8 = 2
	brokerResource int8 = 4
)

// Settings are the effective settings of a topic or broker, by their Kafka names. Values that are equal may be the same map, which is not to
// be changed.
type Settings struct {
	Code    Code
	Message string
	Values  map[string]string
}

// TopicSettings returns the effective settings of topics, in their order.
func (c *Client) TopicSettings(ctx context.Context, topics ...string) ([]Settings, error) {
	return c.describeConfigs(ctx, AnyBroker, topicResource, topics)
}

// BrokerSettings returns the effective settings of one broker, for example transaction.max.timeout.ms.
func (c *Client) BrokerSettings(ctx context.Context, broker int32) (Settings, error) {
	s, err := c.describeConfigs(ctx, broker, brokerResource, []string{strconv.Itoa(int(broker))})
	if err != nil {
		return Settings{}, err
	}
	return s[0], nil
}

func (c *Client) describeConfigs(ctx context.Context, broker int32, kind int8, names []string) ([]Settings, error) {
	req := newEncoder(protocol.DescribeConfigs, 4, true, c.cfg.ClientID)
	req.array(len(names))
	for _, name := range names {
		req.int8(kind)
		req.string(name)
		req.nullArray() // all settings
		req.tags()
	}
	req.bool(false) // synonyms
	req.bool(false) // documentation
	req.tags()
	r, err := c.call(ctx, broker, req)
	if err != nil {
		return nil, err
	}
	return parseDescribeConfigs(r, names)
}

func parseDescribeConfigs(r *reader, names []string) ([]Settings, error) {
	all := make([]Settings, len(names))
	for i := range all {
		all[i] = Settings{Code: UnknownServerError, Message: "the answer does not mention it"}
	}
	texts := map[string]string{}
	var last map[string]string
	r.int32() // throttle time
	for n := r.array(7); n > 0 && r.err == nil; n-- {
		s := Settings{Code: r.code(), Message: r.string(), Values: map[string]string{}}
		r.int8() // kind
		name := r.string()
		for m := r.array(9); m > 0 && r.err == nil; m-- {
			parseSetting(r, &s, texts)
		}
		r.tags()
		if maps.Equal(s.Values, last) {
			s.Values = last // of thousands of topics most have the settings of the one before
		}
		last = s.Values
		for i := range names {
			if names[i] == name {
				all[i] = s
			}
		}
	}
	r.tags()
	return all, finish(r, "DescribeConfigs")
}

func parseSetting(r *reader, s *Settings, texts map[string]string) {
	name, value := r.oneOf(texts), r.oneOf(texts)
	r.bool() // read only
	r.int8() // source
	r.bool() // sensitive
	for n := r.array(4); n > 0 && r.err == nil; n-- {
		r.string()
		r.string()
		r.int8()
		r.tags()
	}
	r.int8()   // type
	r.string() // documentation
	r.tags()
	if r.err == nil {
		s.Values[name] = value
	}
}
