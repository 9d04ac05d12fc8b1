package kafkawire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"

	"cdcbridge/internal/fault"
)

// tokenSource gives access tokens. It is safe for concurrent use.
type tokenSource interface {
	// token returns one that is good now, and asks for another one when that has not long to live. Errors are faults.
	token(ctx context.Context) (string, error)
}

// bearer is the mechanism OAUTHBEARER (RFC 7628).
type bearer struct {
	tokens     tokenSource
	extensions string // as they are sent
}

func newBearer(s *SASL) (*bearer, error) {
	extensions, err := parseExtensions(s.Extensions)
	if err != nil {
		return nil, err
	}
	if s.TokenFile != "" {
		return &bearer{tokens: tokenFile(s.TokenFile), extensions: extensions}, nil
	}
	return &bearer{tokens: newTokenEndpoint(s), extensions: extensions}, nil
}

// Name is Kafka's name of the mechanism.
func (b *bearer) Name() string { return "OAUTHBEARER" }

// Start sends the token.
func (b *bearer) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	token, err := b.tokens.token(ctx)
	if err != nil {
		return nil, nil, err
	}
	return &bearing{}, []byte("n,,\x01auth=Bearer " + token + "\x01" + b.extensions + "\x01"), nil
}

// bearing is one exchange.
type bearing struct{ refused bool }

// Next ends the exchange. A broker that refuses the token says why in a challenge, and fails the exchange only when that is answered.
func (b *bearing) Next(_ context.Context, challenge []byte) (done bool, response []byte, err error) {
	switch {
	case len(challenge) == 0:
		return true, nil, nil
	case b.refused:
		return false, nil, fmt.Errorf("%w: %.500q", kafka.SASLAuthenticationFailed, challenge)
	}
	b.refused = true
	return false, []byte{1}, nil
}

// tokenFile is a file that something else writes a new token into before the old one ends: it is read for each authentication.
type tokenFile string

func (f tokenFile) token(context.Context) (string, error) {
	const op = "reading the token of kafka.sasl.token_file"
	text, err := os.ReadFile(string(f))
	if err != nil {
		return "", fault.NewFinal(fault.Config, op, err, "Check kafka.sasl.token_file, and that the daemon's user may read it.")
	}
	text = bytes.TrimSpace(text)
	if !validToken(text) {
		return "", fault.NewFinal(fault.Config, op, errors.New("it holds no token of letters, digits and -._~+/="), "Check what writes kafka.sasl.token_file.")
	}
	return string(text), nil
}

// validToken reports whether text has the form of a token (RFC 6750), so that it cannot change the message that it is sent in.
func validToken(text []byte) bool {
	for _, c := range text {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', bytes.IndexByte([]byte("-._~+/="), c) >= 0:
		default:
			return false
		}
	}
	return len(text) > 0
}
