package servers

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// CA is a certificate authority that lives for one test.
type CA struct {
	File string // its certificate, PEM

	dir  string
	cert *x509.Certificate
	key  crypto.Signer

	newKey func() (crypto.Signer, error) // of the kind that all its certificates have
}

// Pair names the files of one issued certificate, PEM; the key is PKCS#8.
type Pair struct {
	Cert, Key string
	Both      string // key and chain in one file, as a Kafka broker wants its keystore
}

// NewCA makes an authority whose files, and those of all that it issues, lie in dir. Two authorities need two directories.
func NewCA(dir string) (*CA, error) { return newCA(dir, ecdsaKey) }

func ecdsaKey() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func rsaKey() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }

func newCA(dir string, newKey func() (crypto.Signer, error)) (*CA, error) {
	key, err := newKey()
	if err != nil {
		return nil, fmt.Errorf("making the key of a test CA: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cdcbridge test CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making a test CA: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading a new CA certificate: %w", err)
	}
	ca := &CA{File: filepath.Join(dir, "ca.pem"), dir: dir, cert: cert, key: key, newKey: newKey}
	return ca, writePEM(ca.File, &pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// Issue makes a certificate with that common name, for a server on localhost as well as for a client.
func (ca *CA) Issue(name string) (Pair, error) {
	key, err := ca.newKey()
	if err != nil {
		return Pair{}, fmt.Errorf("making the key of %s: %w", name, err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return Pair{}, fmt.Errorf("choosing a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		return Pair{}, fmt.Errorf("signing the certificate of %s: %w", name, err)
	}
	keyBlock, err := privateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("encoding the key of %s: %w", name, err)
	}
	certBlock := &pem.Block{Type: "CERTIFICATE", Bytes: der}
	caBlock := &pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}
	p := ca.pair(name)
	for _, file := range []struct {
		path   string
		blocks []*pem.Block
	}{{p.Cert, []*pem.Block{certBlock, caBlock}}, {p.Key, []*pem.Block{keyBlock}}, {p.Both, []*pem.Block{keyBlock, certBlock, caBlock}}} {
		if err := writePEM(file.path, file.blocks...); err != nil {
			return Pair{}, err
		}
	}
	return p, nil
}

// privateKey is PKCS#8, but PKCS#1 for the servers that are so old that they have RSA keys.
func privateKey(key crypto.Signer) (*pem.Block, error) {
	if key, ok := key.(*rsa.PrivateKey); ok {
		return &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}, nil
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return &pem.Block{Type: "PRIVATE KEY", Bytes: der}, err
}

func (ca *CA) pair(name string) Pair {
	base := filepath.Join(ca.dir, name)
	return Pair{Cert: base + ".crt", Key: base + ".key", Both: base + ".pem"}
}

// ClientTLS trusts only this CA and, when pair is not nil, shows its certificate.
func (ca *CA) ClientTLS(pair *Pair) (*tls.Config, error) {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	c := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	if pair != nil {
		cert, err := tls.LoadX509KeyPair(pair.Cert, pair.Key)
		if err != nil {
			return nil, fmt.Errorf("reading a client certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}

// writePEM leaves the file readable for the server and for nobody else but us.
func writePEM(path string, blocks ...*pem.Block) error {
	var data []byte
	for _, b := range blocks {
		data = append(data, pem.EncodeToMemory(b)...)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return giveToServer(path)
}
