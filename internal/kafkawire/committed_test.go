package kafkawire

import (
	"encoding/binary"
	"slices"
	"testing"
)

// TestNext walks the batches of an answer without looking into them, as far as a committed reader gets.
func TestNext(t *testing.T) {
	log := aLog()
	for offset := 0; offset < len(log); { // each batch by another leader
		batch := log[offset:]
		binary.BigEndian.PutUint32(batch[posLeaderEpoch:], uint32(binary.BigEndian.Uint64(batch)))
		offset += posLeaderEpoch + int(binary.BigEndian.Uint32(batch[posLength:]))
	}
	for _, c := range []struct {
		name       string
		data       []byte
		stable     int64
		from, next int64
		epoch      int32
	}{
		{"all of it", log, 100, 0, 15, 14},
		{"up to the last stable offset", log, 11, 0, 11, 10},
		{"a batch that is cut", log[:len(log)-1], 100, 0, 14, 13},
		{"a header that is cut", log[:20], 100, 3, 3, -1},
		{"nothing", nil, 100, 3, 3, -1},
		{"what was read before", log, 100, 20, 20, -1},
		{"from the middle of a batch", log, 2, 1, 2, 0},
	} {
		got := Fetched{Records: c.data, LastStable: c.stable}
		if next, epoch := got.Next(c.from, -1); next != c.next || epoch != c.epoch {
			t.Errorf("%s: offset %d of epoch %d, not %d of %d", c.name, next, epoch, c.next, c.epoch)
		}
		var records CommittedRecords
		records.Begin(&got, c.from, -1, nil)
		var r FetchedRecord
		for more := true; more; {
			var err error
			if more, err = records.Next(&r); err != nil {
				t.Fatal(err)
			}
		}
		if records.Offset() != c.next || records.Epoch() != c.epoch {
			t.Errorf("%s: reading comes to offset %d of epoch %d, not %d of %d", c.name, records.Offset(), records.Epoch(), c.next, c.epoch)
		}
	}
}

// TestCommittedRecordsKeepTheirMemory: what one answer was unpacked into serves the next.
func TestCommittedRecordsKeepTheirMemory(t *testing.T) {
	packed, err := AppendCompressed(ReserveBatchHeader(nil), LZ4, AppendRecord(nil, &Record{Key: []byte("k"), Value: slices.Repeat([]byte("v"), 5000)}))
	if err != nil {
		t.Fatal(err)
	}
	SealBatch(packed, &BatchHeader{Count: 1, Codec: LZ4})
	got := Fetched{Records: packed, LastStable: 9}
	var records CommittedRecords
	var scratch []byte
	read := func() {
		records.Begin(&got, 0, -1, scratch)
		var r FetchedRecord
		if more, err := records.Next(&r); err != nil || !more || len(r.Value) != 5000 {
			t.Fatal(more, err)
		}
		scratch = records.End()
	}
	read()
	if n := testing.AllocsPerRun(20, read); n > 2 {
		t.Errorf("%.0f allocations", n)
	}
}
