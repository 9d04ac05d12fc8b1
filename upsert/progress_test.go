package upsert

import (
	"testing"

	"cdcbridge/internal/kafkawire"
)

// The record is as the documentation shows it, and an unknown time is null.
func TestProgressRecord(t *testing.T) {
	s := &Sink{id: Identity{Pipeline: "shop"}, progress: &Topic{Name: "progress", Partitions: 1}, records: 5, changes: 3}
	for _, c := range []struct {
		report Progress
		want   string
	}{
		{Progress{Watermark: 1_700_000_000_123_999, CommitTime: 1_700_000_000_200_000},
			`{"version":1,"watermark_ms":1700000000123,"commit_time_ms":1700000000200,"written_at_ms":1700000000300,"changes":3,"records":5,"split":false,"position":"a<b>"}`},
		{Progress{InTxn: true, Watermark: -1500},
			`{"version":1,"watermark_ms":-2,"commit_time_ms":null,"written_at_ms":1700000000300,"changes":3,"records":5,"split":true,"position":"a<b>"}`},
	} {
		s.Report(c.report)
		part, err := s.progressPart("a<b>", 1_700_000_000_300)
		if err != nil {
			t.Fatal(err)
		}
		part.Header.Producer = kafkawire.NoProducer
		kafkawire.SealBatch(part.Batch, &part.Header)
		batch, _, ok, err := kafkawire.NextBatch(part.Batch)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		records, _, err := batch.Records(nil)
		if err != nil {
			t.Fatal(err)
		}
		var r kafkawire.FetchedRecord
		if !records.Next(&r) || string(r.Key) != `{"pipeline":"shop"}` || string(r.Value) != c.want || r.Timestamp != 1_700_000_000_300 {
			t.Errorf("%v, key %s\n got %s\nwant %s", records.Err(), r.Key, r.Value, c.want)
		}
		if records.Next(&r) || records.Err() != nil {
			t.Errorf("more records, or %v", records.Err())
		}
	}
}
