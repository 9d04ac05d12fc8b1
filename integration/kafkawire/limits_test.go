package kafkawire

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"testing"

	kw "cdcbridge/internal/kafkawire"
)

// testWrappedSequence lets sequence numbers run over 2³¹ in one epoch: the wrapped number is what the broker expects, in the
// middle of a batch and between two.
func (e *env) testWrappedSequence(t *testing.T) {
	topic := e.topic(t, 1)
	at := kw.TopicPartition{Topic: topic}
	const end = 1<<31 - 1
	for _, first := range []int32{end - 4, end - 2, end} { // ends before, in and after the first batch
		p := e.producer(t, topicName(t))
		p.seq[at] = first
		for range 3 {
			p.must(t, p.produce(t, at, kw.LZ4, record{"a", "1"}, record{"b", "2"}, record{"c", "3"}))
			p.must(t, p.end(t, true)) // the numbers run on over transactions
			e.settled(t, p)
		}
	}
	if got := e.sameEverywhere(t, topic, 1); len(got) != 27 {
		t.Fatalf("%d records", len(got))
	}
	p := e.producer(t, topicName(t))
	batch := encode(t, kw.None, record{"k", "v"})
	overflowed := int32(-1 << 31)
	kw.SealBatch(batch, &kw.BatchHeader{Count: 1, BaseTimestamp: baseTime, MaxTimestamp: baseTime, Transactional: true, Producer: p.pid, Sequence: overflowed})
	var code kw.Code
	if err := p.send(t, at, batch, 1); !errors.As(err, &code) || code == kw.OK {
		t.Errorf("a number that is not wrapped: %v", err)
	}
}

// testBatchLimit sends batches of exactly max.message.bytes and of one byte more, compressed by us and recompressed by the
// broker: the limit counts the whole batch with its header, as it comes; where the broker unpacks it, as it is then.
func (e *env) testBatchLimit(t *testing.T) {
	const limit = 5000
	sized := func(codec kw.Codec, want int) []byte {
		t.Helper()
		noise := make([]byte, want)
		for i := range noise {
			noise[i] = byte(rand.Uint32())
		}
		for n := want; n > 0; n-- {
			section := kw.AppendRecord(nil, &kw.Record{Key: []byte("k"), Value: noise[:n]})
			batch, err := kw.AppendCompressed(kw.ReserveBatchHeader(nil), codec, section)
			if err != nil {
				t.Fatal(err)
			}
			if len(batch) == want {
				return batch
			}
			if len(batch) < want {
				break
			}
		}
		t.Fatalf("no batch has %d bytes", want)
		return nil
	}
	send := func(at kw.TopicPartition, codec kw.Codec, batch []byte) kw.Code {
		t.Helper()
		p := e.producer(t, topicName(t))
		kw.SealBatch(batch, &kw.BatchHeader{Count: 1, BaseTimestamp: baseTime, MaxTimestamp: baseTime, Codec: codec, Transactional: true, Producer: p.pid})
		var code kw.Code
		if err := p.send(t, at, batch, 1); err != nil && !errors.As(err, &code) {
			t.Fatal(err)
		}
		if code == kw.OK {
			p.must(t, p.end(t, true))
		}
		return code
	}
	most := kw.Setting{Name: "max.message.bytes", Value: strconv.Itoa(limit)}
	asIs := kw.TopicPartition{Topic: e.topic(t, 1, most)}
	for _, codec := range []kw.Codec{kw.None, kw.Snappy} {
		for extra, want := range map[int]kw.Code{0: kw.OK, 1: kw.MessageTooLarge} {
			if code := send(asIs, codec, sized(codec, limit+extra)); code != want {
				t.Errorf("%v, %d bytes: %v, want %v", codec, limit+extra, code, want)
			}
		}
	}
	unpacked := kw.TopicPartition{Topic: e.topic(t, 1, most, kw.Setting{Name: "compression.type", Value: "uncompressed"})}
	zeros := kw.AppendRecord(nil, &kw.Record{Key: []byte("k"), Value: make([]byte, 2*limit)})
	small, err := kw.AppendCompressed(kw.ReserveBatchHeader(nil), kw.LZ4, zeros)
	if err != nil || len(small) > limit/10 {
		t.Fatal(len(small), err)
	}
	if code := send(unpacked, kw.LZ4, append([]byte(nil), small...)); code != kw.MessageTooLarge {
		t.Errorf("%d bytes that the broker unpacks to more than the limit: %v", len(small), code)
	}
	if code := send(asIs, kw.LZ4, small); code != kw.OK {
		t.Errorf("the same where it is kept: %v", code)
	}
	if code := send(unpacked, kw.None, sized(kw.None, limit)); code != kw.OK {
		t.Errorf("exactly the limit, unpacked: %v", code)
	}
}
