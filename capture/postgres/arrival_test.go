package postgres

import (
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
	"testing"
)

// TestReadOverTLS: messages that have arrived are read together, though each came as a record of its own.
func TestReadOverTLS(t *testing.T) {
	web := httptest.NewTLSServer(nil) // for its certificate
	defer web.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: web.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const messages, size = 1000, 100
	done, sent := make(chan struct{}), make(chan error, 1)
	go func() {
		c, err := l.Accept()
		for range messages {
			if err == nil {
				_, err = c.Write(make([]byte, size))
			}
		}
		sent <- err
		<-done
	}()
	defer close(done)
	trusted := x509.NewCertPool()
	trusted.AddCert(web.Certificate())
	c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: trusted, ServerName: "example.com"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, reads := memReader(c), 0
	for n := 0; n < messages*size; {
		ready, err := r.arrived(true)
		if err != nil {
			t.Fatal(err)
		}
		if ready {
			n, reads = n+r.w-r.r, reads+1
			r.r = r.w
		}
	}
	if err := <-sent; err != nil || reads > messages/4 {
		t.Errorf("%d reads of %d messages, %v", reads, messages, err)
	}
}
