package kafkawire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"cdcbridge/internal/fault"
)

// fakeBroker answers frames with what the test says, on one side of a pipe.
type fakeBroker struct {
	t *testing.T
	// answer gets key, version and body of a request; nil means silence. It may be called from several goroutines.
	answer func(key protocol.ApiKey, version int16, body []byte) []byte
	dials  atomic.Int32
	mu     sync.Mutex
	conns  []net.Conn
}

func (f *fakeBroker) dial(context.Context, string, string) (net.Conn, error) {
	f.dials.Add(1)
	client, server := net.Pipe()
	f.mu.Lock()
	f.conns = append(f.conns, server)
	f.mu.Unlock()
	go f.serve(server)
	return client, nil
}

func (f *fakeBroker) serve(conn net.Conn) {
	for {
		var size [4]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(conn, frame); err != nil {
			return
		}
		r := &reader{b: frame}
		key, version, correlation := protocol.ApiKey(r.int16()), r.int16(), r.int32()
		r.string() // client id
		body := f.reply(key, version, r.b)
		if body == nil {
			continue
		}
		out := binary.BigEndian.AppendUint32(nil, uint32(len(body)+4))
		out = binary.BigEndian.AppendUint32(out, uint32(correlation))
		if _, err := conn.Write(append(out, body...)); err != nil {
			return
		}
	}
}

// reply answers what kafka-go and the client ask by themselves, and leaves the rest to the test.
func (f *fakeBroker) reply(key protocol.ApiKey, version int16, body []byte) []byte {
	e := &encoder{}
	switch {
	case key == protocol.ApiVersions && version == 0: // kafka-go, at each connection
		e.int16(0)
		e.array(1)
		e.int16(int16(protocol.Metadata))
		e.int16(0)
		e.int16(1)
	case key == protocol.ApiVersions:
		e.flex = true
		e.int16(0)
		spoken := []protocol.ApiKey{protocol.Metadata, protocol.Produce, protocol.ListOffsets, protocol.WriteTxnMarkers, apiDescribeProducers}
		e.array(len(spoken))
		for _, k := range spoken {
			e.int16(int16(k))
			e.int16(0)
			e.int16(12)
			e.tags()
		}
		e.int32(0)
		e.tags()
	case key == protocol.Metadata && version <= 1: // kafka-go's own view, which must ask for no topics: null would be all
		if !bytes.Equal(body, []byte{0, 0, 0, 0}) {
			f.t.Errorf("kafka-go asks for topics % x", body)
		}
		e.array(1)
		e.int32(1)
		e.string("broker")
		e.int32(9092)
		e.int16(-1) // rack
		e.int32(1)
		e.array(0)
	default:
		return f.answer(key, version, body)
	}
	return e.buf
}

func (f *fakeBroker) client(cfg Config) *Client {
	cfg.Brokers, cfg.Dial = []string{"broker:9092"}, f.dial
	c := NewClient(cfg)
	f.t.Cleanup(func() {
		c.Close()
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, conn := range f.conns {
			_ = conn.Close()
		}
	})
	return c
}

func produceAnswer(code Code) []byte {
	e := &encoder{flex: true}
	e.tags() // header
	e.array(1)
	e.string("t")
	e.array(1)
	e.int32(0)
	e.int16(int16(code))
	e.int64(42)
	e.int64(-1)
	e.int64(0)
	e.array(0)
	e.optional("")
	e.tags()
	e.tags()
	e.int32(0)
	e.tags()
	return e.buf
}

func produceOf(batch []byte) *ProduceRequest {
	return &ProduceRequest{Protocol: KIP890, TransactionalID: "x", Timeout: time.Second, Parts: []ProducePart{{Topic: "t", Batch: batch}}}
}

