package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// KafkaProxy passes plaintext Kafka connections on to one broker, request by request, and does to single requests and
// answers what no Proxy can: keeps a chosen one back and delivers it later, loses its answer, or answers something else.
//
//	client ── Proxy (cuts, delays) ── KafkaProxy (rules) ── broker
type KafkaProxy struct {
	upstream string
	port     int
	listener net.Listener
	running  sync.WaitGroup

	mu       sync.Mutex // guards what follows
	closed   bool
	links    map[*link]struct{}
	rules    []*Meddling // oldest first
	answered map[kmsg.Key]int
}

// Fate is what happens to a request that a rule picks.
type Fate uint8

// Fates of requests.
const (
	Withhold         Fate = iota + 1 // kept back until Release; the connection that it came over is cut
	WithholdSilently                 // kept back until Release; the connection stays open and says nothing more
	LoseAnswer                       // carried out; the connection is cut instead of an answer
	Refuse                           // kept from the broker for ever; Change makes the answer
	Alter                            // carried out; Change alters the answer
)

// KafkaRule picks requests and says what happens to them. Of several rules the oldest one that still picks decides.
type KafkaRule struct {
	Key    kmsg.Key                // kind of request
	Match  func(kmsg.Request) bool // which of that kind; nil: all
	Skip   int                     // so many that match pass first
	Times  int                     // so many are picked; 0: all until End
	Fate   Fate
	Change func(kmsg.Request, kmsg.Response) // of Refuse and Alter; called for several connections at once
}

// Meddling is a rule at work.
type Meddling struct {
	proxy *KafkaProxy
	rule  KafkaRule

	// Guarded by the proxy's mu.
	seen   int
	hits   int
	ended  bool
	held   []heldRequest
	change chan struct{} // closed and replaced at each hit
}

type heldRequest struct {
	link  *link
	frame requestFrame
	req   kmsg.Request
}

// StartKafkaProxy listens on a free port in front of upstream, "host:port". Clients are to come through the Proxy whose
// address the broker advertises: see KafkaProxyFor.
func StartKafkaProxy(upstream string) (*KafkaProxy, error) {
	port, err := ReservePort(0)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting a Kafka proxy for %s: %w", upstream, err), ReleasePort(port))
	}
	p := &KafkaProxy{upstream: upstream, port: port, listener: l, links: map[*link]struct{}{}, answered: map[kmsg.Key]int{}}
	p.running.Go(p.accept)
	return p, nil
}

// KafkaProxyFor puts a KafkaProxy between the Proxy of broker i, whose connections of this moment are cut, and the broker.
// It ends with the test.
func KafkaProxyFor(tb TB, k *Kafka, i int) *KafkaProxy {
	tb.Helper()
	outer := k.Proxy(i)
	if outer == nil {
		tb.Fatal("the cluster has no Proxied listener")
	}
	p, err := StartKafkaProxy(net.JoinHostPort("127.0.0.1", strconv.Itoa(k.nodes[i].ports[Proxied])))
	if err == nil {
		err = outer.redirect(p.Addr())
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := errors.Join(outer.redirect(p.upstream), p.Close()); err != nil {
			tb.Error(err)
		}
	})
	return p
}

// redirect cuts all connections of a running proxy and leads new ones elsewhere.
func (p *Proxy) redirect(upstream string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.inner.Update(&toxiproxy.Proxy{Listen: p.Addr(), Upstream: upstream, Enabled: true}); err != nil {
		return fmt.Errorf("leading the proxy at %s to %s: %w", p.Addr(), upstream, err)
	}
	return nil
}

// Addr is where connections are taken.
func (p *KafkaProxy) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) }

// Close cuts all connections, those of requests that are held back too.
func (p *KafkaProxy) Close() error {
	p.mu.Lock()
	p.closed = true
	for l := range p.links {
		l.cut()
	}
	p.mu.Unlock()
	err := p.listener.Close()
	p.running.Wait()
	return errors.Join(err, ReleasePort(p.port))
}

// Answered is how many answers of that kind have come from the broker so far.
func (p *KafkaProxy) Answered(key kmsg.Key) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answered[key]
}

func (p *KafkaProxy) note(key kmsg.Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answered[key]++
}

// Begin puts a rule to work, until End.
func (p *KafkaProxy) Begin(r KafkaRule) *Meddling {
	m := &Meddling{proxy: p, rule: r, change: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = append(p.rules, m)
	return m
}

// End lets all further requests pass. What is held back stays so until Release.
func (m *Meddling) End() {
	m.proxy.mu.Lock()
	defer m.proxy.mu.Unlock()
	m.ended = true
}

// Hits is how many requests have been picked so far.
func (m *Meddling) Hits() int {
	m.proxy.mu.Lock()
	defer m.proxy.mu.Unlock()
	return m.hits
}

// Wait waits until n requests have been picked.
func (m *Meddling) Wait(ctx context.Context, n int) error {
	for {
		m.proxy.mu.Lock()
		hits, change := m.hits, m.change
		m.proxy.mu.Unlock()
		if hits >= n {
			return nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %d %s requests, %d came: %w", n, m.rule.Key.Name(), hits, ctx.Err())
		}
	}
}

// Release lets the requests that were held back arrive at the broker, in their order and each over the connection that it was
// sent on, and returns the broker's answers, which no client gets.
func (m *Meddling) Release(ctx context.Context) ([]kmsg.Response, error) {
	m.proxy.mu.Lock()
	held := m.held
	m.held = nil
	m.proxy.mu.Unlock()
	var answers []kmsg.Response
	for _, h := range held {
		resp, err := h.deliver(ctx)
		if err != nil {
			return answers, fmt.Errorf("delivering a late %s: %w", m.rule.Key.Name(), err)
		}
		answers = append(answers, resp)
	}
	return answers, nil
}

// pick finds the rule for a request and notes the hit; nil lets it pass.
func (p *KafkaProxy) pick(l *link, f requestFrame) (*Meddling, kmsg.Request, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.rules {
		if m.ended || m.rule.Key != f.key() {
			continue
		}
		req, err := f.parse()
		if err != nil {
			return nil, nil, err
		}
		if m.rule.Match != nil && !m.rule.Match(req) {
			continue
		}
		if m.seen++; m.seen <= m.rule.Skip {
			continue
		}
		if m.hits++; m.hits == m.rule.Times {
			m.ended = true
		}
		if m.rule.Fate == Withhold || m.rule.Fate == WithholdSilently {
			m.held = append(m.held, heldRequest{l, f, req})
		}
		close(m.change)
		m.change = make(chan struct{})
		return m, req, nil
	}
	return nil, nil, nil
}

func (p *KafkaProxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		broker, err := net.DialTimeout("tcp", p.upstream, 5*time.Second)
		if err != nil { // the broker is down: so are we
			_ = client.Close()
			continue
		}
		l := &link{proxy: p, client: client, broker: broker, pending: map[int32]passage{}}
		p.mu.Lock()
		if p.closed {
			l.cut()
		}
		p.links[l] = struct{}{}
		p.mu.Unlock()
		p.running.Go(l.run)
	}
}
