package kafkawire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go/protocol"

	"cdcbridge/internal/costtest"
)

// sample makes n records of a size that change capture has.
func sample(n int) []Record {
	rng := rand.New(rand.NewPCG(1, 2))
	records := make([]Record, n)
	for i := range records {
		r := &records[i]
		*r = Record{OffsetDelta: int32(i), TimestampDelta: int64(i%7) - 3}
		switch i % 5 {
		case 0:
			r.Value = []byte(fmt.Sprintf(`{"id":%d,"name":"n%d"}`, rng.Int32(), i))
		case 1:
			r.Key, r.Value = []byte{}, []byte{}
		case 2:
			r.Key = []byte(fmt.Sprintf(`{"id":%d}`, i)) // a tombstone
		default:
			r.Key = []byte(fmt.Sprintf(`{"id":%d}`, i))
			r.Value = bytes.Repeat([]byte(fmt.Sprintf("v%d ", i)), i%90)
			r.Headers = AppendRecordHeader(r.Headers, "pos", []byte("binlog.000001:4"))
			r.Headers = AppendRecordHeader(r.Headers, "none", nil)
			r.HeaderCount = 2
		}
	}
	return records
}

func encodeRecords(records []Record) []byte {
	var raw []byte
	for i := range records {
		raw = AppendRecord(raw, &records[i])
	}
	return raw
}

// sealed makes a whole batch of records.
func sealed(t testing.TB, records []Record, h BatchHeader) []byte {
	t.Helper()
	batch, err := AppendCompressed(ReserveBatchHeader(nil), h.Codec, encodeRecords(records))
	if err != nil {
		t.Fatal(err)
	}
	h.Count = int32(len(records))
	SealBatch(batch, &h)
	return batch
}

func TestRecordSizeIsExact(t *testing.T) {
	for _, r := range sample(200) {
		if got, want := RecordSize(&r), len(AppendRecord(nil, &r)); got != want {
			t.Fatalf("RecordSize(%+v) = %d, the record has %d bytes", r, got, want)
		}
	}
	for _, v := range []int64{0, 1, -1, 63, 64, -64, -65, 1<<31 - 1, -1 << 31, 1<<63 - 1, -1 << 63} {
		r := Record{TimestampDelta: v}
		if got, want := RecordSize(&r), len(AppendRecord(nil, &r)); got != want {
			t.Fatalf("delta %d: %d, want %d", v, got, want)
		}
	}
}

// TestBatchAgainstKafkaGo reads our batches with kafka-go's decoder, for each codec and two sizes.
func TestBatchAgainstKafkaGo(t *testing.T) {
	for codec := None; codec <= Zstd; codec++ {
		for _, n := range []int{1, 2000} {
			records := sample(n)
			header := BatchHeader{BaseTimestamp: 1700000000000, MaxTimestamp: 1700000000003, Codec: codec, Transactional: true,
				Producer: ProducerID{ID: 4711, Epoch: 7}, Sequence: 12}
			batch := sealed(t, records, header)
			sized := append([]byte{byte(len(batch) >> 24), byte(len(batch) >> 16), byte(len(batch) >> 8), byte(len(batch))}, batch...)
			var set protocol.RecordSet
			if _, err := set.ReadFrom(bytes.NewReader(sized)); err != nil {
				t.Fatalf("%s, %d records: %v", codec, n, err)
			}
			if set.Version != 2 || set.Attributes&7 != codecOfKafkaGo(codec) || !set.Attributes.Transactional() {
				t.Fatalf("%s: version %d, attributes %s", codec, set.Version, set.Attributes)
			}
			for i := range records {
				got, err := set.Records.ReadRecord()
				if err != nil {
					t.Fatalf("%s, record %d: %v", codec, i, err)
				}
				compareWithKafkaGo(t, &records[i], got)
			}
			if _, err := set.Records.ReadRecord(); !errors.Is(err, io.EOF) {
				t.Fatalf("%s: more than %d records: %v", codec, n, err)
			}
		}
	}
}

