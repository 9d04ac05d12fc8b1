package config

import (
	"math"
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	env := map[string]string{"A": "x", "EMPTY": "", "N": "$A ${A}"}
	lookup := func(k string) (string, bool) { v, ok := env[k]; return v, ok }
	for in, want := range map[string]string{
		"plain": "plain", "${A}": "x", "<${A}${A}>": "<xx>", "$$": "$", "$${A}": "${A}", "$A": "$A", "a$": "a$", "${EMPTY}": "",
		"${EMPTY:-d}": "d", "${NO:-}": "", "${NO:-a:-b}": "a:-b", "${N}": "$A ${A}", "100$ and ${A}": "100$ and x",
	} {
		got, replaced, err := expand(in, lookup)
		if err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
		if used := strings.Contains(strings.ReplaceAll(in, "$$", ""), "${"); replaced != used {
			t.Errorf("%q: replaced %v", in, replaced)
		}
	}
	for _, in := range []string{"${NO}", "${", "${}", "${A B}", "x${1A}", "${A"} {
		if got, _, err := expand(in, lookup); err == nil {
			t.Errorf("%q was accepted: %q", in, got)
		}
	}
}

func FuzzExpand(f *testing.F) {
	for _, s := range []string{"", "${A}", "${A:-b}", "$$", "${", "a${B}c$", "${:-}", "\x00${é}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out, replaced, err := expand(s, func(string) (string, bool) { return "v", true })
		if err == nil && !replaced && out != strings.ReplaceAll(s, "$$", "$") {
			t.Errorf("%q became %q without a variable in it", s, out)
		}
		if !strings.Contains(s, "$") && (out != s || err != nil) {
			t.Errorf("%q changed", s)
		}
	})
}

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{
		"0": 0, "1048576": 1 << 20, "16MiB": 16 << 20, "16 MiB": 16 << 20, "1kB": 1000, "2GB": 2e9, "3TiB": 3 << 40, "5B": 5, "-1": -1,
		"9223372036854775807": math.MaxInt64,
	} {
		if got, ok := parseSize(in); !ok || got != want {
			t.Errorf("%q: %d %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "MiB", "1.5MiB", "16mib", "1e3", "9223372036854775807KiB", "9223372036854775808", "0x10", "16MiBB"} {
		if got, ok := parseSize(in); ok {
			t.Errorf("%q was accepted: %d", in, got)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"brokers", "client_id", "tls", "sasl", "state_topic", "transaction_timeout", "http", "host"}
	for in, want := range map[string]string{
		"brokrs": "brokers", "borkers": "brokers", "clientid": "client_id", "state-topic": "state_topic", "transaction_timeuot": "transaction_timeout",
		"tsl": "tls", "completely": "", "x": "", "host_name": "host", "state": "state_topic",
	} {
		if got := nearest(in, names); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestIsSecret(t *testing.T) {
	for key, want := range map[string]bool{"password": true, "ssl_password": true, "token": true, "key": false, "key_file": false, "passwords": false, "secret": true} {
		if isSecret(key) != want {
			t.Errorf("%s: %v", key, !want)
		}
	}
}
