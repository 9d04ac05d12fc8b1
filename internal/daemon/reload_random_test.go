package daemon

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"cdcbridge/internal/fault"
)

// yard counts the attempts that run, by the names of their pipelines.
type yard struct {
	mu   sync.Mutex
	on   map[string]string // name → fingerprint
	errs []string
}

// counted is an attempt that the yard counts.
type counted struct {
	*fakeAttempt
	yard              *yard
	name, fingerprint string
}

func (c *counted) Run(ctx context.Context, stop <-chan struct{}) error {
	c.yard.mu.Lock()
	if other, twice := c.yard.on[c.name]; twice {
		c.yard.errs = append(c.yard.errs, fmt.Sprintf("%s runs as %s and as %s", c.name, other, c.fingerprint))
	}
	c.yard.on[c.name] = c.fingerprint
	c.yard.mu.Unlock()
	err := c.fakeAttempt.Run(ctx, stop)
	c.yard.mu.Lock()
	delete(c.yard.on, c.name)
	c.yard.mu.Unlock()
	return err
}

// pipelines are random ones, in a random order: each runs, fails now and then, or is down for good, and drains at once, late, or not in time.
func (y *yard) pipelines(r *rand.Rand) (ps []Pipeline) {
	for _, i := range r.Perm(5)[:1+r.IntN(5)] {
		name, kind := fmt.Sprintf("p%d", i), r.IntN(4)
		fingerprint := fmt.Sprint(kind)
		p := &fakePipeline{scripts: []script{{drain: time.Duration(r.IntN(3)) * 20 * time.Second}}}
		switch kind {
		case 1:
			p.scripts[0].runs, p.scripts[0].err = 3*time.Second, fault.New(fault.Unreachable, "streaming", errBroken, "")
		case 2:
			p.scripts[0].err = fault.NewFinal(fault.WrongServer, "opening", errBroken, "")
		}
		ps = append(ps, Pipeline{Name: name, Fingerprint: fingerprint, New: func() Attempt { return &counted{p.next().(*fakeAttempt), y, name, fingerprint} }})
	}
	return ps
}

// TestRandomReloads: whatever files come and however close to each other, no pipeline ever runs twice at a time, and in the end there are exactly those of the last
// good file, each as it says.
func TestRandomReloads(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 60 {
		synctest.Test(t, func(t *testing.T) {
			y := &yard{on: map[string]string{}}
			now := y.pipelines(r)
			b := supervise(now...)
			for range 1 + r.IntN(8) {
				time.Sleep(time.Duration(r.IntN(40_000)) * time.Millisecond)
				next := y.pipelines(r)
				if r.IntN(4) == 0 {
					b.file.set(fault.NewFinal(fault.Config, "reading", errBroken, ""), Next{Pipelines: next})
				} else {
					b.file.set(nil, Next{Pipelines: next})
					now = next
				}
				select {
				case b.hangups <- syscall.SIGHUP:
				default: // one that waits is as good as two
				}
			}
			b.file.set(nil, Next{Pipelines: now})
			b.hangups <- syscall.SIGHUP
			time.Sleep(5 * time.Minute)
			b.settled(t, y, now)
			if err := b.stop(t); err != nil && !errors.Is(err, errDrainTime) && !errors.Is(err, errBroken) { // some do not drain in time, and some fail at that moment
				t.Error(err)
			}
			if len(y.on) > 0 || len(y.errs) > 0 {
				t.Errorf("running still: %v; %q", y.on, y.errs)
			}
		})
	}
}

// settled checks that the daemon has the pipelines of the file and no others.
func (b *bench) settled(t *testing.T, y *yard, want []Pipeline) {
	t.Helper()
	s := b.Status()
	if s.Reload.Result != ReloadApplied || len(s.Pipelines) != len(want) {
		t.Fatalf("%d pipelines, want %d; %+v", len(s.Pipelines), len(want), s.Reload)
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	for i, p := range s.Pipelines {
		w := want[i]
		on, runs := y.on[p.Name]
		down := w.Fingerprint == "2" && p.State == Failed || w.Fingerprint == "1" && p.State == Retrying
		if p.Name != w.Name || runs == down || runs && on != w.Fingerprint {
			t.Errorf("pipeline %d is %s, %s and runs as %q; want %s as %q", i, p.Name, p.State, on, w.Name, w.Fingerprint)
		}
	}
}
