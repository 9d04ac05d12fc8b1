package kafkawire

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cdcbridge/internal/fault"
)

// tokenEndpoint gets tokens by the client credentials grant (RFC 6749, 4.4) and keeps one until most of its life has passed.
type tokenEndpoint struct {
	url, caFile      string
	clientID, secret string
	scope            string
	busy             chan struct{} // holds one element while somebody asks; it guards what follows
	held             accessToken
	renew            time.Time // when to ask for the next one
	inForm           bool      // the endpoint wants the credentials in the form and not in a header
}

func newTokenEndpoint(s *SASL) *tokenEndpoint {
	return &tokenEndpoint{url: s.TokenURL, caFile: s.TokenCAFile, clientID: s.ClientID, secret: s.ClientSecret, scope: s.Scope, busy: make(chan struct{}, 1)}
}

// How long a token is kept that does not tell how long it lives, and how long an endpoint that fails is left alone while the old
// token is good.
const (
	unknownLife = time.Minute
	retryTokens = 5 * time.Second

	// tokenMargin is how long before its end a token is given up: brokers and we do not count from the same moment.
	tokenMargin = 2 * time.Second
)

func (e *tokenEndpoint) token(ctx context.Context) (string, error) {
	select {
	case e.busy <- struct{}{}:
		defer func() { <-e.busy }()
	case <-ctx.Done():
		return "", endpointFault(fault.Unreachable, false, context.Cause(ctx))
	}
	now := time.Now()
	if e.held.text != "" && now.Before(e.renew) {
		return e.held.text, nil
	}
	fresh, err := e.fetch(ctx)
	if err != nil {
		if e.held.text != "" && now.Before(e.held.expires.Add(-tokenMargin)) {
			e.renew = now.Add(retryTokens)
			return e.held.text, nil
		}
		return "", err
	}
	if fresh.expires.IsZero() {
		fresh.expires = now.Add(unknownLife)
	}
	e.held, e.renew = fresh, now.Add(fresh.expires.Sub(now)*4/5)
	return fresh.text, nil
}

const opToken = "getting a token for Kafka"

func endpointFault(code fault.Code, final bool, err error) *fault.Fault {
	hint := "Check that kafka.sasl.token_url is right, that it is reachable from here, and token_ca_file if its authority is your own."
	if code == fault.Auth {
		hint = "Check kafka.sasl.client_id, client_secret and scope, and the client's rights at the authorization server."
	}
	return &fault.Fault{Code: code, Op: opToken, Err: err, Hint: hint, Final: final}
}

// fetch asks for a token. Servers must take the credentials in a header, and some take them in the form alone.
func (e *tokenEndpoint) fetch(ctx context.Context) (accessToken, error) {
	client, err := e.client()
	if err != nil {
		return accessToken{}, fault.NewFinal(fault.Config, opToken, err, "Check kafka.sasl.token_ca_file, and that the daemon's user may read it.")
	}
	t, status, err := e.ask(ctx, client)
	if (status == http.StatusBadRequest || status == http.StatusUnauthorized) && e.held.text == "" {
		e.inForm = !e.inForm
		if t, _, err := e.ask(ctx, client); err == nil {
			return t, nil
		}
		e.inForm = !e.inForm
	}
	switch {
	case err == nil:
		return t, nil
	case status >= 400 && status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout && status != http.StatusNotFound:
		return t, endpointFault(fault.Auth, true, err)
	}
	return t, endpointFault(fault.Unreachable, false, err)
}

// client makes connections that are closed after use: tokens are rare. Redirects are not followed, with what is secret in the request.
func (e *tokenEndpoint) client() (*http.Client, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if e.caFile != "" {
		pool, err := readCertPool(e.caFile)
		if err != nil {
			return nil, err
		}
		settings.RootCAs = pool
	}
	return &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: settings, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// ask makes one request. status is 0 without an answer.
func (e *tokenEndpoint) ask(ctx context.Context, client *http.Client) (t accessToken, status int, err error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if e.scope != "" {
		form.Set("scope", e.scope)
	}
	if e.inForm {
		form.Set("client_id", e.clientID)
		form.Set("client_secret", e.secret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, strings.NewReader(form.Encode()))
	if err != nil {
		return t, 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if !e.inForm {
		req.SetBasicAuth(url.QueryEscape(e.clientID), url.QueryEscape(e.secret))
	}
	asked := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return t, 0, err
	}
	defer func() { _ = resp.Body.Close() }() // it was read, or is of no use
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenAnswer))
	if err != nil {
		return t, 0, fmt.Errorf("reading the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return t, resp.StatusCode, refusal(resp.Status, body, e.withoutSecret())
	}
	t, err = parseToken(body, asked)
	return t, resp.StatusCode, err
}

// maxTokenAnswer bounds an answer; a token with many claims has some kilobytes.
const maxTokenAnswer = 1 << 20

// withoutSecret takes the secret out of what the endpoint says, which may be what it was told.
func (e *tokenEndpoint) withoutSecret() *strings.Replacer {
	escaped := url.QueryEscape(e.secret)
	basic := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(e.clientID) + ":" + escaped))
	return strings.NewReplacer(basic, "***", escaped, "***", e.secret, "***")
}

// refusal is what the endpoint says about an error (RFC 6749, 5.2), and nothing else of its answer.
func refusal(status string, body []byte, hide *strings.Replacer) error {
	var said struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(body, &said) != nil || said.Error == "" {
		return fmt.Errorf("the endpoint answers %s", status)
	}
	return fmt.Errorf("the endpoint answers %s: %.200s: %.500s", status, hide.Replace(said.Error), hide.Replace(said.Description))
}

// accessToken is a token and when it ends, zero if that is not known.
type accessToken struct {
	text    string
	expires time.Time
}

// parseToken reads an answer to a request that was made then (RFC 6749, 5.1).
func parseToken(body []byte, asked time.Time) (accessToken, error) {
	var said struct {
		Token   string      `json:"access_token"`
		Type    string      `json:"token_type"`
		Expires json.Number `json:"expires_in"` // seconds
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return accessToken{}, errors.New("the endpoint's answer is no JSON of an access token")
	}
	if said.Type != "" && !strings.EqualFold(said.Type, "bearer") {
		return accessToken{}, fmt.Errorf("the endpoint gives a token of type %.50q, not bearer", said.Type)
	}
	if !validToken([]byte(said.Token)) {
		return accessToken{}, errors.New("the endpoint's answer has no access_token that can be sent")
	}
	t := accessToken{text: said.Token}
	if s, err := said.Expires.Float64(); err == nil && s > 0 && s < float64(maxTokenLife/time.Second) {
		t.expires = asked.Add(time.Duration(s * float64(time.Second)))
	} else {
		t.expires = claimedEnd(said.Token)
	}
	return t, nil
}

// maxTokenLife is beyond what a token lives.
const maxTokenLife = 100 * 365 * 24 * time.Hour

// claimedEnd is the claim exp of a token that is a JWT, else the zero time. Nothing is verified: that is the broker's part.
func claimedEnd(token string) time.Time {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	claims, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return time.Time{}
	}
	var said struct {
		End float64 `json:"exp"` // seconds since 1970
	}
	if json.Unmarshal(claims, &said) != nil || said.End <= 0 || said.End > 1e11 {
		return time.Time{}
	}
	return time.UnixMilli(int64(said.End * 1000))
}
