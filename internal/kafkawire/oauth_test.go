package kafkawire

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cdcbridge/internal/fault"
)

const planted = "planted secret:/?&=%"

// authority is an authorization server.
type authority struct {
	*httptest.Server
	answer func(w http.ResponseWriter, id, secret, scope string)
	form   bool // takes credentials in the form alone
	asked  int
}

func newAuthority(t *testing.T, start func(http.Handler) *httptest.Server) *authority {
	a := &authority{}
	a.Server = start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.asked++
		id, secret, ok := r.BasicAuth()
		if ok && a.form {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if !ok {
			id, secret = url.QueryEscape(r.PostFormValue("client_id")), url.QueryEscape(r.PostFormValue("client_secret"))
		}
		if r.Method != http.MethodPost || r.PostFormValue("grant_type") != "client_credentials" {
			t.Errorf("%s %v", r.Method, r.PostForm)
		}
		plainID, err1 := url.QueryUnescape(id)
		plainSecret, err2 := url.QueryUnescape(secret)
		if err1 != nil || err2 != nil {
			t.Errorf("%q %q are not encoded", id, secret)
		}
		a.answer(w, plainID, plainSecret, r.PostFormValue("scope"))
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *authority) gives(token string, life int) {
	a.answer = func(w http.ResponseWriter, id, secret, scope string) {
		if id != "me" || secret != planted || scope != "kafka read" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = fmt.Fprint(w, `{"error":"invalid_client","error_description":"unknown"}`)
			return
		}
		_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":%d}`, token, life)
	}
}

func (a *authority) fails(status int) {
	a.answer = func(w http.ResponseWriter, _, _, _ string) { w.WriteHeader(status) }
}

func (a *authority) endpoint() *tokenEndpoint {
	return newTokenEndpoint(&SASL{Mechanism: SASLOAuthBearer, TokenURL: a.URL + "/token", ClientID: "me", ClientSecret: planted, Scope: "kafka read"})
}

func mustGet(t *testing.T, e *tokenEndpoint, want string) {
	t.Helper()
	if got, err := e.token(t.Context()); err != nil || got != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

// TestTokensAreKeptAndRenewed asks for the next one when most of the time has passed, and lives on the old one while that is good.
func TestTokensAreKeptAndRenewed(t *testing.T) {
	for _, form := range []bool{false, true} {
		a := newAuthority(t, httptest.NewServer)
		a.form = form
		a.gives("one", 1000)
		e := a.endpoint()
		mustGet(t, e, "one")
		first := a.asked
		a.gives("two", 1000)
		mustGet(t, e, "one")
		if left := time.Until(e.renew); a.asked != first || left < 790*time.Second || left > 800*time.Second {
			t.Errorf("asked %d times, and again in %v", a.asked, left)
		}
		e.renew = time.Now()
		mustGet(t, e, "two")
		if a.asked != first+1 {
			t.Errorf("asked %d times, at first %d", a.asked, first)
		}
		a.fails(http.StatusServiceUnavailable)
		e.renew = time.Now()
		mustGet(t, e, "two")
		if left := time.Until(e.renew); left < 4*time.Second {
			t.Errorf("a failing server is asked again in %v", left)
		}
		e.renew, e.held.expires = time.Now(), time.Now()
		if _, err := e.token(t.Context()); !fault.Is(err, fault.Unreachable) || fault.IsFinal(err) {
			t.Error(err)
		}
		a.gives("three", 1000)
		mustGet(t, e, "three")
	}
}

// TestTokensRefused tells what is for a person from what heals, and never shows the secret.
func TestTokensRefused(t *testing.T) {
	a := newAuthority(t, httptest.NewServer)
	gives := func(text string) func(http.ResponseWriter, string, string, string) {
		return func(w http.ResponseWriter, _, _, _ string) { _, _ = fmt.Fprint(w, text) }
	}
	for _, c := range []struct {
		name   string
		answer func(w http.ResponseWriter, id, secret, scope string)
		code   fault.Code
		word   string
	}{
		{"client", func(w http.ResponseWriter, _, _, _ string) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = fmt.Fprint(w, `{"error":"invalid_client","error_description":"no such client"}`)
		}, fault.Auth, "invalid_client: no such client"},
		{"forbidden", func(w http.ResponseWriter, _, _, _ string) { w.WriteHeader(http.StatusForbidden) }, fault.Auth, "403"},
		{"broken", func(w http.ResponseWriter, _, _, _ string) { w.WriteHeader(http.StatusBadGateway) }, fault.Unreachable, "502"},
		{"busy", func(w http.ResponseWriter, _, _, _ string) { w.WriteHeader(http.StatusTooManyRequests) }, fault.Unreachable, "429"},
		{"elsewhere", func(w http.ResponseWriter, _, _, _ string) {
			w.Header().Set("Location", "https://elsewhere.invalid/")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, fault.Unreachable, "307"},
		{"page", gives("<html>"), fault.Unreachable, "no JSON"},
		{"empty", gives("{}"), fault.Unreachable, "no access_token"},
		{"forged", gives(`{"access_token":"a\u0001auth=b"}`), fault.Unreachable, "no access_token"},
		{"other type", gives(`{"access_token":"a","token_type":"mac"}`), fault.Unreachable, `"mac"`},
	} {
		a.answer = c.answer
		_, err := a.endpoint().token(t.Context())
		if f := fault.As(err); f == nil || f.Code != c.code || f.Final != (c.code == fault.Auth) || f.Hint == "" || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: %v", c.name, err)
		}
		if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "planted") {
			t.Errorf("%s: the secret is in %v", c.name, err)
		}
	}
	a.Close()
	if _, err := a.endpoint().token(t.Context()); !fault.Is(err, fault.Unreachable) || strings.Contains(err.Error(), "planted") {
		t.Error(err)
	}
}

