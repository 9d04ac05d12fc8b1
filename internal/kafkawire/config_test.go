package kafkawire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"cdcbridge/internal/fault"
)

func TestConfigValidate(t *testing.T) {
	good := Config{Brokers: []string{"kafka:9092", "[::1]:9092"}, TLS: TLS{Enabled: true, CAFile: "ca.pem"}, SASL: SASL{Mechanism: SASLPlain, User: "u", Password: "p"}}
	if errs := good.Validate(); errs != nil {
		t.Fatal(errs)
	}
	for want, c := range map[string]Config{
		"brokers: needs":                       {},
		"brokers[0]":                           {Brokers: []string{"kafka"}},
		"brokers[1]":                           {Brokers: []string{"kafka:9092", "kafka:70000"}},
		"tls: cert_file":                       {Brokers: []string{"k:1"}, TLS: TLS{Enabled: true, KeyFile: "k"}},
		"tls.enabled":                          {Brokers: []string{"k:1"}, TLS: TLS{CAFile: "k"}},
		"sasl.mechanism: \"x\"":                {Brokers: []string{"k:1"}, SASL: SASL{Mechanism: "x"}},
		"sasl.mechanism: is":                   {Brokers: []string{"k:1"}, SASL: SASL{User: "u"}},
		"sasl.mechanism: is plain, so token":   {Brokers: []string{"k:1"}, SASL: SASL{Mechanism: SASLPlain, User: "u", Password: "p", TokenURL: "https://h"}},
		"sasl.mechanism: is oauthbearer, so u": {Brokers: []string{"k:1"}, SASL: SASL{Mechanism: SASLOAuthBearer, TokenFile: "f", User: "u"}},
		"sasl.token_url: is needed":            {Brokers: []string{"k:1"}, SASL: SASL{Mechanism: SASLOAuthBearer}},
		"sasl.token_url: is no address":        {Brokers: []string{"k:1"}, SASL: SASL{Mechanism: SASLOAuthBearer, TokenURL: "login.example", ClientID: "i", ClientSecret: "s"}},
		"sasl.token_url: must be https":        {Brokers: []string{"k:1"}, SASL: SASL{Mechanism: SASLOAuthBearer, TokenURL: "http://login.example/t", ClientID: "i", ClientSecret: "s"}},
		"sasl.token_url: must not":             {Brokers: []string{"k:1"}, SASL: SASL{Mechanism: SASLOAuthBearer, TokenURL: "https://i:s@login.example/t", ClientID: "i", ClientSecret: "s"}},
		"sasl.token_file: cannot":              {Brokers: []string{"k:1"}, SASL: SASL{Mechanism: SASLOAuthBearer, TokenURL: "https://h", TokenFile: "f"}},
		"sasl.token_file: needs":               {Brokers: []string{"k:1"}, SASL: SASL{Mechanism: SASLOAuthBearer, TokenFile: "f", Scope: "s"}},
		"sasl.client_id":                       {Brokers: []string{"k:1"}, SASL: SASL{Mechanism: SASLOAuthBearer, TokenURL: "http://127.0.0.1:1/t", ClientSecret: "s"}},
		"sasl.client_secret":                   {Brokers: []string{"k:1"}, SASL: SASL{Mechanism: SASLOAuthBearer, TokenURL: "https://h", ClientID: "i"}},
		"sasl.extensions: \"a\"":               {Brokers: []string{"k:1"}, SASL: SASL{Mechanism: SASLOAuthBearer, TokenFile: "f", Extensions: "a"}},
		"sasl.extensions: \"auth=x\"":          {Brokers: []string{"k:1"}, SASL: SASL{Mechanism: SASLOAuthBearer, TokenFile: "f", Extensions: "a=b,auth=x"}},
		"sasl.user":                            {Brokers: []string{"k:1"}, SASL: SASL{Mechanism: SASLPlain, Password: "p"}},
		"sasl.password":                        {Brokers: []string{"k:1"}, SASL: SASL{Mechanism: SASLScramSHA256, User: "u"}},
		"request_timeout: 1ms":                 {Brokers: []string{"k:1"}, RequestTimeout: time.Millisecond},
		"client_id: is longer t":               {Brokers: []string{"k:1"}, ClientID: strings.Repeat("x", 2000)},
	} {
		errs := c.Validate()
		if len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), want) {
			t.Errorf("%v, want one that begins with %s", errs, want)
		}
	}
}

func TestBadConfigIsTheErrorOfTheFirstCall(t *testing.T) {
	c := NewClient(Config{})
	defer c.Close()
	if _, err := c.Metadata(context.Background()); !fault.Is(err, fault.Config) || !fault.IsFinal(err) {
		t.Fatal(err)
	}
}

func TestClosedClient(t *testing.T) {
	c := NewClient(Config{Brokers: []string{"k:1"}, Dial: func(context.Context, string, string) (net.Conn, error) {
		t.Error("a closed client dials")
		return nil, errors.New("no")
	}})
	c.Close()
	if _, err := c.Metadata(context.Background()); !errors.Is(err, errClosed) || !IsUnsent(err) {
		t.Fatal(err)
	}
}

func TestPasswordDoesNotPrint(t *testing.T) {
	for _, s := range []SASL{{Mechanism: SASLPlain, User: "u", Password: "hunter2"}, {Mechanism: SASLOAuthBearer, ClientID: "u", ClientSecret: "hunter2"}} {
		for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%+v", s), fmt.Sprintf("%#v", s), fmt.Sprintf("%+v", Config{SASL: s}), s.LogValue().String()} {
			if strings.Contains(text, "hunter2") {
				t.Error(text)
			}
		}
	}
}
