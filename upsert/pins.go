package upsert

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// pin is what a checkpoint remembers of a topic. A topic that is deleted, or deleted and created again, loses rows without
// any error of the broker, and one that gets more partitions moves keys: only the pin tells.
type pin struct {
	ID         kafkawire.TopicID
	Partitions int32
	Group      string // only of __consumer_offsets: the group whose partition is written to, no other one is
}

// at are the partitions of the topic that the pipeline may have written to.
func (p pin) at(topic string) []kafkawire.TopicPartition {
	if p.Group != "" {
		return []kafkawire.TopicPartition{{Topic: topic, Partition: groupPartition(p.Group, p.Partitions)}}
	}
	return partitionsOf(topic, p.Partitions)
}

// check compares the pin with the topic of that name as the cluster describes it now. An answer that says nothing (the topic
// is hidden by an ACL, its broker is starting) is a fault of its own.
func (p pin) check(name string, found *kafkawire.Topic) error {
	op := "checking topic " + name
	switch {
	case found == nil || found.Code == kafkawire.UnknownTopicOrPartition:
		return fault.NewFinal(fault.TopicMissing, op, fmt.Errorf("the topic with id %s, which this pipeline has written to, no longer exists", p.ID),
			"Its rows are gone with it. Start over as docs/operations.md says, or restore the topic's cluster.")
	case found.Code != kafkawire.OK:
		return kafkawire.CodeFault(op, found.Code)
	case found.ID != p.ID:
		return fault.NewFinal(fault.TopicReplaced, op, fmt.Errorf("its id is %s and was %s", found.ID, p.ID),
			"The topic was deleted and created again, so earlier rows are missing. Start over as docs/operations.md says.")
	case int32(len(found.Partitions)) != p.Partitions:
		return fault.NewFinal(fault.PartitionsChanged, op, fmt.Errorf("it has %d partitions and had %d", len(found.Partitions), p.Partitions),
			"Keys would move to other partitions and lose their order. Write to a new topic with that many partitions and read the tables anew.")
	}
	return nil
}

// pinBook holds the pins of one pipeline: the durable ones, and those that the next commit makes durable. The feeder adds
// while the committer commits.
type pinBook struct {
	mu      sync.Mutex
	durable map[string]pin
	pending map[string]pin
}

func newPinBook(durable map[string]pin) *pinBook {
	return &pinBook{durable: durable, pending: map[string]pin{}}
}

// lookup returns the pin of a topic. durable is false for one that no commit holds yet.
func (b *pinBook) lookup(topic string) (p pin, durable, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p, ok = b.durable[topic]; ok {
		return p, true, true
	}
	p, ok = b.pending[topic]
	return p, false, ok
}

// add remembers a pin for the next commit. Nothing may be written to the topic before that.
func (b *pinBook) add(topic string, p pin) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.durable[topic] != p {
		b.pending[topic] = p
	}
}

// named is a pin with its topic.
type named struct {
	topic string
	pin
}

// take returns the pins that the commit which begins now has to hold, in the order of their names. They stay pending until
// settle: a commit that fails ends the attempt.
func (b *pinBook) take() []named {
	b.mu.Lock()
	defer b.mu.Unlock()
	return sortedPins(b.pending)
}

// waiting reports whether there are pins that no commit holds yet.
func (b *pinBook) waiting() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.pending) > 0
}

// settle tells that the pins are durable.
func (b *pinBook) settle(taken []named) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range taken {
		b.durable[n.topic] = n.pin
		if b.pending[n.topic] == n.pin {
			delete(b.pending, n.topic)
		}
	}
}

// forget drops a pin for this attempt: what it is about is not looked at.
func (b *pinBook) forget(topic string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.durable, topic)
}

// all returns the durable pins in the order of their names.
func (b *pinBook) all() []named {
	b.mu.Lock()
	defer b.mu.Unlock()
	return sortedPins(b.durable)
}

func sortedPins(m map[string]pin) []named {
	list := make([]named, 0, len(m))
	for _, topic := range slices.SortedFunc(maps.Keys(m), strings.Compare) {
		list = append(list, named{topic, m[topic]})
	}
	return list
}
