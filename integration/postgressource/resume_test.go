package postgressource

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture/postgres"
	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// TestResume streams from every position that batches of one change give, within transactions and between them, and finds
// exactly what came after it the first time.
func TestResume(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE TABLE a (id int PRIMARY KEY, v text, n int)", "CREATE TABLE b (id int PRIMARY KEY, v text, n int); ALTER TABLE b REPLICA IDENTITY FULL", "CREATE SCHEMA private; CREATE TABLE private.x (id int)")
			cfg := b.config()
			cfg.BatchBytes = 4 << 10
			at := b.begin(cfg)
			b.exec("INSERT INTO a VALUES (0, 'first', 0)")
			var rows []string
			for i := range 10 {
				rows = append(rows, fmt.Sprintf("INSERT INTO a VALUES (%d, repeat('%d', 5000), 1)", 100+i, i), fmt.Sprintf("INSERT INTO b VALUES (%d, repeat('%d', 5000), 1)", 200+i, i),
					fmt.Sprintf("UPDATE b SET n = 2, v = repeat('z', 5000) WHERE id = %d", 200+i), fmt.Sprintf("INSERT INTO private.x VALUES (%d)", i))
			}
			b.transaction(append(rows, "DELETE FROM b WHERE id = 203", "ALTER TABLE a ADD c int", "INSERT INTO a VALUES (110, repeat('q', 5000), 1, 1)")...)
			b.exec("INSERT INTO a VALUES (1, 'last', 0)")

			const all = 34
			got, err := collect(t, cfg, at, changesAtLeast(all))
			if err != nil {
				t.Fatal(err)
			}
			if len(got.changes) != all || got.parts < 30 {
				t.Fatalf("%d changes, %d parts", len(got.changes), got.parts)
			}
			// The rows that are done must be the ones that come again.
			for i, p := range got.positions {
				if sum := strings.Index(string(p), `"sum":"`); sum > 0 && i > 5 {
					digit := "0"
					if p[sum+7] == '0' {
						digit = "1"
					}
					_, err := collect(t, cfg, p[:sum+7]+changelog.Position(digit)+p[sum+8:], never)
					wantFault(t, err, fault.ReplayDiffers)
					break
				}
			}
			for i, p := range got.positions[:len(got.positions)-1] {
				for _, size := range []int{4 << 10, 1 << 20} {
					if size > 4<<10 && i%5 != 0 {
						continue
					}
					cfg.BatchBytes = size
					again, err := collect(t, cfg, p, changesAtLeast(all-got.after[i]))
					if err != nil {
						t.Fatalf("from %s: %v", p, err)
					}
					sameList(t, again.changes, got.changes[got.after[i]:])
				}
			}
		})
	}
}

// workload writes into t until it is stopped, in transactions of one to a few hundred rows. Those that fail, because the
// server is away, are given up.
func (b *bench) workload(ctx context.Context, from int) <-chan int {
	done := make(chan int, 1)
	go func() {
		id := from
		for n := 0; ctx.Err() == nil; n++ {
			size := []int{1, 3, 30, 300}[n%4]
			_, err := b.db.ExecContext(ctx, fmt.Sprintf("BEGIN; INSERT INTO t SELECT i, repeat('x', 100), 0 FROM generate_series(%d, %d) i; UPDATE t SET n = n + 1 WHERE id %% 7 = 0 AND id > %d; "+
				"UPDATE t SET id = id + 500 WHERE id = %d; DELETE FROM t WHERE id %% 5 = 0 AND id > %d; COMMIT", id+1, id+size, id-3000, id+1, id-2000))
			if err != nil {
				time.Sleep(20 * time.Millisecond)
			}
			time.Sleep(2 * time.Millisecond)
			id += 1000
		}
		done <- id
	}()
	return done
}

// follow streams and commits, from a position until enough says so. What a retry may cure is tried again, from the last
// position that was committed.
func (b *bench) follow(cfg *postgres.Config, at changelog.Position, got *seen, enough func(*seen) bool) (interruptions int) {
	b.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if len(got.positions) > 0 {
			at = got.last()
		}
		src, _, err := open(b.t, cfg, at)
		if err == nil {
			_, err = run(b.t, src, got, true, enough)
			_ = src.Close() // the server may be gone
			interruptions++
		}
		switch {
		case err == nil:
			return interruptions - 1
		case fault.As(err) == nil || fault.IsFinal(err):
			b.t.Fatal(err)
		}
	}
	b.t.Fatalf("nothing more came after %d changes", len(got.changes))
	return 0
}

// exactlyOnce looks at the changes' numbers within their transactions.
func exactlyOnce(t *testing.T, got *seen) {
	t.Helper()
	var id string
	next := 0
	done := map[string]bool{}
	for _, c := range got.changes {
		txn, rest, _ := strings.Cut(c, " #")
		if txn != id {
			if done[txn] {
				t.Fatalf("%s comes twice", txn)
			}
			id, next, done[txn] = txn, 0, true
		}
		if number, _, _ := strings.Cut(rest, " "); number != fmt.Sprint(next) {
			t.Fatalf("%s comes in the place of change %d", c, next)
		}
		next++
	}
}

// TestInterruptions takes the stream away in every way that a server has, under load, and goes on from the last position that
// was committed: every change comes exactly once.
func TestInterruptions(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE TABLE t (id int PRIMARY KEY, v text, n int)")
			cfg := b.config()
			cfg.BatchBytes = 16 << 10
			at, got, from := b.begin(cfg), &seen{}, 0
			for _, way := range []struct {
				name string
				do   func(context.Context) error
			}{
				{"walsender terminated", func(ctx context.Context) error {
					_, err := b.p.EndWalsenders(ctx)
					return err
				}},
				{"fast restart", func(ctx context.Context) error {
					begin := time.Now()
					if err := b.p.Shutdown(ctx, servers.Fast); err != nil {
						return err
					}
					if took := time.Since(begin); took > 5*time.Second {
						return fmt.Errorf("the shutdown took %v", took)
					}
					return b.p.Start(ctx)
				}},
				{"immediate restart", func(ctx context.Context) error {
					return errors.Join(b.p.Shutdown(ctx, servers.Immediate), b.p.Start(ctx))
				}},
				{"kill", func(ctx context.Context) error { return errors.Join(b.p.Kill(), b.p.Start(ctx)) }},
			} {
				ctx, stop := context.WithCancel(t.Context())
				last := b.workload(ctx, from)
				failed := make(chan error, 1)
				go func() {
					defer stop()
					for range 2 {
						time.Sleep(700 * time.Millisecond)
						if err := way.do(t.Context()); err != nil {
							failed <- fmt.Errorf("%s: %w", way.name, err)
							return
						}
					}
					time.Sleep(300 * time.Millisecond)
					failed <- nil
				}()
				n := b.follow(cfg, at, got, func(*seen) bool { return ctx.Err() != nil })
				if err := <-failed; err != nil {
					t.Fatal(err)
				}
				from = <-last
				if n < 1 {
					t.Errorf("%s: the stream was interrupted %d times", way.name, n)
				}
				mark := fmt.Sprintf("%d,%s,0", -from, way.name)
				b.exec(fmt.Sprintf("INSERT INTO t VALUES (%d, '%s', 0)", -from, way.name))
				b.follow(cfg, at, got, func(s *seen) bool { return len(s.order) > 0 && s.order[len(s.order)-1].after == mark })
				exactlyOnce(t, got)
				sameRows(t, got.fold("t"), b.selectAll("t"))
				t.Logf("%s: %d interruptions, %d changes, %d parts so far", way.name, n, len(got.changes), got.parts)
			}
		})
	}
}
