package systemd

import (
	"fmt"
	"testing"
	"time"
)

// service is the daemon under something that supervises it.
type service interface {
	freeze(t *testing.T)        // SIGSTOP: nothing of the daemon runs any more
	restarted(t *testing.T) int // how often it was started again
}

// comesBack freezes the service while rows are written: it is aborted and started again, and no change is lost or there twice.
func comesBack(t *testing.T, s service, shop *shop) {
	t.Helper()
	before := s.restarted(t)
	shop.arrives(t)
	closed := shop.open(t)
	s.freeze(t)
	within(t, time.Minute, func() error {
		if n := s.restarted(t); n != before+1 {
			return fmt.Errorf("started again %d times, not %d", n, before+1)
		}
		return nil
	})
	time.Sleep(time.Second)
	closed()
	shop.arrives(t)
	if n := s.restarted(t); n != before+1 {
		t.Errorf("started again %d times, not %d", n, before+1)
	}
}

// TestWatchdog: under a supervisor that does what the unit says. TestInstalled does the same with systemd.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	shop := openShop(t)
	s := superviseFor(t, shop.config("password: "+shop.pg.Password(), "public.orders"), 6*time.Second)
	time.Sleep(7 * time.Second) // longer than it may be silent
	if n := s.restarted(t); n != 0 {
		t.Fatalf("a daemon that is well was started again %d times", n)
	}
	comesBack(t, s, shop)
	s.stop(t)
	if len(s.codes) != 2 || s.codes[0] != 2 || s.codes[1] != 0 {
		t.Errorf("the daemon ended with %v, want 2 (a Go program that was aborted) and 0", s.codes)
	}
}
