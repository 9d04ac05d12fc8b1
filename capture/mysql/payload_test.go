package mysql

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/iotest"

	"cdcbridge/internal/fault"

	"github.com/klauspost/compress/zstd"
)

// payloadOf makes the body of a TRANSACTION_PAYLOAD with inner events of the given body sizes.
func payloadOf(t testing.TB, compress bool, sizes ...int) []byte {
	var events bytes.Buffer
	for i, n := range sizes {
		h := make([]byte, headerSize)
		h[4] = byte(i)
		binary.LittleEndian.PutUint32(h[9:], uint32(headerSize+n))
		events.Write(h)
		events.Write(bytes.Repeat([]byte{byte(i)}, n))
	}
	packed, compression := events.Bytes(), []byte{payloadCompression, 3, 252, 255, 0}
	if compress {
		w, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		packed, compression = w.EncodeAll(events.Bytes(), nil), []byte{payloadCompression, 1, 0}
	}
	var body []byte
	number := func(field byte, n int) {
		body = binary.LittleEndian.AppendUint64(append(body, field, 9, 254), uint64(n))
	}
	body = append(body, compression...)
	number(payloadUncompressed, events.Len())
	number(payloadSize, len(packed))
	return append(append(body, payloadEnd), packed...)
}

// drain reads a payload as the stream does: some events whole, some in part, some not at all.
func drain(p *payloadReader, body io.Reader) (events int, err error) {
	if err := p.open(body); err != nil {
		return 0, err
	}
	for {
		h, err := p.next()
		if err != nil {
			return events, err
		}
		dst := make([]byte, p.bodySize()*(events%3)/2)
		if err := p.body(dst); err != nil {
			return events, err
		}
		for _, b := range dst {
			if b != byte(h.Type) {
				return events, errors.New("the bytes of another event")
			}
		}
		events++
	}
}

func TestPayloadGivesItsEventsOneByOne(t *testing.T) {
	var p payloadReader
	defer p.close()
	for _, compress := range []bool{true, false} {
		body := payloadOf(t, compress, 0, 1, 100_000, 7, 300_000, 0, 5)
		for _, r := range []io.Reader{bytes.NewReader(body), iotest.OneByteReader(bytes.NewReader(body))} {
			if n, err := drain(&p, r); n != 7 || !errors.Is(err, io.EOF) {
				t.Fatalf("%d events, %v", n, err)
			}
		}
		for n := range body {
			if _, err := drain(&p, bytes.NewReader(body[:n])); !fault.Is(err, fault.Decode) {
				t.Fatalf("%d of %d bytes: %v", n, len(body), err)
			}
			if n > 200 && !compress {
				break
			}
		}
		gone := errors.New("the connection is gone")
		if _, err := drain(&p, io.MultiReader(bytes.NewReader(body[:60]), iotest.ErrReader(gone))); !errors.Is(err, gone) || fault.Is(err, fault.Decode) {
			t.Errorf("a lost connection became %v", err)
		}
	}
}

func TestPayloadThatLies(t *testing.T) {
	var p payloadReader
	defer p.close()
	for name, change := range map[string]func([]byte){
		"compression":  func(b []byte) { b[2] = 7 },
		"uncompressed": func(b []byte) { b[6]++ },
		"zstd":         func(b []byte) { b[len(b)-1] ^= 0xff; b[30] ^= 0xff },
		"field":        func(b []byte) { b[4] = 251 },
	} {
		body := payloadOf(t, true, 5, 1000)
		change(body)
		if _, err := drain(&p, bytes.NewReader(body)); !fault.Is(err, fault.Decode) {
			t.Errorf("%s: %v", name, err)
		}
	}
	big := payloadOf(t, false, 10)
	binary.LittleEndian.PutUint32(big[len(big)-20:], 1<<31) // the size of the inner event
	if _, err := drain(&p, bytes.NewReader(big)); !fault.Is(err, fault.Decode) {
		t.Errorf("an event larger than its payload: %v", err)
	}
}

func TestPayloadIsNeverWholeInMemory(t *testing.T) {
	sizes := make([]int, 256)
	for i := range sizes {
		sizes[i] = 1 << 20
	}
	body := payloadOf(t, true, sizes...)
	var before, after runtime.MemStats
	var p payloadReader
	defer p.close()
	runtime.GC()
	runtime.ReadMemStats(&before)
	if err := p.open(bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	n := 0
	for {
		if _, err := p.next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n++
	}
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; n != 256 || allocated > 40<<20 {
		t.Errorf("%d events of 256 MiB took %d MiB of memory", n, allocated>>20)
	}
}

// TestServerGoesAwayWithinALargePayload cuts the connection: that is worth another attempt, and never a damaged event or,
// when only the checksum is missing, a good one.
func TestServerGoesAwayWithinALargePayload(t *testing.T) {
	event := make([]byte, headerSize+heldPayload+1000)
	event[4] = byte(eventRowsQuery)
	binary.LittleEndian.PutUint32(event[9:], uint32(len(event)))
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rand.NewChaCha8([32]byte{}).Read(event[headerSize:]); err != nil { // so that it stays large
		t.Fatal(err)
	}
	for compression, packed := range map[byte][]byte{compressionZSTD: z.EncodeAll(event, nil), compressionNone: event} {
		body := []byte{payloadCompression, 3, 252, compression, 0}
		body = binary.LittleEndian.AppendUint64(append(body, payloadUncompressed, 9, 254), uint64(len(event)))
		body = binary.LittleEndian.AppendUint64(append(body, payloadSize, 9, 254), uint64(len(packed)))
		w := newLog()
		w.gtid()
		w.event(eventTransactionPayload, append(append(body, payloadEnd), packed...))
		for _, missing := range []int{1, 4, 5, 500, 1 << 20, heldPayload} {
			s, _ := memStream(t, w.out[:len(w.out)-missing], nil, 1<<20, 0)
			s.r.wire.(*memConn).quiet = true // it has gone already
			err := s.run(t.Context())
			s.close()
			if f := fault.As(err); f == nil || f.Code != fault.Unreachable || f.Final {
				t.Errorf("compression %d, %d bytes missing: %v", compression, missing, err)
			}
		}
	}
}
