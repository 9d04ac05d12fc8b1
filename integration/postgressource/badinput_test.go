package postgressource

import (
	"context"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/capture/postgres"
	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

const wrongSecret = "wR0ng-Secr3t"

// TestAccounts refuses accounts and databases that cannot be captured with, and lets one in that has no right too many.
func TestAccounts(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE TABLE t (id int PRIMARY KEY)", "CREATE ROLE owners NOLOGIN", "ALTER TABLE t OWNER TO owners")
			for name, rights := range map[string][]string{
				"plain": nil, "replicator": {"REPLICATION"}, "creator": {"REPLICATION", "CREATE ON DATABASE shop"}, "enough": {"REPLICATION", "CREATE ON DATABASE shop"},
			} {
				if err := b.p.CreateUser(t.Context(), "shop", name, "pw", rights...); err != nil {
					t.Fatal(err)
				}
			}
			b.exec("GRANT owners TO enough")
			cfg := b.config()
			cfg.Password = "pw"

			cfg.User = "plain"
			if f := openFault(t, cfg, "", fault.Permission); !f.Final || !strings.Contains(f.Hint, "REPLICATION") {
				t.Error(f)
			}
			problem(t, check(t, cfg), "replication connection", fault.Permission)

			cfg.User = "replicator"
			openFault(t, cfg, "", fault.Permission)
			problem(t, check(t, cfg), "publication "+publication, fault.Permission)

			cfg.User = "creator"
			openFault(t, cfg, "", fault.Permission)
			problem(t, check(t, cfg), "table public.t", fault.Permission)

			cfg.User = "enough"
			for _, f := range check(t, cfg) {
				if f.Severity == capture.Problem {
					t.Errorf("%+v", f)
				}
			}
			opened(t, cfg, "")

			secrets := func(what string, code fault.Code, change func(*postgres.Config)) {
				t.Helper()
				c := *cfg
				change(&c)
				f := openFault(t, &c, "", code)
				found := problem(t, check(t, &c), "connection", code)
				if code != fault.Unreachable && !f.Final {
					t.Errorf("%s: %v is not final", what, f)
				}
				for _, text := range []string{f.Error(), found.Detail + found.Remedy} {
					if strings.Contains(text, wrongSecret) || strings.Contains(text, "\n") {
						t.Errorf("%s: %q", what, text)
					}
				}
			}
			secrets("wrong password", fault.Auth, func(c *postgres.Config) { c.Password = wrongSecret })
			secrets("no such user", fault.Auth, func(c *postgres.Config) { c.User, c.Password = "nobody", wrongSecret })
			secrets("no such database", fault.Config, func(c *postgres.Config) { c.Database = "shoop" })
			secrets("nobody listens", fault.Unreachable, func(c *postgres.Config) { c.Port = 1 })
		})
	}
}

// TestSettings refuses servers whose log does not have what is needed.
func TestSettings(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v, Settings: map[string]string{"wal_level": "replica", "max_replication_slots": "1", "max_wal_senders": "1"}})
			b.exec("CREATE TABLE t (id int PRIMARY KEY)")
			if f := openFault(t, b.config(), "", fault.SourceSettings); !f.Final || !strings.Contains(f.Hint, "ALTER SYSTEM SET wal_level = logical") {
				t.Error(f)
			}
			problem(t, check(t, b.config()), "wal_level", fault.SourceSettings)
			if err := b.p.Restart(t.Context(), map[string]string{"wal_level": "logical"}); err != nil {
				t.Fatal(err)
			}

			b.exec("SELECT pg_create_physical_replication_slot('other')")
			if f := openFault(t, b.config(), "", fault.SourceSettings); !f.Final || !strings.Contains(f.Hint, "max_replication_slots") {
				t.Error(f)
			}
			if f := problem(t, check(t, b.config()), "slot "+slot, fault.SourceSettings); !strings.Contains(f.Remedy, "max_replication_slots") {
				t.Errorf("%+v", f)
			}
			b.exec("SELECT pg_drop_replication_slot('other')")

			src, _, err := open(t, b.config(), "")
			if err != nil {
				t.Fatal(err)
			}
			if f := openFault(t, b.config(), "", fault.Unreachable); f.Final || !strings.Contains(f.Hint, "max_wal_senders") {
				t.Error(f)
			}
			problem(t, check(t, b.config()), "max_wal_senders", fault.SourceSettings)
			if err := src.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestFeatures refuses what a release does not have.
func TestFeatures(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.PostgresOptions{Version: "15"})
	for subject, change := range map[string]func(*postgres.Config){
		"failover": func(c *postgres.Config) { c.Failover = true }, "origin": func(c *postgres.Config) { c.Origin = "none" },
	} {
		cfg := b.config()
		change(cfg)
		openFault(t, cfg, "", fault.Config)
		problem(t, check(t, cfg), subject, fault.Config)
	}
}

