package kafkawire

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// TestRefusalHidesTheSecret has an endpoint say again what it was told, in each form in which it was told that.
func TestRefusalHidesTheSecret(t *testing.T) {
	e := newTokenEndpoint(&SASL{ClientID: "the client", ClientSecret: "s3cr:t/ä"})
	escaped := url.QueryEscape(e.secret)
	basic := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(e.clientID) + ":" + escaped))
	body, err := json.Marshal(map[string]string{"error": "no " + e.secret, "error_description": "nor " + escaped + ", nor " + basic})
	if err != nil {
		t.Fatal(err)
	}
	text := refusal("401 Unauthorized", body, e.withoutSecret()).Error()
	if want := "the endpoint answers 401 Unauthorized: no ***: nor ***, nor ***"; text != want {
		t.Errorf("%s, want %s", text, want)
	}
	for _, secret := range []string{e.secret, escaped, basic} {
		if strings.Contains(text, secret) {
			t.Errorf("it shows %s", secret)
		}
	}
}
