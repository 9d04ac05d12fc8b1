package formatstest

import (
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/costtest"
)

// Costs holds encoding, and reading what was encoded, to what a row of the orders of each database costs: nothing.
func Costs(t *testing.T, kind formats.Kind) {
	for _, db := range databases() {
		t.Run(db.origin, func(t *testing.T) {
			r := &traveller{trip: Trip{Name: "costs", Config: kind.Config}, db: db}
			table := db.orders()
			r.costOfWriting(t, kind.Name, table)
			r.costOfReading(t, kind.Name, table)
		})
	}
}

func (r *traveller) costOfWriting(t *testing.T, format string, table *changelog.Table) {
	enc, ctx, row := r.encoder(t, table), context(table), OrdersRow()
	changes := []changelog.Change{{Op: changelog.Insert, After: row}, {Op: changelog.Update, Before: row, After: row}, {Op: changelog.Delete, Before: row}}
	if rowsAlone(enc) {
		changes = changes[:2]
	}
	ctx.Run.To = 10
	dst := make([]byte, 0, 64<<10)
	costtest.Check(t, costtest.Stage{Name: "writing " + format, Rows: 100 * len(changes), Round: func() {
		for range 100 {
			ctx.Seq++
			for i := range changes {
				var err error
				if dst, err = enc.AppendKey(dst[:0], row); err == nil {
					dst, err = enc.AppendValue(dst, ctx, &changes[i])
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}}, costtest.Cost{})
}

func (r *traveller) costOfReading(t *testing.T, format string, table *changelog.Table) {
	rec, err := r.write(r.encoder(t, table), table, changelog.Change{Op: changelog.Update, Before: OrdersRow(), After: OrdersRow()})
	if err != nil {
		t.Fatal(err)
	}
	rd := r.reader(t, table)
	costtest.Check(t, costtest.Stage{Name: "reading " + format, Rows: 200, Round: func() {
		if err := readMany(rd, rec, 200); err != nil {
			t.Fatal(err)
		}
	}}, costtest.Cost{})
}
