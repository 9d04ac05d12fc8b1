package mysql

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

// This file chooses among the servers of one database. An attempt reads from one of them alone: the first that answers and can
// go on from the checkpoint. All of its connections lead there, because what one server shows says nothing of another's log.

// endpoints gives one configuration a server, in the order in which they are tried.
func (c *Config) endpoints() []*Config {
	if len(c.Hosts) == 0 {
		return []*Config{c}
	}
	var out []*Config
	for _, h := range c.Hosts {
		one := *c
		one.Hosts = nil
		one.Host, one.Port, _ = splitHost(h, c.Port) // Validate has looked at them
		out = append(out, &one)
	}
	return out
}

// network is "unix" where the host is the path of the server's socket.
func (c *Config) network() string {
	if isSocket(c.Host) {
		return "unix"
	}
	return "tcp"
}

func isSocket(host string) bool { return strings.HasPrefix(host, "/") }

func (c *Config) addr() string {
	if isSocket(c.Host) {
		return c.Host
	}
	return net.JoinHostPort(c.Host, strconv.Itoa(c.Port))
}

// splitHost reads "name", "name:port", "address" or "[address]:port". An address of IPv6 with a port needs the brackets.
func splitHost(s string, port int) (host string, _ int, err error) {
	host = s
	if i := strings.LastIndexByte(s, ':'); i >= 0 && (strings.Count(s, ":") == 1 || strings.HasPrefix(s, "[") && !strings.HasSuffix(s, "]")) {
		var text string
		if host, text, err = net.SplitHostPort(s); err != nil {
			return "", 0, err
		}
		if port, err = strconv.Atoi(text); err != nil {
			return "", 0, fmt.Errorf("%q is not a port number", text)
		}
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if host == "" {
		return "", 0, errors.New("the name is missing")
	}
	if port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("%d is not a port number", port)
	}
	return host, port, nil
}

// validateHosts says that there is one server at least, said in one way.
func (c *Config) validateHosts(bad func(format string, args ...any)) {
	switch {
	case c.Host == "" && len(c.Hosts) == 0:
		bad("host: is required")
	case c.Host != "" && len(c.Hosts) > 0:
		bad("hosts: host is set too; write the one or the other")
	}
	if isSocket(c.Host) && c.TLS.Mode != capture.TLSDisabled && c.TLS.Mode != capture.TLSPreferred {
		bad("tls.mode: is %s, and a connection by the socket %s has no TLS", c.TLS.Mode, c.Host)
	}
	for _, h := range c.Hosts {
		if isSocket(h) {
			bad("hosts: %q is a socket, which leads to a server of this machine: write it as host", h)
		}
	}
	if c.Port < 1 || c.Port > 65535 {
		bad("port: %d is not a port number", c.Port)
		return
	}
	seen := map[string]bool{}
	for _, h := range c.Hosts {
		host, port, err := splitHost(h, c.Port)
		if err != nil {
			bad("hosts: %q: %w", h, err)
			continue
		}
		at := net.JoinHostPort(host, strconv.Itoa(port))
		if seen[at] {
			bad("hosts: %s is there twice", at)
		}
		seen[at] = true
	}
}

// connectFirst connects to the first server that answers, for questions that every one of them can answer.
func connectFirst(ctx context.Context, cfg *Config) (*conn, error) {
	var tried refusals
	for _, one := range cfg.endpoints() {
		c, err := connect(ctx, one)
		if err == nil {
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		tried = append(tried, refusal{one.addr(), err})
	}
	return nil, tried.fault()
}

// refusal is why a server was not taken.
type refusal struct {
	addr string
	err  error
}

type refusals []refusal

// forked is the cause of a refusal by a server that takes writes of its own and lacks transactions that we have: the history
// has gone on without them there.
type forked struct{ error }

func (f forked) Unwrap() error { return f.error }

// fault makes one error of all refusals and names each of them. A server that takes writes and lacks what we have is the end,
// whoever else may come back: to follow another server would be to follow a history that has ended. Otherwise there is hope as
// long as there is for one of them. Of final refusals a lost log weighs most, since a new snapshot mends that.
func (rs refusals) fault() error {
	if len(rs) == 1 {
		return rs[0].err
	}
	var worst *fault.Fault
	weight := 0
	var all []string
	for _, r := range rs {
		f := fault.As(r.err)
		if f == nil {
			f = fault.New(fault.Source, "", r.err, "")
		}
		w := 1
		switch {
		case errors.As(r.err, new(forked)):
			w = 4
		case !f.Final:
			w = 3
		case f.Code == fault.BinlogPurged:
			w = 2
		}
		if w > weight {
			worst, weight = f, w
		}
		short := *f
		short.Hint = ""
		all = append(all, r.addr+": "+short.Error())
	}
	return &fault.Fault{Code: worst.Code, Op: "choosing among the hosts", Err: errors.New(strings.Join(all, "; ")), Hint: worst.Hint, Final: worst.Final}
}
