package postgressource

import (
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// TestLogin comes by the server's socket, and by certificates that the server wants beside the password or instead of it.
func TestLogin(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.PostgresOptions{
		TLS: true, Settings: map[string]string{"unix_socket_directories": "."}, // the data directory
		HBA: []string{
			"local all all scram-sha-256", "local replication all scram-sha-256",
			"hostssl all bare 127.0.0.1/32 cert", "hostssl all both 127.0.0.1/32 scram-sha-256 clientcert=verify-full",
		},
	})
	for _, user := range []string{"bare", "both"} {
		if err := b.p.CreateUser(t.Context(), "shop", user, "p w", "REPLICATION", "SELECT ON ALL TABLES IN SCHEMA public"); err != nil {
			t.Fatal(err)
		}
	}
	b.exec("CREATE TABLE t (id INT PRIMARY KEY)")
	other, err := servers.NewCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pairs := map[string]servers.Pair{"": {}}
	for name, ca := range map[string]*servers.CA{"bare": b.p.CA(), "both": b.p.CA(), "foreign": other} {
		common := name
		if name == "foreign" {
			common = "bare"
		}
		if pairs[name], err = ca.Issue(common); err != nil {
			t.Fatal(err)
		}
	}
	opened(t, b.config(), "") // makes slot and publication
	for _, c := range []struct {
		name, host, mode, user, password, pair string
		code                                   fault.Code
	}{
		{"socket", b.p.DataDir(), "preferred", b.p.User(), b.p.Password(), "", ""},
		{"socket without TLS", b.p.DataDir(), "disabled", "both", "p w", "", ""},
		{"socket, wrong password", b.p.DataDir(), "disabled", "both", wrongSecret, "", fault.Auth},
		{"no socket", t.TempDir(), "disabled", "both", "p w", "", fault.Unreachable},
		{"certificate alone", "127.0.0.1", "verify_identity", "bare", "", "bare", ""},
		{"certificate and password", "127.0.0.1", "verify_identity", "both", "p w", "both", ""},
		{"certificate, no password", "127.0.0.1", "verify_identity", "both", "", "both", fault.Auth},
		{"no certificate", "127.0.0.1", "verify_identity", "both", "p w", "", fault.Auth},
		{"certificate of another user", "127.0.0.1", "verify_identity", "bare", "", "both", fault.Auth},
		{"certificate of another authority", "127.0.0.1", "verify_identity", "bare", "", "foreign", fault.Auth},
	} {
		cfg := b.config()
		cfg.Host, cfg.User, cfg.Password, cfg.TLS.Mode = c.host, c.user, capture.Secret(c.password), c.mode
		cfg.TLS.CAFile, cfg.TLS.CertFile, cfg.TLS.KeyFile = b.p.CAFile(), pairs[c.pair].Cert, pairs[c.pair].Key
		src, _, err := open(t, cfg, "")
		if c.code != "" {
			if f := wantFault(t, err, c.code); f != nil && (f.Hint == "" || strings.Contains(f.Error(), wrongSecret)) {
				t.Errorf("%s: %v", c.name, f)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		_ = src.Close()
	}
}
