package kafka

import (
	"testing"

	"cdcbridge/internal/costtest"
)

// TestCostOfRows: from a fetched batch of records to changes. A record's one header takes 40 bytes of a slab, which lives as long as the batches that it is
// in. The rest is the test's: its fetch copies 32 bytes, and its format makes one text of a record.
func TestCostOfRows(t *testing.T) {
	const records = 2000
	recs := make([]rec, records)
	for i := range recs {
		recs[i] = rec{"1", "insert orders 1"}
	}
	s := newStage(t, func(c *Config) { c.BatchBytes = maxBatchBytes }, nil, onePartition())
	round := int64(0)
	var batches [][]byte
	for i := range int64(30) { // a round takes one, and they are not to be made in it
		batches = append(batches, plainBatch(i*records, recs...))
	}
	costtest.Check(t, costtest.Stage{Name: "reading topics", Rows: records, Round: func() {
		s.fetched(0, (round+1)*records, nil, batches[round])
		round++
		s.readAll()
	}}, costtest.Cost{Allocs: 1, Bytes: 91})
}