// TestLargeBatchIsSentUncopied checks the frame of a request with a field that is not copied.
func TestLargeBatchIsSentUncopied(t *testing.T) {
	batch := bytes.Repeat([]byte("batch"), ownedChunk)
	var got []byte
	f := &fakeBroker{t: t, answer: func(_ protocol.ApiKey, _ int16, body []byte) []byte {
		got = bytes.Clone(body)
		return produceAnswer(OK)
	}}
	res, err := f.client(Config{}).Produce(t.Context(), 1, produceOf(batch))
	if err != nil || res[0].Code != OK || res[0].BaseOffset != 42 {
		t.Fatal(err, res)
	}
	if !bytes.Contains(got, batch) || !bytes.HasSuffix(got, []byte{0, 0, 0}) {
		t.Fatal("the batch did not arrive whole with its tags behind it")
	}
}

// TestBytesAreReleased cancels calls while the broker reads nothing: when the call returns, nobody reads the batch any more.
// The race detector is the judge.
func TestBytesAreReleased(t *testing.T) {
	f := &fakeBroker{t: t, answer: func(protocol.ApiKey, int16, []byte) []byte { return nil }}
	c := f.client(Config{})
	if ok, err := c.Supports(t.Context(), 1, protocol.Produce, 12); err != nil || !ok {
		t.Fatal(err)
	}
	batch := make([]byte, 8<<20)
	for i := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		timer := time.AfterFunc(time.Duration(i)*300*time.Microsecond, cancel)
		_, err := c.Produce(ctx, 1, produceOf(batch))
		for j := range batch {
			batch[j]++
		}
		timer.Stop()
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("%v", err)
		}
	}
}

// TestAbandonedExchange returns from the transport while the exchange still runs, as a test's Wrap may.
func TestAbandonedExchange(t *testing.T) {
	f := &fakeBroker{t: t, answer: func(protocol.ApiKey, int16, []byte) []byte { return nil }}
	var background sync.WaitGroup
	defer background.Wait()
	c := f.client(Config{Wrap: func(rt kafka.RoundTripper) kafka.RoundTripper {
		return wrapper(func(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
			if req.ApiKey() != protocol.Produce {
				return rt.RoundTrip(ctx, addr, req)
			}
			background.Go(func() { _, _ = rt.RoundTrip(ctx, addr, req) })
			time.Sleep(50 * time.Millisecond)
			return nil, errors.New("impatient")
		})
	}})
	began := time.Now()
	if _, err := c.Produce(t.Context(), 1, produceOf([]byte("b"))); err == nil || time.Since(began) > 5*time.Second {
		t.Fatalf("after %s: %v", time.Since(began), err)
	}
}

// TestLargeAnswer reads one that comes in several steps.
func TestLargeAnswer(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	got, err := readAnswer(bytes.NewReader(want), len(want)-3)
	if err != nil || !bytes.Equal(got, want[:len(want)-3]) || cap(got) != len(got) {
		t.Fatalf("%v, %d bytes, capacity %d", err, len(got), cap(got))
	}
	if _, err := readAnswer(bytes.NewReader(want), len(want)+1); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
}

