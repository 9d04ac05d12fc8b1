package upsert

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// routes knows where the partitions that this attempt writes to are led, and each one's next sequence number. It belongs to
// the committer. Leaders come from our own Metadata requests for just these topics, and each answer is held against the pins.
type routes struct {
	wire      *kafkawire.Client
	pins      *pinBook
	byTopic   map[*Topic]*route
	order     []*route // as they were added: requests must not depend on the order of a map
	asked     int      // of order: those after them nobody has asked about
	refreshed time.Time
	tried     time.Time // when it was begun to refresh all
	moved     bool      // a partition of the last transaction was without a leader for a while
}

// route is one topic with its partitions.
type route struct {
	topic   *Topic
	lanes   []lane
	watched bool // nothing is lost with it, whatever becomes of it: see group.go
}

// lane is one partition: at most one request of it is in flight, and its batches leave in order.
type lane struct {
	at       kafkawire.TopicPartition
	leader   int32 // broker id, -1: unknown
	epoch    int32 // of the leader, -1: unknown; a broker that was restarted has another
	sequence int32 // of the next record, in the current producer epoch
	txn      uint64
	sealed   bool // the head of the queue has its header: it is sent again with the same bytes
	queue    []*Part
}

// refreshEvery bounds how long a topic that was replaced under us goes unnoticed.
const refreshEvery = 5 * time.Second

func newRoutes(wire *kafkawire.Client, pins *pinBook) *routes {
	return &routes{wire: wire, pins: pins, byTopic: map[*Topic]*route{}}
}

// lane returns the lane of a partition, making the topic's route at its first use.
func (r *routes) lane(t *Topic, partition int32) (*lane, error) {
	rt := r.byTopic[t]
	if rt == nil {
		rt = &route{topic: t, lanes: make([]lane, t.Partitions)}
		for i := range rt.lanes {
			rt.lanes[i] = lane{at: kafkawire.TopicPartition{Topic: t.Name, Partition: int32(i)}, leader: -1, epoch: -1}
		}
		r.byTopic[t] = rt
		r.order = append(r.order, rt)
	}
	if partition < 0 || int(partition) >= len(rt.lanes) {
		return nil, fault.NewFinal(fault.Internal, "writing to topic "+t.Name, fmt.Errorf("partition %d of %d", partition, len(rt.lanes)), "Report this as a bug.")
	}
	return &rt.lanes[partition], nil
}

// stale reports that leaders and pins should be looked at again.
func (r *routes) stale() bool { return time.Since(r.refreshed) > refreshEvery }

// overdue reports that nobody has tried to look for so long.
func (r *routes) overdue(d time.Duration) bool {
	return time.Since(r.refreshed) > d && time.Since(r.tried) > d
}

// refresh asks a broker for leaders and ids, of the topics that a transaction has written to, or of all for transaction 0.
func (r *routes) refresh(ctx context.Context, broker int32, number uint64) error {
	if number != 0 {
		return r.ask(ctx, broker, slices.DeleteFunc(slices.Clone(r.order), func(rt *route) bool { return !rt.has(number) }))
	}
	began := time.Now()
	r.tried = began
	if err := r.ask(ctx, broker, r.order); err != nil {
		return err
	}
	r.refreshed, r.asked = began, len(r.order)
	return nil
}

// meet asks for those of new topics: with thousands of others, these need not be asked about for each new one.
func (r *routes) meet(ctx context.Context) error {
	if err := r.ask(ctx, kafkawire.AnyBroker, r.order[r.asked:]); err != nil {
		return err
	}
	r.asked = len(r.order)
	return nil
}

// ask is about some topics. One that is not what its pin says ends the attempt: the transaction must not commit.
func (r *routes) ask(ctx context.Context, broker int32, asked []*route) error {
	if len(asked) == 0 {
		return nil
	}
	names := make([]string, len(asked))
	for i, rt := range asked {
		names[i] = rt.topic.Name
	}
	meta, err := r.wire.MetadataOf(ctx, broker, names...)
	if err != nil {
		return err
	}
	for _, rt := range asked {
		found := meta.Topic(rt.topic.Name)
		if !rt.watched {
			if err := confirmed(ctx, r.wire, rt.topic.Name, rt.topic.pin(), found); err != nil {
				return err
			}
		}
		for i := range rt.lanes {
			l := &rt.lanes[i]
			leader, epoch, _ := meta.Leader(l.at)
			l.leader = leader
			r.moved = r.moved || l.epoch >= 0 && l.epoch != epoch
			l.epoch = max(l.epoch, epoch)
		}
	}
	return nil
}

// has reports whether the transaction has written to the topic.
func (rt *route) has(number uint64) bool {
	return slices.ContainsFunc(rt.lanes, func(l lane) bool { return l.txn == number })
}

// partitions are those that the transaction has written to.
func (r *routes) partitions(number uint64) []kafkawire.TopicPartition {
	var at []kafkawire.TopicPartition
	for _, rt := range r.order {
		for i := range rt.lanes {
			if rt.lanes[i].txn == number {
				at = append(at, rt.lanes[i].at)
			}
		}
	}
	return at
}

// restart gives all lanes their first sequence number, for a new producer epoch.
func (r *routes) restart() {
	for _, rt := range r.order {
		for i := range rt.lanes {
			rt.lanes[i].sequence = 0
		}
	}
}

func (t *Topic) pin() pin { return pin{ID: t.ID, Partitions: t.Partitions} }

// Missing topics are asked about again before that is believed: a broker that has just started, or that has not heard of a
// new topic, also says that it does not exist, and the fault is final.
const (
	confirmTimes = 20
	confirmPause = 250 * time.Millisecond
)

// confirmed checks a pin against what the cluster says, which it asks again when the topic seems to be gone.
func confirmed(ctx context.Context, wire *kafkawire.Client, name string, p pin, found *kafkawire.Topic) error {
	for times := 1; ; times++ {
		err := p.check(name, found)
		if !fault.Is(err, fault.TopicMissing) || times == confirmTimes {
			return err
		}
		if err := kafkawire.Pause(ctx, confirmPause); err != nil {
			return err
		}
		meta, err := wire.Metadata(ctx, name)
		if err != nil {
			return err
		}
		found = meta.Topic(name)
	}
}
