package kafkawire

import (
	"cmp"
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go/protocol"
)

// TopicID identifies a topic: one that is deleted and created again has another. The zero id means none.
type TopicID [16]byte

// String renders the id as Kafka's tools do.
func (id TopicID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// String renders "topic/partition".
func (p TopicPartition) String() string { return p.Topic + "/" + strconv.Itoa(int(p.Partition)) }

// Metadata is what a broker knows about the cluster and some topics.
type Metadata struct {
	ClusterID  string
	Controller int32 // takes topic changes; with KRaft any broker
	Brokers    []Broker
	Topics     []Topic // by name
}

// Broker is a member of the cluster.
type Broker struct {
	ID   int32
	Host string
	Port int32
	Rack string
}

// Topic is a topic, or why nothing is known of it.
type Topic struct {
	Code       Code // UnknownTopicOrPartition if it does not exist; TopicAuthorizationFailed may mean the same
	Name       string
	ID         TopicID
	Internal   bool
	Partitions []Partition // by index
	Rights     Rights      // of this user, when they were asked for
}

// Rights are the operations that a user may do with a topic, one bit each.
type Rights int32

// The rights that this package's callers need.
const (
	MayRead  Rights = 1 << 3
	MayWrite Rights = 1 << 4
)

// Partition is a partition of a topic.
type Partition struct {
	Code        Code // LeaderNotAvailable while there is no leader
	Index       int32
	Leader      int32 // broker id, -1 if there is none
	LeaderEpoch int32
	Replicas    []int32
	InSync      []int32
}

// Topic returns the topic with this name, nil if it was not asked for.
func (m *Metadata) Topic(name string) *Topic {
	i, ok := slices.BinarySearchFunc(m.Topics, name, func(t Topic, name string) int { return strings.Compare(t.Name, name) })
	if !ok {
		return nil
	}
	return &m.Topics[i]
}

// Leader returns the broker that leads p and its epoch, or -1 and the reason.
func (m *Metadata) Leader(p TopicPartition) (broker, epoch int32, code Code) {
	t := m.Topic(p.Topic)
	if t == nil {
		return -1, -1, UnknownTopicOrPartition
	}
	if t.Code != OK {
		return -1, -1, t.Code
	}
	i, ok := slices.BinarySearchFunc(t.Partitions, p.Partition, func(part Partition, index int32) int { return cmp.Compare(part.Index, index) })
	if !ok {
		return -1, -1, UnknownTopicOrPartition
	}
	part := &t.Partitions[i]
	if part.Leader < 0 {
		return -1, -1, cmp.Or(part.Code, LeaderNotAvailable)
	}
	return part.Leader, part.LeaderEpoch, OK
}

// Metadata asks a broker about the cluster and the given topics, none of which it creates. Nothing is cached; with no topics
// it tells about the brokers alone. What one broker says can be older than what another one said before.
func (c *Client) Metadata(ctx context.Context, topics ...string) (*Metadata, error) {
	return c.metadata(ctx, AnyBroker, false, topics)
}

// MetadataOf is Metadata as one broker sees it.
func (c *Client) MetadataOf(ctx context.Context, broker int32, topics ...string) (*Metadata, error) {
	return c.metadata(ctx, broker, false, topics)
}

// Rights is Metadata with what this user may do with the topics.
func (c *Client) Rights(ctx context.Context, topics ...string) (*Metadata, error) {
	return c.metadata(ctx, AnyBroker, true, topics)
}

// AllTopics is Metadata of every topic that this user may describe; those that it may not are not mentioned.
func (c *Client) AllTopics(ctx context.Context) (*Metadata, error) {
	req := newEncoder(protocol.Metadata, 12, true, c.cfg.ClientID)
	req.nullArray()
	return c.askMetadata(ctx, AnyBroker, false, req)
}

func (c *Client) metadata(ctx context.Context, broker int32, rights bool, topics []string) (*Metadata, error) {
	req := newEncoder(protocol.Metadata, 12, true, c.cfg.ClientID)
	req.array(len(topics))
	for _, t := range topics {
		req.uuid(TopicID{})
		req.string(t)
		req.tags()
	}
	return c.askMetadata(ctx, broker, rights, req)
}

// askMetadata ends the request, whose topics are written, and makes the call.
func (c *Client) askMetadata(ctx context.Context, broker int32, rights bool, req *encoder) (*Metadata, error) {
	req.bool(false) // create missing topics
	req.bool(rights)
	req.tags()
	r, err := c.call(ctx, broker, req)
	if err != nil {
		return nil, err
	}
	m, err := parseMetadata(r)
	if err != nil {
		return nil, err
	}
	c.rememberBrokers(m.Brokers)
	return m, nil
}

func parseMetadata(r *reader) (*Metadata, error) {
	m := &Metadata{}
	r.int32() // throttle time
	for n := r.array(11); n > 0 && r.err == nil; n-- {
		m.Brokers = append(m.Brokers, Broker{ID: r.int32(), Host: r.string(), Port: r.int32(), Rack: r.string()})
		r.tags()
	}
	m.ClusterID = r.string()
	m.Controller = r.int32()
	n := r.array(26)
	m.Topics = slices.Grow(m.Topics, n)
	for ; n > 0 && r.err == nil; n-- {
		m.Topics = append(m.Topics, parseTopic(r))
	}
	r.tags()
	slices.SortFunc(m.Topics, func(a, b Topic) int { return strings.Compare(a.Name, b.Name) })
	return m, finish(r, "Metadata")
}

func parseTopic(r *reader) Topic {
	t := Topic{Code: r.code(), Name: r.string(), ID: r.uuid(), Internal: r.bool()}
	n := r.array(18)
	t.Partitions = slices.Grow(t.Partitions, n)
	for ; n > 0 && r.err == nil; n-- {
		p := Partition{Code: r.code(), Index: r.int32(), Leader: r.int32(), LeaderEpoch: r.int32(), Replicas: r.int32s(), InSync: r.int32s()}
		r.int32s() // offline replicas
		r.tags()
		t.Partitions = append(t.Partitions, p)
	}
	if rights := Rights(r.int32()); rights >= 0 { // the least number stands for not asked
		t.Rights = rights
	}
	r.tags()
	slices.SortFunc(t.Partitions, func(a, b Partition) int { return cmp.Compare(a.Index, b.Index) })
	return t
}
