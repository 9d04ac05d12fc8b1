package servers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Proxy passes TCP connections on to one server, in this process, and does to them what networks do. Its address stays the
// same until Close. It knows nothing of the protocol.
type Proxy struct {
	port  int
	mu    sync.Mutex // one change at a time
	inner *toxiproxy.Proxy
}

// StartProxy listens on a free port in front of upstream, "host:port", which need not be up yet.
func StartProxy(upstream string) (*Proxy, error) {
	port, err := ReservePort(0)
	if err != nil {
		return nil, err
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	listen := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	p := &Proxy{port: port, inner: toxiproxy.NewProxy(server, upstream, listen, upstream)}
	if err := p.inner.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting a proxy for %s: %w", upstream, err), ReleasePort(port))
	}
	return p, nil
}

// Addr is where clients connect.
func (p *Proxy) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) }

// Port is where clients connect.
func (p *Proxy) Port() int { return p.port }

// Down cuts all connections and refuses new ones, until Up.
func (p *Proxy) Down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inner.Stop()
}

// Up undoes Down.
func (p *Proxy) Up() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.inner.Start(); err != nil && !errors.Is(err, toxiproxy.ErrProxyAlreadyStarted) {
		return fmt.Errorf("starting the proxy for %s again: %w", p.inner.Upstream, err)
	}
	return nil
}

// Cut breaks the connections of this moment; new ones are served.
func (p *Proxy) Cut() error {
	p.Down()
	return p.Up()
}

// Latency delays what the server says by d; 0 ends that. What the client says is not delayed.
func (p *Proxy) Latency(d time.Duration) error {
	return p.toxic("latency", "downstream", d > 0, map[string]int64{"latency": d.Milliseconds()})
}

// LatencyToServer delays what the client says by d; 0 ends that.
func (p *Proxy) LatencyToServer(d time.Duration) error {
	return p.toxic("latency", "upstream", d > 0, map[string]int64{"latency": d.Milliseconds()})
}

// Silence makes the proxy swallow all that the server says while the connections stay open. Turning it
// off cuts those that were open meanwhile, since their bytes are lost.
func (p *Proxy) Silence(on bool) error {
	return p.toxic("timeout", "downstream", on, map[string]int64{"timeout": 0})
}

// CutAfter closes each connection when the server has said n more bytes on it, in the middle of an answer if it comes so;
// 0 ends that.
func (p *Proxy) CutAfter(n int64) error {
	return p.toxic("limit_data", "downstream", n > 0, map[string]int64{"bytes": n})
}

// Close ends the proxy and all its connections.
func (p *Proxy) Close() error {
	p.Down()
	return ReleasePort(p.port)
}

// toxic replaces the toxic of that kind and stream by another one, or by none.
func (p *Proxy) toxic(kind, stream string, on bool, attributes map[string]int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.inner.Toxics.RemoveToxic(context.Background(), kind+"_"+stream)
	if err != nil && !errors.Is(err, toxiproxy.ErrToxicNotFound) {
		return fmt.Errorf("ending %s of the proxy for %s: %w", kind, p.inner.Upstream, err)
	}
	if !on {
		return nil
	}
	body, err := json.Marshal(map[string]any{"type": kind, "stream": stream, "toxicity": 1, "attributes": attributes})
	if err != nil {
		return fmt.Errorf("describing %s: %w", kind, err)
	}
	if _, err := p.inner.Toxics.AddToxicJson(bytes.NewReader(body)); err != nil {
		return fmt.Errorf("beginning %s of the proxy for %s: %w", kind, p.inner.Upstream, err)
	}
	return nil
}
