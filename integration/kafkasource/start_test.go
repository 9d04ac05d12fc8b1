package kafkasource

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"cdcbridge/integration/harness"
)

// began is the timestamp of the first record of a numbered source; each record is a minute later than the one before.
var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// numbered makes a source of two partitions with so many inserts in each, whose ids tell the offset: id 2n+p is at offset n of p.
func numbered(t *testing.T, e *env, topic string, d dialect, n int) (*source, *shop) {
	t.Helper()
	s, table := e.newSource(t, topic, 2), newShop(d, 1, 2)
	s.write(t, dated(table.fill(0, 2*n))...)
	return s, table
}

func dated(messages []message) []message {
	for i := range messages {
		messages[i].when = began.Add(time.Duration(i/2) * time.Minute)
	}
	return messages
}

// from gives the positions of a partition at or after an offset.
func (s *source) from(partition int32, offset int64) []string {
	return s.within(partition, offset, math.MaxInt64)
}

// TestStart starts at each kind of place, takes what comes after it, and goes on after a restart, whatever the place was.
func TestStart(t *testing.T) {
	const n = 6
	cases := []struct {
		name  string
		start string
		group map[int32]int64 // offsets that the group has already
		first [2]int64        // offsets at which the partitions are begun
	}{
		{"Default", "", nil, [2]int64{0, 0}},
		{"Earliest", ", start: {from: earliest}", nil, [2]int64{0, 0}},
		{"Latest", ", start: {from: latest}", nil, [2]int64{n, n}},
		{"Committed", ", start: {from: committed}", map[int32]int64{0: 2, 1: n}, [2]int64{2, n}},
		{"CommittedElseEarliest", ", start: {from: committed, fallback: earliest}", map[int32]int64{0: 2}, [2]int64{2, 0}},
		{"CommittedElseLatest", ", start: {from: committed, fallback: latest}", map[int32]int64{1: 3}, [2]int64{n, 3}},
		{"Timestamp", `, start: {from: timestamp, timestamp: "2026-03-01T12:03:30Z"}`, nil, [2]int64{4, 4}},
		{"TimestampOfARecord", `, start: {from: timestamp, timestamp: "2026-03-01T12:03:00Z"}`, nil, [2]int64{3, 3}},
		{"TimestampBeforeAll", `, start: {from: timestamp, timestamp: "2020-01-01T00:00:00Z"}`, nil, [2]int64{0, 0}},
		{"TimestampAfterAll", `, start: {from: timestamp, timestamp: "2026-03-02T00:00:00Z"}`, nil, [2]int64{n, n}},
		{"Offsets", ", start: {from: offsets, offsets: [{topic: TOPIC, partition: 0, offset: 1}, {topic: TOPIC, partition: 1, offset: 6}]}", nil, [2]int64{1, n}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := modern.get(t)
			topic := unique(t) + ".in.orders"
			s, table := numbered(t, e, topic, debezium, n)
			b := e.reads(t, debezium, replaceTopic(c.start, topic), topic)
			if c.group != nil {
				e.commit(t, "cdcbridge-"+b.name, topic, c.group)
			}
			d := b.running(t)
			s.write(t, table.put(2*n)...) // partition 0 alone: the other one has nothing from the start on, perhaps
			want := append(s.from(0, c.first[0]), s.from(1, c.first[1])...)
			b.got(t, want...)
			harness.StopFor(t, d)
			s.write(t, table.fill(2*n+1, 2*n+5)...) // while nobody looks, in both
			d = b.running(t)
			want = append(s.from(0, c.first[0]), s.from(1, c.first[1])...)
			b.got(t, want...)
			d.Kill()
			s.write(t, table.fill(2*n+5, 2*n+9)...)
			b.running(t)
			b.got(t, append(s.from(0, c.first[0]), s.from(1, c.first[1])...)...)
		})
	}
}

func replaceTopic(text, topic string) string {
	return strings.ReplaceAll(text, "TOPIC", topic)
}