func codecOfKafkaGo(c Codec) protocol.Attributes { return protocol.Attributes(c) }

func compareWithKafkaGo(t *testing.T, want *Record, got *protocol.Record) {
	t.Helper()
	key, value := readAll(t, got.Key), readAll(t, got.Value)
	if !sameBytes(key, want.Key) || !sameBytes(value, want.Value) {
		t.Fatalf("record %d: key %q value %q, want %q %q", want.OffsetDelta, key, value, want.Key, want.Value)
	}
	if got.Offset != int64(want.OffsetDelta) || got.Time.UnixMilli() != 1700000000000+want.TimestampDelta || len(got.Headers) != want.HeaderCount {
		t.Fatalf("record %d: offset %d, time %s, %d headers", want.OffsetDelta, got.Offset, got.Time, len(got.Headers))
	}
	i := 0
	Headers{raw: want.Headers, count: want.HeaderCount}.Each(func(name, value []byte) bool {
		if h := got.Headers[i]; h.Key != string(name) || !bytes.Equal(h.Value, value) {
			t.Fatalf("record %d: header %q=%q, want %q=%q", want.OffsetDelta, h.Key, h.Value, name, value)
		}
		i++
		return true
	})
}

func readAll(t *testing.T, b protocol.Bytes) []byte {
	t.Helper()
	if b == nil {
		return nil
	}
	data, err := io.ReadAll(b)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// sameBytes tells null from empty.
func sameBytes(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

func TestSealAgain(t *testing.T) {
	records := sample(3)
	first := BatchHeader{Count: 3, Producer: ProducerID{ID: 1, Epoch: 1}, Sequence: 5, Transactional: true}
	second := first
	second.Producer, second.Sequence = ProducerID{ID: 2, Epoch: 9}, 0
	batch := sealed(t, records, first)
	SealBatch(batch, &second)
	if want := sealed(t, records, second); !bytes.Equal(batch, want) {
		t.Fatalf("sealed again\n%x\nwant\n%x", batch, want)
	}
	b, rest, ok, err := NextBatch(batch)
	if err != nil || !ok || len(rest) != 0 || b.Producer != second.Producer || b.Sequence != 0 || b.Count != 3 || b.LastOffsetDelta != 2 {
		t.Fatalf("%+v %v %v", b, ok, err)
	}
}

func TestNextSequenceWraps(t *testing.T) {
	const top = 1<<31 - 1
	for _, c := range [][3]int32{{0, 1, 1}, {top, 1, 0}, {top - 1, 3, 1}, {top, top, top - 1}} {
		if got := NextSequence(c[0], c[1]); got != c[2] {
			t.Errorf("NextSequence(%d, %d) = %d, want %d", c[0], c[1], got, c[2])
		}
	}
}

func TestCodecNames(t *testing.T) {
	for c := None; c <= Zstd; c++ {
		if got, err := ParseCodec(c.String()); err != nil || got != c {
			t.Errorf("%s: %v %v", c, got, err)
		}
	}
	if _, err := ParseCodec("brotli"); err == nil {
		t.Error("brotli is no codec of Kafka")
	}
	if _, err := AppendCompressed(nil, Codec(9), nil); err == nil {
		t.Error("codec 9 was accepted")
	}
}

// TestCompressionRoundTrip also appends behind other bytes and checks the bound.
func TestCompressionRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	noise := make([]byte, 300_000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	for _, src := range [][]byte{nil, []byte("x"), []byte(strings.Repeat("the same ", 40_000)), noise, noise[:lz4Block], noise[:snappyBlock+1]} {
		for codec := None; codec <= Zstd; codec++ {
			packed, err := AppendCompressed([]byte("before"), codec, src)
			if err != nil || !bytes.HasPrefix(packed, []byte("before")) {
				t.Fatalf("%s: %v", codec, err)
			}
			packed = packed[6:]
			if len(packed) > CompressedBound(len(src)) {
				t.Errorf("%s: %d bytes became %d, the bound is %d", codec, len(src), len(packed), CompressedBound(len(src)))
			}
			back, err := appendDecompressed([]byte("front"), codec, packed)
			if err != nil || string(back[:5]) != "front" || !bytes.Equal(back[5:], src) {
				t.Fatalf("%s of %d bytes: %v", codec, len(src), err)
			}
		}
	}
}

func FuzzDecompress(f *testing.F) {
	for codec := None; codec <= Zstd; codec++ {
		packed, err := AppendCompressed(nil, codec, []byte(strings.Repeat("abc", 100)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(int8(codec), packed)
	}
	f.Add(int8(Snappy), append(xerialHeader[:], 0, 0, 0, 9, 1))
	f.Fuzz(func(t *testing.T, codec int8, src []byte) {
		out, err := appendDecompressed(nil, Codec(codec&7), src)
		if err == nil && Codec(codec&7) > Zstd {
			t.Fatalf("codec %d unpacked %d bytes", codec&7, len(out))
		}
	})
}

func TestEncodeAllocatesNothing(t *testing.T) {
	records := sample(500)
	raw := encodeRecords(records)
	dst := make([]byte, 0, BatchHeaderSize+CompressedBound(len(raw))+len(raw))
	header := BatchHeader{Count: 500}
	limit := 0.5 // a garbage collection empties the pools now and then
	if costtest.RaceDetector {
		limit = 50
	}
	for codec := None; codec <= Zstd; codec++ {
		if n := testing.AllocsPerRun(20, func() {
			batch := ReserveBatchHeader(dst)
			for i := range records {
				batch = AppendRecord(batch, &records[i])
			}
			batch, err := AppendCompressed(batch[:BatchHeaderSize], codec, raw)
			if err != nil {
				t.Fatal(err)
			}
			header.Codec = codec
			SealBatch(batch, &header)
		}); n > limit {
			t.Errorf("%s: %.1f allocations a batch", codec, n)
		}
	}
}

func BenchmarkAppendRecord(b *testing.B) {
	key, value := []byte(`{"id":123456}`), bytes.Repeat([]byte("v"), 300)
	headers := AppendRecordHeader(nil, "pos", []byte("binlog.000001:12345"))
	dst := make([]byte, 0, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		if len(dst) > 1<<20-1024 {
			dst = dst[:0]
		}
		dst = AppendRecord(dst, &Record{OffsetDelta: 77, TimestampDelta: 5, Key: key, Value: value, Headers: headers, HeaderCount: 1})
	}
}

// BenchmarkBatch encodes, compresses and seals batches of 1000 records.
func BenchmarkBatch(b *testing.B) {
	for codec := None; codec <= Zstd; codec++ {
		b.Run(codec.String(), func(b *testing.B) {
			records := make([]Record, 1000)
			for i := range records {
				records[i] = Record{OffsetDelta: int32(i), Key: fmt.Appendf(nil, `{"id":%d}`, i*7),
					Value: fmt.Appendf(nil, `{"before":null,"after":{"id":%d,"customer":%d,"status":"shipped","total":"%d.%02d","note":"order %d"},"op":"c"}`, i*7, i*31%977, i, i%100, i)}
			}
			raw := make([]byte, 0, 1<<20)
			dst := make([]byte, 0, 1<<20)
			b.ReportAllocs()
			for b.Loop() {
				raw = raw[:0]
				for i := range records {
					raw = AppendRecord(raw, &records[i])
				}
				var err error
				if dst, err = AppendCompressed(ReserveBatchHeader(dst[:0]), codec, raw); err != nil {
					b.Fatal(err)
				}
				SealBatch(dst, &BatchHeader{Count: 1000, Codec: codec, Transactional: true})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
			b.ReportMetric(float64(len(dst))/float64(len(raw)), "ratio")
		})
	}
}
