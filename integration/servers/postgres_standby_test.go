package servers

import (
	"testing"
	"time"
)

func TestPostgresStandby(t *testing.T) {
	t.Parallel()
	for _, version := range everyDay {
		t.Run(version, func(t *testing.T) {
			p := PostgresFor(t, PostgresOptions{Version: version})
			run(t, p, "", "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
			s := StandbyFor(t, p, StandbyOptions{})
			run(t, p, "", "INSERT INTO t VALUES (2)")
			if err := s.CatchUp(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			if got := ask(t, s, "", "SELECT pg_is_in_recovery()::text || count(*) FROM t"); got != "true2" {
				t.Errorf("the standby says %s, want true2", got)
			}
			if err := s.Exec(t.Context(), "", "INSERT INTO t VALUES (3)"); err == nil {
				t.Error("a standby took a write")
			}
			if err := p.Restart(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if err := s.Restart(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			run(t, p, "", "INSERT INTO t VALUES (4)")
			if err := s.CatchUp(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			if err := p.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := s.Promote(t.Context()); err != nil {
				t.Fatal(err)
			}
			run(t, s, "", "INSERT INTO t VALUES (5)")
			got := ask(t, s, "", "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8) || ' ' || string_agg(id::text, ',' ORDER BY id) FROM t")
			if got != "00000002 1,2,4,5" {
				t.Errorf("the new primary says %s, want timeline 2 with the rows 1,2,4,5", got)
			}
		})
	}
}

// A logical slot made for failover goes on behind a promotion with exactly what it has not handed out.
func TestPostgresFailoverSlot(t *testing.T) {
	t.Parallel()
	p := PostgresFor(t, PostgresOptions{})
	s := StandbyFor(t, p, StandbyOptions{FailoverSlots: true})
	run(t, p, "", "CREATE TABLE t (id int PRIMARY KEY)")
	run(t, p, "", "SELECT pg_create_logical_replication_slot('cdc', 'test_decoding', failover => true)")
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() { // the consumer
		for {
			select {
			case <-stop:
				done <- nil
				return
			case <-time.After(50 * time.Millisecond):
			}
			if err := p.Exec(t.Context(), "", "SELECT pg_logical_slot_get_changes('cdc', NULL, NULL)"); err != nil {
				done <- err
				return
			}
		}
	}()
	if err := s.SyncSlot(t.Context(), p, "cdc"); err != nil {
		t.Fatal(err)
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	run(t, p, "", "INSERT INTO t VALUES (7)")
	if err := s.CatchUp(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if err := p.Shutdown(t.Context(), Immediate); err != nil {
		t.Fatal(err)
	}
	if err := s.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	run(t, s, "", "INSERT INTO t VALUES (8)")
	got := ask(t, s, "", "SELECT string_agg(data, '; ' ORDER BY lsn) FROM pg_logical_slot_get_changes('cdc', NULL, NULL, 'include-xids', '0', 'skip-empty-xacts', '1') WHERE data LIKE 'table%'")
	if want := "table public.t: INSERT: id[integer]:7; table public.t: INSERT: id[integer]:8"; got != want {
		t.Errorf("the slot gives %q, want %q", got, want)
	}
}

func TestPostgresEndsWalsenders(t *testing.T) {
	t.Parallel()
	p := PostgresFor(t, PostgresOptions{})
	s := StandbyFor(t, p, StandbyOptions{})
	waitFor(t, p, "SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'")
	if n, err := p.EndWalsenders(t.Context()); err != nil || n != 1 {
		t.Fatalf("ended %d walsenders, want 1: %v", n, err)
	}
	run(t, p, "", "CREATE TABLE t (id int)")
	if err := s.CatchUp(t.Context(), p); err != nil {
		t.Fatal(err)
	}
}
