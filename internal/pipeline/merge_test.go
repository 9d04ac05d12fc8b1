package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/upsert"
)

// TestMergedKeepsTheNewest merges what several chunks say of keys and partitions, over two commits.
func TestMergedKeepsTheNewest(t *testing.T) {
	state := func(kv ...string) (s []changelog.State) {
		for i := 0; i < len(kv); i += 2 {
			s = append(s, changelog.State{Key: kv[i], Value: []byte(kv[i+1])})
		}
		return s
	}
	group := func(offsets ...int64) *changelog.GroupOffsets {
		g := &changelog.GroupOffsets{Group: "g"}
		for i := 0; i < len(offsets); i += 2 {
			g.Offsets = append(g.Offsets, changelog.GroupOffset{Topic: "t", Partition: int32(offsets[i]), Offset: offsets[i+1]})
		}
		return g
	}
	var m merged
	if m.add(changelog.Checkpoint{}) || m.add(changelog.Checkpoint{Group: &changelog.GroupOffsets{Group: "g"}}) {
		t.Error("nothing is news")
	}
	for _, cp := range []changelog.Checkpoint{
		{Pos: "1"}, {Pos: "1", State: state("a", "1", "b", "1")}, {Pos: "1", Group: group(0, 5)}, {Pos: "2", State: state("b", "2", "c", "2"), Group: group(1, 7, 0, 6)},
	} {
		if !m.add(cp) {
			t.Errorf("%+v is no news", cp)
		}
	}
	if got, want := text(m.Checkpoint), "2 a=1 b=2 c=2 g t/0@6 t/1@7"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	m.committed()
	if m.add(changelog.Checkpoint{Pos: "2"}) {
		t.Error("the committed position is news")
	}
	m.add(changelog.Checkpoint{Pos: "3", State: state("c", "3", "a", "3"), Group: group(1, 9)})
	if got, want := text(m.Checkpoint), "3 c=3 a=3 g t/1@9"; got != want {
		t.Errorf("after a commit: got %s, want %s", got, want)
	}
}

func text(cp changelog.Checkpoint) string {
	words := []string{string(cp.Pos)}
	for _, s := range cp.State {
		words = append(words, s.Key+"="+string(s.Value))
	}
	if cp.Group != nil {
		words = append(words, cp.Group.Group)
		for _, o := range cp.Group.Offsets {
			words = append(words, fmt.Sprintf("%s/%d@%d", o.Topic, o.Partition, o.Offset))
		}
	}
	return strings.Join(words, " ")
}

// BenchmarkMerged is what the chunks of one commit cost that move a thousand partitions, twenty in each chunk.
func BenchmarkMerged(b *testing.B) {
	var chunks []changelog.Checkpoint
	for i := range 100 {
		cp := changelog.Checkpoint{Pos: "p", Group: &changelog.GroupOffsets{Group: "g"}}
		for k := range 20 {
			n := (i*20 + k) % 1000
			cp.State = append(cp.State, changelog.State{Key: fmt.Sprintf("partition/topic/%d", n), Value: []byte("x")})
			cp.Group.Offsets = append(cp.Group.Offsets, changelog.GroupOffset{Topic: "topic", Partition: int32(n)})
		}
		chunks = append(chunks, cp)
	}
	b.ReportAllocs()
	for b.Loop() {
		var m merged
		for _, cp := range chunks {
			m.add(cp)
		}
	}
}

// TestWatermarkIsReported: it never goes back, and a chunk that says nothing leaves it.
func TestWatermarkIsReported(t *testing.T) {
	w := &logWriter{}
	c := committer{sink: w, ack: func(changelog.Position) {}, policy: DefaultCommitPolicy(), last: time.Now(), stats: &counters{}, release: func(int64) {}}
	for i, chunk := range []upsert.Chunk{{}, {Watermark: 20, Commit: 7}, {Watermark: 10}, {}, {Watermark: 30, Commit: 9, InTxn: true}} {
		chunk.Next = []changelog.Checkpoint{{Pos: changelog.Position(fmt.Sprint(i))}}
		j := &job{done: make(chan struct{}), chunk: &chunk}
		close(j.done)
		if err := errors.Join(c.write(t.Context(), j, false), c.commit(t.Context(), nil)); err != nil {
			t.Fatal(err)
		}
	}
	want := []upsert.Progress{{}, {Watermark: 20, CommitTime: 7}, {Watermark: 20, CommitTime: 7}, {Watermark: 20, CommitTime: 7}, {Watermark: 30, CommitTime: 9, InTxn: true}}
	if !slices.Equal(w.reports, want) {
		t.Errorf("reported %+v", w.reports)
	}
	if got := c.stats.watermark.Load(); got != 30 {
		t.Errorf("the statistics say %d", got)
	}
}
