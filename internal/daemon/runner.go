package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/pipeline"
)

// Attempt is one run of one pipeline from its durable checkpoint. *pipeline.Pipeline is one.
type Attempt interface {
	// Run moves changes until stop is closed (it then drains, commits and returns nil), ctx is cancelled or something
	// fails. All that it started has ended when it returns.
	// It returns capture.ErrComplete when there is nothing more to do and all is committed, and pipeline.ErrPauseChanged when the next
	// attempt is to begin at once.
	Run(ctx context.Context, stop <-chan struct{}) error

	// Stats may be called at any time and does not block.
	Stats() pipeline.Stats
}

// Pipeline is what the daemon needs to know of a pipeline.
type Pipeline struct {
	Name          string
	New           func() Attempt // makes the next attempt; it does no I/O
	ExitOnFailure bool           // a final fault ends the whole process
	Fingerprint   string         // equal for the same pipeline as long as nothing about it is set otherwise
}

// State is where a pipeline stands.
type State string

// States of a pipeline. They are part of the /status document.
const (
	Starting  State = "starting"  // connecting, checking, reading the checkpoint
	Running   State = "running"   // changes flow
	Paused    State = "paused"    // somebody has asked for it: nothing is read until somebody asks for its end
	Retrying  State = "retrying"  // waits for the next attempt
	Stopping  State = "stopping"  // drains
	Stopped   State = "stopped"   // has drained and committed, or was cut off
	Completed State = "completed" // has done and committed all that there was to do
	Failed    State = "failed"    // a final fault: stays down until somebody acts
)

// States lists all of them.
var States = []State{Starting, Running, Paused, Retrying, Stopping, Stopped, Completed, Failed}

// sampleEvery is how often a running attempt is looked at, for the change from starting to running and for progress.
const sampleEvery = 250 * time.Millisecond

// runner runs one pipeline, attempt after attempt.
type runner struct {
	p       Pipeline
	log     *slog.Logger
	retries retries
	tells   snapshotLog
	history history
	now     current // the supervisor's

	mu         sync.Mutex
	state      State
	since      time.Time
	attempt    Attempt // the current one, or the last
	attempts   uint64
	fault      *fault.Fault // of the last failure, until the pipeline runs again
	next       time.Time    // when the next attempt begins, while retrying
	restarts   map[fault.Code]uint64
	before     Counters // of attempts that have ended
	progress   uint64   // of the current attempt as last seen
	progressAt time.Time
	idleAt     time.Time // when the current attempt was last seen idle
	sampledAt  time.Time
	commitTime int64                    // the newest committed one of any attempt
	position   string                   // the newest committed one of any attempt
	snapshots  []capture.TableSnapshot  // as last seen
	partitions []capture.PartitionStats // the same
	watermark  int64                    // the newest one of any attempt
}

// current is a runner's run, as far as there is one.
type current struct {
	runs   bool
	ending bool                    // stop is closed
	stop   chan struct{}           // closed: drain
	cut    context.CancelCauseFunc // gives a drain up
}

func newRunner(p Pipeline, log *slog.Logger) *runner {
	log = log.With("pipeline", p.Name)
	return &runner{p: p, log: log, tells: snapshotLog{log: log}, state: Starting, since: time.Now(), restarts: map[fault.Code]uint64{}}
}

// become makes the runner one of another pipeline of the same name: what it has counted stays. It must not run.
func (r *runner) become(p Pipeline) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.p, r.retries = p, retries{ran: r.retries.ran}
	r.fault = nil
}

// run makes attempts until stop is closed, ctx is cancelled or everything is done. The error, if any, is one that the process ends with: a
// final fault of a pipeline that must not stay down, or a drain that failed.
func (r *runner) run(ctx context.Context, stop <-chan struct{}) error {
	for {
		a := r.begin()
		err := r.watch(ctx, stop, a)
		progressed := r.end(a)
		switch {
		case errors.Is(err, capture.ErrComplete):
			r.change(Completed, nil)
			return nil
		case errors.Is(err, pipeline.ErrPauseChanged):
			continue
		case err == nil && isClosed(stop):
			r.change(Stopped, nil)
			return nil
		case err == nil:
			err = errEnded
		case ctx.Err() != nil:
			r.change(Stopped, nil)
			return fmt.Errorf("stopping pipeline %s: %w", r.p.Name, context.Cause(ctx))
		case isClosed(stop):
			r.change(Stopped, asFault(err))
			return fmt.Errorf("draining pipeline %s: %w", r.p.Name, err)
		}
		v := r.retries.judge(r.p.Name, err, progressed)
		if v.final {
			return r.fail(ctx, stop, v.fault)
		}
		if !r.wait(ctx, stop, v) {
			r.change(Stopped, nil)
			return nil
		}
	}
}

func (r *runner) begin() Attempt {
	a := r.p.New()
	r.mu.Lock()
	r.attempt = a
	r.attempts++
	r.progress, r.idleAt = 0, time.Time{}
	r.sampledAt = time.Now()
	f := r.fault
	r.mu.Unlock()
	r.change(Starting, f)
	return a
}

