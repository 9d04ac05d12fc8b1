package upsert

import (
	"fmt"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/kafkawire"
)

// TestChunkOfSeveralBatches: their rows stand in the order of the batches, and the chunk says of all of them what it says of one; their
// checkpoints follow each other.
func TestChunkOfSeveralBatches(t *testing.T) {
	plan := testPlan(t, Upsert, &Topic{Name: "p.shop.orders", Partitions: 1, MaxBatch: 1 << 20})
	planned := func(seq int, group *changelog.GroupOffsets) Planned {
		b, runs := testBatch(plan, func(b *changelog.Batch) {
			b.Changes = append(b.Changes, changelog.Change{Op: changelog.Insert, After: row(b, int64(seq), "x")})
		})
		b.Txns[0].Last, b.Txns[0].Commit = true, int64(10-seq)
		name := fmt.Sprint(seq)
		b.Next = changelog.Checkpoint{Pos: changelog.Position(name), State: []changelog.State{{Key: "k", Value: []byte(name)}}, Group: group}
		b.Drained, b.Soon = true, seq == 1
		return Planned{b, Plans{Runs: runs}, uint64(seq)}
	}
	offset := func(n int64) *changelog.GroupOffsets {
		return &changelog.GroupOffsets{Group: "g", Offsets: []changelog.GroupOffset{{Topic: "in", Offset: n}}}
	}
	c, err := NewMaterializer(kafkawire.None).Chunk(9_000_000, planned(1, offset(5)), planned(2, offset(6)), planned(3, nil))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Parts) != 1 || c.Records != 3 || c.Changes != 3 || c.Txns != 3 || c.Commit != 9 || c.Watermark != 9 || !c.Drained || !c.Soon || c.InTxn {
		t.Errorf("got %+v", c)
	}
	var said []string
	for _, next := range c.Next {
		var offsets []changelog.GroupOffset
		if next.Group != nil {
			offsets = next.Group.Offsets
		}
		said = append(said, fmt.Sprintf("%s %s %v", next.Pos, next.State, offsets))
	}
	if got := strings.Join(said, "; "); got != "1 [{k 1}] [{in 0 5 0}]; 2 [{k 2}] [{in 0 6 0}]; 3 [{k 3}] []" {
		t.Errorf("its checkpoints are %s", got)
	}
	var keys []string
	for _, r := range records(t, c.Parts[0]) {
		keys = append(keys, r[:strings.Index(r, ";")])
	}
	if got := strings.Join(keys, " "); got != "1 2 3" {
		t.Errorf("its rows are %s", got)
	}
}
