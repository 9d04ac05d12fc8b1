package kafkawire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"cdcbridge/internal/fault"
)

// AnyBroker as a broker id means whichever bootstrap broker answers.
const AnyBroker int32 = -1

// Client makes calls to one cluster. It is safe for concurrent use; calls to one broker use as many connections as run at
// once. Each method makes one call and reports its answer, unless its comment says that it retries.
//
// When a method returns, no goroutine reads the memory that was passed to it any more, whatever the outcome.
type Client struct {
	cfg       Config
	addr      net.Addr
	transport *kafka.Transport
	rt        kafka.RoundTripper
	initErr   error       // a configuration that cannot work, reported by the first call
	proven    atomic.Bool // a broker has answered: credentials and certificates were right once

	mu           sync.Mutex
	closed       bool
	addresses    map[int32]string     // of brokers, from our own metadata, for probes
	versions     map[int32]*brokerAPI // what each broker speaks; dropped when a call to it fails
	coordinators map[coordinated]int32
}

// NewClient makes a client. It does no I/O: a wrong configuration, an unreachable cluster or a refused password is the error
// of the first call.
func NewClient(cfg Config) *Client {
	if cfg.ClientID == "" {
		cfg.ClientID = defaultClientID
	}
	if cfg.RequestTimeout == 0 {
		cfg.RequestTimeout = defaultRequestTimeout
	}
	c := &Client{
		cfg:          cfg,
		addr:         kafka.TCP(cfg.Brokers...),
		addresses:    map[int32]string{},
		versions:     map[int32]*brokerAPI{},
		coordinators: map[coordinated]int32{},
	}
	if errs := cfg.Validate(); len(errs) > 0 {
		c.initErr = fault.NewFinal(fault.Config, "connecting to Kafka", errors.Join(errs...), "Correct the kafka section.")
		return c
	}
	transport, err := newTransport(&c.cfg)
	if err != nil {
		c.initErr = fault.NewFinal(fault.Config, "connecting to Kafka", err, "Correct kafka.sasl.")
		return c
	}
	c.transport, c.rt = transport, transport
	if cfg.Wrap != nil {
		c.rt = cfg.Wrap(transport)
	}
	return c
}

// Close closes the connections. Calls that run end on their own; calls made later fail.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	if c.transport != nil {
		c.transport.CloseIdleConnections()
	}
}

// CallError says that a call got no usable answer.
type CallError struct {
	Call string // "Produce v12 to broker 1"
	Sent bool   // the request may have reached the broker and may have been carried out
	Err  error
}

// Error renders the call and its cause.
func (e *CallError) Error() string {
	if e.Sent {
		return e.Call + " got no answer: " + e.Err.Error()
	}
	return e.Call + " was not sent: " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *CallError) Unwrap() error { return e.Err }

// IsUnsent reports whether err is of a call that certainly did not reach a broker. False means that the outcome is unknown.
func IsUnsent(err error) bool {
	var ce *CallError
	return errors.As(err, &ce) && !ce.Sent
}

var errClosed = errors.New("client is closed")

// unknownBrokerWait is how long a broker id that kafka-go does not know yet is waited for: its view of the cluster is
// refreshed at least every metadataTTL, and ours can be newer.
const unknownBrokerWait = 3 * metadataTTL

// call sends req to broker and returns the body of the answer. It makes sure that the broker speaks that version, that the
// call ends in time, and that the request's bytes are the caller's again when it returns.
func (c *Client) call(ctx context.Context, broker int32, req *encoder) (*reader, error) {
	ctx, cancel := c.bounded(ctx, broker)
	defer cancel()
	if err := c.checkVersion(ctx, broker, req); err != nil {
		return nil, err
	}
	return c.exchange(ctx, broker, req)
}

// exchange is call without the check of the version.
func (c *Client) exchange(ctx context.Context, broker int32, req *encoder) (*reader, error) {
	x, err := c.send(ctx, broker, req)
	if err != nil {
		c.forgetBroker(broker)
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, err // the caller gave up: nothing is wrong with the cluster
		}
		return nil, c.explain(ctx, x, err)
	}
	r := &reader{b: x.answer, flex: req.flex}
	if req.key != protocol.ApiVersions { // its answer has the old header, so that any client can read it
		r.tags()
	}
	return r, nil
}

