package shape

import (
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/costtest"
)

// TestCostOfRows: every sort of metadata as a column and as a header; rows that are masked, cut and renamed; and a filter with every sort of comparison.
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

	hiding, err := Compile(people("mysql"), Want{Key: []int{1, 0}, Rules: hidden(), Metadata: []Metadata{{"op", Op, Field}}, Upsert: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := sh.Begin(hiding, Source{Txn: txn}); err != nil {
		t.Fatal(err)
	}
	update := changelog.Change{Op: changelog.Update, Before: person(), After: person()}
	costtest.Check(t, costtest.Stage{Name: "columns in their new form", Rows: 1000, Round: func() {
		for range 1000 {
			sh.Extend(&update, nil)
			sh.SetOp("u")
		}
	}}, costtest.Cost{})
	f := bound(t, "(id > 3.5 and qty > id and price < 0.25 and weight < 1 and status <> 'x' and status like '%a%t' and made > '2020-01-01' and kind in ('a','b') and ref <> 'x') or doc is null", "mysql")
	goods := good()
	costtest.Check(t, costtest.Stage{Name: "filters", Rows: 1000, Round: func() {
		for range 1000 {
			if !f.of(goods).in() {
				t.Fatal("no match")
			}
		}
	}}, costtest.Cost{})
}
