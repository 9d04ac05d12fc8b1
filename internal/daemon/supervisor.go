package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// supervisor is one run of a daemon: it starts runners, ends them, and reacts to what happens to the process. All of it belongs to the
// goroutine that runs it; whatever else runs ends before it returns.
type supervisor struct {
	*Daemon
	ctx     context.Context
	abort   context.CancelCauseFunc
	timeout time.Duration // how long a drain may take

	ended   chan ending
	running sync.WaitGroup
	left    int // runners that run

	deadline  <-chan time.Time // of the drain; nil: the daemon does not stop
	signalled bool
	errs      []error

	change *change // the reload that is going on, nil: none
	again  bool    // asked for meanwhile
}

// ending is the end of a runner's run.
type ending struct {
	r   *runner
	err error
}

// supervise runs the pipelines and reacts to what happens to the process.
func (d *Daemon) supervise(ctx context.Context, signals <-chan os.Signal, served <-chan error) error {
	s := &supervisor{Daemon: d, timeout: d.o.ShutdownTimeout, ended: make(chan ending)}
	s.ctx, s.abort = context.WithCancelCause(ctx)
	defer s.abort(nil)
	defer s.running.Wait()
	done := make(chan struct{})
	defer close(done)
	for _, r := range d.all() {
		s.start(r)
	}
	s.running.Go(func() { d.record(done) })
	d.o.Log.Info("daemon started", "version", d.o.Version, "http", d.o.HTTP.Listen, "pipelines", s.left)
	d.systemd.ready()

	watchdog, endWatchdog := every(d.systemd.watchdogEvery())
	defer endWatchdog()
	for s.left > 0 || s.change != nil {
		select {
		case sig := <-signals:
			s.signal(sig)
		case <-s.deadline:
			s.abort(errDrainTime)
		case e := <-s.ended:
			s.over(e)
		case err := <-served:
			s.errs = append(s.errs, fmt.Errorf("serving HTTP: %w", err))
			served = nil
			s.drain("HTTP has ended")
		case <-d.o.Reload.Asked:
			s.askReload()
		case l := <-s.change.whenLoaded():
			s.loaded(l)
		case <-s.change.whenLate():
			s.cutChange()
		case now := <-watchdog:
			if d.isAlive(now) {
				d.systemd.alive()
			}
		}
	}
	if s.deadline == nil {
		d.o.Log.Info("daemon stopping", "why", "every pipeline is complete")
		d.systemd.stopping()
	}
	d.o.Log.Info("daemon stopped")
	return errors.Join(s.errs...)
}

// start lets a runner run.
func (s *supervisor) start(r *runner) {
	ctx, cut := context.WithCancelCause(s.ctx)
	r.now = current{runs: true, stop: make(chan struct{}), cut: cut}
	stop := r.now.stop
	s.left++
	s.running.Go(func() {
		err := r.run(ctx, stop)
		cut(nil)
		s.ended <- ending{r, err}
	})
}

// over takes note of a runner that has ended.
func (s *supervisor) over(e ending) {
	s.left--
	e.r.now.runs = false
	switch {
	case s.change.ends(e.r):
		s.endedForChange(e)
	case e.err != nil:
		s.errs = append(s.errs, e.err)
		s.drain("a pipeline has ended")
	}
}

// signal is the first or another one that asks the process to stop.
func (s *supervisor) signal(sig os.Signal) {
	if s.signalled {
		s.abort(errSecondSignal)
	}
	s.signalled = true
	s.drain("signal " + sig.String())
}

// drain lets every pipeline commit what it has read, and end.
func (s *supervisor) drain(why string) {
	if s.deadline != nil {
		return
	}
	s.o.Log.Info("daemon stopping", "why", why, "deadline", s.timeout)
	s.systemd.stopping()
	s.deadline = time.After(s.timeout)
	s.giveUpChange()
	for _, r := range s.all() {
		r.now.end()
	}
}

// end asks a run to drain, once.
func (c *current) end() {
	if c.runs && !c.ending {
		c.ending = true
		close(c.stop)
	}
}
