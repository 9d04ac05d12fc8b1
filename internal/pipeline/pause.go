package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/upsert"
)

// ErrPauseChanged is what Run returns when somebody has asked for a pause, and everything is committed, or for its end. The next attempt
// begins at once and finds in the state what was asked for.
var ErrPauseChanged = errors.New("the pipeline was asked to pause, or to go on")

// PauseKey is the key of the state entry that says whether a pipeline is paused. It stays there, so that a pause outlives restarts; the
// newest one counts.
const PauseKey = "pause"

// Pause is that entry. As its value it is JSON.
type Pause struct {
	Version int       `json:"v"`
	Paused  bool      `json:"paused"`
	Time    time.Time `json:"time"`         // when it was asked for
	By      string    `json:"by,omitempty"` // who did, for people
}

const pauseVersion = 1

// Entry gives the entry. It sets the version.
func (r Pause) Entry() (changelog.State, error) {
	r.Version = pauseVersion
	text, err := json.Marshal(r)
	if err != nil {
		return changelog.State{}, fmt.Errorf("writing a request: %w", err)
	}
	return changelog.State{Key: PauseKey, Value: text}, nil
}

func parsePause(e changelog.State) (Pause, error) {
	const op = "reading whether the pipeline is paused"
	var r Pause
	err := json.Unmarshal(e.Value, &r)
	switch {
	case err == nil && r.Version > pauseVersion:
		return r, fault.NewFinal(fault.StateNewer, op, fmt.Errorf("the entry has the version %d, this release knows %d", r.Version, pauseVersion), "A newer release has written it: use that release or a newer one.")
	case err == nil && r.Version < 1:
		err = errors.New("the entry has no version")
	}
	if err != nil {
		return r, fault.NewFinal(fault.Decode, op, err, "Run cdcbridge pause or cdcbridge resume, which writes it anew.")
	}
	return r, nil
}

// takePause takes the entry out of a checkpoint: it is no matter of the source.
func takePause(cp changelog.Checkpoint) (rest changelog.Checkpoint, paused bool, err error) {
	rest, e := takeEntry(cp, PauseKey)
	if e == nil {
		return rest, false, nil
	}
	r, err := parsePause(*e)
	return rest, r.Paused, err
}

// takeEntry takes an entry that is no matter of the source out of a checkpoint; nil: there is none.
func takeEntry(cp changelog.Checkpoint, key string) (rest changelog.Checkpoint, e *changelog.State) {
	rest = cp
	rest.State = nil
	for i := range cp.State {
		if cp.State[i].Key == key {
			e = &cp.State[i]
			continue
		}
		rest.State = append(rest.State, cp.State[i])
	}
	return rest, e
}

// claimPaused makes a pipeline ours that is paused: nothing is read, and whoever ran it before is fenced.
func (p *Pipeline) claimPaused(ctx context.Context, sink *upsert.Sink, cp changelog.Checkpoint) error {
	if err := sink.Claim(ctx, changelog.Checkpoint{Pos: cp.Pos}); err != nil {
		return fmt.Errorf("claiming the pipeline: %w", err)
	}
	p.paused = true
	p.stats.opened(cp.Pos, true)
	return nil
}

// sleep passes the time while the pipeline is paused.
func (p *Pipeline) sleep(ctx context.Context, stop <-chan struct{}, state follower) error {
	p.stats.paused.Store(true)
	defer p.stats.paused.Store(false)
	waiting, release := stoppable(ctx, stop)
	defer release()
	switch asked, err := followState(waiting, state, false, nil); {
	case err != nil:
		return err
	case asked:
		return ErrPauseChanged
	}
	return ctx.Err() // nil: stopped
}
