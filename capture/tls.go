package capture

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"

	"cdcbridge/internal/fault"
)

// TLS says how the connection is protected.
type TLS struct {
	// Mode is "disabled", "preferred" (default: when the server offers it, unverified), "required" (unverified),
	// "verify_ca" (the chain) or "verify_identity" (the chain and the host name).
	Mode     string `mapstructure:"mode"`
	CAFile   string `mapstructure:"ca_file"`   // PEM; default: the system's roots
	CertFile string `mapstructure:"cert_file"` // client certificate, PEM
	KeyFile  string `mapstructure:"key_file"`  // its key, PEM
}

// Modes of TLS.
const (
	TLSDisabled       = "disabled"
	TLSPreferred      = "preferred"
	TLSRequired       = "required"
	TLSVerifyCA       = "verify_ca"
	TLSVerifyIdentity = "verify_identity"
)

// Validate returns every problem, each beginning with its key.
func (t TLS) Validate() []error {
	var errs []error
	switch t.Mode {
	case TLSDisabled, TLSPreferred, TLSRequired, TLSVerifyCA, TLSVerifyIdentity:
	default:
		errs = append(errs, fmt.Errorf("tls.mode: %q is none of disabled, preferred, required, verify_ca, verify_identity", t.Mode))
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		errs = append(errs, errors.New("tls.cert_file: goes together with tls.key_file"))
	}
	for _, f := range []struct{ key, path string }{{"ca_file", t.CAFile}, {"cert_file", t.CertFile}, {"key_file", t.KeyFile}} {
		if f.path == "" {
			continue
		}
		if _, err := os.Stat(f.path); err != nil {
			errs = append(errs, fmt.Errorf("tls.%s: %w", f.key, err))
		}
	}
	return errs
}

// Client gives the TLS settings of a connection to host, nil for one in clear. Offered says whether the server speaks TLS; one that
// does not, and files that cannot be read, are faults.
func (t TLS) Client(host string, offered bool) (*tls.Config, error) {
	if t.Mode == TLSDisabled || t.Mode == TLSPreferred && !offered {
		return nil, nil
	}
	if !offered {
		return nil, fault.NewFinal(fault.Auth, "starting TLS", errors.New("the server offers no TLS"),
			"Give the server a certificate (ssl_cert, ssl_key), or set tls.mode to preferred.")
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fault.NewFinal(fault.Config, "reading the client certificate", err, "Check tls.cert_file and tls.key_file.")
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err == nil {
			cfg.RootCAs = x509.NewCertPool()
			if !cfg.RootCAs.AppendCertsFromPEM(pem) {
				err = fmt.Errorf("%s holds no certificate", t.CAFile)
			}
		}
		if err != nil {
			return nil, fault.NewFinal(fault.Config, "reading the CA certificate", err, "Check tls.ca_file.")
		}
	}
	if t.Mode == TLSVerifyIdentity {
		return cfg, nil
	}
	// Below verify_identity the name is not looked at, and below verify_ca nothing is: crypto/tls has one switch for both.
	cfg.InsecureSkipVerify = true
	if t.Mode == TLSVerifyCA {
		cfg.VerifyConnection = func(s tls.ConnectionState) error { return verifyChain(s, cfg.RootCAs) }
	}
	return cfg, nil
}

// verifyChain checks the server's certificates against the roots and leaves out the name.
func verifyChain(s tls.ConnectionState, roots *x509.CertPool) error {
	opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, c := range s.PeerCertificates[1:] {
		opts.Intermediates.AddCert(c)
	}
	if _, err := s.PeerCertificates[0].Verify(opts); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: s.PeerCertificates, Err: err}
	}
	return nil
}

// TLSFault gives a failed TLS handshake its code, or nil when err is something else.
func TLSFault(op string, err error) error {
	var verify *tls.CertificateVerificationError
	var alert *net.OpError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &verify):
		return fault.NewFinal(fault.Auth, op, err, "The server's certificate is not trusted: check tls.ca_file and, for verify_identity, that host is a name in the certificate.")
	case errors.As(err, &alert) && alert.Op == "remote error": // crypto/tls's mark of an alert of the peer, which TLS 1.3 sends behind the handshake
		return fault.NewFinal(fault.Auth, op, err, "The server refused the TLS handshake: it may want a client certificate (tls.cert_file, tls.key_file).")
	case errors.As(err, &record):
		return fault.New(fault.Unreachable, op, err, "The server does not speak TLS at this port: check host and port.")
	}
	return nil
}