// TestTokensOverTLS trusts an authority of one's own when it is told to.
func TestTokensOverTLS(t *testing.T) {
	a := newAuthority(t, httptest.NewTLSServer)
	a.gives("one", 10)
	e := a.endpoint()
	if _, err := e.token(t.Context()); !fault.Is(err, fault.Unreachable) || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
	e.caFile = filepath.Join(t.TempDir(), "ca.pem")
	if _, err := e.token(t.Context()); !fault.Is(err, fault.Config) {
		t.Error(err)
	}
	if err := os.WriteFile(e.caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	mustGet(t, e, "one")
}

// TestTokenFileIsReadAgain for each authentication, and its problems are told.
func TestTokenFileIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	for text, want := range map[string]string{"a.b-c_d~e+f/g==\n": "a.b-c_d~e+f/g==", "two": "two", "": "", "one two": "", "a\x01b": ""} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := tokenFile(file).token(t.Context())
		if got != want || (err == nil) != (want != "") || err != nil && !fault.Is(err, fault.Config) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if _, err := tokenFile(file + ".missing").token(t.Context()); !fault.Is(err, fault.Config) {
		t.Error(err)
	}
}

// TestEndOfTokens is what the endpoint says, else what the token says, else not known.
func TestEndOfTokens(t *testing.T) {
	asked := time.Unix(1_700_000_000, 0)
	jwt := func(claims string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".x"
	}
	for body, want := range map[string]time.Time{
		`{"access_token":"t","expires_in":60}`:                                          asked.Add(time.Minute),
		`{"access_token":"t","expires_in":"60"}`:                                        asked.Add(time.Minute),
		`{"access_token":"t","expires_in":0}`:                                           {},
		`{"access_token":"t"}`:                                                          {},
		`{"access_token":"` + jwt(`{"exp":1700000100}`) + `"}`:                          time.Unix(1_700_000_100, 0),
		`{"access_token":"` + jwt(`{"exp":1700000100}`) + `","expires_in":60}`:          asked.Add(time.Minute),
		`{"access_token":"` + jwt(`{"exp":-1}`) + `"}`:                                  {},
		`{"access_token":"` + jwt(`nonsense`) + `"}`:                                    {},
		`{"access_token":"` + jwt(`{"exp":1700000100}`) + `","expires_in":99999999999}`: time.Unix(1_700_000_100, 0),
	} {
		if got, err := parseToken([]byte(body), asked); err != nil || !got.expires.Equal(want) {
			t.Errorf("%s: %v, %v, want %v", body, got.expires, err, want)
		}
	}
}

// FuzzTokenAnswer reads what no endpoint says; what comes of it can be sent.
func FuzzTokenAnswer(f *testing.F) {
	f.Add([]byte(`{"access_token":"a.b.c","token_type":"Bearer","expires_in":3600}`))
	f.Add([]byte(`{"access_token":"e30.eyJleHAiOjE3MDAwMDAxMDB9.x"}`))
	f.Add([]byte(`{"access_token":"a\u0001b","expires_in":1e400}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := parseToken(body, time.Unix(0, 0))
		if err == nil && !validToken([]byte(got.text)) {
			t.Errorf("%q", got.text)
		}
	})
}
