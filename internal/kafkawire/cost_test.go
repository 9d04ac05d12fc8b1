package kafkawire

import (
	"testing"

	"cdcbridge/internal/costtest"
)

// TestCostOfRecords: a batch is filled, compressed and sealed in memory that is there, and read again.
func TestCostOfRecords(t *testing.T) {
	records := sample(500)
	raw := encodeRecords(records)
	dst := make([]byte, 0, BatchHeaderSize+CompressedBound(len(raw))+len(raw))
	for codec := None; codec <= Zstd; codec++ {
		t.Run(codec.String(), func(t *testing.T) {
			costtest.Check(t, costtest.Stage{Name: "batches of records", Rows: len(records), Round: func() {
				batch := ReserveBatchHeader(dst[:0])
				for i := range records {
					batch = AppendRecord(batch, &records[i])
				}
				batch, err := AppendCompressed(batch[:BatchHeaderSize], codec, raw)
				if err != nil {
					t.Fatal(err)
				}
				SealBatch(batch, &BatchHeader{Count: int32(len(records)), Codec: codec})
			}}, costtest.Cost{})
			packed, err := AppendCompressed(ReserveBatchHeader(nil), codec, raw)
			if err != nil {
				t.Fatal(err)
			}
			SealBatch(packed, &BatchHeader{Count: int32(len(records)), Codec: codec})
			got := Fetched{Records: packed, LastStable: int64(len(records))}
			var fetched CommittedRecords
			var scratch []byte
			costtest.Check(t, costtest.Stage{Name: "records of a topic", Rows: len(records), Round: func() {
				fetched.Begin(&got, 0, -1, scratch)
				var r FetchedRecord
				for n := 0; n < len(records); n++ {
					if more, err := fetched.Next(&r); err != nil || !more {
						t.Fatal(n, more, err)
					}
				}
				scratch = fetched.End()
			}}, costtest.Cost{})
		})
	}
}
