package kafkawire

// This file is the one place that authenticates connections, and keeps them authentic.
//
// A broker with connections.max.reauth.ms tells how long an authentication is good for (KIP-368), at most as long as the token that it
// came from. It closes a connection that sends a request after that. So a session authenticates again on the living connection, before
// the first request that comes when most of the time has passed. Requests of one connection come one after the other, each when the
// last one was answered: where a request begins nothing else is under way, and Write sees where that is.

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/sasl"
)

// authenticator makes connections authentic by one mechanism. It is safe for concurrent use.
type authenticator struct {
	mechanism sasl.Mechanism
	clientID  string
}

// dialer opens connections by dial and authenticates them.
func (a *authenticator) dialer(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		s := &session{Conn: conn, auth: a}
		release := interruptOn(ctx, conn)
		err = s.authenticate(ctx)
		if interrupted := release(); interrupted && err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			_ = conn.Close() // the refusal is the error that matters
			return nil, fmt.Errorf("authenticating with %s: %w", address, err)
		}
		return s, nil
	}
}

// session is an authenticated connection. It is for one goroutine at a time, but for Close and the deadlines.
type session struct {
	net.Conn
	auth  *authenticator
	began time.Time // the last authentication
	due   time.Time // when to authenticate again; zero: never
	sent  frames
}

// betweenAuthentications is what brokers want between the beginnings of two authentications of one connection, a second, and a bit. It
// matters only when a token ends soon and no other one can be had.
const betweenAuthentications = 1100 * time.Millisecond

// refusedAgain is the error of a request before which the connection could not be authenticated again. Nothing of it was sent.
type refusedAgain struct{ err error }

func (r *refusedAgain) Error() string { return "authenticating again: " + r.err.Error() }
func (r *refusedAgain) Unwrap() error { return r.err }

func isRefusedAgain(err error) bool {
	var r *refusedAgain
	return errors.As(err, &r)
}

// Write sends a part of a request, after another authentication if that is due.
func (s *session) Write(b []byte) (int, error) {
	if !s.due.IsZero() && s.sent.between() && !time.Now().Before(s.due) {
		time.Sleep(betweenAuthentications - time.Since(s.began))
		ctx, cancel := context.WithTimeout(context.Background(), dialTimeout) // for a token; the call's deadline is the connection's
		defer cancel()
		if err := s.authenticate(ctx); err != nil {
			return 0, &refusedAgain{err}
		}
	}
	n, err := s.Conn.Write(b)
	s.sent.pass(b[:n])
	return n, err
}

// authenticate makes the exchange of the mechanism.
func (s *session) authenticate(ctx context.Context) error {
	s.began = time.Now()
	if err := s.handshake(); err != nil {
		return err
	}
	state, response, err := s.auth.mechanism.Start(ctx)
	if err != nil {
		return err
	}
	for {
		challenge, lifetime, err := s.step(response)
		if err != nil {
			return err
		}
		done := false
		if done, response, err = state.Next(ctx, challenge); err != nil {
			return fmt.Errorf("%w: %w", kafka.SASLAuthenticationFailed, err)
		}
		if done {
			s.due = dueAfter(time.Now(), lifetime)
			return nil
		}
	}
}

// dueAfter leaves a part of the time that the broker grants for the authentication itself, and spreads those of many connections. 0 is
// no limit.
func dueAfter(now time.Time, lifetime time.Duration) time.Time {
	if lifetime <= 0 {
		return time.Time{}
	}
	return now.Add(time.Duration(float64(lifetime) * (0.80 + 0.10*rand.Float64())))
}

// handshake names the mechanism.
func (s *session) handshake() error {
	req := newEncoder(protocol.SaslHandshake, 1, false, s.auth.clientID)
	req.string(s.auth.mechanism.Name())
	answer, err := swap(s.Conn, req)
	if err != nil {
		return err
	}
	code, offered, err := parseSASLHandshake(&reader{b: answer})
	if err != nil {
		return err
	}
	if code != OK && len(offered) == 0 {
		return fmt.Errorf("%w: the listener authenticates nobody by SASL", kafka.Error(code))
	}
	if code != OK {
		return fmt.Errorf("%w: %s is not one of the mechanisms of the listener: %s", kafka.Error(code), s.auth.mechanism.Name(), strings.Join(offered, ", "))
	}
	return nil
}

func parseSASLHandshake(r *reader) (code Code, offered []string, err error) {
	code = r.code()
	for n := r.array(2); n > 0 && r.err == nil; n-- {
		offered = append(offered, r.string())
	}
	return code, offered, finish(r, "SaslHandshake")
}

// step sends what the mechanism says and returns what the broker answers, and how long a connection lives that is authenticated now.
func (s *session) step(response []byte) (challenge []byte, lifetime time.Duration, err error) {
	req := newEncoder(protocol.SaslAuthenticate, 1, false, s.auth.clientID)
	req.bytes(response)
	answer, err := swap(s.Conn, req)
	if err != nil {
		return nil, 0, err
	}
	a, err := parseSASLAuthenticate(&reader{b: answer})
	if err != nil {
		return nil, 0, err
	}
	if a.code != OK {
		return nil, 0, fmt.Errorf("%w: %s", kafka.Error(a.code), a.message)
	}
	return a.challenge, a.lifetime, nil
}

// saslAnswer is an answer to SaslAuthenticate.
type saslAnswer struct {
	code      Code
	message   string
	challenge []byte
	lifetime  time.Duration // 0: no limit
}

func parseSASLAuthenticate(r *reader) (saslAnswer, error) {
	a := saslAnswer{code: r.code(), message: r.string(), challenge: r.bytes()}
	const most = int64(1<<63-1) / int64(time.Millisecond)
	a.lifetime = time.Duration(min(max(r.int64(), 0), most)) * time.Millisecond
	return a, finish(r, "SaslAuthenticate")
}

// frames follows requests on their way out: a size in 4 bytes, then as many bytes.
type frames struct {
	head [4]byte
	have int // bytes of head
	left int // of the request behind it
}

// between reports that a request begins with the next byte.
func (f *frames) between() bool { return f.have == 0 && f.left == 0 }

// pass takes note of what was sent.
func (f *frames) pass(b []byte) {
	for len(b) > 0 {
		if f.left > 0 {
			n := min(len(b), f.left)
			f.left, b = f.left-n, b[n:]
			continue
		}
		n := copy(f.head[f.have:], b)
		f.have, b = f.have+n, b[n:]
		if f.have == len(f.head) {
			f.left, f.have = int(binary.BigEndian.Uint32(f.head[:])), 0
		}
	}
}
