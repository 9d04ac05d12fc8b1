package kafka

import (
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// newLanes makes readers of partitions that broker 1 leads.
func newLanes(n int) (*readers, []*lane) {
	r := newReaders(nil, wordFail, slog.New(slog.DiscardHandler))
	var lanes []*lane
	for i := range int32(n) {
		p := newPartition(kafkawire.TopicPartition{Topic: "orders", Partition: i}, kafkawire.TopicID{1})
		l := newLane(p)
		l.leader, l.leaderEpoch = 1, 5
		lanes = append(lanes, l)
	}
	r.add(lanes...)
	r.brokers[1] = &brokerReader{readers: r, id: 1, wake: make(chan struct{}, 1)}
	return r, lanes
}

func asked(lanes []*lane) []int32 {
	var n []int32
	for _, l := range lanes {
		n = append(n, l.at.Partition)
	}
	slices.Sort(n)
	return n
}

func some(lastStable int64, records []byte) kafkawire.Fetched {
	return kafkawire.Fetched{LastStable: lastStable, Records: records, DivergedAt: -1}
}

// TestRequests: a lane is asked for while it has room, and once at a time; what it waits for never takes another one's room.
func TestRequests(t *testing.T) {
	r, lanes := newLanes(3)
	b := r.brokers[1]
	req, of := b.request()
	if got := asked(of); !slices.Equal(got, []int32{0, 1, 2}) || req.MaxWait != fetchWait || req.Parts[0].LeaderEpoch != 5 || req.Parts[0].LastEpoch != -1 || req.Parts[0].ID != (kafkawire.TopicID{1}) {
		t.Fatalf("%v %+v", got, req)
	}
	if _, of := b.request(); len(of) != 0 {
		t.Errorf("%v were asked for twice", asked(of))
	}
	first := of[0]
	fetched := make([]kafkawire.Fetched, 3)
	for i := range fetched {
		fetched[i] = some(9, nil)
	}
	fetched[0] = some(9, plainBatch(0, rec{"1", "insert orders 1"}, rec{"2", "insert orders 2"}))
	if err := r.answered(t.Context(), of, fetched, nil); err != nil {
		t.Fatal(err)
	}
	if first.next != 2 || first.epoch != 3 || first.stable() != 9 || r.caughtUp() {
		t.Errorf("next %d of epoch %d, stable %d", first.next, first.epoch, first.stable())
	}
	first.queued += maxShare // it is full
	b.freed = time.Now()
	req, of = b.request()
	if len(of) != 2 || slices.Contains(of, first) || req.MaxWait != hurriedWait {
		t.Errorf("%v, waiting %v", asked(of), req.MaxWait)
	}
	first.queued -= maxShare
	if l, c := r.first(); l != first || c.size != len(fetched[0].Records) || first.queued != 0 {
		t.Error("the chunk did not come")
	}
	if l, _ := r.first(); l != nil {
		t.Error("another chunk came")
	}
	r.hold(lanes[1], true)
	r.drop(lanes[2])
	for _, l := range lanes {
		l.asked = false
	}
	req, of = b.request()
	if got := asked(of); !slices.Equal(got, []int32{0}) || req.MaxWait != fetchWait {
		t.Errorf("%v, waiting %v", got, req.MaxWait)
	}
}

// TestRoom bounds what waits, without ever keeping a partition out of which nothing does.
func TestRoom(t *testing.T) {
	r, lanes := newLanes(2)
	full, empty := lanes[0], lanes[1]
	for _, c := range []struct{ waiting, queued, full, empty int }{
		{0, 0, maxShare, maxShare},
		{maxShare - 1, maxShare - 1, maxShare, maxShare},
		{maxShare, maxShare, 0, maxShare},
		{fetchBudget, 1, 0, minShare},
	} {
		r.waiting, full.queued = c.waiting, c.queued
		if a, b := r.room(full), r.room(empty); int(a) != c.full || int(b) != c.empty {
			t.Errorf("%+v: %d and %d", c, a, b)
		}
	}
}

// TestWaiting counts what waits, whatever becomes of it.
func TestWaiting(t *testing.T) {
	r, lanes := newLanes(2)
	for _, l := range lanes {
		for i := range int64(2) {
			got := some(9, plainBatch(i, rec{"1", "insert orders 1"}))
			r.received(l, &got)
		}
	}
	each := r.waiting / 4
	if each == 0 || lanes[0].queued != 2*each {
		t.Fatalf("%d wait, %d in one", r.waiting, lanes[0].queued)
	}
	if r.first(); r.waiting != 3*each {
		t.Errorf("%d", r.waiting)
	}
	if r.drop(lanes[0]); r.waiting != 2*each {
		t.Errorf("%d", r.waiting)
	}
	r.of(lanes[1])
	if r.of(lanes[1]); r.waiting != 0 {
		t.Errorf("%d", r.waiting)
	}
}

// TestRotation: every partition comes first in its turn, for a broker answers the first one whole.
func TestRotation(t *testing.T) {
	r, lanes := newLanes(4)
	seen := map[int32]bool{}
	for range lanes {
		_, of := r.brokers[1].request()
		seen[of[0].at.Partition] = true
		for _, l := range of {
			l.asked = false
		}
	}
	if len(seen) != len(lanes) {
		t.Errorf("first were %v", seen)
	}
}

func TestAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := newLanes(1)
		l := r.lanes[0]
		moved := []kafkawire.Fetched{{Code: kafkawire.NotLeader, DivergedAt: -1}}
		if err := r.answered(t.Context(), []*lane{l}, moved, nil); err != nil || l.leader != -1 {
			t.Fatalf("%v, leader %d", err, l.leader)
		}
		time.Sleep(laneFailures + time.Second)
		if err := r.answered(t.Context(), []*lane{l}, moved, nil); !errors.Is(err, kafkawire.NotLeader) || fault.IsFinal(err) {
			t.Errorf("after a while: %v", err)
		}
		if err := r.answered(t.Context(), []*lane{l}, []kafkawire.Fetched{some(3, nil)}, nil); err != nil || !l.failing.IsZero() {
			t.Errorf("%v", err)
		}
	})
	r, lanes := newLanes(1)
	err := r.answered(t.Context(), lanes, []kafkawire.Fetched{{Code: kafkawire.TopicAuthorizationFailed, DivergedAt: -1}}, nil)
	if f := fault.As(err); f == nil || f.Code != fault.Permission || !f.Final || f.Hint == "" {
		t.Errorf("%v", err)
	}
	r, lanes = newLanes(1)
	if err := r.answered(t.Context(), lanes, []kafkawire.Fetched{{Code: kafkawire.CorruptMessage, DivergedAt: -1}}, nil); err != nil || lanes[0].leader != -1 {
		t.Errorf("%v", err)
	}
	r, lanes = newLanes(1)
	lanes[0].next = 9
	err = r.answered(t.Context(), lanes, []kafkawire.Fetched{{DivergedAt: 7}}, nil)
	if f := fault.As(err); f == nil || f.Code != fault.TopicTruncated || !f.Final {
		t.Errorf("%v", err)
	}
}

