package daemon

import (
	"fmt"
	"time"

	"cdcbridge/internal/pipeline"
)

const (
	// advanceWithin is how long the position of a busy pipeline may stand still before it counts as stuck. A transaction
	// of Kafka ends long before that.
	advanceWithin = 30 * time.Second

	// heardWithin is how long an idle source may be silent: its heartbeats come more often.
	heardWithin = 60 * time.Second

	// idleWithin is how long ago an idle pipeline was last seen with nothing in flight: its heartbeats pass through too.
	idleWithin = 5 * time.Second
)

// Readiness is the document of /readyz.
type Readiness struct {
	Ready   bool     `json:"ready"`
	Reasons []Reason `json:"reasons"` // one for each pipeline that is not ready
}

// Reason says why a pipeline is not ready.
type Reason struct {
	Pipeline string `json:"pipeline"`
	State    State  `json:"state"`
	Code     string `json:"code,omitempty"`
	Reason   string `json:"reason"`
	Hint     string `json:"hint,omitempty"`
	Doc      string `json:"doc,omitempty"` // where the code is explained
}

func (d *Daemon) readiness(now time.Time) Readiness {
	r := Readiness{Ready: true, Reasons: []Reason{}}
	for _, run := range d.all() {
		if reason := run.notReady(now); reason != nil {
			r.Ready = false
			r.Reasons = append(r.Reasons, *reason)
		}
	}
	return r
}

// notReady tells why the pipeline is not ready, nil when it is.
func (r *runner) notReady(now time.Time) *Reason {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reason(now, func() pipeline.Stats { return r.attempt.Stats() })
}

// reason is notReady with the numbers of the attempt, which are asked for only when they decide. The caller holds mu.
func (r *runner) reason(now time.Time, stats func() pipeline.Stats) *Reason {
	reason := &Reason{Pipeline: r.p.Name, State: r.state}
	if r.fault != nil {
		reason.Code, reason.Reason, reason.Hint, reason.Doc = string(r.fault.Code), causeOf(r.fault), r.fault.Hint, r.fault.Code.Doc()
		return reason
	}
	switch {
	case r.state == Completed, r.state == Paused: // as somebody wants it
		return nil
	case r.state != Running || r.attempt == nil:
		reason.Reason = "the pipeline is " + string(r.state)
	case now.Sub(r.progressAt) <= advanceWithin:
		return nil
	default:
		if isIdle(stats(), now) || now.Sub(r.idleAt) <= idleWithin {
			return nil
		}
		reason.Reason = fmt.Sprintf("the position has not moved for %s and the source is not idle", now.Sub(r.progressAt).Round(time.Second))
	}
	return reason
}

// isIdle reports a source that is connected, has proven lately that it has nothing more, and has nothing in flight.
func isIdle(s pipeline.Stats, now time.Time) bool {
	return s.Source.Connected && isDone(s) && now.Sub(time.UnixMicro(s.Source.LastEvent)) <= heardWithin
}

// isDone reports that everything the source had is committed.
func isDone(s pipeline.Stats) bool {
	return s.Source.CaughtUp && s.InFlight == 0 && s.OpenSince == 0
}
