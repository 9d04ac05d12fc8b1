package endtoend

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// pgVersions are the oldest and the newest in the ordinary tier.
var pgVersions = harness.Longer([]string{"18", "15"}, []string{"18", "17", "16", "15"})

func TestPostgresTopicsFoldToTables(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	for _, version := range pgVersions {
		t.Run(version, func(t *testing.T) {
			b := newPostgresBench(t, servers.PostgresFor(t, servers.PostgresOptions{Version: version}), "shop")
			pipeline := "fold" + version
			config := setup{name: pipeline, b: b, brokers: kafka.Brokers()}.yaml()
			d := start(t, config) // makes the slot, where the stream begins
			harness.StateFor(t, d, 30*time.Second, "running")
			harness.StopFor(t, d)
			b.write(t.Context(), t, harness.FreshSeed(t), 2, 60) // the backlog
			d = start(t, config)
			b.write(t.Context(), t, harness.FreshSeed(t), 3, 150)
			catchUp(t, d, 60*time.Second)
			b.settle(t, pipeline, kafka.Brokers(), 10*time.Second)
			harness.StopFor(t, d)
			b.settle(t, pipeline, kafka.Brokers(), 0)
			b.complete(t, pipeline, kafka.Brokers())
		})
	}
}

// TestPostgresKilled kills the daemon with SIGKILL at random instants under load, while the server is restarted, killed and
// cuts off its replicas.
func TestPostgresKilled(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	for _, version := range pgVersions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			pg := servers.PostgresFor(t, servers.PostgresOptions{Version: version})
			b := newPostgresBench(t, pg, "shop")
			b.load.pause = 5 * time.Millisecond // the log is read as a whole at the end
			s := setup{name: "kill" + version, b: b, brokers: kafka.Brokers()}
			begin(t, s)
			s.disturb = disturbances(pg)
			killLoop(t, kafka, b, s, harness.Longer(10, 100))
		})
	}
}

// TestPostgresKilledInLargeTransactions does the same where nearly every source transaction is larger than what is committed at
// once, so that most restarts begin in the middle of one. Every other daemon takes such transactions in before they commit.
func TestPostgresKilledInLargeTransactions(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	for _, version := range harness.Longer([]string{"18"}, pgVersions) {
		t.Run(version, func(t *testing.T) {
			pg := servers.PostgresFor(t, servers.PostgresOptions{Version: version, Settings: map[string]string{"logical_decoding_work_mem": "64kB"}})
			b := newPostgresBench(t, pg, "shop")
			b.load.large, b.load.pause = true, 30*time.Millisecond // a daemon that commits a few rows at a time must keep up
			s := setup{name: "large" + version, b: b, brokers: kafka.Brokers(), source: ", batch_bytes: 32KiB", commit: "{max_bytes: 1KiB}"}
			begin(t, s)
			s.disturb, s.vary = disturbances(pg), []string{", streaming: true, spool_memory: 1MiB", ""}
			if splits := killLoop(t, kafka, b, s, harness.Longer(6, 100)); splits == 0 {
				t.Error("no source transaction was split: the test proves nothing")
			}
			streamed, err := pg.One(t.Context(), "", "SELECT stream_txns FROM pg_stat_replication_slots WHERE slot_name LIKE 'cdcbridge%'")
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s transactions were streamed since the server's last crash", streamed)
		})
	}
}

// begin lets the daemon make the slot: what was written before is not in the stream.
func begin(t *testing.T, s setup) {
	t.Helper()
	d := start(t, s.yaml())
	harness.StateFor(t, d, 30*time.Second, "running")
	harness.StopFor(t, d)
}

// troubles are the things that happen to a server and its replicas. A server that is started again makes a checkpoint: it would
// live too short to make one by itself, and a slot's oldest transaction moves on at checkpoints only. Without them each start of the
// stream reads the log from farther back, until no stream lives long enough to get to where it left off.
func troubles(ctx context.Context, pg *servers.Postgres) map[string]func() error {
	again := func(err error) error {
		if err == nil {
			err = pg.Start(ctx)
		}
		if err != nil {
			return err
		}
		return pg.Exec(ctx, "", "CHECKPOINT")
	}
	return map[string]func() error{
		"nothing":            func() error { return nil },
		"fast restart":       func() error { return again(pg.Shutdown(ctx, servers.Fast)) },
		"immediate restart":  func() error { return again(pg.Shutdown(ctx, servers.Immediate)) },
		"kill":               func() error { return again(pg.Kill()) },
		"kill of postmaster": func() error { return again(pg.KillPostmaster()) },
		"walsenders ended":   func() error { _, err := pg.EndWalsenders(ctx); return err },
	}
}