// TestLookUp: another id is another topic, whatever its name.
func TestLookUp(t *testing.T) {
	r, lanes := newLanes(1)
	meta := &kafkawire.Metadata{Topics: []kafkawire.Topic{{Name: "orders", ID: kafkawire.TopicID{2}, Partitions: []kafkawire.Partition{{Leader: 1}}}}}
	if err := r.lookUp(lanes[0], meta, nil, time.Now()); !fault.Is(err, fault.TopicReplaced) || !fault.IsFinal(err) {
		t.Errorf("%v", err)
	}
	meta.Topics[0].ID = kafkawire.TopicID{1}
	if err := r.lookUp(lanes[0], meta, nil, time.Now()); err != nil || lanes[0].leader != 1 {
		t.Errorf("%v", err)
	}
	meta.Topics[0].Code = kafkawire.UnknownTopicOrPartition
	lanes[0].failing = time.Now().Add(-2 * laneFailures)
	if err := r.lookUp(lanes[0], meta, nil, time.Now()); !fault.Is(err, fault.TopicMissing) {
		t.Errorf("%v", err)
	}
}

func TestOffsetsOfAcks(t *testing.T) {
	s := newStage(t, nil, nil, onePartition())
	for i := range int64(3) {
		s.fetched(0, i+1, nil, plainBatch(i, rec{"1", "insert orders 1"}))
		if got, err := s.drained(); err != nil || len(got) != 1 {
			t.Fatal(err)
		}
	}
	committed := func() int64 { return s.src.Stats().Partitions[0].Committed }
	for records, want := range []int64{0, 1, 2, 3} {
		p := position{Cluster: "c", Records: uint64(records)}
		text, _ := p.text()
		if s.src.Ack(text); committed() != want {
			t.Errorf("at %d: %d", records, committed())
		}
	}
}