// TestIdentities refuses tables whose old rows the log cannot tell apart: publishing them would break their users' updates. The
// hint is the statement that mends it.
func TestIdentities(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			for _, c := range []struct {
				name, make, mend string
				code             fault.Code
			}{
				{"nothing", "CREATE TABLE bad (id int PRIMARY KEY); ALTER TABLE bad REPLICA IDENTITY NOTHING", `ALTER TABLE "public"."bad" REPLICA IDENTITY DEFAULT`, fault.SourceSettings},
				{"only a unique index", "CREATE TABLE bad (id int NOT NULL); CREATE UNIQUE INDEX \"bad Index\" ON bad (id)", `ALTER TABLE "public"."bad" REPLICA IDENTITY USING INDEX "bad Index"`, fault.SourceSettings},
				{"no key", "CREATE TABLE bad (id int, UNIQUE (id))", `ALTER TABLE "public"."bad" REPLICA IDENTITY FULL`, fault.NoKey},
				{"identity index dropped", "CREATE TABLE bad (id int PRIMARY KEY, n int NOT NULL); CREATE UNIQUE INDEX i ON bad (n); ALTER TABLE bad REPLICA IDENTITY USING INDEX i; DROP INDEX i",
					`ALTER TABLE "public"."bad" REPLICA IDENTITY DEFAULT`, fault.SourceSettings},
				{"deferrable key", "CREATE TABLE bad (id int PRIMARY KEY DEFERRABLE)", `ALTER TABLE "public"."bad" REPLICA IDENTITY FULL`, fault.NoKey},
				{"a partition", "CREATE TABLE bad (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE bad_1 PARTITION OF bad FOR VALUES FROM (0) TO (9); ALTER TABLE bad_1 REPLICA IDENTITY NOTHING",
					`ALTER TABLE "public"."bad_1" REPLICA IDENTITY DEFAULT`, fault.SourceSettings},
				{"a partition's other index", "CREATE TABLE bad (id int PRIMARY KEY, n int NOT NULL) PARTITION BY RANGE (id); CREATE TABLE bad_1 PARTITION OF bad FOR VALUES FROM (0) TO (9); " +
					"CREATE UNIQUE INDEX i ON bad_1 (n); ALTER TABLE bad_1 REPLICA IDENTITY USING INDEX i", `ALTER TABLE "public"."bad_1" REPLICA IDENTITY DEFAULT`, fault.NoKey},
			} {
				t.Run(c.name, func(t *testing.T) {
					b.exec("DROP TABLE IF EXISTS bad", c.make)
					f := openFault(t, b.config(), "", c.code)
					if !f.Final || !strings.Contains(f.Hint, c.mend) || !strings.Contains(f.Error(), "public.bad") {
						t.Error(f)
					}
					if n := b.query("SELECT count(*) FROM pg_publication"); n != "0" {
						t.Errorf("%s publications were made", n)
					}
					subject := "table public.bad"
					if strings.Contains(c.make, "PARTITION") {
						subject = "table public.bad_1"
					}
					problem(t, check(t, b.config()), subject, c.code)
					b.exec(c.mend)
					opened(t, b.config(), "")
					b.exec("SELECT pg_drop_replication_slot('"+slot+"')", "DROP PUBLICATION "+publication)
				})
			}
		})
	}
}

// TestPublicationLacksTable stops where somebody else's publication does not have what is to be captured.
func TestPublicationLacksTable(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE TABLE t (id int PRIMARY KEY)", `CREATE TABLE "T 2" (id int PRIMARY KEY)`)
			cfg := b.config()
			cfg.Create = "none"
			refused := func(subject, mend string, code fault.Code) {
				t.Helper()
				f := openFault(t, cfg, "", code)
				if !f.Final || !strings.Contains(f.Hint, mend) {
					t.Errorf("%v lacks %s", f, mend)
				}
				problem(t, check(t, cfg), subject, code)
				b.exec(mend)
			}
			// The slot comes last: nothing that is looked for before it may depend on it.
			f := openFault(t, cfg, "", fault.SlotMissing)
			if !strings.Contains(f.Hint, "pg_create_logical_replication_slot('cdcbridge_test', 'pgoutput', false, false)") {
				t.Error(f)
			}
			found := check(t, cfg)
			p := problem(t, found, "publication "+publication, fault.SourceSettings)
			problem(t, found, "slot "+slot, fault.SlotMissing)
			mend := `CREATE PUBLICATION "cdcbridge_test" FOR TABLE ONLY "public"."T 2", TABLE ONLY "public"."t" WITH (publish = 'insert, update, delete, truncate', publish_via_partition_root = true)`
			if !strings.Contains(p.Remedy, mend) {
				t.Error(p.Remedy)
			}
			b.exec("CREATE PUBLICATION cdcbridge_test FOR TABLE t WITH (publish = 'insert, update')", "SELECT pg_create_logical_replication_slot('cdcbridge_test', 'pgoutput', false, false)")
			refused("publication "+publication, `ALTER PUBLICATION "cdcbridge_test" SET (publish = 'insert, update, delete, truncate')`, fault.SourceSettings)
			refused("publication "+publication, `ALTER PUBLICATION "cdcbridge_test" SET (publish_via_partition_root = true)`, fault.SourceSettings)
			refused("publication "+publication, `ALTER PUBLICATION "cdcbridge_test" ADD TABLE ONLY "public"."T 2"`, fault.SourceSettings)
			opened(t, cfg, "")
		})
	}
}

