package kafkawire

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// authority is an authorization server: it signs tokens for its one client, and publishes the key by which brokers verify them.
type authority struct {
	*httptest.Server
	key   *rsa.PrivateKey
	life  time.Duration
	given atomic.Int32
	down  atomic.Bool
}

const (
	tokenClient = "alice"
	tokenSecret = "s3cr:t/?&"
	tokenScope  = "kafka"
)

func newAuthority(t *testing.T, life time.Duration) *authority {
	t.Helper()
	a := &authority{key: newKey(t), life: life}
	mux := http.NewServeMux()
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		mustWriteJSON(w, map[string]any{"keys": []any{map[string]string{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k", "n": encoded(a.key.N.Bytes()), "e": encoded(big.NewInt(int64(a.key.E)).Bytes()),
		}}})
	})
	mux.HandleFunc("/token", a.grant)
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	return a
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// grant answers a request with the client credentials in a header, which Go's url.QueryEscape has encoded.
func (a *authority) grant(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	switch {
	case a.down.Load():
		w.WriteHeader(http.StatusServiceUnavailable)
	case id != tokenClient || secret != "s3cr%3At%2F%3F%26" || r.PostFormValue("scope") != tokenScope:
		w.WriteHeader(http.StatusUnauthorized)
		mustWriteJSON(w, map[string]string{"error": "invalid_client", "error_description": "no such client"})
	default:
		a.given.Add(1)
		mustWriteJSON(w, map[string]any{"access_token": sign(a.key, tokenClient, a.life), "token_type": "Bearer", "expires_in": a.life.Seconds()})
	}
}

func mustWriteJSON(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(err)
	}
}

func encoded(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// sign makes a token.
func sign(key *rsa.PrivateKey, subject string, life time.Duration) string {
	now := time.Now().Unix()
	claims := fmt.Sprintf(`{"iss":"tests","sub":%q,"aud":"brokers","scope":%q,"iat":%d,"exp":%d}`, subject, tokenScope, now, now+int64(life.Seconds()))
	text := encoded([]byte(`{"alg":"RS256","kid":"k","typ":"JWT"}`)) + "." + encoded([]byte(claims))
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return text + "." + encoded(signature)
}

// settings make a broker accept the authority's tokens on the SASL listener beside passwords, and have every connection authenticate
// again in time.
func (a *authority) settings() map[string]string {
	const listener = "listener.name.sasl.oauthbearer."
	return map[string]string{
		"listener.name.sasl.sasl.enabled.mechanisms":    "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
		"connections.max.reauth.ms":                     "3000",
		listener + "sasl.jaas.config":                   "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;",
		listener + "sasl.server.callback.handler.class": "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler",
		"sasl.oauthbearer.jwks.endpoint.url":            a.URL + "/keys",
		"sasl.oauthbearer.expected.audience":            "brokers",
		"sasl.oauthbearer.expected.issuer":              "tests",
		"sasl.oauthbearer.clock.skew.seconds":           "0",
	}
}

// java lets brokers ask the authority for its key.
func (a *authority) java() string {
	return "-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=" + a.URL + "/keys"
}
