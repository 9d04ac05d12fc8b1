package mysql

import (
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
)

func TestConfigDefaults(t *testing.T) {
	c := NewConfig().(*Config)
	c.Host, c.User, c.Tables = "db", "cdc", []string{"shop.*"}
	if errs := c.Validate(); errs != nil {
		t.Error(errs)
	}
}

func TestConfigProblems(t *testing.T) {
	c := &Config{Port: 70000, Tables: []string{"orders"}, ExcludeTables: []string{"."}, Start: "yesterday", HeartbeatInterval: time.Millisecond, OnTruncate: "maybe", BatchBytes: 1,
		AcceptFKCascade: []string{"x"}, ShadowTables: []string{"x"}, TLS: capture.TLS{Mode: "yes", CAFile: "/nowhere/ca.pem", CertFile: "/nowhere/c.pem"}}
	var got []string
	for _, err := range c.Validate() {
		got = append(got, err.Error())
	}
	for _, key := range []string{"host:", "port:", "user:", "tables:", "exclude_tables:", "accept_fk_cascade:", "shadow_tables:", "start:", "heartbeat_interval:", "connect_timeout:", "on_truncate:", "batch_bytes:", "tls.mode:", "tls.cert_file:", "tls.ca_file:"} {
		found := false
		for _, g := range got {
			found = found || strings.HasPrefix(g, key)
		}
		if !found {
			t.Errorf("nothing about %s in %q", key, got)
		}
	}
}

// TestShadowsAreNotCaptured has tables of tools beside those that they work for; one is named as a table of its own.
func TestShadowsAreNotCaptured(t *testing.T) {
	c := NewConfig().(*Config)
	c.Tables, c.ExcludeTables = []string{"shop.*", "other._mine_new"}, []string{"shop.x*"}
	f, err := c.filter()
	if err != nil {
		t.Fatal(err)
	}
	for table, want := range map[[2]string]bool{
		{"shop", "orders"}: true, {"shop", "xenon"}: false, {"shop", "_orders_gho"}: false, {"shop", "_orders_del"}: false, {"shop", "orders_gho"}: true,
		{"other", "_mine_new"}: true, {"other", "orders"}: false,
	} {
		if f.Match(table[0], table[1]) != want {
			t.Errorf("%v: captured is %t", table, !want)
		}
	}
	c.ShadowTables = nil
	if f, err := c.filter(); err != nil || !f.Match("shop", "_orders_gho") {
		t.Errorf("without shadows: %v", err)
	}
}

func TestGreeting(t *testing.T) {
	p := append([]byte{10}, "9.7.4-2\x00\x01\x00\x00\x00abcdefgh\x00\xff\xff"...)
	if g := parseGreeting(p); g.version != "9.7.4-2" || !g.tls {
		t.Errorf("%+v", g)
	}
	for n := range p {
		if g := parseGreeting(p[:n]); g.tls {
			t.Errorf("%d bytes: %+v", n, g)
		}
	}
	if n := versionNumber("8.0.31-0ubuntu"); n != 80031 {
		t.Error(n)
	}
	if n := versionNumber("9.7.4.0-2"); n != 90704 {
		t.Error(n)
	}
}
