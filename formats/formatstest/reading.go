package formatstest

import (
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// BenchmarkReader measures reading updates of the orders of each database, with tables that are known and, for formats whose
// messages describe them, that are not. Allocations are those of a batch of 100 rows.
func BenchmarkReader(b *testing.B, trips ...Trip) {
	for _, trip := range trips {
		for _, db := range databases() {
			r := &traveller{trip: trip, db: db}
			for _, known := range []bool{true, false} {
				name := strings.ReplaceAll(trip.Name, " ", "_") + "/" + db.origin + "/table unknown"
				if known {
					name = strings.TrimSuffix(name, " unknown") + " known"
				}
				b.Run(name, func(b *testing.B) { r.benchmark(b, db.orders(), known) })
			}
		}
	}
}

func (r *traveller) benchmark(b *testing.B, table *changelog.Table, known bool) {
	const rows = 100
	rec, err := r.write(r.encoder(b, table), table, changelog.Change{Op: changelog.Update, Before: OrdersRow(), After: OrdersRow()})
	if err != nil {
		b.Fatal(err)
	}
	rd := r.reader(b)
	if known {
		rd = r.reader(b, table)
	}
	b.ReportAllocs()
	b.SetBytes(int64(rows * (len(rec.Key) + len(rec.Value))))
	for b.Loop() {
		if err := readMany(rd, rec, rows); err != nil {
			b.Fatal(err)
		}
	}
}

func readMany(rd formats.Reader, rec *formats.Record, rows int) error {
	batch := changelog.NewBatch()
	defer batch.Release()
	for range rows {
		if err := rd.Read(batch, rec); err != nil {
			return err
		}
	}
	return nil
}

// fewAllocations: what is allocated depends on the number of rows and not on what is in them.
func (r *traveller) fewAllocations(t *testing.T) {
	const rows = 50
	table := r.db.orders()
	rec, err := r.write(r.encoder(t, table), table, changelog.Change{Op: changelog.Update, Before: OrdersRow(), After: OrdersRow()})
	if err != nil {
		t.Fatal(err)
	}
	rd := r.reader(t, table)
	if n := testing.AllocsPerRun(20, func() { err = readMany(rd, rec, rows) }); n > rows || err != nil {
		t.Errorf("%v allocations for %d rows of %d columns each, %v", n, 2*rows, len(table.Columns), err)
	}
}