// TestTLS maps the modes to what the server offers.
func TestTLS(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			plain := newBench(t, servers.PostgresOptions{Version: v})
			cfg := plain.config()
			opened(t, cfg, "")
			for _, mode := range []string{"required", "verify_ca", "verify_identity"} {
				cfg.TLS.Mode = mode
				if f := openFault(t, cfg, "", fault.Auth); !f.Final || !strings.Contains(f.Hint, "tls.mode") {
					t.Error(f)
				}
				problem(t, check(t, cfg), "connection", fault.Auth)
			}

			b := newBench(t, servers.PostgresOptions{Version: v, TLS: true, Settings: map[string]string{"listen_addresses": "127.0.0.1,127.0.0.2"}})
			tlsOf := func() string {
				return b.query("SELECT coalesce(bool_and(ssl)::text, 'nobody') FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'cdcbridge test'")
			}
			for _, c := range []struct {
				mode, ca, host, want string
				code                 fault.Code
			}{
				{"disabled", "", "127.0.0.1", "false", ""}, {"preferred", "", "127.0.0.1", "true", ""}, {"required", "", "127.0.0.1", "true", ""},
				{"verify_ca", b.p.CAFile(), "127.0.0.1", "true", ""}, {"verify_identity", b.p.CAFile(), "127.0.0.1", "true", ""}, {"verify_identity", b.p.CAFile(), "localhost", "true", ""},
				{"verify_ca", "", "127.0.0.1", "", fault.Auth}, {"verify_identity", b.p.CAFile(), "127.0.0.2", "", fault.Auth}, {"verify_ca", b.p.CAFile(), "127.0.0.2", "true", ""},
			} {
				cfg := b.config()
				cfg.TLS.Mode, cfg.TLS.CAFile, cfg.Host = c.mode, c.ca, c.host
				src, _, err := open(t, cfg, "")
				if c.code != "" {
					wantFault(t, err, c.code)
					continue
				}
				if err != nil {
					t.Errorf("%+v: %v", c, err)
					continue
				}
				if got := tlsOf(); got != c.want {
					t.Errorf("%+v: encrypted is %s", c, got)
				}
				_ = src.Close()
			}
		})
	}
}

// TestEnvironment sets every variable and file that PostgreSQL's own clients obey: none of it may lead us elsewhere.
func TestEnvironment(t *testing.T) {
	b := newBench(t, servers.PostgresOptions{})
	home := t.TempDir()
	for name, value := range map[string]string{
		"HOME": home, "PGHOST": "other.example", "PGPORT": "1", "PGDATABASE": "other", "PGUSER": "other", "PGPASSWORD": wrongSecret, "PGPASSFILE": home + "/pass", "PGAPPNAME": "other",
		"PGCONNECT_TIMEOUT": "never", "PGSSLMODE": "verify-full", "PGSSLCERT": home + "/none", "PGSSLKEY": home + "/none", "PGSSLROOTCERT": home + "/none", "PGSSLNEGOTIATION": "direct", "PGSSLCERTMODE": "require",
		"PGTARGETSESSIONATTRS": "standby", "PGSERVICE": "other", "PGSERVICEFILE": home + "/none", "PGTZ": "Asia/Tokyo", "PGOPTIONS": "-c datestyle=german",
		"PGMINPROTOCOLVERSION": "latest", "PGMAXPROTOCOLVERSION": "9", "PGCHANNELBINDING": "require", "PGREQUIREAUTH": "none",
	} {
		t.Setenv(name, value)
	}
	opened(t, b.config(), "")
	cfg := b.config()
	cfg.Password = "" // nothing else may step in
	openFault(t, cfg, "", fault.Auth)
}

// TestCancelledOpen ends at once when it is given up.
func TestCancelledOpen(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.PostgresOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	src := b.config().New(capture.Env{Pipeline: "test"})
	if _, err := src.Open(ctx, changelog.Checkpoint{}); fault.As(err) != nil || err == nil {
		t.Errorf("got %v, want the context's error", err)
	}
}
