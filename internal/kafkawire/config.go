package kafkawire

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

// Config says how to reach a cluster: the `kafka:` section of the configuration.
type Config struct {
	Brokers  []string `mapstructure:"brokers"`   // host:port of some brokers; the others are learnt from them
	ClientID string   `mapstructure:"client_id"` // shown in the brokers' logs and quotas, "cdcbridge" when empty
	TLS      TLS      `mapstructure:"tls"`
	SASL     SASL     `mapstructure:"sasl"`

	// RequestTimeout bounds a call whose context has no earlier deadline; 30 s when 0.
	RequestTimeout time.Duration `mapstructure:"request_timeout"`

	// Wrap, for tests, puts itself between the client and kafka-go's Transport: it can refuse a call before it is sent or
	// lose its answer. Describe and Request tell what is being called.
	Wrap func(kafka.RoundTripper) kafka.RoundTripper `mapstructure:"-"`
	// Dial, for tests, opens the TCP connections, so that they can be cut.
	Dial func(ctx context.Context, network, address string) (net.Conn, error) `mapstructure:"-"`
}

// TLS encrypts the connections to the brokers.
type TLS struct {
	Enabled            bool   `mapstructure:"enabled"`
	CAFile             string `mapstructure:"ca_file"`              // PEM; the system's authorities when empty
	CertFile           string `mapstructure:"cert_file"`            // PEM client certificate for mutual TLS, with KeyFile
	KeyFile            string `mapstructure:"key_file"`             // PEM
	ServerName         string `mapstructure:"server_name"`          // name in the brokers' certificates, their host when empty
	InsecureSkipVerify bool   `mapstructure:"insecure_skip_verify"` // accept any certificate: for tests only
}

const (
	defaultClientID       = "cdcbridge"
	defaultRequestTimeout = 30 * time.Second
	dialTimeout           = 5 * time.Second
	// anyBrokerTimeout bounds calls that any broker can answer, so that a frozen one is given up for another soon.
	anyBrokerTimeout = 5 * time.Second
	// metadataTTL bounds how long kafka-go's own view of which brokers exist may lag.
	metadataTTL = time.Second
)

// Validate returns every problem of c, each beginning with the path of the setting below the section.
func (c *Config) Validate() []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(c.Brokers) == 0 {
		bad("brokers: needs at least one host:port")
	}
	for i, b := range c.Brokers {
		host, port, err := net.SplitHostPort(b)
		if n, perr := strconv.Atoi(port); err != nil || host == "" || perr != nil || n < 1 || n > 65535 {
			bad("brokers[%d]: %q is not host:port", i, b)
		}
	}
	if len(c.ClientID) > 1000 {
		bad("client_id: is longer than 1000 bytes")
	}
	if c.RequestTimeout < 0 || c.RequestTimeout > 0 && c.RequestTimeout < time.Second {
		bad("request_timeout: %s is less than 1s", c.RequestTimeout)
	}
	errs = append(errs, c.TLS.validate()...)
	return append(errs, c.SASL.validate()...)
}

func (t *TLS) validate() []error {
	var errs []error
	if (t.CertFile == "") != (t.KeyFile == "") {
		errs = append(errs, fmt.Errorf("tls: cert_file and key_file need each other"))
	}
	if !t.Enabled && (t.CAFile != "" || t.CertFile != "" || t.KeyFile != "" || t.ServerName != "" || t.InsecureSkipVerify) {
		errs = append(errs, fmt.Errorf("tls.enabled: is false, so the other tls settings would do nothing"))
	}
	return errs
}

// load reads the files and makes the settings of new connections. It is called for each connection, so that renewed
// certificates are used without a restart.
func (t *TLS) load(host string) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify}
	if cfg.ServerName == "" {
		cfg.ServerName = host
	}
	if t.CAFile != "" {
		pool, err := readCertPool(t.CAFile)
		if err != nil {
			return nil, err
		}
		cfg.RootCAs = pool
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("loading the client certificate: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}
