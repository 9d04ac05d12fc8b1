package kafkawire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// dataBatch makes a batch of records with the given keys.
func dataBatch(offset, producer int64, transactional bool, keys ...string) []byte {
	batch := ReserveBatchHeader(nil)
	for i, k := range keys {
		batch = AppendRecord(batch, &Record{OffsetDelta: int32(i), Key: []byte(k), Value: []byte("v")})
	}
	SealBatch(batch, &BatchHeader{Count: int32(len(keys)), Transactional: transactional, Producer: ProducerID{ID: producer, Epoch: 3}})
	binary.BigEndian.PutUint64(batch, uint64(offset))
	return batch
}

func join(batches ...[]byte) []byte { return slices.Concat(batches...) }

// aLog has everything that a partition of several producers can have: transactions that overlap, an abort by another epoch,
// plain records, an emptied batch, and one transaction that is still open. The markers' epoch never is the data's.
func aLog() []byte {
	return join(
		dataBatch(0, 1, true, "a0", "a1"),
		dataBatch(2, 2, true, "b2"),
		dataBatch(3, -1, false, "plain3"),
		dataBatch(4, 1, true, "a4"),
		marker(5, 1, CommitMarker),
		emptyBatch(6, 1), // offsets 6 to 8
		marker(9, 2, AbortMarker),
		dataBatch(10, 2, true, "b10"),
		dataBatch(11, 3, true, "open11"),
		marker(12, 2, CommitMarker),
		dataBatch(13, 4, true, "d13"),
		marker(14, 4, NotMarker+AbortMarker),
	)
}

func TestUndecidedReader(t *testing.T) {
	u := NewClient(Config{Brokers: []string{"k:1"}}).NewUndecidedReader(TopicPartition{Topic: "t"}, nil)
	cur := &u.poller.cursors[0]
	var got []string
	emit := func(r *FetchedRecord) error {
		got = append(got, fmt.Sprintf("%s@%d", r.Key, r.Offset))
		return nil
	}
	if err := u.decide(cur, &Fetched{Records: aLog()}, emit); err != nil {
		t.Fatal(err)
	}
	want := []string{"plain3@3", "a0@0", "a1@1", "a4@4", "b10@10"}
	if !slices.Equal(got, want) || u.Pending() != 1 || u.Offset() != 15 {
		t.Fatalf("got %q, %d pending, offset %d; want %q", got, u.Pending(), u.Offset(), want)
	}
	// The open one is decided later, and what was read before is not read again.
	if err := u.decide(cur, &Fetched{Records: join(marker(14, 4, CommitMarker), marker(15, 3, CommitMarker))}, emit); err != nil {
		t.Fatal(err)
	}
	if want = append(want, "open11@11"); !slices.Equal(got, want) || u.Pending() != 0 {
		t.Fatalf("got %q, want %q", got, want)
	}
}

// TestUndecidedReaderResumes lets emit fail at each record: nothing is lost and nothing comes twice.
func TestUndecidedReaderResumes(t *testing.T) {
	for fail := range 5 {
		u := NewClient(Config{Brokers: []string{"k:1"}}).NewUndecidedReader(TopicPartition{Topic: "t"}, func(key []byte) bool { return string(key) != "plain3" || fail > 1 })
		calls, trouble := 0, errors.New("no")
		var got []string
		emit := func(r *FetchedRecord) error {
			if calls++; calls-1 == fail {
				return trouble
			}
			got = append(got, string(r.Key))
			return nil
		}
		for {
			err := u.decide(&u.poller.cursors[0], &Fetched{Records: aLog()}, emit)
			if err == nil {
				break
			}
			if !errors.Is(err, trouble) {
				t.Fatal(err)
			}
		}
		want := "plain3 a0 a1 a4 b10"
		if fail <= 1 {
			want = "a0 a1 a4 b10"
		}
		if strings.Join(got, " ") != want {
			t.Errorf("failing at %d: %q, want %q", fail, got, want)
		}
	}
}

func TestFetcherEmitsCommitted(t *testing.T) {
	aborted := []AbortedTxn{{ProducerID: 4, FirstOffset: 13}, {ProducerID: 2, FirstOffset: 2}}
	for _, c := range []struct {
		from, lastStable int64
		want             string
		end              int64
	}{
		{0, 11, "a0 a1 plain3 a4 b10", 11},
		{0, 15, "a0 a1 plain3 a4 b10 open11", 15}, // as if the open one had been committed
		{1, 11, "a1 plain3 a4 b10", 11},
		{4, 11, "a4 b10", 11},
		{5, 10, "", 10},
		{7, 10, "", 10}, // in the middle of the emptied batch
	} {
		f := NewClient(Config{Brokers: []string{"k:1"}}).NewFetcher(FetcherConfig{}, Progress{TopicPartition: TopicPartition{Topic: "t"}, Offset: c.from})
		var got []string
		err := f.emitCommitted(&f.poller.cursors[0], &Fetched{Records: aLog(), LastStable: c.lastStable, Aborted: aborted}, func(r *FetchedRecord) error {
			got = append(got, string(r.Key))
			return nil
		})
		if err != nil || strings.Join(got, " ") != c.want || f.Progress()[0].Offset != c.end {
			t.Errorf("from %d to %d: %v, %q, offset %d, want %q and %d", c.from, c.lastStable, err, got, f.Progress()[0].Offset, c.want, c.end)
		}
	}
}

func TestProgressCaughtUp(t *testing.T) {
	for _, c := range []struct {
		p    Progress
		want bool
	}{{Progress{Offset: 5, LastStable: -1}, false}, {Progress{Offset: 5, LastStable: 6}, false}, {Progress{Offset: 5, LastStable: 5}, true}} {
		if got := c.p.CaughtUp(); got != c.want {
			t.Errorf("%+v: %v", c.p, got)
		}
	}
}
