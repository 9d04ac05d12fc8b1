package kafkawire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// maxResponse bounds an answer, against a peer that is no Kafka broker or a damaged stream.
const maxResponse = 512 << 20

// States of an exchange. Only idle → started and idle → withdrawn compete.
const (
	exchangeIdle = iota
	exchangeStarted
	exchangeWithdrawn
)

var errWithdrawn = errors.New("request was withdrawn before it was sent")

// exchange is one request on its way: the message that kafka-go's Transport routes to a connection and that then writes
// itself and reads its answer.
//
// Transport.RoundTrip returns as soon as the context ends, while the connection may still be writing our bytes. So the
// caller always settles the exchange: one that did not start yet never will, one that started is waited for. A context that
// ends moves the connection's deadline into the past, so that wait is short.
type exchange struct {
	ctx    context.Context // of the call, for the connection's goroutine
	broker int32
	req    *encoder
	state  atomic.Int32
	done   chan struct{} // closed when RawExchange has returned
	answer []byte        // the response after its header, set before done is closed
}

func newExchange(ctx context.Context, broker int32, req *encoder) *exchange {
	return &exchange{ctx: ctx, broker: broker, req: req, done: make(chan struct{})}
}

// ApiKey makes an exchange a protocol.Message; the name is kafka-go's.
//
//nolint:revive // the interface spells it so
func (x *exchange) ApiKey() protocol.ApiKey { return x.req.key }

// Broker routes by broker id; kafka-go knows the addresses. An id below 0 means any bootstrap broker.
func (x *exchange) Broker(protocol.Cluster) (protocol.Broker, error) {
	return protocol.Broker{ID: x.broker}, nil
}

// Required says that every exchange wants the raw connection.
func (x *exchange) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange writes the request to the connection and reads the answer. An error makes kafka-go close the connection.
func (x *exchange) RawExchange(conn io.ReadWriter) (protocol.Message, error) {
	if !x.state.CompareAndSwap(exchangeIdle, exchangeStarted) {
		return nil, errWithdrawn
	}
	defer close(x.done)
	release := interruptOn(x.ctx, conn)
	answer, err := swap(conn, x.req)
	if interrupted := release(); interrupted {
		// The connection's deadline has passed: it cannot be used again, whatever this answer was.
		return nil, fmt.Errorf("%s: %w", x, context.Cause(x.ctx))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", x, err)
	}
	x.answer = answer
	return x, nil
}

// String names the call for people.
func (x *exchange) String() string {
	to := "a bootstrap broker"
	if x.broker >= 0 {
		to = fmt.Sprintf("broker %d", x.broker)
	}
	return fmt.Sprintf("%s v%d to %s", apiName(x.req.key), x.req.version, to)
}

// settle makes sure that no goroutine touches the request's bytes any more, and reports whether any of them may have been
// sent. It must be called after RoundTrip has returned.
func (x *exchange) settle() (sent bool) {
	if x.state.CompareAndSwap(exchangeIdle, exchangeWithdrawn) {
		return false
	}
	<-x.done
	return true
}

// swap sends a request and reads the answer behind its correlation id.
func swap(conn io.ReadWriter, req *encoder) ([]byte, error) {
	correlation := int32(nextCorrelation.Add(1))
	req.finish(correlation)
	if err := req.writeTo(conn); err != nil {
		return nil, fmt.Errorf("writing the request: %w", err)
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	n := int(int32(binary.BigEndian.Uint32(size[:])))
	if n < 4 || n > maxResponse {
		return nil, fmt.Errorf("reading the answer: %d bytes is no answer of a broker", n)
	}
	answer, err := readAnswer(conn, n)
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if got := int32(binary.BigEndian.Uint32(answer)); got != correlation {
		return nil, fmt.Errorf("reading the answer: it is for request %d, not %d", got, correlation)
	}
	return answer[4:], nil
}

var nextCorrelation atomic.Uint32

// readAnswer reads n bytes, allocating as they arrive, so that a wrong length costs nothing.
func readAnswer(conn io.Reader, n int) ([]byte, error) {
	const step = 4 << 20
	b := make([]byte, min(n, step))
	for have := 0; ; {
		if _, err := io.ReadFull(conn, b[have:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF // the answer has begun
			}
			return nil, err
		}
		if have = len(b); have == n {
			return b, nil
		}
		b = append(make([]byte, 0, min(n, 2*have)), b...)
		b = b[:cap(b)]
	}
}

func (e *encoder) writeTo(w io.Writer) error {
	from := 0
	for _, c := range e.chunks {
		if _, err := w.Write(e.buf[from:c.at]); err != nil {
			return err
		}
		if _, err := w.Write(c.data); err != nil {
			return err
		}
		from = c.at
	}
	if from == len(e.buf) {
		return nil
	}
	_, err := w.Write(e.buf[from:])
	return err
}

// interruptOn ends the connection's reads and writes when ctx is done. The returned function stops that and reports whether
// it has happened.
func interruptOn(ctx context.Context, conn any) (release func() bool) {
	d, ok := conn.(interface{ SetDeadline(time.Time) error })
	if !ok {
		return func() bool { return false }
	}
	fired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(fired)
		_ = d.SetDeadline(time.Unix(1, 0)) // fails only on a closed connection, which is as good
	})
	return func() bool {
		if stop() {
			return false
		}
		<-fired
		return true
	}
}

// Describe names a request that passes through Config.Wrap, for example "Produce v12 to broker 1".
func Describe(req kafka.Request) string {
	if x, ok := req.(*exchange); ok {
		return x.String()
	}
	return req.ApiKey().String()
}

// apiName is kafka-go's name of an API, or ours for those it does not know.
func apiName(key protocol.ApiKey) string {
	switch key {
	case apiDescribeTransactions:
		return "DescribeTransactions"
	case apiDescribeProducers:
		return "DescribeProducers"
	case apiConsumerGroupDescribe:
		return "ConsumerGroupDescribe"
	}
	return key.String()
}

// apiDescribeTransactions is an API that kafka-go has no name for.
const apiDescribeTransactions protocol.ApiKey = 65
