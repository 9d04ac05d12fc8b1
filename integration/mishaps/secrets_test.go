package mishaps

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"
	"testing"
)

// planted are secrets by what they are. Each has characters that outputs may escape, around a core that none does.
var planted = map[string]string{
	"MySQL":              `pl4ntMy5qlS3cret &<>"'é`,
	"PostgreSQL":         `pl4ntP0stgr3sS3cret &<>"'\\é`,
	"Kafka":              `pl4ntK4fkaS3cret&<>`,
	"Kafka of a source":  `pl4ntS0urc3K4fka&<>`,
	"wrong MySQL":        `wr0ngMy5qlS3cret &<>"'\\é`,
	"wrong PostgreSQL":   `wr0ngP0stgr3sS3cret &<>"'\\é`,
	"wrong Kafka":        `wr0ngK4fkaS3cret&<>`,
	"salt of a mask":     `pl4ntM4skS4lt &<>"'\\é`,
	"salt from a file":   `pl4ntF1leS4lt &<>`,
	"client of a server": `pl4ntCl1entS3cret&<>`,
	"token":              `pl4ntT0kenT3xt`,
}

// core is the part of a secret that stays as it is wherever it is printed.
func core(secret string) string {
	end := strings.IndexFunc(secret, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", r)
	})
	if end < 0 {
		return secret
	}
	return secret[:end]
}

// needles are the forms in which a secret could stand in a text: as it is, in hex, in base64 wherever it begins.
func needles(secret string) []string {
	c := core(secret)
	all := []string{c, hex.EncodeToString([]byte(c))}
	for pad := range 3 {
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", pad) + c))
		all = append(all, text[4:len(text)-4]) // without what depends on its neighbours
	}
	return all
}

// shown lists the secrets that a text shows, with what stands before them. Upper and lower case are the same: keys are written in lower case.
func shown(text string) (found []string) {
	folded := strings.ToLower(text)
	for what, secret := range planted {
		for _, n := range needles(secret) {
			if at := strings.Index(folded, strings.ToLower(n)); at >= 0 {
				found = append(found, what+": …"+folded[max(0, at-200):at]+"«"+n+"»")
			}
		}
	}
	return found
}

// discreet fails the test when a text shows a secret.
func discreet(t *testing.T, what, text string) {
	t.Helper()
	for _, f := range shown(text) {
		t.Errorf("%s shows a secret: %s", what, f)
	}
}

// TestNeedles finds a secret in each form.
func TestNeedles(t *testing.T) {
	secret := planted["MySQL"]
	for _, text := range []string{
		secret, `{"password":"` + secret + `"}`, url.QueryEscape(secret), hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte("\x00alice\x00" + secret)),
		base64.StdEncoding.EncodeToString([]byte("alice:" + secret)), base64.URLEncoding.EncodeToString([]byte("n=a," + secret)),
	} {
		if len(shown(text)) == 0 {
			t.Errorf("nothing is found in %s", text)
		}
	}
	if found := shown("user it, password ***, " + planted["MySQL"][:6]); len(found) > 0 {
		t.Errorf("found %q", found)
	}
}
