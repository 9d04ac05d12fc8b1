package kafkawire

import (
	"testing"
	"time"

	kw "cdcbridge/internal/kafkawire"
)

// fetch asks the leader of a partition for what is at an offset.
func (e *env) fetch(t *testing.T, p kw.FetchPart) kw.Fetched {
	t.Helper()
	p.MaxBytes = 1 << 20
	req := kw.FetchRequest{Isolation: kw.ReadCommitted, MaxWait: 50 * time.Millisecond, MinBytes: 1, MaxBytes: 1 << 20, Parts: []kw.FetchPart{p}}
	got, err := e.client.Fetch(testContext(t), e.leader(t, p.TopicPartition), &req)
	if err != nil {
		t.Fatal(err)
	}
	return got[0]
}

// testFetch: a leader answers for the topic of an id, as the leader of an epoch, and to who has read what it has.
func (e *env) testFetch(t *testing.T) {
	topic := e.topic(t, 2)
	at := kw.TopicPartition{Topic: topic, Partition: 1}
	p := e.producer(t, topicName(t))
	p.must(t, p.produce(t, at, kw.None, record{"a", "1"}, record{"b", "2"}))
	p.must(t, p.end(t, true))
	e.settled(t, p)
	id := e.ready(t, topic, 2).ID
	right := kw.FetchPart{TopicPartition: at, ID: id, LeaderEpoch: 0, LastEpoch: -1}
	got := e.fetch(t, right)
	if next, epoch := got.Next(0, -1); got.Code != kw.OK || got.LastStable != 3 || got.DivergedAt != -1 || next < 2 || next > 3 || epoch != 0 {
		t.Errorf("%+v", got)
	}
	for name, c := range map[string]struct {
		edit func(*kw.FetchPart)
		want kw.Code
	}{
		"another id":                      {func(p *kw.FetchPart) { p.ID[3]++ }, kw.UnknownTopicID},
		"an epoch to come":                {func(p *kw.FetchPart) { p.LeaderEpoch = 9 }, kw.UnknownLeaderEpoch},
		"the end":                         {func(p *kw.FetchPart) { p.Offset, p.LastEpoch = 3, 0 }, kw.OK},
		"beyond the end":                  {func(p *kw.FetchPart) { p.Offset = 4 }, kw.OffsetOutOfRange},
		"behind records that never were":  {func(p *kw.FetchPart) { p.Offset, p.LastEpoch = 3, 9 }, kw.OffsetOutOfRange},
		"beyond the end of a known epoch": {func(p *kw.FetchPart) { p.Offset, p.LastEpoch = 4, 0 }, kw.OK},
	} {
		part := right
		c.edit(&part)
		if got := e.fetch(t, part); got.Code != c.want || len(got.Records) > 0 || (part.Offset == 4 && part.LastEpoch == 0) != (got.DivergedAt == 3) {
			t.Errorf("%s: %v, diverged at %d", name, got.Code, got.DivergedAt)
		}
	}
}

// testDiverged asks where the first leader epoch has ended since, as a reader that has read more of it.
func (e *three) testDiverged(t *testing.T) {
	ends := e.firstEpochs(t)
	meta := e.ready(t, e.topic, int32(len(e.all)))
	diverged := 0
	for i, at := range e.all {
		leaderEpoch := meta.Partitions[at.Partition].LeaderEpoch
		if leaderEpoch == 0 {
			continue
		}
		part := kw.FetchPart{TopicPartition: at, ID: meta.ID, LeaderEpoch: leaderEpoch, Offset: ends[i].Offset}
		if got := e.fetch(t, part); got.Code != kw.OK || got.DivergedAt != -1 {
			t.Errorf("%s at %d: %v, diverged at %d", at, part.Offset, got.Code, got.DivergedAt)
		}
		part.Offset++
		if got := e.fetch(t, part); got.DivergedAt != ends[i].Offset {
			t.Errorf("%s at %d: %v, diverged at %d, not %d", at, part.Offset, got.Code, got.DivergedAt, ends[i].Offset)
		}
		diverged++
	}
	if diverged == 0 {
		t.Error("no leader has moved: the test proves nothing")
	}
}
