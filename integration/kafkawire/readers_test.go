package kafkawire

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	kw "cdcbridge/internal/kafkawire"
)

// line renders a record so that readers can be compared.
func line(partition int32, offset, timestamp int64, key, value []byte, headers string) string {
	v := "<null>"
	if value != nil {
		v = string(value)
	}
	return fmt.Sprintf("%d@%d t=%d %s=%s %s", partition, offset, timestamp, key, v, headers)
}

func lineOf(r *kw.FetchedRecord) string {
	headers := ""
	r.Headers.Each(func(name, value []byte) bool {
		headers += fmt.Sprintf("[%s:%s]", name, value)
		return true
	})
	return line(r.Partition, r.Offset, r.Timestamp, r.Key, r.Value, headers)
}

// byFetcher reads what is committed with our fetcher, up to the last stable offsets of now.
func (e *env) byFetcher(t *testing.T, topic string, partitions int32) []string {
	t.Helper()
	ctx := testContext(t)
	parts := make([]kw.TopicPartition, partitions)
	starts := make([]kw.Progress, partitions)
	for i := range parts {
		parts[i] = kw.TopicPartition{Topic: topic, Partition: int32(i)}
		starts[i] = kw.Progress{TopicPartition: parts[i]}
	}
	ends, err := e.client.ListOffsets(ctx, parts, kw.ReadCommitted, kw.LatestOffset)
	if err != nil {
		t.Fatal(err)
	}
	f := e.client.NewFetcher(kw.FetcherConfig{MaxWait: 50 * time.Millisecond}, starts...)
	var lines []string
	for {
		behind := false
		for i, p := range f.Progress() {
			behind = behind || p.Offset < ends[i].Offset
		}
		if !behind {
			slices.Sort(lines)
			return lines
		}
		if err := f.Poll(ctx, func(r *kw.FetchedRecord) error {
			lines = append(lines, lineOf(r))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// byUndecided reads partition 0 to its end with our reader of undecided records.
func (e *env) byUndecided(t *testing.T, topic string) []string {
	t.Helper()
	u := e.client.NewUndecidedReader(kw.TopicPartition{Topic: topic}, nil)
	var lines []string
	if err := u.ReadToEnd(testContext(t), func(r *kw.FetchedRecord) error {
		lines = append(lines, lineOf(r))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

// byFranz reads what is committed with franz-go, up to the last stable offsets of now.
func (e *env) byFranz(t *testing.T, topic string, partitions int32) []string {
	t.Helper()
	ctx := testContext(t)
	parts := make([]kw.TopicPartition, partitions)
	offsets := map[int32]kgo.Offset{}
	for i := range parts {
		parts[i] = kw.TopicPartition{Topic: topic, Partition: int32(i)}
		offsets[int32(i)] = kgo.NewOffset().At(0)
	}
	ends, err := e.client.ListOffsets(ctx, parts, kw.ReadCommitted, kw.LatestOffset)
	if err != nil {
		t.Fatal(err)
	}
	// KeepControlRecords shows how far the reader is, also where only markers are left.
	cl, err := kgo.NewClient(kgo.SeedBrokers(e.brokers...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.MetadataMinAge(100*time.Millisecond), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	next := make([]int64, partitions)
	var lines []string
	idle := 0
	for {
		behind := false
		for i := range next {
			behind = behind || next[i] < ends[i].Offset
		}
		if !behind || idle > 10 { // aborted records at the end never show: then silence is the end
			slices.Sort(lines)
			return lines
		}
		poll, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		fetches := cl.PollFetches(poll)
		cancel()
		idle++
		fetches.EachRecord(func(r *kgo.Record) {
			idle = 0
			next[r.Partition] = r.Offset + 1
			if r.Attrs.IsControl() {
				return
			}
			headers := ""
			for _, h := range r.Headers {
				headers += fmt.Sprintf("[%s:%s]", h.Key, h.Value)
			}
			lines = append(lines, line(r.Partition, r.Offset, r.Timestamp.UnixMilli(), r.Key, r.Value, headers))
		})
	}
}

// sameEverywhere checks that all readers see the same and returns it. franz-go reads before and after ours, for the log
// cleaner may be at work.
func (e *env) sameEverywhere(t *testing.T, topic string, partitions int32) []string {
	t.Helper()
	for ctx := testContext(t); ; {
		want := e.byFranz(t, topic, partitions)
		fetched := e.byFetcher(t, topic, partitions)
		undecided := want
		if partitions == 1 {
			undecided = e.byUndecided(t, topic)
		}
		if slices.Equal(fetched, want) && slices.Equal(undecided, want) {
			return want
		}
		if again := e.byFranz(t, topic, partitions); slices.Equal(again, want) {
			t.Fatalf("our fetcher reads\n%q\nthe undecided reader\n%q\nfranz-go\n%q", fetched, undecided, want)
		}
		if ctx.Err() != nil {
			t.Fatal("the topic does not come to rest")
		}
	}
}
