package shape

import (
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/costtest"
)

// TestCostOfRows: every sort of metadata as a column and as a header.
func TestCostOfRows(t *testing.T) {
	s, err := Compile(orders(), Want{Metadata: everything()})
	if err != nil {
		t.Fatal(err)
	}
	rec := &changelog.Record{Topic: "in", Partition: 3, Offset: 77, Key: []byte("k"), Headers: []changelog.RecordHeader{{Name: "a", Value: []byte("b")}}}
	txn, row, pos := &changelog.Txn{}, changelog.Row{changelog.Int(1), changelog.Null()}, []byte("p")
	ch := changelog.Change{Op: changelog.Update, Before: row, After: row}
	var sh Shaper
	costtest.Check(t, costtest.Stage{Name: "metadata", Rows: 1000, Round: func() {
		for range 1000 {
			if err := sh.Begin(s, Source{Txn: txn, Record: rec}); err != nil {
				t.Fatal(err)
			}
			sh.Extend(&ch, pos)
			sh.SetOp("u")
			sh.Headers(pos, "u", func(string, []byte) {})
		}
	}}, costtest.Cost{})
}
