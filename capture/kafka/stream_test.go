package kafka

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// reseal makes the checksum of a batch right.
func reseal(batch []byte) []byte {
	binary.BigEndian.PutUint32(batch[17:], crc32.Checksum(batch[21:], crc32.MakeTable(crc32.Castagnoli)))
	return batch
}

func TestStreamReads(t *testing.T) {
	s := newStage(t, nil, nil, onePartition())
	s.fetched(0, 4, nil, plainBatch(0, rec{"1", "insert orders 1"}, rec{"2", "insert orders 2"}), plainBatch(2, rec{"", "begin"}, rec{"1", "delete orders 1"}))
	got, err := s.drained()
	if err != nil || len(got) != 1 {
		t.Fatalf("%d batches, %v", len(got), err)
	}
	b := got[0]
	if r := rows(got); r != "insert orders 1 @0/0, insert orders 2 @0/1, delete orders 1 @0/3" {
		t.Error(r)
	}
	if !b.Drained || b.InTxn() || b.Next.Pos != `{"cluster":"c","records":4,"watermark":1000}` {
		t.Errorf("drained %v, in a transaction %v, position %s", b.Drained, b.InTxn(), b.Next.Pos)
	}
	r := b.Records[0]
	if r.Topic != "orders" || string(r.Key) != "1" || r.Timestamp != 5 || r.Value != nil || len(r.Headers) != 1 || r.Headers[0].Name != "trace" || string(r.Headers[0].Value) != "x" {
		t.Errorf("%+v", r)
	}
	want := &changelog.GroupOffsets{Group: "cdcbridge-p", Offsets: []changelog.GroupOffset{{Topic: "orders", Offset: 4, LeaderEpoch: 3}}}
	if g := b.Next.Group; g == nil || g.Group != want.Group || !slices.Equal(g.Offsets, want.Offsets) {
		t.Errorf("%+v", g)
	}
	p := restored(t, b.Next.State)[0]
	if p.offset != 4 || p.epoch != 3 || p.id != (kafkawire.TopicID{1}) || string(p.deleted) != "1" {
		t.Errorf("restored %+v", p)
	}
	st := s.src.Stats()
	if len(st.Partitions) != 1 || st.Partitions[0].Offset != 4 || st.Partitions[0].Committed != 0 || st.Partitions[0].End != 4 || st.Events != 4 || st.Changes != 3 || !st.CaughtUp {
		t.Errorf("%+v", st)
	}
	s.src.Ack(b.Next.Pos)
	if st := s.src.Stats(); st.Partitions[0].Committed != 4 {
		t.Errorf("committed %d", st.Partitions[0].Committed)
	}
}

// TestTombstoneAfterRestart: a tombstone says nothing new behind its delete, whoever has read that, and is the delete of a row
// of the topic's table otherwise.
func TestTombstoneAfterRestart(t *testing.T) {
	first := newStage(t, nil, nil, onePartition())
	first.fetched(0, 2, nil, plainBatch(0, rec{"1", "insert orders 1"}, rec{"1", "delete orders 1"}))
	got, err := first.drained()
	if err != nil {
		t.Fatal(err)
	}
	kept := states(got)
	second := newStage(t, nil, kept, restored(t, kept)...)
	second.fetched(0, 4, nil, plainBatch(2, rec{"1", ""}, rec{"2", ""}))
	again, err := second.drained()
	if err != nil || rows(again) != "delete orders 2 @0/3" {
		t.Errorf("%s, %v", rows(again), err)
	}
	if p := restored(t, states(again))[0]; p.offset != 4 || len(p.deleted) != 0 {
		t.Errorf("%+v", p)
	}
}

// TestLessons: what a table is is known again after a restart, in the newest version that was seen.
func TestLessons(t *testing.T) {
	first := newStage(t, nil, nil, onePartition())
	first.fetched(0, 3, nil, plainBatch(0, rec{"1", "insert orders 1"}, rec{"1", "update@2 orders 1"}, rec{"1", "update@2 orders 1"}))
	got, err := first.drained()
	if err != nil {
		t.Fatal(err)
	}
	kept := states(got)
	if n := slices.IndexFunc(kept, func(s changelog.State) bool { return s.Key == "lesson/orders/shop.orders" }); n < 0 || strings.Count(string(kept[n].Value), `"offset"`) != 1 {
		t.Fatalf("%s", kept)
	}
	second := newStage(t, nil, kept, restored(t, kept)...)
	second.fetched(0, 5, nil, plainBatch(3, rec{"7", ""}, rec{"1", "update@2 orders 1"}))
	again, err := second.drained()
	if err != nil || rows(again) != "delete orders 7 @0/3, update orders 1 @0/4" || again[0].Runs[0].Table.Comment != "2" {
		t.Errorf("%s, %v", rows(again), err)
	}
	for _, s := range states(again) {
		if strings.HasPrefix(s.Key, lessonPrefix) {
			t.Errorf("what was known was learnt again: %s", s.Value)
		}
	}
}

