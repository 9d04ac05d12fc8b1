package postgressource

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/capture/postgres"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// check runs the preflight.
func check(t testing.TB, cfg *postgres.Config) []capture.Finding {
	t.Helper()
	found, err := cfg.Checker(capture.Env{Pipeline: "test"}).Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// problem finds the preflight's problem with that subject.
func problem(t testing.TB, found []capture.Finding, subject string, code fault.Code) capture.Finding {
	t.Helper()
	for _, f := range found {
		if f.Subject == subject && f.Severity == capture.Problem {
			if f.Code != string(code) || f.Remedy == "" {
				t.Errorf("%+v, want the code %s and a remedy", f, code)
			}
			return f
		}
	}
	t.Errorf("no problem with %s in %+v", subject, found)
	return capture.Finding{}
}

// finding is the worst that the preflight says about a subject; OK when it says nothing.
func finding(t testing.TB, cfg *postgres.Config, subject string) capture.Finding {
	t.Helper()
	worst := capture.Finding{Severity: capture.OK}
	for _, f := range check(t, cfg) {
		if f.Subject == subject && (worst.Subject == "" || f.Severity != capture.OK) {
			worst = f
		}
	}
	return worst
}

// waitFor polls until something is so.
func waitFor(t testing.TB, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waiting for %s took longer than %v", what, patience)
		}
	}
}

func contextWithCancel(t testing.TB) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}

// TestGoodServer finds nothing to complain of before the first start, and after it, except that a slot has no limit.
func TestGoodServer(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v, Durable: true, Settings: map[string]string{"max_slot_wal_keep_size": "10GB"}})
			b.exec("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE logged (v int)", "ALTER TABLE logged REPLICA IDENTITY FULL", "CREATE TABLE uniq (a int, b int NOT NULL)", "CREATE UNIQUE INDEX u ON uniq (b)",
				"ALTER TABLE uniq REPLICA IDENTITY USING INDEX u")
			for _, made := range []bool{false, true} {
				for _, f := range check(t, b.config()) {
					if f.Severity != capture.OK && f.Subject != "table public.logged" {
						t.Errorf("made %v: %+v", made, f)
					}
				}
				opened(t, b.config(), "")
			}
			// A whole old row tells rows apart, and is no key.
			if f := finding(t, b.config(), "table public.logged"); f.Severity != capture.Warning || !strings.Contains(f.Remedy, "primary key") {
				t.Errorf("%+v", f)
			}
			if f := finding(t, b.config(), "slot "+slot); f.Severity != capture.OK || !strings.Contains(f.Detail, "of 10.0 GiB at most") {
				t.Errorf("%+v", f)
			}
		})
	}
}

// TestWarnings makes settings that lose nothing today and may tomorrow. The preflight warns of each with a remedy, and the
// source opens all the same.
func TestWarnings(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v, Durable: true, Settings: map[string]string{"max_slot_wal_keep_size": "10GB"}})
			b.exec("CREATE TABLE good (id int PRIMARY KEY)", "CREATE SCHEMA mine", "CREATE EXTENSION file_fdw", "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw")
			opened(t, b.config(), "")
			for _, c := range []struct{ subject, remedy, bad, good string }{
				{"wal_sender_timeout", "wal_sender_timeout", set("wal_sender_timeout", "0"), reset("wal_sender_timeout")},
				{"wal_sender_timeout", "heartbeat_interval", set("wal_sender_timeout", "1s"), reset("wal_sender_timeout")},
				{"synchronous_standby_names", "real standbys", set("synchronous_standby_names", `"CDCbridge test"`), reset("synchronous_standby_names")},
				{"slot " + slot, "max_slot_wal_keep_size", set("max_slot_wal_keep_size", "-1"), reset("max_slot_wal_keep_size")},
				{"table public.bad", "SET LOGGED", "CREATE UNLOGGED TABLE bad (id int PRIMARY KEY)", "DROP TABLE bad"},
				{"table public.bad", "exclude_tables", "CREATE FOREIGN TABLE bad (id int) SERVER files OPTIONS (filename '/dev/null')", "DROP FOREIGN TABLE bad"},
				{"tables", "patterns", "ALTER TABLE good SET SCHEMA mine", "ALTER TABLE mine.good SET SCHEMA public"},
			} {
				b.alter(c.bad)
				if f := finding(t, b.config(), c.subject); f.Severity != capture.Warning || !strings.Contains(f.Remedy, c.remedy) {
					t.Errorf("%s: %+v", c.bad, f)
				}
				b.alter(c.good)
				if f := finding(t, b.config(), c.subject); f.Severity != capture.OK {
					t.Errorf("%s: %+v", c.good, f)
				}
				opened(t, b.config(), "")
			}
			if v == "18" {
				cfg := b.config()
				cfg.Failover = true
				if f := finding(t, cfg, "synchronized_standby_slots"); f.Severity != capture.Warning || f.Remedy == "" {
					t.Errorf("%+v", f)
				}
				b.alter(set("idle_replication_slot_timeout", "60"))
				if f := finding(t, b.config(), "idle_replication_slot_timeout"); f.Severity != capture.Warning || f.Remedy == "" {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

func set(name, value string) string { return "ALTER SYSTEM SET " + name + " = '" + value + "'" }
func reset(name string) string      { return "ALTER SYSTEM RESET " + name }

// alter runs a statement and, after one about the server's settings, waits until it has effect.
func (b *bench) alter(statement string) {
	b.t.Helper()
	b.exec(statement)
	if strings.HasPrefix(statement, "ALTER SYSTEM") {
		loaded := b.query("SELECT pg_conf_load_time()::text")
		b.exec("SELECT pg_reload_conf()")
		waitFor(b.t, "the settings to be read", func() bool { return b.query("SELECT pg_conf_load_time()::text") != loaded })
	}
}

// TestNamedTableThatHasNoLog refuses a table that is asked for by its name and can never come.
func TestNamedTableThatHasNoLog(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.PostgresOptions{})
	b.exec("CREATE UNLOGGED TABLE fleeting (id int PRIMARY KEY)")
	cfg := b.config()
	cfg.Tables = []string{"public.fleeting"}
	if f := openFault(t, cfg, "", fault.SourceSettings); !f.Final || !strings.Contains(f.Hint, `ALTER TABLE "public"."fleeting" SET LOGGED`) {
		t.Error(f)
	}
	problem(t, check(t, cfg), "table public.fleeting", fault.SourceSettings)
}

// TestRetention warns before the slot is lost, with what is left.
func TestRetention(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v, WALSegmentMB: 1, Settings: map[string]string{"max_slot_wal_keep_size": "64MB", "min_wal_size": "2MB", "max_wal_size": "4MB"}})
			b.exec("CREATE TABLE t (id int PRIMARY KEY)")
			src, _, err := open(t, b.config(), "")
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			if f := finding(t, b.config(), "slot "+slot); f.Severity == capture.Warning {
				t.Errorf("%+v", f)
			}
			for i := range 60 {
				b.exec(fmt.Sprintf("SELECT pg_logical_emit_message(false, 'noise', repeat('x', 1000000)) /* %d */", i))
			}
			f := finding(t, b.config(), "slot "+slot)
			if f.Severity != capture.Warning || !strings.Contains(f.Detail, "of log retained of") || !strings.Contains(f.Detail, "the slot is lost in") || f.Remedy == "" {
				t.Errorf("%+v", f)
			}
		})
	}
}

