package kafkawire

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"cdcbridge/internal/fault"
)

// guarded is a fake broker that wants a token, and grants a connection a life of ten seconds.
type guarded struct {
	fakeBroker
	wanted atomic.Pointer[string]
	steps  atomic.Int32 // of authentications
}

func newGuarded(t *testing.T) *guarded {
	g := &guarded{fakeBroker: fakeBroker{t: t}}
	g.want("one")
	g.answer = func(key protocol.ApiKey, version int16, body []byte) []byte {
		r, e := &reader{b: body}, &encoder{}
		switch key {
		case protocol.SaslHandshake:
			code := OK
			if mechanism := r.string(); mechanism != "OAUTHBEARER" || version != 1 {
				code = 33
			}
			e.int16(int16(code))
			e.array(1)
			e.string("OAUTHBEARER")
		case protocol.SaslAuthenticate:
			g.authenticate(e, string(r.bytes()))
		default:
			return produceAnswer(OK)
		}
		return e.buf
	}
	return g
}

func (g *guarded) want(token string) { g.wanted.Store(&token) }

func (g *guarded) authenticate(e *encoder, said string) {
	g.steps.Add(1)
	code, message, challenge := OK, "", ""
	switch said {
	case "n,,\x01auth=Bearer " + *g.wanted.Load() + "\x01cluster=c-1\x01\x01":
	case "\x01":
		code, message = 58, `{"status":"invalid_token"}`
	default:
		challenge = `{"status":"invalid_token"}`
	}
	e.int16(int16(code))
	e.string(message)
	e.bytes([]byte(challenge))
	e.int64(10_000)
}

// tokens is a configuration whose token is in a file.
func tokens(t *testing.T, token string) (SASL, func(string)) {
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(token)
	return SASL{Mechanism: SASLOAuthBearer, TokenFile: file, Extensions: "cluster=c-1"}, write
}

// dialled is an authenticated connection.
func dialled(t *testing.T, g *guarded, s SASL) *session {
	t.Helper()
	mechanism, err := newMechanism(&s)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := (&authenticator{mechanism: mechanism, clientID: "c"}).dialer(g.dial)(t.Context(), "tcp", "broker:9092")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*session)
}

// TestSessionsAuthenticateAgain lets the time of a connection pass: it authenticates before the next request, on the same connection
// and with the token of that moment.
func TestSessionsAuthenticateAgain(t *testing.T) {
	g := newGuarded(t)
	sasl, write := tokens(t, "one")
	s := dialled(t, g, sasl)
	if left := time.Until(s.due); left < 7*time.Second || left > 9*time.Second || g.steps.Load() != 1 {
		t.Fatalf("due in %v after %d authentications", left, g.steps.Load())
	}
	ask := func() error {
		req := newEncoder(protocol.Produce, 12, true, "c")
		req.bytes(bytes.Repeat([]byte("x"), 2*ownedChunk)) // written in several pieces
		_, err := swap(s, req)
		return err
	}
	for range 3 {
		if err := ask(); err != nil || g.steps.Load() != 1 {
			t.Fatalf("%v after %d authentications", err, g.steps.Load())
		}
	}
	g.want("two")
	write("two")
	s.due = time.Now().Add(-time.Hour)
	for range 3 {
		if err := ask(); err != nil || g.steps.Load() != 2 {
			t.Fatalf("%v after %d authentications", err, g.steps.Load())
		}
	}
	g.want("three")
	s.due = time.Now()
	if err := ask(); !isRefusedAgain(err) || !errors.Is(err, kafka.SASLAuthenticationFailed) || !strings.Contains(err.Error(), "invalid_token") {
		t.Fatal(err)
	}
	if n := g.dials.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// locked are sessions whose time a test may let pass while others use them.
type locked struct {
	mu  sync.Mutex
	all []*session
}

type lockedSession struct {
	*session
	mu *sync.Mutex
}

func (l *lockedSession) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.session.Write(b)
}

func (l *locked) add(s *session) net.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, s)
	return &lockedSession{s, &l.mu}
}

func (l *locked) letPass() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.all {
		s.due = time.Now()
	}
}

// TestRefusedAgainIsUnsent cuts a living connection off: the call was not made, and another attempt may help.
func TestRefusedAgainIsUnsent(t *testing.T) {
	g := newGuarded(t)
	sasl, write := tokens(t, "one")
	var sessions locked
	c := g.client(Config{SASL: sasl})
	dial := c.transport.Dial
	c.transport.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return sessions.add(conn.(*session)), nil
	}
	produce := func() error {
		_, err := c.Produce(t.Context(), 1, produceOf([]byte("b")))
		return err
	}
	if err := produce(); err != nil {
		t.Fatal(err)
	}
	g.want("two")
	sessions.letPass()
	if err := produce(); !fault.Is(err, fault.Auth) || fault.IsFinal(err) || !IsUnsent(err) {
		t.Fatal(err)
	}
	write("")
	if err := produce(); !fault.Is(err, fault.Config) || fault.IsFinal(err) || !IsUnsent(err) {
		t.Fatal(err)
	}
	write("two")
	if err := produce(); err != nil {
		t.Fatal(err)
	}
}

// TestMechanismThatTheListenerLacks is told with those that it has.
func TestMechanismThatTheListenerLacks(t *testing.T) {
	g := newGuarded(t)
	c := g.client(Config{SASL: SASL{Mechanism: SASLScramSHA512, User: "u", Password: "p"}})
	if _, err := c.Metadata(t.Context()); !fault.Is(err, fault.Auth) || !fault.IsFinal(err) || !strings.Contains(err.Error(), "SCRAM-SHA-512 is not one of the mechanisms of the listener: OAUTHBEARER") {
		t.Fatal(err)
	}
}

// TestFrames cuts requests into pieces: it is known after each one whether a request begins there.
func TestFrames(t *testing.T) {
	var all []byte
	begins := map[int]bool{0: true}
	for range 50 {
		size := rand.N(9)
		all = append(all, 0, 0, 0, byte(size))
		all = append(all, make([]byte, size)...)
		begins[len(all)] = true
	}
	for range 200 {
		var f frames
		for at := 0; ; {
			if f.between() != begins[at] {
				t.Fatalf("at %d of %v: %+v", at, all, f)
			}
			if at == len(all) {
				break
			}
			n := 1 + rand.N(min(12, len(all)-at))
			f.pass(all[at : at+n])
			at += n
		}
	}
}

// FuzzSASLAnswers reads what no broker sends.
func FuzzSASLAnswers(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 1, 0, 5, 'P', 'L', 'A', 'I', 'N'})
	f.Add([]byte{0, 58, 0, 1, 'x', 0, 0, 0, 1, 'c', 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, answer []byte) {
		_, offered, err := parseSASLHandshake(&reader{b: answer})
		if err == nil && len(offered) > len(answer) {
			t.Errorf("%d mechanisms in %d bytes", len(offered), len(answer))
		}
		if a, err := parseSASLAuthenticate(&reader{b: answer}); err == nil && a.lifetime < 0 {
			t.Errorf("a life of %v", a.lifetime)
		}
	})
}