// TestLessonsOfManyVersions: rows that have other fields again and again are not kept again and again.
func TestLessonsOfManyVersions(t *testing.T) {
	s := newStage(t, nil, nil, onePartition())
	var recs []rec
	for i := range 300 {
		recs = append(recs, rec{"1", "update@i" + strconv.Itoa(i%3) + " orders 1"})
	}
	for i := range 100 {
		recs = append(recs, rec{"1", "update@i" + strconv.Itoa(i) + " orders 1"})
	}
	s.cfg.BatchBytes = 1 // a batch for each record
	s.fetched(0, 400, nil, plainBatch(0, recs...))
	got, err := s.drained()
	if err != nil {
		t.Fatal(err)
	}
	written := 0
	for _, b := range got {
		for _, st := range b.Next.State {
			if strings.HasPrefix(st.Key, lessonPrefix) {
				written++
			}
		}
	}
	l := s.lessons.last
	if written < 3 || written > maxVersions || len(l.state.Records) != maxLessons {
		t.Errorf("%d were written, %d are kept", written, len(l.state.Records))
	}
}

// TestLessonOfADelete: what taught the table is no record that comes before the next one.
func TestLessonOfADelete(t *testing.T) {
	first := newStage(t, nil, nil, onePartition())
	first.fetched(0, 2, nil, plainBatch(0, rec{"1", "delete orders 1"}, rec{"2", "insert orders 2"}))
	got, err := first.drained()
	if err != nil {
		t.Fatal(err)
	}
	kept := states(got)
	second := newStage(t, nil, kept, restored(t, kept)...)
	second.fetched(0, 3, nil, plainBatch(2, rec{"1", ""}))
	if again, err := second.drained(); err != nil || rows(again) != "delete orders 1 @0/2" {
		t.Errorf("%s, %v", rows(again), err)
	}
}

// TestTransactions: markers and aborted records move the offset and nothing else, and nothing is read beyond the last stable offset.
func TestTransactions(t *testing.T) {
	of := func(producer int64) kafkawire.BatchHeader {
		return kafkawire.BatchHeader{Transactional: true, Producer: kafkawire.ProducerID{ID: producer}}
	}
	s := newStage(t, nil, nil, onePartition())
	s.fetched(0, 5, []kafkawire.AbortedTxn{{ProducerID: 8, FirstOffset: 1}},
		written(0, 3, of(9), rec{"1", "insert orders 1"}), written(1, 3, of(8), rec{"2", "insert orders 2"}), marker(2, 8, false), marker(3, 9, true),
		written(4, 3, of(9), rec{"3", "insert orders 3"}), written(5, 3, of(7), rec{"4", "insert orders 4"}))
	got, err := s.drained()
	if err != nil || rows(got) != "insert orders 1 @0/0, insert orders 3 @0/4" || s.parts[0].offset != 5 {
		t.Errorf("%s, %v, offset %d", rows(got), err, s.parts[0].offset)
	}
	s.fetched(0, 7, []kafkawire.AbortedTxn{{ProducerID: 7, FirstOffset: 5}}, written(5, 3, of(7), rec{"4", "insert orders 4"}), marker(6, 7, false))
	got, err = s.drained()
	if err != nil || len(got) != 1 || !got[0].Empty() || !got[0].Drained || restored(t, got[0].Next.State)[0].offset != 7 {
		t.Errorf("%d batches, %v", len(got), err)
	}
}

func TestBoundedRun(t *testing.T) {
	bounded := func(c *Config) { c.End.At = fromLatest }
	a, b := onePartition(), onePartition()
	a.end, b.number, b.end = 2, 1, 0
	s := newStage(t, bounded, nil, a, b)
	s.fetched(0, 3, nil, plainBatch(0, rec{"1", "insert orders 1"}, rec{"2", "insert orders 2"}, rec{"3", "insert orders 3"}))
	got, err := s.drained()
	if !errors.Is(err, capture.ErrComplete) || rows(got) != "insert orders 1 @0/0, insert orders 2 @0/1" || s.parts[0].offset != 2 {
		t.Errorf("%s, %v, offset %d", rows(got), err, s.parts[0].offset)
	}
}

