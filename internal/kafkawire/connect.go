package kafkawire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/segmentio/kafka-go"

	"cdcbridge/internal/fault"
)

// newTransport makes the connection pool of a client; it dials nothing yet. Connections come encrypted and authenticated from
// Dial: kafka-go knows nothing of either.
func newTransport(cfg *Config) (*kafka.Transport, error) {
	dial := dialer(cfg)
	mechanism, err := newMechanism(&cfg.SASL)
	if err != nil {
		return nil, err
	}
	if mechanism != nil {
		dial = (&authenticator{mechanism: mechanism, clientID: cfg.ClientID}).dialer(dial)
	}
	return &kafka.Transport{
		Dial:        dial,
		DialTimeout: dialTimeout,
		IdleTimeout: 5 * time.Minute,
		ClientID:    cfg.ClientID,
		MetadataTTL: metadataTTL,
		// Not nil and empty: kafka-go would else ask for every topic of the cluster, again and again.
		MetadataTopics: []string{},
	}, nil
}

// dialFunc opens a connection.
type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// dialer opens connections, with TLS if configured. The handshake is made here and not left to kafka-go, which reads the
// certificates once and hides why a handshake failed.
func dialer(cfg *Config) dialFunc {
	dial := cfg.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext
	}
	if !cfg.TLS.Enabled {
		return dial
	}
	settings := cfg.TLS
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("reading broker address %q: %w", address, err)
		}
		tc, err := settings.load(host)
		if err != nil {
			return nil, filesError{err}
		}
		plainConn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		conn := tls.Client(plainConn, tc)
		if err := conn.HandshakeContext(ctx); err != nil {
			_ = plainConn.Close() // the handshake's error is the one that matters
			return nil, fmt.Errorf("handshaking with %s: %w", address, err)
		}
		return conn, nil
	}
}

// filesError says that a file of the tls section cannot be read, or holds something else.
type filesError struct{ error }

func (e filesError) Unwrap() error { return e.error }

func readCertPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("reading the certificate authorities: %s holds no PEM certificate", file)
	}
	return pool, nil
}

// probe opens a connection to address, which tells the true cause where the Transport says only "broker not available". It returns
// nil if the connection can be made.
func (c *Client) probe(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := c.transport.Dial(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// connectionFault gives the error of a connection its code and remedy. op is what was being done.
func connectionFault(op string, err error) *fault.Fault {
	var (
		network   *net.OpError
		record    tls.RecordHeaderError
		verify    *tls.CertificateVerificationError
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		dns       *net.DNSError
		files     filesError
	)
	if f := fault.As(err); f != nil { // of a token: it has its own remedy
		cause, call := fmt.Errorf("%s: %w", f.Op, f.Err), (*CallError)(nil)
		if errors.As(err, &call) {
			cause = &CallError{Call: call.Call, Sent: call.Sent, Err: cause}
		}
		return &fault.Fault{Code: f.Code, Op: op, Err: cause, Hint: f.Hint, Final: f.Final}
	}
	switch {
	case errors.Is(err, kafka.SASLAuthenticationFailed):
		return fault.NewFinal(fault.Auth, op, err, "Check kafka.sasl: mechanism, user and password, or where its token comes from, and that the user exists in the cluster.")
	case errors.Is(err, kafka.UnsupportedSASLMechanism), errors.Is(err, kafka.IllegalSASLState):
		return fault.NewFinal(fault.Auth, op, err, "The listener does not offer this kafka.sasl.mechanism; use one of its sasl.enabled.mechanisms, or the port of another listener.")
	case errors.As(err, &hostname):
		return fault.NewFinal(fault.Auth, op, err, "The broker's certificate is for another name; set kafka.tls.server_name to a name in it, or connect by that name.")
	case errors.As(err, &authority), errors.As(err, &verify), errors.As(err, &invalid):
		return fault.NewFinal(fault.Auth, op, err, "The broker's certificate is not trusted; set kafka.tls.ca_file to the authority that signed it.")
	case errors.As(err, &network) && network.Op == "remote error": // crypto/tls's mark of an alert of the peer
		return fault.NewFinal(fault.Auth, op, err, "The broker refused the TLS connection; if it wants client certificates, set kafka.tls.cert_file and key_file to one that it trusts.")
	case errors.As(err, &record):
		return fault.NewFinal(fault.Auth, op, err, "The port does not speak TLS; set kafka.tls.enabled to false, or use the port of a TLS listener.")
	case errors.As(err, &files):
		return fault.NewFinal(fault.Config, op, err, "Check the files named in kafka.tls, that they are PEM, and that the daemon's user may read them.")
	case errors.As(err, &dns):
		return fault.New(fault.Unreachable, op, err, "The broker's name cannot be resolved. If it is not the name in kafka.brokers, the broker's advertised.listeners is wrong for this machine.")
	}
	return fault.New(fault.Unreachable, op, err, "Check that the brokers run, that kafka.brokers names them, that no firewall is between, and that kafka.tls and kafka.sasl match the listener.")
}
