package postgressource

import (
	"fmt"
	"strings"
	"testing"

	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// TestOtherSystem refuses a checkpoint of another cluster, and of this one's future.
func TestOtherSystem(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.PostgresOptions{})
	b.exec("CREATE TABLE t (id int PRIMARY KEY)")
	at := b.begin(b.config())
	other := newBench(t, servers.PostgresOptions{FreshCluster: true})
	other.exec("CREATE TABLE t (id int PRIMARY KEY)")
	other.begin(other.config())
	if f := openFault(t, other.config(), at, fault.WrongServer); !f.Final {
		t.Error(f)
	}
	openFault(t, b.config(), "no position", fault.WrongServer)
}

// TestStandby refuses to read from a standby, and says so in a way that lets a promotion cure it.
func TestStandby(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.PostgresOptions{})
	b.exec("CREATE TABLE t (id int PRIMARY KEY)")
	s := servers.StandbyFor(t, b.p, servers.StandbyOptions{})
	cfg := b.config()
	cfg.Port = s.Port()
	if f := openFault(t, cfg, "", fault.SourceSettings); f.Final || !strings.Contains(f.Hint, "primary") {
		t.Error(f)
	}
	problem(t, check(t, cfg), "recovery", fault.SourceSettings)
	if err := s.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	opened(t, cfg, "")
}

// TestDiverged promotes a standby that lacks what was streamed: going on would lose the rows that the new primary writes in their
// place.
func TestDiverged(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE TABLE t (id int PRIMARY KEY)")
			s := servers.StandbyFor(t, b.p, servers.StandbyOptions{})
			at := b.begin(b.config())
			catchUp(t, s, b.p)
			if err := s.Kill(); err != nil { // a frozen one would still get what is in the network's buffers
				t.Fatal(err)
			}
			for i := range 50 {
				b.exec(fmt.Sprintf("INSERT INTO t VALUES (%d)", i))
			}
			got, err := collect(t, b.config(), at, changesAtLeast(50))
			if err != nil {
				t.Fatal(err)
			}
			ahead := got.last()
			if err := b.p.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := s.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.Promote(t.Context()); err != nil {
				t.Fatal(err)
			}
			cfg := b.config()
			cfg.Port = s.Port()
			for _, wrote := range []int{0, 100_000} { // the server's log ends before the checkpoint, and behind it
				if err := s.Exec(t.Context(), "shop", fmt.Sprintf("INSERT INTO t SELECT generate_series(1000, 999 + %d)", wrote)); err != nil {
					t.Fatal(err)
				}
				if f := openFault(t, cfg, ahead, fault.Diverged); !f.Final {
					t.Error(f)
				}
			}
			// The position before is in the new primary's history. Its slot is not.
			openFault(t, cfg, at, fault.SlotMissing)
		})
	}
}

// TestFailoverSlot goes on at a promoted standby that has kept the slot: each change once.
func TestFailoverSlot(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"18", "17"} {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE TABLE t (id int PRIMARY KEY)")
			s := servers.StandbyFor(t, b.p, servers.StandbyOptions{FailoverSlots: true})
			cfg := b.config()
			cfg.Failover = true
			at := b.begin(cfg)
			if got := b.query("SELECT failover FROM pg_replication_slots WHERE slot_name = 'cdcbridge_test'"); got != "true" {
				t.Fatalf("failover of the slot is %s", got)
			}
			b.exec("SELECT pg_log_standby_snapshot()", "INSERT INTO t VALUES (1)")
			synced := make(chan error, 1)
			go func() { synced <- s.SyncSlot(t.Context(), b.p, slot) }() // which needs the slot to be read
			kept := false
			src, _, err := open(t, cfg, at)
			if err != nil {
				t.Fatal(err)
			}
			first, err := run(t, src, &seen{}, false, func(s *seen) bool {
				src.Ack(s.last())
				select {
				case err := <-synced:
					if kept = true; err != nil {
						t.Error(err)
					}
				default:
				}
				return kept && len(s.changes) == 1
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := src.Close(); err != nil {
				t.Fatal(err)
			}
			b.exec("INSERT INTO t VALUES (2)")
			catchUp(t, s, b.p)
			if err := b.p.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := s.Promote(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.Exec(t.Context(), "shop", "INSERT INTO t VALUES (3)"); err != nil {
				t.Fatal(err)
			}
			cfg.Port = s.Port()
			second, err := collect(t, cfg, first.last(), changesAtLeast(2))
			if err != nil {
				t.Fatal(err)
			}
			if got := second.fold("t"); len(second.changes) != 2 || len(got) != 2 || got["2"] == "" || got["3"] == "" {
				t.Errorf("%q", second.changes)
			}
			// And again, from a position of the new timeline.
			opened(t, cfg, second.last())
		})
	}
}

// TestExistingSlotBecomesAFailoverSlot follows the configuration.
func TestExistingSlotBecomesAFailoverSlot(t *testing.T) {
	t.Parallel()
	b := newBench(t, servers.PostgresOptions{})
	cfg := b.config()
	at := b.begin(cfg)
	cfg.Failover = true
	opened(t, cfg, at)
	if got := b.query("SELECT failover FROM pg_replication_slots WHERE slot_name = 'cdcbridge_test'"); got != "true" {
		t.Errorf("failover of the slot is %s", got)
	}
}

func catchUp(t *testing.T, standby, primary *servers.Postgres) {
	t.Helper()
	if err := standby.CatchUp(t.Context(), primary); err != nil {
		t.Fatal(err)
	}
}
