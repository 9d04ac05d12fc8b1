package upsertsink

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"cdcbridge/internal/fault"
)

// workload writes rows until it is told to stop, and opens again whenever an attempt fails, as a supervisor does.
type workload struct {
	p      *pipeline
	reopen int          // transactions after which it opens again all the same; 0: never
	opens  atomic.Int64 // attempts that have begun
	rows   atomic.Int64 // committed, as far as it knows
	stop   chan struct{}
	ended  chan error
}

// work begins a workload. It ends with ctx, at finish, or by a final fault.
func (p *pipeline) work(ctx context.Context, reopen int) *workload {
	w := &workload{p: p, reopen: reopen, stop: make(chan struct{}), ended: make(chan error, 1)}
	go func() { w.ended <- w.run(ctx) }()
	return w
}

func (w *workload) run(ctx context.Context) error {
	for {
		err := w.attempt(ctx)
		switch {
		case w.stopped() && err == nil:
			return nil
		case err == nil:
			continue
		case fault.IsFinal(err) || ctx.Err() != nil:
			return err
		case fault.As(err) == nil:
			return fmt.Errorf("an error without a code: %w", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (w *workload) attempt(ctx context.Context) error {
	w.opens.Add(1)
	r, err := w.p.open(ctx, "one")
	defer r.close()
	if err != nil {
		return err
	}
	if err := w.p.checkGroup(ctx, r.next); err != nil {
		return err
	}
	for n := 1; ; n++ {
		w.rows.Store(int64(r.next))
		if w.stopped() || n == w.reopen {
			return nil
		}
		for range 2 {
			if err := r.write(ctx, 3); err != nil {
				return err
			}
		}
		if err := r.commit(ctx); err != nil {
			return err
		}
	}
}

func (w *workload) stopped() bool {
	select {
	case <-w.stop:
		return true
	default:
		return false
	}
}

// await waits until the workload has got on by so many rows.
func (w *workload) await(t *testing.T, more int64) {
	t.Helper()
	w.until(t, fmt.Sprintf("%d more rows", more), func(rows, _ int64) bool { return rows >= more })
}

// awaitAttempts waits until the workload has begun so many more attempts.
func (w *workload) awaitAttempts(t *testing.T, more int64) {
	t.Helper()
	w.until(t, fmt.Sprintf("%d more attempts", more), func(_, opens int64) bool { return opens >= more })
}

func (w *workload) until(t *testing.T, what string, enough func(rows, opens int64) bool) {
	t.Helper()
	rows, opens := w.rows.Load(), w.opens.Load()
	for began := time.Now(); !enough(w.rows.Load()-rows, w.opens.Load()-opens); time.Sleep(5 * time.Millisecond) {
		select {
		case err := <-w.ended:
			t.Fatalf("waiting for %s: the workload has ended: %v", what, err)
		default:
		}
		if time.Since(began) > 2*time.Minute {
			t.Fatalf("waiting for %s: the workload does not heal", what)
		}
	}
}

// finish stops the workload and looks at the topic: each row is there once, or as often as the pipeline delivers it.
func (w *workload) finish(t *testing.T) {
	t.Helper()
	close(w.stop)
	if err := <-w.ended; err != nil {
		t.Fatal(err)
	}
	if w.p.cfg.AtLeastOnce { // rows may be there that no checkpoint covers: they come again
		w.rows.Add(2 * keys)
		if err := w.p.resume(t.Context(), int(w.rows.Load())); err != nil {
			t.Fatal(err)
		}
	}
	w.p.mustHold(t, int(w.rows.Load()))
	w.p.mustBeAt(t, int(w.rows.Load()))
	t.Logf("%d rows in %d attempts", w.rows.Load(), w.opens.Load())
}
