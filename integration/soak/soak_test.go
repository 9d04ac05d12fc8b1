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

// roundTime is how long a round of trouble takes in a long run: 8 rounds an hour, two a quarter.
const roundTime = 450 * time.Second

// inTime says how long the run takes, by CDCBRIDGE_SOAK; without it as long as one quick round does.
func inTime(t *testing.T) (p plan, long bool) {
	t.Helper()
	text := os.Getenv("CDCBRIDGE_SOAK")
	if text == "" {
		return plan{duration: 30 * time.Second, rounds: 1}, false
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 4*time.Minute {
		t.Fatalf("CDCBRIDGE_SOAK is %q, which is not a duration of 4m or more", text)
	}
	return plan{duration: d, rounds: max(4, int(d/roundTime))}, true
}

// TestSoak: in the end every topic is its table and no change is there twice; in a long run nothing grows, and docs/soak.md is written.
func TestSoak(t *testing.T) {
	began := time.Now()
	p, long := inTime(t)
	seed := harness.FreshSeed(t)
	s := startStand(t)
	my, pg := s.loads(t, seed)
	s.run(t)
	r, err := s.work(t.Context(), my, pg, p)
	if err != nil {
		t.Fatal(err)
	}
	r.records = s.settle(t, my, pg)
	harness.StopFor(t, s.daemon)
	t.Log(r.table())
	if len(r.events) != p.rounds*len(round) || len(r.samples) < 50 {
		t.Errorf("%d things have happened, %d samples were taken", len(r.events), len(r.samples))
	}
	if !long {
		return // too short for what fills at the beginning
	}
	if err := r.publish("../../docs"); err != nil {
		t.Error(err)
	}
	if err := flat(r.samples); err != nil {
		t.Error(err)
	}
	harness.Evidence(t, began, map[string]any{"seed": fmt.Sprint(seed), "rounds": p.rounds, "records": r.records, "transactions": r.transactions, "medians": r.medians()})
}

// work has everything happen at once: both loads, the trouble, and somebody who watches.
func (s *stand) work(ctx context.Context, my, pg *load, p plan) (result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	work, ctx := errgroup.WithContext(ctx)
	p.began = time.Now()
	r := result{plan: p}
	work.Go(func() error { return my.run(ctx) })
	work.Go(func() error { return pg.run(ctx) })
	work.Go(func() (err error) {
		r.samples, err = watch(ctx, s.daemon, min(5*time.Second, p.duration/60), p.began)
		return err
	})
	work.Go(func() (err error) {
		r.events, err = trouble(ctx, s, my, p)
		cancel()
		return err
	})
	err := work.Wait()
	r.transactions, r.lost = my.committed.Load()+pg.committed.Load(), my.lost.Load()+pg.lost.Load()
	return r, err
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
