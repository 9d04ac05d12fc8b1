package upsert

import (
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/costtest"
	"cdcbridge/internal/kafkawire"
)

// TestCostOfRows: what becomes of changes, up to compressed batches of records.
func TestCostOfRows(t *testing.T) {
	const rows = 5000
	plan := testPlan(t, Upsert, &Topic{Name: "p.shop.orders", Partitions: 1, MaxBatch: 1 << 20})
	plan.encoder = constEncoder{}
	b, plans := testBatch(plan, func(b *changelog.Batch) {
		for i := range int64(rows) {
			b.Changes = append(b.Changes, changelog.Change{Op: changelog.Update, Before: row(b, i, "old"), After: row(b, i, "some text")})
		}
	})
	m := NewMaterializer(kafkawire.LZ4)
	costtest.Check(t, costtest.Stage{Name: "materializing", Rows: rows, Round: func() {
		if _, err := m.Chunk(9_000_000, Planned{b, Plans{Runs: plans}, 1}); err != nil {
			t.Fatal(err)
		}
	}}, costtest.Cost{Bytes: 10}) // the compressed batch, which leaves
}
