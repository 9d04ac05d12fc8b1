package daemon

import (
	"context"
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
	Reload          Reload        // how the configuration is read again; without Load it is not
	Version         string
	Log             *slog.Logger
}

// Daemon runs pipelines until it is told to stop.
type Daemon struct {
	o         Options
	systemd   systemd
	startedAt time.Time
	addr      chan net.Addr // the bound address, once

	mu      sync.Mutex
	runners []*runner // in the order of the configuration; the slice is replaced, never written to
	reload  reloads
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
// within ShutdownTimeout, the second one aborts at once. Cancelling ctx aborts too. Whenever Options.Reload.Asked says so, the
// configuration is read again, and the pipelines become those that it says. Run returns nil after a complete
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

// all gives the runners of the moment, in the order of the configuration.
func (d *Daemon) all() []*runner {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.runners
}

// isAlive reports whether every runner does its work. A pipeline that is down for a reason is alive.
func (d *Daemon) isAlive(now time.Time) bool {
	for _, r := range d.all() {
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
