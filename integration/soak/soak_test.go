package soak

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"cdcbridge/integration/harness"
)

// roundTime is how long a round of trouble takes in a long run: 16 rounds an hour, four a quarter.
const roundTime = 225 * time.Second

// duration is how long the daemon runs, by CDCBRIDGE_SOAK; without it as long as one quick round takes.
func duration(t *testing.T) (all time.Duration, rounds int) {
	t.Helper()
	text := os.Getenv("CDCBRIDGE_SOAK")
	if text == "" {
		return 45 * time.Second, 1
	}
	all, err := time.ParseDuration(text)
	if err != nil || all < 4*time.Minute {
		t.Fatalf("CDCBRIDGE_SOAK is %q, which is not a duration of 4m or more", text)
	}
	return all, max(4, int(all/roundTime))
}

// TestSoak: in the end every topic is its table and no change is there twice; in a long run nothing grows, and docs/soak.md is written.
func TestSoak(t *testing.T) {
	began := time.Now()
	all, rounds := duration(t)
	seed := harness.FreshSeed(t)
	s := startStand(t)
	my, pg := s.loads(t, seed)
	s.run(t)
	started := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), all)
	defer cancel()
	work, ctx := errgroup.WithContext(ctx)
	var samples []sample
	var events []event
	work.Go(func() error { return my.run(ctx) })
	work.Go(func() error { return pg.run(ctx) })
	work.Go(func() (err error) {
		samples, err = watch(ctx, s.daemon, min(5*time.Second, all/60), started)
		return err
	})
	work.Go(func() (err error) {
		events, err = trouble(ctx, s, my, rounds, all/time.Duration(rounds), started)
		return err
	})
	if err := work.Wait(); err != nil {
		t.Fatal(err)
	}
	records := s.settle(t, my, pg)
	harness.StopFor(t, s.daemon)

	r := result{duration: all, rounds: rounds, records: records, samples: samples, events: events,
		transactions: my.committed.Load() + pg.committed.Load(), lost: my.lost.Load() + pg.lost.Load()}
	t.Log(r.table())
	if len(events) < rounds*len(round) || len(samples) < 50 {
		t.Errorf("%d things have happened, %d samples were taken", len(events), len(samples))
	}
	if os.Getenv("CDCBRIDGE_SOAK") == "" {
		return // too short for what fills at the beginning
	}
	if err := r.publish("../../docs"); err != nil {
		t.Error(err)
	}
	if err := flat(samples); err != nil {
		t.Error(err)
	}
	harness.Evidence(t, began, map[string]any{"seed": fmt.Sprint(seed), "rounds": rounds, "records": records, "transactions": r.transactions, "medians": r.medians()})
}

// loads makes the tables of both databases.
func (s *stand) loads(t *testing.T, seed uint64) (my, pg *load) {
	t.Helper()
	open := func(db *sql.DB, err error) *sql.DB {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	my, pg = newLoad(open(s.my.DB("shop")), true, seed), newLoad(open(s.pg.DB("ledger")), false, seed)
	for _, l := range []*load{my, pg} {
		if err := l.create(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return my, pg
}

// settle waits until the daemon has nothing left to do and every topic is its table.
func (s *stand) settle(t *testing.T, my, pg *load) (records int) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(time.Second) {
		if err = s.daemon.Alive(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err = s.caughtUp(t.Context()); err != nil {
			continue
		}
		records = 0
		for _, one := range s.topics(my, pg) {
			n := 0
			if n, err = one.prove(t.Context(), s.kafka.Brokers()); err != nil {
				break
			}
			records += n
		}
		if err == nil {
			return records
		}
	}
	t.Fatal(err)
	return 0
}
