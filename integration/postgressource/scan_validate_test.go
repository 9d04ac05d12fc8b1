package postgressource

import (
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/integration/servers"
)

// TestValidateSnapshots: what a snapshot would stop at, or wait for, is found before.
func TestValidateSnapshots(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.PostgresOptions{})
	b.exec("CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)",
		"CREATE PUBLICATION "+publication+" FOR TABLE a, b WITH (publish_via_partition_root = true)", "SELECT pg_create_logical_replication_slot('"+slot+"', 'pgoutput')")
	if err := b.p.CreateUser(t.Context(), "shop", "cdc", "secret", "REPLICATION"); err != nil {
		t.Fatal(err)
	}
	cfg := b.config()
	cfg.User, cfg.Password, cfg.Create = "cdc", "secret", "none"
	look := func(env capture.Env) map[string]capture.Finding {
		found, err := cfg.Checker(env).Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]capture.Finding{}
		for _, f := range found {
			out[f.Subject] = f
		}
		return out
	}
	found := look(capture.Env{Pipeline: "test", Snapshot: true, Unread: []string{"public.b"}})
	if f := found["table public.a"]; f.Severity != capture.Problem || f.Code != "permission" || !strings.Contains(f.Remedy, `GRANT SELECT ON "public"."a" TO "cdc"`) {
		t.Errorf("%+v", f)
	}
	if f := found["table public.b"]; f.Severity != capture.Warning {
		t.Errorf("%+v", f)
	}
	if f := found["pg_read_all_stats"]; f.Severity != capture.Warning || !strings.Contains(f.Remedy, "GRANT pg_read_all_stats TO") {
		t.Errorf("%+v", f)
	}
	b.exec("GRANT pg_read_all_stats TO cdc", "GRANT SELECT ON a TO cdc")
	found = look(capture.Env{Pipeline: "test", Snapshot: true})
	if f := found["pg_read_all_stats"]; f.Severity != capture.OK {
		t.Errorf("%+v", f)
	}
	if f, ok := found["table public.a"]; ok && f.Severity == capture.Problem {
		t.Errorf("%+v", f)
	}
	if f, ok := look(capture.Env{Pipeline: "test"})["pg_read_all_stats"]; ok {
		t.Errorf("without snapshots: %+v", f)
	}
}