// TestCloseEndsEverything leaves no goroutine of kafka-go behind.
func TestCloseEndsEverything(t *testing.T) {
	before := runtime.NumGoroutine()
	f := &fakeBroker{t: t, answer: func(protocol.ApiKey, int16, []byte) []byte { return produceAnswer(OK) }}
	c := f.client(Config{})
	if _, err := c.Produce(t.Context(), 1, produceOf([]byte("b"))); err != nil {
		t.Fatal(err)
	}
	c.Close()
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

// TestSilence gives a call that is not answered its time and no more.
func TestSilence(t *testing.T) {
	f := &fakeBroker{t: t, answer: func(protocol.ApiKey, int16, []byte) []byte { return nil }}
	c := f.client(Config{RequestTimeout: time.Second})
	began := time.Now()
	_, err := c.Produce(t.Context(), 1, produceOf([]byte("b")))
	if took := time.Since(began); !fault.Is(err, fault.Unreachable) || IsUnsent(err) || took < 900*time.Millisecond || took > 10*time.Second {
		t.Fatalf("after %s: %v", took, err)
	}
}

// TestUnspokenVersion is refused before anything is sent.
func TestUnspokenVersion(t *testing.T) {
	f := &fakeBroker{t: t, answer: func(key protocol.ApiKey, _ int16, _ []byte) []byte {
		t.Errorf("%v was sent", key)
		return nil
	}}
	_, code, err := f.client(Config{}).DescribeTransaction(t.Context(), "x")
	if !fault.Is(err, fault.KafkaVersion) || !fault.IsFinal(err) {
		t.Fatal(code, err)
	}
}

// TestUnknownBroker waits for a broker id that kafka-go may be about to learn, then says that it is not there.
func TestUnknownBroker(t *testing.T) {
	f := &fakeBroker{t: t}
	_, err := f.client(Config{}).Produce(t.Context(), 7, produceOf([]byte("b")))
	if !fault.Is(err, fault.Unreachable) || fault.IsFinal(err) || !IsUnsent(err) || !errors.Is(err, kafka.BrokerNotAvailable) {
		t.Fatal(err)
	}
}

// TestGarbage answers with other people's bytes.
func TestGarbage(t *testing.T) {
	for name, body := range map[string][]byte{"empty": {}, "short": {0, 1}, "rubbish": bytes.Repeat([]byte{0xff}, 50)} {
		f := &fakeBroker{t: t, answer: func(protocol.ApiKey, int16, []byte) []byte { return body }}
		if _, err := f.client(Config{}).Produce(t.Context(), 1, produceOf([]byte("b"))); !fault.Is(err, fault.Kafka) || IsUnsent(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestConnectionIsReused makes many calls over the connections of the first.
func TestConnectionIsReused(t *testing.T) {
	f := &fakeBroker{t: t, answer: func(protocol.ApiKey, int16, []byte) []byte { return produceAnswer(OK) }}
	c := f.client(Config{})
	for range 50 {
		if _, err := c.Produce(t.Context(), 1, produceOf([]byte("b"))); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.dials.Load(); n > 4 {
		t.Errorf("%d connections for calls in a row", n)
	}
}

// wrapper puts a function around the transport.
type wrapper func(context.Context, net.Addr, kafka.Request) (kafka.Response, error)

func (w wrapper) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	return w(ctx, addr, req)
}

// TestWrapDescribes what passes.
func TestWrapDescribes(t *testing.T) {
	var seen []string
	f := &fakeBroker{t: t, answer: func(protocol.ApiKey, int16, []byte) []byte { return produceAnswer(NotLeader) }}
	c := f.client(Config{Wrap: func(rt kafka.RoundTripper) kafka.RoundTripper {
		return wrapper(func(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
			seen = append(seen, Describe(req))
			return rt.RoundTrip(ctx, addr, req)
		})
	}})
	res, err := c.Produce(t.Context(), 1, produceOf([]byte("b")))
	if err != nil || res[0].Code != NotLeader {
		t.Fatal(err, res)
	}
	if len(seen) != 2 || seen[0] != "ApiVersions v3 to broker 1" || seen[1] != "Produce v12 to broker 1" {
		t.Fatalf("%q", seen)
	}
}

// TestRefusalAfterSuccess is not final: the credentials were right once, and a broker that starts may not have loaded them.
func TestRefusalAfterSuccess(t *testing.T) {
	f := &fakeBroker{t: t, answer: func(protocol.ApiKey, int16, []byte) []byte { return produceAnswer(OK) }}
	refuse := false
	c := f.client(Config{Wrap: func(rt kafka.RoundTripper) kafka.RoundTripper {
		return wrapper(func(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
			if refuse {
				return nil, kafka.SASLAuthenticationFailed
			}
			return rt.RoundTrip(ctx, addr, req)
		})
	}})
	refuse = true
	if _, err := c.Produce(t.Context(), 1, produceOf([]byte("b"))); !fault.Is(err, fault.Auth) || !fault.IsFinal(err) {
		t.Fatalf("at first: %v", err)
	}
	refuse = false
	if _, err := c.Produce(t.Context(), 1, produceOf([]byte("b"))); err != nil {
		t.Fatal(err)
	}
	refuse = true
	if _, err := c.Produce(t.Context(), 1, produceOf([]byte("b"))); !fault.Is(err, fault.Auth) || fault.IsFinal(err) {
		t.Fatalf("after success: %v", err)
	}
}