// disturbances has them all happen in random order, and again when each has been there.
func disturbances(pg *servers.Postgres) func(*testing.T, *rand.Rand) {
	var left []string
	return func(t *testing.T, r *rand.Rand) {
		t.Helper()
		all := troubles(t.Context(), pg)
		if len(left) == 0 {
			left = slices.Sorted(maps.Keys(all))
			r.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
		}
		name := left[0]
		left = left[1:]
		if err := all[name](); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// TestPostgresFailover loses the primary under load and goes on at the promoted standby: what the new primary has is in the
// topics, once, and nothing that it lacks.
func TestPostgresFailover(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	for _, version := range harness.Longer([]string{"18"}, []string{"18", "17"}) {
		t.Run(version, func(t *testing.T) {
			began, seed := time.Now(), harness.FreshSeed(t)
			primary := servers.PostgresFor(t, servers.PostgresOptions{Version: version})
			b := newPostgresBench(t, primary, "shop")
			b.load.pause = 5 * time.Millisecond
			s := setup{name: "failover" + version, b: b, brokers: kafka.Brokers(), source: ", failover: true"}
			begin(t, s)
			standby := servers.StandbyFor(t, primary, servers.StandbyOptions{FailoverSlots: true})
			d := start(t, s.yaml())
			quiet := b.during(t, seed)
			if err := standby.SyncSlot(t.Context(), primary, "cdcbridge_failover"+version); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			if err := primary.Kill(); err != nil {
				t.Fatal(err)
			}
			quiet()
			harness.StateFor(t, d, 60*time.Second, "retrying")
			harness.StopFor(t, d)
			if err := standby.Promote(t.Context()); err != nil {
				t.Fatal(err)
			}
			next := attachPostgres(t, standby, "shop")
			s.b = next
			d = start(t, s.yaml())
			next.write(t.Context(), t, seed+100, 2, 50)
			catchUp(t, d, 60*time.Second)
			next.settle(t, s.name, kafka.Brokers(), 10*time.Second)
			harness.StopFor(t, d)
			records := next.settle(t, s.name, kafka.Brokers(), 0)
			evidence(t, began, map[string]any{"seed": seed, "transactions": b.load.committed.Load() + next.load.committed.Load(), "records": records})
		})
	}
}

// TestPostgresSlotDropped drops the slot while the daemon is away: the changes since then are lost, and the pipeline says so,
// even if a new slot has the name.
func TestPostgresSlotDropped(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	b := newPostgresBench(t, servers.PostgresFor(t, servers.PostgresOptions{}), "shop")
	s := setup{name: "dropped", b: b, brokers: kafka.Brokers()}
	d := start(t, s.yaml())
	harness.StateFor(t, d, 30*time.Second, "running")
	b.write(t.Context(), t, harness.FreshSeed(t), 2, 60)
	b.settle(t, "dropped", kafka.Brokers(), 30*time.Second)
	harness.StopFor(t, d)
	dropSlot(t, b, "cdcbridge_dropped")
	d = start(t, s.yaml())
	waitFailed(t, d, 30*time.Second, "slot_missing")
	harness.StopFor(t, d)
	b.write(t.Context(), t, harness.FreshSeed(t), 1, 10)
	b.exec(t, "SELECT pg_create_logical_replication_slot('cdcbridge_dropped', 'pgoutput')")
	d = start(t, s.yaml())
	waitFailed(t, d, 30*time.Second, "slot_lost")
}

// dropSlot waits until the server has noticed that the slot's reader is gone.
func dropSlot(t *testing.T, b *bench, slot string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		_, err := b.conn.ExecContext(t.Context(), "SELECT pg_drop_replication_slot($1)", slot)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
