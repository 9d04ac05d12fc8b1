package daemon

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"cdcbridge/internal/fault"
)

const (
	firstDelay = 500 * time.Millisecond
	lastDelay  = 30 * time.Second

	// maxStuck is how many attempts in a row may fail without moving the position, for reasons that do not heal by
	// waiting alone.
	maxStuck = 10

	// kafkaPatience is how long that goes on at least when it is Kafka that refuses: a cluster with too few replicas for
	// an hour is an outage, and it ends without us.
	kafkaPatience = time.Hour

	// provenIdle is how long an attempt must have stood caught up to count as progress: a source that has nothing to
	// say cannot move the position, and rare hiccups on it must not add up over weeks.
	provenIdle = time.Minute
)

// retries decides what follows the end of an attempt. It belongs to one runner.
type retries struct {
	ran      bool      // some attempt was running: the servers have accepted us before
	failures int       // in a row without progress: the exponent of the delay
	stuck    int       // of those, the ones that waiting alone does not heal
	since    time.Time // of the first of them
}

// verdict is what follows a failed attempt: either a final fault, or another attempt after a delay.
type verdict struct {
	fault *fault.Fault
	final bool
	delay time.Duration
}

// judge decides. progressed says that the attempt moved the position or proved that there was nothing to move.
func (r *retries) judge(pipeline string, err error, progressed bool) verdict {
	f := asFault(err)
	// A server that starts may not know its users yet, so a login that has worked before is tried again.
	if f.Final && (f.Code != fault.Auth || !r.ran) {
		return verdict{fault: f, final: true}
	}
	if progressed {
		r.failures, r.stuck = 0, 0
	}
	if !heals(f.Code) {
		if r.stuck++; r.stuck == 1 {
			r.since = time.Now()
		}
	}
	if r.stuck >= maxStuck && !heals(f.Code) && (f.Code != fault.Kafka || time.Since(r.since) >= kafkaPatience) {
		cause := fmt.Errorf("%d attempts in a row ended without progress, the last one with: %w", r.stuck, err)
		hint := "The same failure comes back each time; act on it, then have the daemon reload its configuration (SIGHUP), which tries again what has failed."
		if f.Hint != "" {
			hint += " " + f.Hint
		}
		return verdict{fault: fault.NewFinal(fault.NoProgress, "running pipeline "+pipeline, cause, hint), final: true}
	}
	v := verdict{fault: f, delay: delayAfter(r.failures)}
	r.failures++
	return v
}

// heals reports failures that somebody else is likely to cure while we wait: for these there is no last attempt.
func heals(code fault.Code) bool {
	switch code {
	case fault.Unreachable, fault.ReplicaBehind, fault.Source, fault.KafkaStorage, fault.TransactionsDown:
		return true
	}
	return false
}

// delayAfter doubles from firstDelay to lastDelay and takes a random part of it between a half and all, so that many
// pipelines do not knock together.
func delayAfter(failures int) time.Duration {
	d := lastDelay
	if failures < 6 { // 0.5 s · 2⁶ is above 30 s
		d = firstDelay << failures
	}
	return d/2 + rand.N(d/2+1)
}

// asFault gives every error a code: what comes without one is a bug of ours and is treated like any failure that may
// pass.
func asFault(err error) *fault.Fault {
	if f := fault.As(err); f != nil {
		return f
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fault.New(fault.Unreachable, "", err, "A server did not answer in time; check its load and the network.")
	}
	return fault.New(fault.Internal, "", err, "This is a bug of cdcbridge; please report it with this message.")
}