// send passes the exchange through the transport until a connection has taken it.
func (c *Client) send(ctx context.Context, broker int32, req *encoder) (*exchange, error) {
	for deadline := time.Now().Add(unknownBrokerWait); ; {
		own, cancel := context.WithCancel(ctx)
		x := newExchange(own, broker, req)
		err := c.usable()
		if err == nil {
			_, err = c.rt.RoundTrip(own, c.addr, x)
		}
		if err != nil {
			cancel() // so that an exchange that still runs ends soon
		}
		sent := x.settle()
		if isRefusedAgain(err) {
			sent = false // the connection has begun to authenticate again before the request
		}
		cancel()
		switch {
		case err == nil && sent && x.answer != nil:
			c.proven.Store(true)
			return x, nil
		case err == nil:
			err = errors.New("the transport returned without an answer")
		case !sent && errors.Is(err, kafka.BrokerNotAvailable) && time.Now().Before(deadline):
			if Pause(ctx, 50*time.Millisecond) == nil {
				continue
			}
		}
		return x, &CallError{Call: x.String(), Sent: sent, Err: err}
	}
}

// explain turns a failed call into a fault with a remedy. Credentials that were right once are not refused for good: a broker
// that is starting may not have loaded them yet, and a file with a token or a certificate may just be being written.
func (c *Client) explain(ctx context.Context, x *exchange, err error) error {
	err = c.diagnose(ctx, x, err)
	if f := fault.As(err); f != nil && (f.Code == fault.Auth || f.Code == fault.Config) && c.proven.Load() {
		f.Final = false
	}
	return err
}

func (c *Client) diagnose(ctx context.Context, x *exchange, err error) error {
	if errors.Is(err, errClosed) || c.initErr != nil {
		return err
	}
	op := "calling Kafka"
	if ctx.Err() != nil {
		return fault.New(fault.Unreachable, op, err, "The broker did not answer in time; check its load and the network.")
	}
	if errors.Is(err, kafka.BrokerNotAvailable) && x.broker >= 0 {
		if cause := c.probe(ctx, c.address(x.broker)); cause != nil {
			return connectionFault(op, &CallError{Call: x.String(), Err: cause})
		}
		return fault.New(fault.Unreachable, op, err, "The cluster no longer lists this broker; this heals when it is back or its partitions have moved.")
	}
	if errors.Is(err, io.EOF) && c.cfg.SASL.Mechanism == "" {
		return fault.New(fault.Unreachable, op, err, "The broker closed the connection. If this does not heal by itself, the listener may want SASL or TLS: see kafka.sasl and kafka.tls.")
	}
	return connectionFault(op, err)
}

var errRequestTimeout = errors.New("request timed out")

// bounded gives ctx the timeout of a request to broker.
func (c *Client) bounded(ctx context.Context, broker int32) (context.Context, context.CancelFunc) {
	timeout := c.cfg.RequestTimeout
	if broker < 0 {
		timeout = min(timeout, anyBrokerTimeout)
	}
	return context.WithTimeoutCause(ctx, timeout, errRequestTimeout)
}

func (c *Client) usable() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.initErr != nil {
		return c.initErr
	}
	if c.closed {
		c.transport.CloseIdleConnections() // of a call that began while Close ran
		return errClosed
	}
	return nil
}

// forgetBroker drops what is known about a broker to which a call failed: it may come back as another release.
func (c *Client) forgetBroker(id int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.versions, id)
	for of, broker := range c.coordinators {
		if broker == id {
			delete(c.coordinators, of)
		}
	}
}

func (c *Client) rememberBrokers(brokers []Broker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range brokers {
		c.addresses[b.ID] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
}

func (c *Client) address(broker int32) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.addresses[broker]; a != "" {
		return a
	}
	return c.cfg.Brokers[0]
}

// finish ends the parsing of an answer.
func finish(r *reader, call string) error {
	if r.err != nil {
		return fault.New(fault.Kafka, "reading an answer of Kafka", &CallError{Call: call, Sent: true, Err: r.err}, "Report this with the broker's version.")
	}
	return nil
}

// Pause waits for d, before a call is repeated, or for the end of ctx, whose cause it returns.
func Pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting: %w", context.Cause(ctx))
	}
}
