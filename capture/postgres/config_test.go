package postgres

import (
	"os"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
)

func TestConfigDefaults(t *testing.T) {
	c := NewConfig().(*Config)
	c.Host, c.User, c.Database, c.Tables = "db", "cdc", "shop", []string{"public.*"}
	if errs := c.Validate(); errs != nil {
		t.Error(errs)
	}
}

func TestConfigProblems(t *testing.T) {
	c := &Config{
		Host: "a\x00b", Port: 70000, Tables: []string{"orders"}, ExcludeTables: []string{"."}, TLS: capture.TLS{Mode: "yes"},
		SlotConfig: SlotConfig{Slot: "My-Slot", Publication: strings.Repeat("p", 64), Create: "maybe", Publish: []Published{{Table: "x"}, {Table: "a.b", Where: "true"}, {Table: "a.b", Where: "true"}, {Table: "a.c"}}},
		StreamConfig: StreamConfig{
			Origin: "some", OnTruncate: "ignore", HeartbeatInterval: time.Millisecond, EmitInterval: time.Millisecond, BatchBytes: 1, Streaming: true, Messages: true,
		},
	}
	var got []string
	for _, err := range c.Validate() {
		got = append(got, err.Error())
	}
	for _, key := range []string{"host:", "port:", "user:", "database:", "tables:", "exclude_tables:", "tls.mode:", "slot:", "publication:", "create:", "publish[0].table:", "publish[2].table:", "publish[3].columns:",
		"origin:", "on_truncate:", "heartbeat_interval:", "emit_interval:", "connect_timeout:", "batch_bytes:", "spool_memory:", "messages:"} {
		found := false
		for _, g := range got {
			found = found || strings.HasPrefix(g, key)
		}
		if !found {
			t.Errorf("nothing about %s in %q", key, got)
		}
	}
}

func TestNamesOnTheServer(t *testing.T) {
	long := strings.Repeat("x", 70)
	for pipeline, want := range map[string]string{"shop": "cdcbridge_shop", "Shop-EU.1": "cdcbridge_shop_eu_1", "ü": "cdcbridge___"} {
		if r := (&Config{}).resolved(pipeline); r.Slot != want || r.Publication != want {
			t.Errorf("%s: %s, %s", pipeline, r.Slot, r.Publication)
		}
	}
	a, b := (&Config{}).resolved(long+"a"), (&Config{}).resolved(long+"b")
	if len(a.Slot) != maxName || a.Slot == b.Slot {
		t.Errorf("%s, %s", a.Slot, b.Slot)
	}
	given := (&Config{SlotConfig: SlotConfig{Slot: "s", Publication: "p"}}).resolved("shop")
	if given.Slot != "s" || given.Publication != "p" {
		t.Errorf("%+v", given)
	}
}

// TestNothingFromTheEnvironment lets pgconn see every variable and file that it reads, and looks for them in what it made of it.
func TestNothingFromTheEnvironment(t *testing.T) {
	home := t.TempDir()
	if err := os.WriteFile(home+"/.pgpass", []byte("*:*:*:*:leaked\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(home+"/service", []byte("[leak]\nhost=leaked\npassword=leaked\noptions=leaked\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGAPPNAME", "PGCONNECT_TIMEOUT", "PGSSLMODE", "PGSSLKEY", "PGSSLCERT", "PGSSLCERTMODE", "PGSSLSNI",
		"PGSSLROOTCERT", "PGSSLPASSWORD", "PGSSLNEGOTIATION", "PGTARGETSESSIONATTRS", "PGTZ", "PGOPTIONS", "PGMINPROTOCOLVERSION", "PGMAXPROTOCOLVERSION", "PGCHANNELBINDING", "PGREQUIREAUTH"} {
		t.Setenv(name, "leaked")
	}
	t.Setenv("HOME", home)
	t.Setenv("PGPASSFILE", home+"/.pgpass")
	t.Setenv("PGSERVICEFILE", home+"/service")
	for _, service := range []string{"", "leak", "no such service"} {
		t.Setenv("PGSERVICE", service)
		cfg := &Config{Host: "db", Port: 5433, Database: "shop", User: "cdc", StreamConfig: StreamConfig{ConnectTimeout: time.Second}}
		c, err := clientSettings(cfg)
		if err != nil {
			t.Fatalf("PGSERVICE=%q: %v", service, err)
		}
		if c.Host != "db" || c.Port != 5433 || c.Database != "shop" || c.User != "cdc" || c.Password != "" || c.TLSConfig != nil || len(c.Fallbacks) != 0 || c.ValidateConnect != nil ||
			c.SSLNegotiation != "postgres" || c.ChannelBinding != "prefer" || c.RequireAuth != "" || c.MinProtocolVersion != "3.0" || c.MaxProtocolVersion != "3.0" || c.ConnectTimeout != time.Second {
			t.Errorf("PGSERVICE=%q: %+v", service, c)
		}
	}
}

func TestSessionPins(t *testing.T) {
	s := session{pipeline: "shop", replication: true}
	start := s.startup()
	for name, want := range map[string]string{"application_name": "cdcbridge shop", "replication": "database", "datestyle": "ISO, MDY", "statement_timeout": "0", "search_path": "pg_catalog"} {
		if start[name] != want {
			t.Errorf("%s is %q", name, start[name])
		}
	}
	if _, ok := (session{}).startup()["replication"]; ok {
		t.Error("an ordinary session would be a walsender")
	}
	again := pinAgain()
	for name, value := range pins {
		if !strings.Contains(again, "SET SESSION "+name+" = '"+value+"';") {
			t.Errorf("%s is not pinned again", name)
		}
	}
	if _, leaked := pins["application_name"]; leaked {
		t.Error("the pins were changed")
	}
}
