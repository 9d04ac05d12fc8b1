package mysqlsource

import (
	"strings"
	"testing"

	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// TestClientCertificates logs in as an account that must show one, with the right one, with none and with one that the server does not trust.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"97", "maria118"} {
		t.Run(version, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: version, NamedCert: true})
			b.exec("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
			if err := b.m.CreateUser(t.Context(), "certified", "p w", "ALL PRIVILEGES ON *.*"); err != nil {
				t.Fatal(err)
			}
			b.exec("ALTER USER certified REQUIRE X509")
			mine, err := b.m.CA().Issue("client")
			if err != nil {
				t.Fatal(err)
			}
			other, err := servers.NewCA(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			foreign, err := other.Issue("client")
			if err != nil {
				t.Fatal(err)
			}
			cfg := b.config()
			cfg.User, cfg.Password = "certified", "p w"
			cfg.TLS.Mode, cfg.TLS.CAFile, cfg.TLS.CertFile, cfg.TLS.KeyFile = "verify_identity", b.m.CAFile(), mine.Cert, mine.Key
			if _, err := collect(t, cfg, "", changesAtLeast(2)); err != nil {
				t.Fatal(err)
			}
			cfg.TLS.CertFile, cfg.TLS.KeyFile = foreign.Cert, foreign.Key
			if f := openFault(t, cfg, "", fault.Auth); !f.Final || !strings.Contains(f.Hint, "cert_file") {
				t.Error(f)
			}
			cfg.TLS.CertFile, cfg.TLS.KeyFile = "", ""
			if f := openFault(t, cfg, "", fault.Auth); !f.Final || !strings.Contains(f.Hint, "tls") {
				t.Error(f)
			}
		})
	}
}
