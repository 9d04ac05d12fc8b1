package postgres

import (
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/costtest"
)

// TestCostOfRows: values of every sort, one-row transactions and rows of large ones from their bytes in the log to the batch.
func TestCostOfRows(t *testing.T) {
	values := prepared(t, append(append([]valueCase(nil), benchRow...), benchNested...))
	costtest.Check(t, costtest.Stage{Name: "decoding values of PostgreSQL", Rows: 1000, Round: func() {
		b := changelog.NewBatch()
		for range 1000 {
			decodeAll(t, values, b.NewRow(len(values)), b)
		}
		b.Release()
	}}, costtest.Cost{})
	perBatch := costtest.Cost{Allocs: 0.02, Bytes: 17} // and of the stream itself; no row's own
	single, large := oneRowTransactions(20_000).out, largeTransactions(20_000)
	costtest.Check(t, costtest.Stage{Name: "one-row transactions of PostgreSQL", Rows: 20_000, Round: func() { streamAll(t, single) }}, perBatch)
	costtest.Check(t, costtest.Stage{Name: "rows of large transactions of PostgreSQL", Rows: 20_000, Round: func() { streamAll(t, large) }}, perBatch)
}