// commit sets offsets of a group, as a consumer that has gone would have left them.
func (e *env) commit(t *testing.T, group, topic string, offsets map[int32]int64) {
	t.Helper()
	os := kadm.Offsets{}
	for p, at := range offsets {
		os.AddOffset(topic, p, at, -1)
	}
	if err := e.adm.CommitAllOffsets(t.Context(), group, os); err != nil {
		t.Fatal(err)
	}
}

// TestStartRefused names places that are not there. None of them is replaced by another one unasked.
func TestStartRefused(t *testing.T) {
	e := modern.get(t)
	cases := []struct {
		name, start, code string
		words             []string
	}{
		{"NothingCommitted", ", start: {from: committed}", "offset_lost", []string{"TOPIC", "fallback"}},
		{"BeyondTheEnd", ", start: {from: offsets, offsets: [{topic: TOPIC, partition: 0, offset: 6}, {topic: TOPIC, partition: 1, offset: 7}]}", "offset_lost", []string{"TOPIC/1", "7", "fallback"}},
		{"NotNamed", ", start: {from: offsets, offsets: [{topic: TOPIC, partition: 0, offset: 6}]}", "offset_lost", []string{"TOPIC/1", "fallback"}},
		{"NoSuchPartition", ", start: {from: offsets, offsets: [{topic: TOPIC, partition: 5, offset: 0}]}", "config", []string{"TOPIC", "5"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			topic := unique(t) + ".in.orders"
			numbered(t, e, topic, debezium, 6)
			b := e.reads(t, debezium, replaceTopic(c.start, topic), topic)
			for i := range c.words {
				c.words[i] = replaceTopic(c.words[i], topic)
			}
			b.fails(t, c.code, c.words...)
			b.got(t)
		})
	}
	t.Run("NoSuchTopic", func(t *testing.T) {
		t.Parallel()
		topic := unique(t) + ".in.orders"
		b := e.reads(t, debezium, "", topic)
		d := b.start(t)
		if s := waitFor(t, d, "retrying"); s.Code != "topic_missing" || s.Hint == "" || !strings.Contains(s.Error, topic) {
			t.Fatalf("without the topic it is %+v", s)
		}
		s, table := e.newSource(t, topic, 1), newShop(debezium, 1, 1) // it may be that its writer has not begun yet
		s.write(t, table.fill(0, 3)...)
		b.holds(t, table.table(), s)
	})
	t.Run("OffsetThatIsGone", func(t *testing.T) {
		t.Parallel()
		topic := unique(t) + ".in.orders"
		s, table := numbered(t, e, topic, debezium, 6)
		e.cut(t, topic, map[int32]int64{0: 4})
		b := e.reads(t, debezium, replaceTopic(", start: {from: offsets, offsets: [{topic: TOPIC, partition: 0, offset: 2}, {topic: TOPIC, partition: 1, offset: 5}], fallback: fail}", topic), topic)
		b.fails(t, "offset_lost", topic, "2").Kill()
		b.source = strings.ReplaceAll(b.source, "fallback: fail", "fallback: earliest")
		b.start(t)
		s.write(t, table.fill(12, 14)...)
		b.got(t, append(s.from(0, 4), s.from(1, 5)...)...)
	})
}

// cut deletes the records before the offsets, as retention does.
func (e *env) cut(t *testing.T, topic string, before map[int32]int64) {
	t.Helper()
	os := kadm.Offsets{}
	for p, at := range before {
		os.AddOffset(topic, p, at, -1)
	}
	done, err := e.adm.DeleteRecords(t.Context(), os)
	if err == nil {
		err = done.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		starts := e.listed(t, topic, e.adm.ListStartOffsets)
		for p, at := range before {
			if starts[p] < at {
				return fmt.Errorf("%s/%d begins at %d, not at %d", topic, p, starts[p], at)
			}
		}
		return nil
	})
}
