package kafkawire

import (
	"slices"
	"strings"
	"testing"

	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
)

// testMarkers looks for open transactions in more partitions than one request asks about, and ends one of them past its
// coordinator: here with a commit, there with an abort, and not where another producer is at work. A second copy changes nothing,
// and a late one does not end a newer transaction.
func (e *env) testMarkers(t *testing.T) {
	const partitions = 260
	topic := e.topic(t, partitions)
	all := make([]kw.TopicPartition, partitions)
	for i := range all {
		all[i] = kw.TopicPartition{Topic: topic, Partition: int32(i)}
	}
	ours, other := e.producer(t, topicName(t)), e.producer(t, topicName(t))
	for _, i := range []int{0, 255, 256, 259} {
		ours.must(t, ours.produce(t, all[i], kw.None, record{"ours", "v"}))
	}
	for _, i := range []int{1, 255} {
		other.must(t, other.produce(t, all[i], kw.None, record{"other", "v"}))
	}
	ctx := testContext(t)
	find := func(ids ...int64) (open []kw.LeftOpen) {
		t.Helper()
		open, err := e.client.Undecided(ctx, all, ids)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(open, func(a, b kw.LeftOpen) int { return int(a.Partition - b.Partition) })
		return open
	}
	if n := len(find(ours.pid.ID, other.pid.ID)); n != 6 || len(find()) != 0 {
		t.Errorf("%d partitions with open transactions, want 6", n)
	}
	open := find(ours.pid.ID)
	if len(open) != 4 || open[3] != (kw.LeftOpen{TopicPartition: all[259], Producer: ours.pid, Coordinator: -1}) {
		t.Fatalf("left open: %+v", open)
	}
	for range 2 {
		for i, commit := range []bool{true, false} {
			if err := e.client.WriteMarkers(ctx, open[2*i:2*i+2], commit); err != nil {
				t.Fatal(err)
			}
		}
	}
	if left := find(ours.pid.ID, other.pid.ID); len(left) != 2 || left[0].Producer != other.pid || left[1].TopicPartition != all[255] {
		t.Errorf("left open: %+v", left)
	}
	ours.init(t, kw.NoProducer)
	ours.must(t, ours.produce(t, all[0], kw.None, record{"newer", "v"}))
	if err := e.client.WriteMarkers(ctx, open[:1], true); err == nil || fault.IsFinal(err) {
		t.Errorf("a late copy: %v", err)
	}
	ours.must(t, ours.end(t, false))
	other.must(t, other.end(t, true))
	var committed []string
	for _, line := range e.sameEverywhere(t, topic, partitions) {
		at, rest, _ := strings.Cut(line, "@")
		for _, who := range []string{"other", "ours"} {
			if strings.Contains(rest, " "+who+"=v ") {
				committed = append(committed, at+" "+who)
			}
		}
	}
	slices.Sort(committed)
	if want := []string{"0 ours", "1 other", "255 other", "255 ours"}; !slices.Equal(committed, want) {
		t.Errorf("committed: %q, want %q", committed, want)
	}
}
