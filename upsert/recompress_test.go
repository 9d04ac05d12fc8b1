package upsert

import (
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// TestLimitOfRecompressedTopics encodes one row that compresses well. Where the broker keeps batches as they come, their size
// counts; where it compresses anew, or not at all, the size that the row has uncompressed.
func TestLimitOfRecompressedTopics(t *testing.T) {
	for _, tc := range []struct {
		codec      kafkawire.Codec
		recompress bool
		width      int
		code       fault.Code
	}{
		{kafkawire.LZ4, false, 5000, ""},
		{kafkawire.LZ4, true, 5000, fault.RecordTooLarge},
		{kafkawire.LZ4, true, 500, ""},
		{kafkawire.None, false, 5000, fault.RecordTooLarge},
		{kafkawire.None, false, 500, ""},
	} {
		plan := testPlan(t, Upsert, &Topic{Name: "p.shop.orders", Partitions: 1, MaxBatch: 1000, Recompress: tc.recompress})
		b, plans := testBatch(plan, func(b *changelog.Batch) {
			b.Changes = append(b.Changes, changelog.Change{Op: changelog.Insert, After: row(b, 1, strings.Repeat("x", tc.width))})
		})
		_, err := NewMaterializer(tc.codec).Chunk(9_000_000, Planned{b, Plans{Runs: plans}, 1})
		if fault.CodeOf(err) != tc.code || fault.IsFinal(err) != (tc.code != "") {
			t.Errorf("%+v: %v", tc, err)
		}
	}
}

// TestClocksAhead gives records the source's commit time, but none from the future, which brokers refuse.
func TestClocksAhead(t *testing.T) {
	const now = 9_000_000 // microseconds; the batch was committed at 5 s
	for _, tc := range []struct {
		commit    int64
		wallClock bool
		want      string
	}{
		{5_000_000, false, "@5000 "}, {1_000, false, "@1 "}, {now + 3_600_000_000, false, "@9000 "}, {now + 1_000, false, "@9000 "}, {5_000_000, true, "@9000 "},
	} {
		plan := testPlan(t, Upsert, &Topic{Name: "p.shop.orders", Partitions: 1, MaxBatch: 1 << 20, WallClock: tc.wallClock})
		b, plans := testBatch(plan, func(b *changelog.Batch) {
			b.Changes = append(b.Changes, changelog.Change{Op: changelog.Delete, Before: row(b, 1, "x")})
		})
		b.Txns[0].Commit = tc.commit
		c, err := NewMaterializer(kafkawire.None).Chunk(now, Planned{b, Plans{Runs: plans}, 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records(t, c.Parts[0]) {
			if !strings.Contains(r, tc.want) {
				t.Errorf("%+v: %s", tc, r)
			}
		}
	}
}
