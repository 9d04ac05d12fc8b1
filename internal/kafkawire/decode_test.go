package kafkawire

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol"

	"cdcbridge/internal/fault"
)

// readBack decodes all whole batches of data into records of their own memory.
func readBack(data []byte) (records []FetchedRecord, err error) {
	var scratch []byte
	for {
		b, rest, ok, err := NextBatch(data)
		if err != nil || !ok {
			return records, err
		}
		data = rest
		it, s, err := b.Records(scratch)
		scratch = s
		if err != nil {
			return records, err
		}
		var r FetchedRecord
		for it.Next(&r) {
			c := r
			c.Key, c.Value, c.Headers.raw = bytes.Clone(r.Key), bytes.Clone(r.Value), bytes.Clone(r.Headers.raw)
			records = append(records, c)
		}
		if it.Err() != nil {
			return records, it.Err()
		}
	}
}

func TestBatchRoundTrip(t *testing.T) {
	records := sample(300)
	for codec := None; codec <= Zstd; codec++ {
		batch := sealed(t, records, BatchHeader{BaseTimestamp: 1000, MaxTimestamp: 1003, Codec: codec})
		binary.BigEndian.PutUint64(batch, 5000) // the base offset, which the broker sets outside of the CRC
		got, err := readBack(append(slices.Clone(batch), batch[:40]...))
		if err != nil || len(got) != len(records) {
			t.Fatalf("%s: %d records, %v", codec, len(got), err)
		}
		for i := range got {
			g, w := &got[i], &records[i]
			if g.Offset != 5000+int64(i) || g.Timestamp != 1000+w.TimestampDelta || !sameBytes(g.Key, w.Key) || !sameBytes(g.Value, w.Value) ||
				g.Headers.Len() != w.HeaderCount || !bytes.Equal(g.Headers.Raw(), w.Headers) {
				t.Fatalf("%s: record %d is %+v, want %+v", codec, i, g, w)
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	raw := AppendRecordHeader(nil, "a", []byte("1"))
	raw = AppendRecordHeader(raw, "b", nil)
	raw = AppendRecordHeader(raw, "a", []byte("2"))
	h := Headers{raw: raw, count: 3}
	if v, ok := h.Get("a"); !ok || string(v) != "2" {
		t.Errorf("a = %q, %v", v, ok)
	}
	if v, ok := h.Get("b"); !ok || v != nil {
		t.Errorf("b = %q, %v", v, ok)
	}
	if _, ok := h.Get("c"); ok {
		t.Error("c was found")
	}
	n := 0
	h.Each(func(_, _ []byte) bool { n++; return n < 2 })
	if n != 2 {
		t.Errorf("Each went on to %d", n)
	}
	for _, bad := range []Headers{{raw, 2}, {raw, 4}, {raw[:len(raw)-1], 3}, {[]byte{1, 1}, 1}} {
		if bad.check() == nil {
			t.Errorf("headers %+v pass", bad)
		}
	}
}

func TestLogAppendTime(t *testing.T) {
	batch := sealed(t, sample(3), BatchHeader{BaseTimestamp: 1000, MaxTimestamp: 7777})
	batch[posAttributes+1] |= attrLogAppendTime
	reseal(batch)
	got, err := readBack(batch)
	if err != nil || got[0].Timestamp != 7777 || got[2].Timestamp != 7777 {
		t.Fatalf("%v %+v", err, got)
	}
}

func reseal(batch []byte) {
	binary.BigEndian.PutUint32(batch[posCRC:], crc32.Checksum(batch[posAttributes:], crcTable))
}

// TestDamage gives each kind of damage its error, and a cut batch none.
func TestDamage(t *testing.T) {
	good := sealed(t, sample(20), BatchHeader{})
	for cut := range len(good) {
		if _, _, ok, err := NextBatch(good[:cut]); ok || err != nil {
			t.Fatalf("cut at %d: %v %v", cut, ok, err)
		}
	}
	check := func(what string, code fault.Code, change func([]byte) []byte) {
		t.Helper()
		if _, err := readBack(change(slices.Clone(good))); fault.CodeOf(err) != code {
			t.Errorf("%s: %v, want %s", what, err, code)
		}
	}
	check("flipped bit", fault.Corrupt, func(b []byte) []byte { b[100] ^= 4; return b })
	check("old format", fault.Decode, func(b []byte) []byte { b[posMagic] = 1; return b })
	check("short length", fault.Decode, func(b []byte) []byte { binary.BigEndian.PutUint32(b[posLength:], 10); return b })
	check("negative length", fault.Decode, func(b []byte) []byte { binary.BigEndian.PutUint32(b[posLength:], 1<<31); return b })
	check("negative count", fault.Decode, func(b []byte) []byte { binary.BigEndian.PutUint32(b[posCount:], 1<<31); reseal(b); return b })
	check("more records than there are", fault.Decode, func(b []byte) []byte { b[posCount+3]++; reseal(b); return b })
	check("record past the last offset", fault.Decode, func(b []byte) []byte { b[posLastDelta+3]--; reseal(b); return b })
	check("compressed rubbish", fault.Decode, func(b []byte) []byte { b[posAttributes+1] = byte(Gzip); reseal(b); return b })
	check("codec 7", fault.Decode, func(b []byte) []byte { b[posAttributes+1] = 7; reseal(b); return b })
}

// TestDecodeKafkaGo reads batches that kafka-go wrote.
func TestDecodeKafkaGo(t *testing.T) {
	at := time.UnixMilli(1700000000123)
	for codec := None; codec <= Zstd; codec++ {
		var buf bytes.Buffer
		set := protocol.RecordSet{Version: 2, Attributes: codecOfKafkaGo(codec), Records: protocol.NewRecordReader(
			protocol.Record{Offset: 0, Time: at, Key: protocol.NewBytes([]byte("k")), Value: protocol.NewBytes([]byte("v")), Headers: []protocol.Header{{Key: "h", Value: []byte("1")}}},
			protocol.Record{Offset: 1, Time: at.Add(time.Second), Value: protocol.NewBytes(bytes.Repeat([]byte("long "), 30_000))},
		)}
		if _, err := set.WriteTo(&buf); err != nil {
			t.Fatal(err)
		}
		got, err := readBack(buf.Bytes()[4:])
		if err != nil || len(got) != 2 || string(got[0].Key) != "k" || got[1].Key != nil || len(got[1].Value) != 150_000 ||
			got[0].Timestamp != at.UnixMilli() || got[1].Timestamp != at.UnixMilli()+1000 {
			t.Fatalf("%s: %v, %d records", codec, err, len(got))
		}
	}
}

func FuzzNextBatch(f *testing.F) {
	for codec := None; codec <= Zstd; codec++ {
		f.Add(sealed(f, sample(30), BatchHeader{Codec: codec, Transactional: true}))
	}
	f.Add(marker(1, 2, CommitMarker))
	f.Add(emptyBatch(10, 4))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > BatchHeaderSize { // let mutations past the CRC
			data = slices.Clone(data)
			binary.BigEndian.PutUint32(data[posLength:], uint32(len(data)-posLeaderEpoch))
			reseal(data)
		}
		records, err := readBack(data)
		if code := fault.CodeOf(err); err != nil && code != fault.Decode && code != fault.Corrupt {
			t.Fatalf("neither a decode nor a corrupt fault: %v", err)
		}
		last := int64(-1)
		for _, r := range records {
			if r.Offset <= last || r.Headers.check() != nil {
				t.Fatalf("record at %d after %d", r.Offset, last)
			}
			last = r.Offset
		}
		if b, _, ok, err := NextBatch(data); ok && err == nil && b.Control {
			_, _ = b.Marker()
		}
	})
}

// marker makes the control batch that ends a transaction.
func marker(offset, producer int64, kind Marker) []byte {
	key := []byte{0, 0, 0, byte(kind - AbortMarker)}
	batch := AppendRecord(ReserveBatchHeader(nil), &Record{Key: key, Value: []byte{0, 0, 0, 0, 0, 0}})
	SealBatch(batch, &BatchHeader{Count: 1, Transactional: true, Producer: ProducerID{ID: producer, Epoch: 99}, Sequence: -1})
	binary.BigEndian.PutUint64(batch, uint64(offset))
	batch[posAttributes+1] |= attrControl
	reseal(batch)
	return batch
}

// emptyBatch makes what compaction leaves of a batch whose records are all superseded.
func emptyBatch(offset, producer int64) []byte {
	batch := ReserveBatchHeader(nil)
	SealBatch(batch, &BatchHeader{Count: 3, Transactional: true, Producer: ProducerID{ID: producer}})
	binary.BigEndian.PutUint64(batch, uint64(offset))
	binary.BigEndian.PutUint32(batch[posCount:], 0)
	reseal(batch)
	return batch
}
