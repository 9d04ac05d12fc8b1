package changelog

import (
	"testing"

	"cdcbridge/internal/costtest"
)

func TestCostOfRows(t *testing.T) {
	costtest.Check(t, costtest.Stage{Name: "filling a batch", Rows: 1000, Round: func() {
		b := NewBatch()
		for range 1000 {
			b.Changes = append(b.Changes, Change{Op: Insert, After: b.NewRow(12)})
			b.Copy([]byte("some text"))
		}
		b.Release()
	}}, costtest.Cost{})
}