func TestBadRecords(t *testing.T) {
	bad := func(s *stage) {
		s.fetched(0, 3, nil, plainBatch(0, rec{"1", "insert orders 1"}, rec{"2", "gibberish"}, rec{"3", "insert orders 3"}))
	}
	t.Run("stop", func(t *testing.T) {
		s := newStage(t, nil, nil, onePartition())
		bad(s)
		s.src.offsets.reached = 100 // somebody acknowledges
		got, err := s.drained()
		f := fault.As(err)
		if f == nil || f.Code != fault.Decode || !f.Final || !strings.Contains(f.Error(), "orders/0@1") || !strings.Contains(f.Error(), errWords.Error()) || f.Hint == "" {
			t.Fatalf("%v", err)
		}
		if rows(got) != "insert orders 1 @0/0" || restored(t, states(got))[0].offset != 1 {
			t.Errorf("before it: %s", rows(got))
		}
	})
	t.Run("skip", func(t *testing.T) {
		s := newStage(t, func(c *Config) { c.IgnoreParseErrors = true }, nil, onePartition())
		bad(s)
		got, err := s.drained()
		if err != nil || rows(got) != "insert orders 1 @0/0, insert orders 3 @0/2" || s.src.Stats().Skipped != 1 || s.src.Stats().Parked != 0 || len(got[0].Notes) != 0 {
			t.Errorf("%s, %v", rows(got), err)
		}
	})
	t.Run("park", func(t *testing.T) {
		s := newStage(t, func(c *Config) { c.DeadLetter = "dead" }, nil, onePartition())
		bad(s)
		got, err := s.drained()
		if err != nil || rows(got) != "insert orders 1 @0/0, insert orders 3 @0/2" || s.src.Stats().Parked != 1 || len(got[0].Notes) != 1 {
			t.Fatalf("%s, %v", rows(got), err)
		}
		n := got[0].Notes[0]
		r := got[0].Records[n.Record-1]
		if n.Kind != changelog.Parked || n.Prefix != "dead" || n.Code != "decode" || !strings.Contains(n.Text, errWords.Error()) || n.At != 1 || string(r.Value) != "gibberish" || r.Offset != 1 || len(r.Headers) != 1 {
			t.Errorf("%+v %+v", n, r)
		}
	})
}

func TestTruncations(t *testing.T) {
	for policy, want := range map[string]string{truncateIgnore: "", truncateTombstone: "tombstone"} {
		s := newStage(t, func(c *Config) { c.OnTruncate = policy }, nil, onePartition())
		s.fetched(0, 2, nil, plainBatch(0, rec{"1", "insert orders 1"}, rec{"", "truncate orders"}))
		got, err := s.drained()
		if last := got[len(got)-1]; err != nil || len(last.Notes) != 1 || last.Notes[0].Policy != want || last.Records[last.Notes[0].Record-1].Offset != 1 {
			t.Errorf("%s: %v", policy, err)
		}
	}
	s := newStage(t, nil, nil, onePartition())
	s.fetched(0, 1, nil, plainBatch(0, rec{"", "truncate orders"}))
	if _, err := s.drained(); !fault.Is(err, fault.Diverged) || !fault.IsFinal(err) || !strings.Contains(err.Error(), "shop.orders") || !strings.Contains(err.Error(), "orders/0@0") {
		t.Errorf("%v", err)
	}
}

// TestStreamAllocates reads in a steady state: what a record costs is none of the heap's business.
func TestStreamAllocates(t *testing.T) {
	const records = 2000
	recs := make([]rec, records)
	for i := range recs {
		recs[i] = rec{"1", "insert orders 1"}
	}
	s := newStage(t, func(c *Config) { c.BatchBytes = maxBatchBytes }, nil, onePartition())
	const runs = 10
	var batches [][]byte
	for i := range int64(runs + 1) { // AllocsPerRun has one for the warmth
		batches = append(batches, plainBatch(i*records, recs...))
	}
	round := 0
	per := testing.AllocsPerRun(runs, func() {
		s.fetched(0, int64(round+1)*records, nil, batches[round])
		round++
		s.readAll()
	}) / records
	if per > 1.1 { // the text that the test's format makes
		t.Errorf("%.2f allocations a record", per)
	}
}
