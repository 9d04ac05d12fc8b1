package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"cdcbridge/internal/fault"
)

// Options are everything that a daemon needs.
type Options struct {
	Pipelines       []Pipeline
	HTTP            HTTP
	ShutdownTimeout time.Duration // how long a drain may take
	Version         string
	Log             *slog.Logger
}

// Daemon runs pipelines until it is told to stop.
type Daemon struct {
	o         Options
	runners   []*runner
	systemd   systemd
	startedAt time.Time
	addr      chan net.Addr // the bound address, once
}

// New makes a daemon. It does no I/O.
func New(o Options) *Daemon {
	d := &Daemon{o: o, systemd: systemd{o.Log}, startedAt: time.Now(), addr: make(chan net.Addr, 1)}
	for _, p := range o.Pipelines {
		d.runners = append(d.runners, newRunner(p, o.Log))
	}
	return d
}

// Addr delivers the address that HTTP is bound to, once it is.
func (d *Daemon) Addr() <-chan net.Addr { return d.addr }

// Run binds the HTTP listener, starts every pipeline and serves until a signal comes: the first one drains and commits
// within ShutdownTimeout, the second one aborts at once. Cancelling ctx aborts too. Run returns nil after a complete
// drain, and also when every pipeline has done all that there was to do. HTTP is served until the last pipeline has ended.
func (d *Daemon) Run(ctx context.Context, signals <-chan os.Signal) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", d.o.HTTP.Listen)
	if err != nil {
		return fault.NewFinal(fault.Config, "listening for HTTP", err, "Set http.listen to an address of this machine that is free.")
	}
	d.addr <- listener.Addr()
	server := &http.Server{Handler: d.handler(), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	err = d.supervise(ctx, signals, served)

	shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if server.Shutdown(shutdown) != nil {
		_ = server.Close() // a slow scraper; the pipelines' error is the one that matters
	}
	return err
}

// supervise runs the pipelines and reacts to what happens to the process.
func (d *Daemon) supervise(ctx context.Context, signals <-chan os.Signal, served <-chan error) error {
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	stop := make(chan struct{})
	ended := make(chan error, len(d.runners))
	var running sync.WaitGroup
	defer running.Wait()
	done := make(chan struct{})
	defer close(done)
	for _, r := range d.runners {
		running.Go(func() { ended <- r.run(ctx, stop) })
		running.Go(func() { r.record(done) })
	}
	d.o.Log.Info("daemon started", "version", d.o.Version, "http", d.o.HTTP.Listen, "pipelines", len(d.runners))
	d.systemd.ready()

	var errs []error
	var deadline <-chan time.Time
	signalled := false
	drain := func(why string) {
		if deadline == nil {
			d.o.Log.Info("daemon stopping", "why", why, "deadline", d.o.ShutdownTimeout)
			d.systemd.stopping()
			deadline = time.After(d.o.ShutdownTimeout)
			close(stop)
		}
	}
	watchdog, endWatchdog := every(d.systemd.watchdogEvery())
	defer endWatchdog()
	for left := len(d.runners); left > 0; {
		select {
		case s := <-signals:
			if signalled {
				abort(errSecondSignal)
			}
			signalled = true
			drain("signal " + s.String())
		case <-deadline:
			abort(errDrainTime)
		case err := <-ended:
			left--
			if err != nil {
				errs = append(errs, err)
				drain("a pipeline has ended")
			}
		case err := <-served:
			errs = append(errs, fmt.Errorf("serving HTTP: %w", err))
			served = nil
			drain("HTTP has ended")
		case now := <-watchdog:
			if d.isAlive(now) {
				d.systemd.alive()
			}
		}
	}
	if deadline == nil {
		d.o.Log.Info("daemon stopping", "why", "every pipeline is complete")
		d.systemd.stopping()
	}
	d.o.Log.Info("daemon stopped")
	return errors.Join(errs...)
}

// isAlive reports whether every runner does its work. A pipeline that is down for a reason is alive.
func (d *Daemon) isAlive(now time.Time) bool {
	for _, r := range d.runners {
		if !r.isAlive(now) {
			return false
		}
	}
	return true
}

// every ticks each interval, or never when it is 0.
func every(interval time.Duration) (<-chan time.Time, func()) {
	if interval <= 0 {
		return nil, func() {}
	}
	t := time.NewTicker(interval)
	return t.C, t.Stop
}
