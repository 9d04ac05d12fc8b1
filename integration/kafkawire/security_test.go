package kafkawire

import (
	"strings"
	"testing"

	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
)

// TestSecurity connects in every way that is supported and in the wrong ways that people try.
func TestSecurity(t *testing.T) {
	k := servers.KafkaFor(t, servers.KafkaOptions{Security: &servers.KafkaSecurity{Users: map[string]string{"alice": "secret"}}})
	other, err := servers.NewCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	mine, err := k.CA().Issue("client")
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := other.Issue("client")
	if err != nil {
		t.Fatal(err)
	}
	ca := k.CA().File
	alice := func(mechanism, password string) kw.SASL {
		return kw.SASL{Mechanism: mechanism, User: "alice", Password: password}
	}
	for _, c := range []struct {
		name     string
		listener string
		sasl     kw.SASL
		tls      kw.TLS
		want     fault.Code // "" = connects
		hint     string
	}{
		{name: "plain", listener: servers.SASL, sasl: alice(kw.SASLPlain, "secret")},
		{name: "scram 256", listener: servers.SASL, sasl: alice(kw.SASLScramSHA256, "secret")},
		{name: "scram 512", listener: servers.SASL, sasl: alice(kw.SASLScramSHA512, "secret")},
		{name: "scram over TLS", listener: servers.SASLSSL, sasl: alice(kw.SASLScramSHA512, "secret"), tls: kw.TLS{Enabled: true, CAFile: ca}},
		{name: "mutual TLS", listener: servers.MTLS, tls: kw.TLS{Enabled: true, CAFile: ca, CertFile: mine.Cert, KeyFile: mine.Key}},
		{name: "unverified TLS", listener: servers.SASLSSL, sasl: alice(kw.SASLPlain, "secret"), tls: kw.TLS{Enabled: true, InsecureSkipVerify: true}},

		{name: "wrong password plain", listener: servers.SASL, sasl: alice(kw.SASLPlain, "wrong"), want: fault.Auth, hint: "kafka.sasl"},
		{name: "wrong password scram", listener: servers.SASL, sasl: alice(kw.SASLScramSHA512, "wrong"), want: fault.Auth, hint: "kafka.sasl"},
		{name: "no SASL", listener: servers.SASL, want: fault.Unreachable, hint: "kafka.sasl"},
		{name: "SASL where there is none", listener: servers.Plaintext, sasl: alice(kw.SASLPlain, "secret"), want: fault.Auth, hint: "kafka.sasl"},
		{name: "no TLS", listener: servers.SASLSSL, sasl: alice(kw.SASLPlain, "secret"), want: fault.Unreachable, hint: "kafka.tls"},
		{name: "TLS where there is none", listener: servers.Plaintext, tls: kw.TLS{Enabled: true, CAFile: ca}, want: fault.Unreachable, hint: "kafka.tls"},
		{name: "unknown authority", listener: servers.SASLSSL, sasl: alice(kw.SASLPlain, "secret"), tls: kw.TLS{Enabled: true, CAFile: other.File}, want: fault.Auth, hint: "ca_file"},
		{name: "other name", listener: servers.SASLSSL, sasl: alice(kw.SASLPlain, "secret"), tls: kw.TLS{Enabled: true, CAFile: ca, ServerName: "kafka.example"}, want: fault.Auth, hint: "server_name"},
		{name: "no client certificate", listener: servers.MTLS, tls: kw.TLS{Enabled: true, CAFile: ca}, want: fault.Auth, hint: "cert_file"},
		{name: "foreign client certificate", listener: servers.MTLS, tls: kw.TLS{Enabled: true, CAFile: ca, CertFile: foreign.Cert, KeyFile: foreign.Key}, want: fault.Auth, hint: "cert_file"},
		{name: "a certificate as key", listener: servers.MTLS, tls: kw.TLS{Enabled: true, CAFile: ca, CertFile: mine.Cert, KeyFile: ca}, want: fault.Config, hint: "PEM"},
		{name: "missing file", listener: servers.MTLS, tls: kw.TLS{Enabled: true, CAFile: ca + ".missing"}, want: fault.Config, hint: "files"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := kw.NewClient(kw.Config{Brokers: k.Listener(c.listener), SASL: c.sasl, TLS: c.tls})
			defer client.Close()
			m, err := client.Metadata(testContext(t))
			if err == nil {
				_, err = client.BrokerSettings(testContext(t), m.Brokers[0].ID) // over a connection by broker id
			}
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			f := fault.As(err)
			if f == nil || f.Code != c.want || !strings.Contains(f.Hint, c.hint) {
				t.Fatalf("%v, want %s with a hint about %q", err, c.want, c.hint)
			}
			if strings.Contains(err.Error(), "wrong") || strings.Contains(err.Error(), "secret") {
				t.Errorf("the password is in the message: %v", err)
			}
			t.Log(err)
		})
	}
}

// TestUnreachable names a cluster that is not there.
func TestUnreachable(t *testing.T) {
	client := kw.NewClient(kw.Config{Brokers: []string{"127.0.0.1:1"}})
	defer client.Close()
	if _, err := client.Metadata(testContext(t)); !fault.Is(err, fault.Unreachable) || !kw.IsUnsent(err) {
		t.Fatal(err)
	}
	client = kw.NewClient(kw.Config{Brokers: []string{"no-such-host.invalid:9092"}})
	defer client.Close()
	if _, err := client.Metadata(testContext(t)); !fault.Is(err, fault.Unreachable) {
		t.Fatal(err)
	}
}
