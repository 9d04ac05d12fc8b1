package mishaps

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// TestSecretsOfTokens has a daemon log in to Kafka by tokens: from an endpoint, from one that says again what it was told, from a file, and with a
// token that the broker refuses.
func TestSecretsOfTokens(t *testing.T) {
	kafka := servers.KafkaFor(t, servers.KafkaOptions{
		Security: &servers.KafkaSecurity{Users: map[string]string{"alice": "secret"}, Authorizer: true, SuperUsers: []string{"alice"}},
		Extra: map[string]string{
			"listener.name.sasl.sasl.enabled.mechanisms":               "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
			"listener.name.sasl.oauthbearer.sasl.jaas.config":          "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;",
			"listener.name.sasl.oauthbearer.connections.max.reauth.ms": "2000",
		},
	})
	my := servers.MySQLFor(t, servers.MySQLOptions{})
	s := &scene{T: t, world: &world{kafka: kafka, my: my}, name: "tokens", ending: "stay"}
	s.rows(my, 1)
	endpoint := newEndpoint(t)
	files := map[string]string{}
	for name, token := range map[string]string{"good": bearer("alice", time.Hour), "old": bearer("alice", -time.Hour), "junk": core(planted["token"]) + " and more"} {
		files[name] = filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(files[name], []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	secretFile := filepath.Join(t.TempDir(), "client")
	if err := os.WriteFile(secretFile, []byte(planted["client of a server"]), 0o600); err != nil {
		t.Fatal(err)
	}
	asked := "token_url: " + endpoint.URL + "/token, client_id: cdc, client_secret"
	for _, c := range []struct {
		name, sasl, state, code string
		echo                    bool
	}{
		{"an endpoint", asked + fmt.Sprintf(": %q", planted["client of a server"]), "running", "", false},
		{"an endpoint, the secret in a file", asked + "_file: " + secretFile, "running", "", false},
		{"an endpoint that refuses", asked + "_file: " + secretFile, "failed", "auth", true},
		{"a file", "token_file: " + files["good"], "running", "", false},
		{"a file with an old token", "token_file: " + files["old"], "failed", "auth", false},
		{"a file with no token", "token_file: " + files["junk"], "failed", "config", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			endpoint.refuses.Store(c.echo)
			v, here := &vault{T: t, kafka: kafka, my: my}, *s
			here.T = t
			d := v.start(here.yaml(setup{source: s.mysql(my), brokers: kafka.Listener(servers.SASL), kafka: ", sasl: {mechanism: oauthbearer, " + c.sasl + "}"}))
			if now := harness.StateFor(t, d, patience, "running", "failed"); now.State != c.state || now.Code != c.code {
				t.Errorf("it is %+v", now)
			}
			for _, path := range []string{"/status", "/metrics", "/debug/pprof/goroutine?debug=2"} {
				_, body, err := d.Get(t.Context(), path)
				if err != nil {
					t.Fatal(err)
				}
				discreet(t, path, string(body))
			}
			v.command("validate", "-c", d.Config())
			v.command("validate", "-o", "json", "-c", d.Config())
			v.stacks(d)
		})
	}
}

// endpoint gives tokens, or refuses in the most talkative way.
type endpoint struct {
	*httptest.Server
	refuses atomic.Bool
}

func newEndpoint(t *testing.T) *endpoint {
	t.Helper()
	e := &endpoint{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		answer := map[string]any{"access_token": bearer("alice", time.Hour), "token_type": "Bearer", "expires_in": 3600}
		if e.refuses.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			answer = map[string]any{"error": "invalid_client", "error_description": fmt.Sprintf("%s is not known by %s, in the form it is %s, in all %s",
				id, secret, r.PostFormValue("client_secret"), r.Header.Get("Authorization"))}
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(e.Close)
	return e
}

// bearer is a token without a signature, as a broker takes it that was told of no keys.
func bearer(subject string, life time.Duration) string {
	encode := base64.RawURLEncoding.EncodeToString
	now := time.Now()
	claims := fmt.Sprintf(`{"sub":%q,"scope":"kafka","jti":%q,"iat":%d,"exp":%d}`, subject, core(planted["token"]), now.Add(min(life, 0)).Add(-time.Minute).Unix(), now.Add(life).Unix())
	return strings.Join([]string{encode([]byte(`{"alg":"none"}`)), encode([]byte(claims)), ""}, ".")
}
