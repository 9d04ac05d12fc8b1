package kafkawire

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// Names of the SASL mechanisms.
const (
	SASLPlain       = "plain"
	SASLScramSHA256 = "scram-sha-256"
	SASLScramSHA512 = "scram-sha-512"
	SASLOAuthBearer = "oauthbearer"
)

const mechanisms = SASLPlain + ", " + SASLScramSHA256 + ", " + SASLScramSHA512 + ", " + SASLOAuthBearer

// SASL authenticates the connections. No mechanism means no authentication.
type SASL struct {
	Mechanism string `mapstructure:"mechanism"` // one of the names above, or empty
	User      string `mapstructure:"user"`      // of plain and scram
	Password  string `mapstructure:"password"`  // of plain and scram

	// Of oauthbearer: a token from a file, which something else renews, or from a token endpoint by the client credentials of RFC 6749.
	TokenFile    string `mapstructure:"token_file"`
	TokenURL     string `mapstructure:"token_url"`
	TokenCAFile  string `mapstructure:"token_ca_file"` // PEM, of the endpoint; the system's authorities when empty
	ClientID     string `mapstructure:"client_id"`
	ClientSecret string `mapstructure:"client_secret"`
	Scope        string `mapstructure:"scope"`      // separated by spaces
	Extensions   string `mapstructure:"extensions"` // name=value, separated by commas, of RFC 7628
}

// LogValue keeps the secrets out of logs.
func (s SASL) LogValue() slog.Value { return slog.StringValue(s.String()) }

// String keeps the secrets out of messages.
func (s SASL) String() string {
	switch {
	case s.Mechanism == "":
		return "none"
	case s.Mechanism != SASLOAuthBearer:
		return s.Mechanism + " as " + s.User
	case s.TokenFile != "":
		return s.Mechanism + " by " + s.TokenFile
	}
	return s.Mechanism + " as " + s.ClientID
}

// GoString keeps the secrets out of %#v.
func (s SASL) GoString() string { return "kafkawire.SASL{" + s.String() + "}" }

func (s *SASL) validate() []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	named := s.User != "" || s.Password != ""
	tokens := s.TokenFile != "" || s.TokenURL != "" || s.TokenCAFile != "" || s.ClientID != "" || s.ClientSecret != "" || s.Scope != "" || s.Extensions != ""
	switch s.Mechanism {
	case SASLPlain, SASLScramSHA256, SASLScramSHA512:
		if s.User == "" {
			bad("sasl.user: is needed for %s", s.Mechanism)
		}
		if s.Password == "" {
			bad("sasl.password: is needed for %s", s.Mechanism)
		}
		if tokens {
			bad("sasl.mechanism: is %s, so token_file, token_url and what belongs to them would do nothing", s.Mechanism)
		}
	case SASLOAuthBearer:
		if named {
			bad("sasl.mechanism: is %s, so user and password would do nothing", s.Mechanism)
		}
		errs = append(errs, s.validateTokens()...)
	case "":
		if named || tokens {
			bad("sasl.mechanism: is empty, so the other sasl settings would do nothing")
		}
	default:
		bad("sasl.mechanism: %q is none of %s", s.Mechanism, mechanisms)
	}
	return errs
}

func (s *SASL) validateTokens() []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch {
	case s.TokenFile == "" && s.TokenURL == "":
		bad("sasl.token_url: is needed for %s, or token_file", s.Mechanism)
	case s.TokenFile != "" && s.TokenURL != "":
		bad("sasl.token_file: cannot be given together with token_url")
	case s.TokenFile != "" && (s.ClientID != "" || s.ClientSecret != "" || s.Scope != "" || s.TokenCAFile != ""):
		bad("sasl.token_file: needs no client_id, client_secret, scope or token_ca_file")
	case s.TokenURL != "":
		if err := checkTokenURL(s.TokenURL); err != nil {
			bad("sasl.token_url: %w", err)
		}
		if s.ClientID == "" {
			bad("sasl.client_id: is needed with token_url")
		}
		if s.ClientSecret == "" {
			bad("sasl.client_secret: is needed with token_url")
		}
	}
	if _, err := parseExtensions(s.Extensions); err != nil {
		bad("sasl.extensions: %w", err)
	}
	return errs
}

// checkTokenURL refuses what would send the secret in clear over a network.
func checkTokenURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("is no address such as https://login.example/oauth2/token")
	case u.User != nil:
		return fmt.Errorf("must not hold a user or password: client_id and client_secret are for them")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return fmt.Errorf("must be https: the secret would be readable on its way")
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// newMechanism returns nil for no authentication.
func newMechanism(s *SASL) (sasl.Mechanism, error) {
	switch s.Mechanism {
	case "":
		return nil, nil
	case SASLPlain:
		return plain.Mechanism{Username: s.User, Password: s.Password}, nil
	case SASLScramSHA256:
		return scram.Mechanism(scram.SHA256, s.User, s.Password)
	case SASLScramSHA512:
		return scram.Mechanism(scram.SHA512, s.User, s.Password)
	case SASLOAuthBearer:
		return newBearer(s)
	}
	return nil, fmt.Errorf("unknown mechanism %q", s.Mechanism)
}

// parseExtensions makes the extensions of the first message: each ends with the byte 1.
func parseExtensions(text string) (string, error) {
	var b strings.Builder
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" && text == "" {
			break
		}
		name, value, ok := strings.Cut(part, "=")
		letters := strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
		if !ok || name == "" || !letters || name == "auth" || !printable(value) {
			return "", fmt.Errorf("%q is not name=value, with a name of letters other than auth", part)
		}
		b.WriteString(name + "=" + value + "\x01")
	}
	return b.String(), nil
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}
