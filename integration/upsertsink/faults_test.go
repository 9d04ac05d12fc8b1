package upsertsink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"cdcbridge/integration/servers"
	kw "cdcbridge/internal/kafkawire"
)

// A mode is what happens to the k-th call.
const (
	refused = "refused" // an error before anything was sent
	lost    = "lost"    // carried out, and its answer lost
	cut     = "cut"     // the connection ends: for even k in the middle of the request, else before the answer
)

var errInjected = errors.New("injected by the test")

// injector fails the k-th call of the clients that it is put into.
type injector struct {
	k     int64
	mode  string
	calls atomic.Int64
	hit   atomic.Value // string: what the k-th call was
	armed atomic.Bool  // the next write of any connection is the one to be cut
	dies  func()       // ends the caller after the k-th call, which makes no other one; may be nil
}

func (in *injector) into(cfg kw.Config) kw.Config {
	cfg.Wrap = func(rt kafka.RoundTripper) kafka.RoundTripper {
		return roundTripper{in, rt}
	}
	cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &cuttable{Conn: c, in: in}, nil
	}
	return cfg
}

type roundTripper struct {
	in *injector
	rt kafka.RoundTripper
}

// RoundTrip counts and meddles.
func (r roundTripper) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	in := r.in
	switch n := in.calls.Add(1); {
	case n > in.k && in.dies != nil:
		return nil, errInjected
	case n != in.k:
		return r.rt.RoundTrip(ctx, addr, req)
	}
	in.hit.Store(kw.Describe(req))
	if in.dies != nil {
		defer in.dies()
	}
	switch in.mode {
	case refused:
		return nil, errInjected
	case lost:
		res, err := r.rt.RoundTrip(ctx, addr, req)
		if err == nil {
			err = errInjected
		}
		return res, err
	}
	in.armed.Store(true)
	res, err := r.rt.RoundTrip(ctx, addr, req)
	in.armed.Store(false)
	return res, err
}

// cuttable is a connection that ends when the injector is armed. The transport's own small requests may be hit instead of
// ours, which is as good a failure as any.
type cuttable struct {
	net.Conn
	in   *injector
	once sync.Once
	dead atomic.Bool
}

// Write ends the connection, at once or when the answer is read.
func (c *cuttable) Write(b []byte) (int, error) {
	if c.in.armed.CompareAndSwap(true, false) {
		if c.in.k%2 == 0 {
			n, _ := c.Conn.Write(b[:len(b)/2])
			_ = c.Close()
			return n, errInjected
		}
		c.dead.Store(true)
	}
	return c.Conn.Write(b)
}

// Read gives the answer, unless the connection was cut; then the broker has had the time to act.
func (c *cuttable) Read(b []byte) (int, error) {
	if c.dead.Load() {
		c.once.Do(func() {
			time.Sleep(20 * time.Millisecond)
			_ = c.Close()
		})
		return 0, errInjected
	}
	return c.Conn.Read(b)
}

// scriptRows makes a run of several transactions of two chunks each.
const scriptRows = 14

// TestEveryCallFails fails each call of a scripted run in each mode. The rows must be in the topic exactly once, whatever
// happens, without anybody's help.
func TestEveryCallFails(t *testing.T) {
	for _, kind := range kinds[:2] {
		t.Run(kind.name, func(t *testing.T) {
			k := servers.KafkaFor(t, kind.options)
			e := &env{kafka: k, brokers: k.Brokers(), proto: kind.proto}
			e.failEveryCall(t, 1)
		})
	}
}

// TestEveryCallFailsOnThreeBrokers does so where the partitions have several leaders. It takes every fourth call, all of
// them with CDCBRIDGE_LONG set.
func TestEveryCallFailsOnThreeBrokers(t *testing.T) {
	k := servers.KafkaFor(t, servers.KafkaOptions{Brokers: 3})
	e := &env{kafka: k, brokers: k.Brokers(), proto: kw.KIP890}
	step := int64(4)
	if os.Getenv("CDCBRIDGE_LONG") != "" {
		step = 1
	}
	e.failEveryCall(t, step)
}

func (e *env) failEveryCall(t *testing.T, step int64) {
	calls := e.script(t, &injector{}).calls.Load()
	t.Logf("the script makes %d calls", calls)
	t.Run("k", func(t *testing.T) {
		for _, mode := range []string{refused, lost, cut} {
			for k := int64(1); k <= calls; k += step {
				t.Run(fmt.Sprintf("%s/%d", mode, k), func(t *testing.T) {
					t.Parallel()
					in := e.script(t, &injector{k: k, mode: mode})
					if hit, ok := in.hit.Load().(string); ok && t.Failed() {
						t.Logf("the call was %s", hit)
					} else if !ok && k < calls/2 {
						t.Errorf("the run ended before its call %d", k)
					}
				})
			}
		}
	})
}

// script runs a pipeline to its end with an injector in its way.
func (e *env) script(t *testing.T, in *injector) *injector {
	t.Helper()
	p := e.pipeline(t)
	p.cfg.StateTopic = "script.state"
	p.group = p.name
	e.source(t)
	p.wire = in.into(p.wire)
	p.wire.RequestTimeout = 5 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := p.resume(ctx, scriptRows); err != nil {
		t.Fatalf("%v (hit %v)", err, in.hit.Load())
	}
	p.mustHold(t, scriptRows)
	if err := p.checkGroup(ctx, scriptRows); err != nil {
		t.Fatal(err)
	}
	return in
}
