package kafkawire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
)

// guarded is a cluster that ends each authentication after three seconds at most.
type guarded struct {
	*authority
	proto kw.Protocol
	kafka *servers.Kafka
}

// TestAuthenticatesAgain works over connections for much longer than their authentication lasts, by every mechanism.
func TestAuthenticatesAgain(t *testing.T) {
	for _, version := range harness.Longer([]string{"44"}, []string{"44", "39"}) {
		t.Run(version, func(t *testing.T) {
			a, proto := newAuthority(t, 6*time.Second), kw.KIP890
			if version == "39" {
				proto = kw.Classic
			}
			g := &guarded{a, proto, servers.KafkaFor(t, servers.KafkaOptions{Version: version, Extra: a.settings(), Java: a.java(), Security: &servers.KafkaSecurity{
				Users: map[string]string{tokenClient: "secret"}, Authorizer: true, SuperUsers: []string{tokenClient},
			}})}
			file := filepath.Join(t.TempDir(), "token")
			g.write(t, file, sign(a.key, tokenClient, time.Hour))
			t.Run("Living", func(t *testing.T) {
				for name, sasl := range map[string]kw.SASL{
					"endpoint": g.endpoint(), "file": {Mechanism: kw.SASLOAuthBearer, TokenFile: file},
					"plain": {Mechanism: kw.SASLPlain, User: tokenClient, Password: "secret"}, "scram": {Mechanism: kw.SASLScramSHA512, User: tokenClient, Password: "secret"},
				} {
					t.Run(name, func(t *testing.T) {
						g.outlive(t, sasl)
					})
				}
			})
			if n := g.given.Load(); n < 2 || n > 12 {
				t.Errorf("%d tokens that live six seconds each were asked for in about fifteen", n)
			}
			t.Run("Refused", func(t *testing.T) { g.refused(t, file) })
			t.Run("Outage", g.outage)
		})
	}
}

func (g *guarded) endpoint() kw.SASL {
	return kw.SASL{Mechanism: kw.SASLOAuthBearer, TokenURL: g.URL + "/token", ClientID: tokenClient, ClientSecret: tokenSecret, Scope: tokenScope}
}

func (g *guarded) write(t *testing.T, file, token string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
}

// client counts the connections that the broker closes.
func (g *guarded) client(t *testing.T, sasl kw.SASL) (*kw.Client, *atomic.Int32) {
	closed := new(atomic.Int32)
	c := kw.NewClient(kw.Config{Brokers: g.kafka.Listener(servers.SASL), SASL: sasl, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return &watched{conn, closed}, err
	}})
	t.Cleanup(c.Close)
	return c, closed
}

// watched is a connection whose end by the other side is counted.
type watched struct {
	net.Conn
	closed *atomic.Int32
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		w.closed.Add(1)
	}
	return n, err
}

// outlive writes one transaction over fifteen seconds, some of its records in a row and some after a silence that is longer than an
// authentication lasts: neither the connections nor the transaction end.
func (g *guarded) outlive(t *testing.T, sasl kw.SASL) {
	c, closed := g.client(t, sasl)
	e := &env{client: c, brokers: g.kafka.Brokers(), proto: g.proto}
	topic := e.topic(t, 1)
	p := e.producer(t, topic)
	t.Parallel()
	n := 0
	write := func() {
		t.Helper()
		n++
		p.must(t, p.produce(t, kw.TopicPartition{Topic: topic}, kw.LZ4, record{"k", fmt.Sprint(n)}))
		time.Sleep(20 * time.Millisecond)
	}
	for began := time.Now(); time.Since(began) < 8*time.Second; {
		write()
	}
	time.Sleep(5 * time.Second)
	for range 50 {
		write()
	}
	p.must(t, p.end(t, true))
	if n := closed.Load(); n != 0 {
		t.Errorf("the broker has closed %d connections", n)
	}
	e.settled(t, p)
	if got := e.sameEverywhere(t, topic, 1); len(got) != n {
		t.Errorf("%d of %d records are readable", len(got), n)
	}
}

// refused connects in the wrong ways that people try.
func (g *guarded) refused(t *testing.T, file string) {
	bearer := kw.SASL{Mechanism: kw.SASLOAuthBearer, TokenFile: file}
	with := func(change func(*kw.SASL)) kw.SASL {
		s := g.endpoint()
		change(&s)
		return s
	}
	for _, c := range []struct {
		name  string
		token string
		sasl  kw.SASL
		code  fault.Code
		final bool
		word  string
	}{
		{"signature", sign(newKey(t), tokenClient, time.Hour), bearer, fault.Auth, true, "kafka.sasl"},
		{"expired", sign(g.key, tokenClient, -time.Minute), bearer, fault.Auth, true, "kafka.sasl"},
		{"no token", "", bearer, fault.Config, true, "token_file"},
		{"no JWT", "abc", bearer, fault.Auth, true, "kafka.sasl"},
		{"secret", "", with(func(s *kw.SASL) { s.ClientSecret = "planted" }), fault.Auth, true, "client_secret"},
		{"scope", "", with(func(s *kw.SASL) { s.Scope = "other" }), fault.Auth, true, "invalid_client"},
		{"address", "", with(func(s *kw.SASL) { s.TokenURL = "http://127.0.0.1:1/token" }), fault.Unreachable, false, "token_url"},
	} {
		g.write(t, file, c.token)
		client, _ := g.client(t, c.sasl)
		_, err := client.Metadata(testContext(t))
		if f := fault.As(err); f == nil || f.Code != c.code || f.Final != c.final || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && (strings.Contains(err.Error(), "planted") || c.token != "" && strings.Contains(err.Error(), c.token)) {
			t.Errorf("%s: what is secret is in %v", c.name, err)
		}
		t.Log(c.name, err)
	}
}

// outage takes the authorization server away for as long as a token lives, and longer: calls go on, then fail in a way that heals,
// and do again.
func (g *guarded) outage(t *testing.T) {
	c, _ := g.client(t, g.endpoint())
	call := func() error {
		_, err := c.BrokerSettings(testContext(t), 1)
		return err
	}
	if err := call(); err != nil {
		t.Fatal(err)
	}
	g.down.Store(true)
	var err error
	began := time.Now()
	for err == nil && time.Since(began) < 30*time.Second {
		err = call()
		time.Sleep(20 * time.Millisecond)
	}
	if lasted := time.Since(began); !fault.Is(err, fault.Unreachable) || fault.IsFinal(err) || !strings.Contains(err.Error(), "503") || lasted < 2*time.Second {
		t.Errorf("after %v: %v", lasted, err)
	}
	g.down.Store(false)
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if err = call(); err == nil {
			break
		}
		if time.Since(began) > 30*time.Second {
			t.Fatal(err)
		}
	}
}