// watch runs the attempt and looks at its numbers meanwhile.
func (r *runner) watch(ctx context.Context, stop <-chan struct{}, a Attempt) error {
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx, stop) }()
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for stopping := stop; ; {
		select {
		case err := <-done:
			return err
		case <-stopping:
			r.change(Stopping, nil)
			stopping = nil
		case <-tick.C:
			r.sample(a)
		}
	}
}

// sample notes progress and the moment at which an attempt begins to run.
func (r *runner) sample(a Attempt) {
	s := a.Stats()
	now := time.Now()
	r.tells.sample(s.Source.Snapshots, now)
	r.mu.Lock()
	r.sampledAt = now
	r.note(s, now)
	started := r.state == Starting && s.Running
	if started {
		r.progressAt = now
	}
	paused := r.state == Starting && s.Paused
	r.mu.Unlock()
	if paused {
		r.retries.ran = true
		r.change(Paused, nil, "position", s.Position)
	}
	if started {
		r.retries.ran = true
		r.change(Running, nil, "position", s.Position, "resumed", s.Resumed)
	}
}

// note takes over what outlives an attempt. The caller holds mu.
func (r *runner) note(s pipeline.Stats, now time.Time) {
	if s.Progress != r.progress {
		r.progress, r.progressAt = s.Progress, now
	}
	if isIdle(s, now) {
		r.idleAt = now
	}
	if s.Position != "" {
		r.position = s.Position
	}
	if s.Running || len(s.Source.Snapshots) > 0 {
		r.snapshots = s.Source.Snapshots
	}
	if len(s.Source.Partitions) > 0 {
		r.partitions = s.Source.Partitions
	}
	r.watermark = max(r.watermark, cmp.Or(s.Watermark, s.Source.Watermark)) // before the first commit what the source began with
	r.commitTime = max(r.commitTime, s.CommitTime)
}

// end adds the attempt's numbers to those of its predecessors. It reports whether the attempt got anywhere.
func (r *runner) end(a Attempt) bool {
	s := a.Stats()
	now := time.Now()
	r.tells.sample(s.Source.Snapshots, now)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(s, now)
	r.before = r.before.plus(countersOf(s))
	r.attempt = nil
	stood := (r.state == Running || r.state == Stopping) && now.Sub(r.since) >= provenIdle
	return s.Progress > 0 || stood && s.Source.CaughtUp
}

// wait passes the time until the next attempt. It reports false when there is to be none.
func (r *runner) wait(ctx context.Context, stop <-chan struct{}, v verdict) bool {
	r.mu.Lock()
	r.restarts[v.fault.Code]++
	r.next = time.Now().Add(v.delay)
	r.mu.Unlock()
	r.change(Retrying, v.fault, "delay", v.delay.Round(time.Millisecond))
	timer := time.NewTimer(v.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-stop:
	case <-ctx.Done():
	}
	return false
}

// fail keeps the pipeline down until the daemon stops, or ends the daemon if that is wanted.
func (r *runner) fail(ctx context.Context, stop <-chan struct{}, f *fault.Fault) error {
	r.change(Failed, f)
	if r.p.ExitOnFailure {
		return fmt.Errorf("running pipeline %s: %w", r.p.Name, f)
	}
	select {
	case <-stop:
	case <-ctx.Done():
	}
	return nil
}

// change moves to another state and writes the one log line about it.
func (r *runner) change(to State, f *fault.Fault, attrs ...any) {
	r.mu.Lock()
	r.state, r.since = to, time.Now()
	r.fault = f
	if to != Retrying {
		r.next = time.Time{}
	}
	attempt := r.attempts
	r.mu.Unlock()

	level := slog.LevelInfo
	attrs = append([]any{"state", string(to), "attempt", attempt}, attrs...)
	if f != nil && to != Starting {
		level = slog.LevelWarn
		attrs = append(attrs, "code", string(f.Code), "error", causeOf(f), "hint", f.Hint, "doc", f.Code.Doc())
	}
	if to == Failed {
		level = slog.LevelError
	}
	r.log.Log(context.Background(), level, "pipeline "+string(to), attrs...)
}

// causeOf renders a fault without its code and hint, which stand beside it.
func causeOf(f *fault.Fault) string {
	switch {
	case f.Err == nil:
		return f.Op
	case f.Op == "":
		return f.Err.Error()
	}
	return f.Op + ": " + f.Err.Error()
}

// isAlive reports whether the runner does its work: it samples while an attempt is on.
func (r *runner) isAlive(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.attempt == nil || now.Sub(r.sampledAt) < 20*sampleEvery
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Errors of the daemon's own.
var (
	errEnded        = errors.New("the pipeline ended by itself and without an error")
	errSecondSignal = errors.New("a second signal asked to stop at once; what was not committed is read again at the next start")
	errDrainTime    = errors.New("draining took longer than shutdown_timeout; what was not committed is read again at the next start")
	errReloadTime   = errors.New("draining for a reload took longer than shutdown_timeout; what was not committed is read again")
)
