package kafkasource

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// message is one record that is written upstream.
type message struct {
	partition int32
	key       []byte // nil: none
	value     []byte // nil: a tombstone
	when      time.Time
	changes   bool // it changes a row, so that exactly one change downstream comes from it
	bad       *bad // what cannot be read of it

	offset int64 // where it was written
}

// source is a topic that a bridge reads, and what is in it.
type source struct {
	e       *env
	cl      *kgo.Client
	topic   string
	changes map[string]bool // positions of the committed records that change rows, as our headers have them
}

// newSource makes a topic and returns when all of its partitions can be written.
func (e *env) newSource(t *testing.T, topic string, partitions int32, settings ...string) *source {
	t.Helper()
	e.create(t, topic, partitions, settings...)
	return e.existing(topic)
}

func (e *env) existing(topic string) *source {
	return &source{e: e, cl: e.cl, topic: topic, changes: map[string]bool{}}
}

// anew writes by a producer of its own from now on, which does not know what others have written: they would find it gone.
func (s *source) anew(t *testing.T) {
	t.Helper()
	cl, err := newProducer(s.e.brokers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	s.cl = cl
}

// create makes a topic whose records stay, whatever their timestamps. Settings are names and values in turn.
func (e *env) create(t *testing.T, topic string, partitions int32, settings ...string) {
	t.Helper()
	forever := "-1"
	configs := map[string]*string{"retention.ms": &forever}
	for i := 0; i+1 < len(settings); i += 2 {
		configs[settings[i]] = &settings[i+1]
	}
	if _, err := e.adm.CreateTopic(t.Context(), partitions, -1, configs, topic); err != nil {
		t.Fatalf("creating %s: %v", topic, err)
	}
	e.led(t, topic, int(partitions))
}

// led waits until the topic has so many partitions with leaders.
func (e *env) led(t *testing.T, topic string, partitions int) {
	t.Helper()
	eventually(t, func() error {
		m, err := e.adm.Metadata(t.Context(), topic)
		if err != nil {
			return err
		}
		n := 0
		for _, p := range m.Topics[topic].Partitions {
			if p.Err == nil && p.Leader >= 0 {
				n++
			}
		}
		if n != partitions {
			return fmt.Errorf("%s has %d partitions with leaders, not %d", topic, n, partitions)
		}
		return nil
	})
}

// drop deletes a topic and returns when it is gone.
func (e *env) drop(t *testing.T, topic string) {
	t.Helper()
	if _, err := e.adm.DeleteTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		m, err := e.adm.Metadata(t.Context(), topic)
		if err != nil {
			return err
		}
		if m.Topics[topic].Err == nil {
			return fmt.Errorf("%s is still there", topic)
		}
		return nil
	})
}

// position is how headers name a record.
func (s *source) position(partition int32, offset int64) string {
	return fmt.Sprintf("%s/%d@%d", s.topic, partition, offset)
}

func (s *source) record(m *message) *kgo.Record {
	return &kgo.Record{Topic: s.topic, Partition: m.partition, Key: m.key, Value: m.value, Timestamp: m.when}
}

// write produces the messages and returns when all brokers have them.
func (s *source) write(t *testing.T, messages ...message) {
	t.Helper()
	s.produce(t, s.cl, messages)
}

// produce writes with a client that may be in a transaction. It gives the positions of what changes rows.
func (s *source) produce(t *testing.T, cl *kgo.Client, messages []message) []string {
	t.Helper()
	records := make([]*kgo.Record, len(messages))
	for i := range messages {
		records[i] = s.record(&messages[i])
	}
	var changed []string
	for i, r := range cl.ProduceSync(t.Context(), records...) {
		if r.Err != nil {
			t.Fatalf("writing to %s/%d: %v", s.topic, records[i].Partition, r.Err)
		}
	}
	for i, r := range records { // ProduceSync gives them in another order
		messages[i].offset = r.Offset
		if messages[i].changes {
			changed = append(changed, s.position(r.Partition, r.Offset))
		}
	}
	if cl == s.cl {
		s.committed(changed)
	}
	return changed
}

func (s *source) committed(positions []string) {
	for _, p := range positions {
		s.changes[p] = true
	}
}

// writer is a transactional producer.
type writer struct{ cl *kgo.Client }

// writer makes one, which ends with the test. Whatever it leaves open the broker aborts after ten minutes, or at the next writer of the
// same id.
func (e *env) writer(t *testing.T, id string) *writer {
	t.Helper()
	cl, err := newProducer(e.brokers, kgo.TransactionalID(id), kgo.TransactionTimeout(10*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.CloseAllowingRebalance)
	return &writer{cl}
}

// begin writes messages in a transaction and leaves it open. end ends it.
func (w *writer) begin(t *testing.T, s *source, messages ...message) (end func(commit bool)) {
	t.Helper()
	if err := w.cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	changed := s.produce(t, w.cl, messages)
	return func(commit bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := w.cl.EndTransaction(ctx, kgo.TransactionEndTry(commit)); err != nil {
			t.Fatal(err)
		}
		if commit {
			s.committed(changed)
		}
	}
}

// within gives the positions of changes in a partition, from one offset to before another.
func (s *source) within(partition int32, begin, end int64) []string {
	found := map[string]bool{}
	name := fmt.Sprintf("%s/%d", s.topic, partition)
	for at := range s.changes {
		if p, _ := placeOf(at); p.partition == name && p.offset >= begin && p.offset < end {
			found[at] = true
		}
	}
	return sorted(found)
}

// ends gives the end of each partition as a reader of committed records sees it.
func (e *env) ends(t *testing.T, topic string) map[int32]int64 {
	t.Helper()
	return e.listed(t, topic, e.adm.ListCommittedOffsets)
}

func (e *env) listed(t *testing.T, topic string, list func(context.Context, ...string) (kadm.ListedOffsets, error)) map[int32]int64 {
	t.Helper()
	offsets, err := list(t.Context(), topic)
	if err == nil {
		err = offsets.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	m := map[int32]int64{}
	offsets.Each(func(o kadm.ListedOffset) { m[o.Partition] = o.Offset })
	return m
}
