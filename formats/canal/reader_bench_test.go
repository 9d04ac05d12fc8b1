package canal

import (
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// BenchmarkRead reads messages of the 12-column table. A batch takes 100 records.
func BenchmarkRead(b *testing.B) {
	table, before, after := orders()
	e := compile(b, defaults(), table, formats.Options{Key: table.Key, Upsert: true})
	for _, bm := range []struct {
		name string
		ch   changelog.Change
	}{
		{"insert", changelog.Change{Op: changelog.Insert, After: after}},
		{"update", changelog.Change{Op: changelog.Update, Before: before, After: after}},
	} {
		rec := formats.Record{Topic: "t", Key: []byte(`{"id":"1234567890"}`), Value: []byte(value(b, e, &bm.ch))}
		b.Run(bm.name, func(b *testing.B) {
			r := readerOf(defaults())
			b.ReportAllocs()
			b.SetBytes(int64(len(rec.Key) + len(rec.Value)))
			batch := changelog.NewBatch()
			for i := 0; b.Loop(); i++ {
				if i%100 == 0 {
					batch.Release()
					batch = changelog.NewBatch()
				}
				if err := r.Read(batch, &rec); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
