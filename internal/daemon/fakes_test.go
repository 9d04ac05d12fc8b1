package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/pipeline"
)

// script says what an attempt of a fake pipeline does.
type script struct {
	opens   time.Duration // until it runs
	runs    time.Duration // until err; 0: it fails without ever running
	stats   pipeline.Stats
	err     error         // nil: it runs until it is stopped
	drain   time.Duration // how long a drain takes
	drained error         // how a drain ends
	paused  bool          // the state says so
	ends    bool          // it ends without an error though nobody asked
}

// fakeAttempt follows its script.
type fakeAttempt struct {
	s script

	mu    sync.Mutex
	stats pipeline.Stats
	hang  chan struct{} // Stats blocks until it is closed; nil: it does not
}

func (a *fakeAttempt) Stats() pipeline.Stats {
	a.mu.Lock()
	hang := a.hang
	a.mu.Unlock()
	if hang != nil {
		<-hang
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stats
}

func (a *fakeAttempt) set(change func(s *pipeline.Stats)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.stats)
}

func (a *fakeAttempt) Run(ctx context.Context, stop <-chan struct{}) error {
	if stopped, err := pass(ctx, stop, a.s.opens); stopped || err != nil {
		return err
	}
	if a.s.runs == 0 && a.s.err != nil {
		a.set(func(s *pipeline.Stats) { *s = a.s.stats })
		return a.s.err
	}
	a.set(func(s *pipeline.Stats) { *s = a.s.stats; s.Running, s.Paused = !a.s.paused, a.s.paused })
	runs := a.s.runs
	if a.s.err == nil && !a.s.ends {
		runs = 1 << 60
	}
	stopped, err := pass(ctx, stop, runs)
	if err != nil {
		return err
	}
	if !stopped {
		return a.s.err
	}
	if _, err := pass(ctx, nil, a.s.drain); err != nil {
		return err
	}
	return a.s.drained
}

// pass waits.
func pass(ctx context.Context, stop <-chan struct{}, d time.Duration) (stopped bool, err error) {
	select {
	case <-stop:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	case <-time.After(d):
		return false, nil
	}
}

// fakePipeline makes attempts by scripts; the last one repeats. It remembers when each began.
type fakePipeline struct {
	scripts []script

	mu       sync.Mutex
	begun    []time.Time
	attempts []*fakeAttempt
}

func (p *fakePipeline) next() Attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := &fakeAttempt{s: p.scripts[min(len(p.begun), len(p.scripts)-1)]}
	p.begun = append(p.begun, time.Now())
	p.attempts = append(p.attempts, a)
	return a
}

func (p *fakePipeline) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.begun)
}

func (p *fakePipeline) current() *fakeAttempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.attempts[len(p.attempts)-1]
}

// logLines collects log lines.
type logLines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func logTo(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// bench is a daemon that supervises fakes without HTTP, for virtual time.
type bench struct {
	*Daemon
	log     *logLines
	signals chan os.Signal
	hangups chan os.Signal
	file    *configuration // what a reload finds
	done    chan error
}

// configuration is what a file says that is read again.
type configuration struct {
	next  Next
	err   error
	takes time.Duration // to read it

	mu      sync.Mutex
	applied int
}

func (c *configuration) set(err error, next Next) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err, c.next = err, next
}

func (c *configuration) load() (*Next, error) {
	time.Sleep(c.takes)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, c.err
	}
	next := c.next
	next.Apply = func() { c.applied++ }
	if next.ShutdownTimeout == 0 {
		next.ShutdownTimeout = 30 * time.Second
	}
	return &next, nil
}

func supervise(ps ...Pipeline) *bench {
	log := &logLines{}
	b := &bench{
		log:     log,
		signals: make(chan os.Signal, 2),
		hangups: make(chan os.Signal, 1),
		file:    &configuration{},
		done:    make(chan error, 1),
	}
	b.Daemon = New(Options{Pipelines: ps, ShutdownTimeout: 30 * time.Second, Reload: Reload{Asked: b.hangups, Load: b.file.load}, Version: "v9", Log: logTo(log)})
	go func() { b.done <- b.supervise(context.Background(), b.signals, nil) }()
	return b
}

// alone supervises one pipeline of which each attempt follows the script, in virtual time, and stops it after the test.
func alone(t *testing.T, s script, test func(t *testing.T, p *fakePipeline, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &fakePipeline{scripts: []script{s}}
		b := supervise(Pipeline{Name: "shop", New: p.next})
		defer func() {
			if err := b.stop(t); err != nil {
				t.Error(err)
			}
		}()
		test(t, p, b)
	})
}

// stop sends SIGTERM and waits for the end.
func (b *bench) stop(t *testing.T) error {
	t.Helper()
	b.signals <- syscall.SIGTERM
	return <-b.done
}

func (b *bench) state(i int) State { return b.Status().Pipelines[i].State }

var errBroken = errors.New("pipe broken")

// idle is a source that has nothing more, heard just now.
func idle() capture.Stats {
	return capture.Stats{Connected: true, CaughtUp: true, LastEvent: time.Now().UnixMicro()}
}
