package mysql

import (
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/costtest"
)

// TestCostOfRows: rows of an event, one-row transactions from their bytes in the log to the batch, and rows that a snapshot reads.
func TestCostOfRows(t *testing.T) {
	s, e := orders(t)
	costtest.Check(t, costtest.Stage{Name: "decoding rows of MySQL's log", Rows: 60 * 20, Round: func() {
		b := changelog.NewBatch()
		for range 20 {
			if _, err := s.decodeRows(b, e, 0, &ordinals{}); err != nil {
				t.Fatal(err)
			}
		}
		b.Release()
	}}, costtest.Cost{})
	log := oneRowTransactions(20_000)
	costtest.Check(t, costtest.Stage{Name: "one-row transactions of MySQL", Rows: 20_000, Round: func() { streamAll(t, log) }},
		costtest.Cost{Allocs: 0.02, Bytes: 15}) // of the stream and of each batch, no transaction's own
	table, key := scanTableOf(t, ordersTable()), make([][]byte, 1)
	costtest.Check(t, costtest.Stage{Name: "rows of a snapshot of MySQL", Rows: 2000, Round: func() {
		b := changelog.NewBatch()
		for range 2000 {
			if _, err := table.row(b, sampleRow, key); err != nil {
				t.Fatal(err)
			}
		}
		b.Release()
	}}, costtest.Cost{})
}