// TestSessions looks at our sessions with the server's eyes: whatever a role or a database sets, they are the same.
func TestSessions(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			// A composite value comes as the server prints it, by the settings of the walsender.
			b.exec("CREATE TYPE many AS (f float8, t timestamptz, b bytea, i interval, m money)", "CREATE TABLE t (id int PRIMARY KEY, v many)")
			for _, s := range []string{"datestyle = 'german'", "intervalstyle = 'iso_8601'", "timezone = 'Asia/Tokyo'", "extra_float_digits = 0", "bytea_output = 'escape'", "lc_monetary = 'C.UTF-8'", "statement_timeout = '200s'",
				"search_path = 'public'", "default_transaction_read_only = on", "client_min_messages = 'error'", "idle_session_timeout = '100s'", "lock_timeout = '100s'"} {
				b.exec("ALTER ROLE it IN DATABASE shop SET " + s)
			}
			at := b.begin(b.config())
			if _, err := b.db.ExecContext(t.Context(), "SET default_transaction_read_only = off; INSERT INTO t VALUES (1, ROW(0.1::float8 + 0.2::float8, '2024-05-06 07:08:09+00', '\\x00ff', '1 day 2 hours', 3))"); err != nil {
				t.Fatal(err)
			}
			got, err := collect(t, b.config(), at, changesAtLeast(1))
			if err != nil {
				t.Fatal(err)
			}
			if want := `(0.30000000000000004,"2024-05-06 07:08:09+00","\\x00ff","1 day 02:00:00",$3.00)`; !strings.Contains(got.changes[0], want) {
				t.Errorf("got %s, want %s", got.changes[0], want)
			}
		})
	}
}

// TestRetainedLogIsShown lets a running source say how much log is kept for it, and move an idle log by messages of its own.
func TestRetainedLogIsShown(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v, Settings: map[string]string{"max_slot_wal_keep_size": "1GB"}})
			b.exec("CREATE TABLE t (id int PRIMARY KEY)")
			at := b.begin(b.config())
			b.exec("SELECT pg_logical_emit_message(false, 'noise', repeat('x', 3000000))", "CHECKPOINT")
			cfg := b.config()
			cfg.Messages, cfg.EmitInterval = true, 100*time.Millisecond
			src, _, err := open(t, cfg, at)
			if err != nil {
				t.Fatal(err)
			}
			// Our messages move the position of a server where nothing else happens, and are told to nobody.
			got := &seen{}
			_, err = run(t, src, got, false, func(s *seen) bool {
				return len(slices.Compact(slices.Clone(s.positions))) >= 4
			})
			if err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(got.notes, func(n string) bool { return strings.Contains(n, "test") }) {
				t.Errorf("messages of ours: %q", got.notes)
			}
			if st := src.Stats(); st.RetainedBytes < 3_000_000 || st.RetainedBytes > 200<<20 || st.RetainedLimit < 1<<30 || st.RetainedLimit > 1<<30+64<<20 {
				t.Errorf("%d bytes are retained, of %d", st.RetainedBytes, st.RetainedLimit)
			}
			if err := src.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
