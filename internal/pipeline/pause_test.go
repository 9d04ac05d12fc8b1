package pipeline

import (
	"context"
	"errors"
	"testing"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// listedState gives entries one after the other, then waits for the end.
type listedState struct {
	entries []changelog.State
	fail    error
}

func (s listedState) Tail(ctx context.Context, _ time.Duration, _ []string, give func(changelog.State)) error {
	for _, e := range s.entries {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		give(e)
	}
	if s.fail != nil {
		return s.fail
	}
	<-ctx.Done()
	return ctx.Err()
}

func pauseEntry(t *testing.T, paused bool) changelog.State {
	t.Helper()
	e, err := Pause{Paused: paused, By: "me"}.Entry()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestPauseIsTakenOutOfTheCheckpoint(t *testing.T) {
	other := changelog.State{Key: "pauses", Value: []byte("x")}
	for _, want := range []bool{true, false} {
		rest, paused, err := takePause(changelog.Checkpoint{Pos: "p", State: []changelog.State{pauseEntry(t, want), other}})
		if err != nil || paused != want || rest.Pos != "p" || len(rest.State) != 1 || rest.State[0].Key != "pauses" {
			t.Errorf("%v %v %+v", paused, err, rest)
		}
	}
	for text, code := range map[string]fault.Code{"": fault.Decode, "{}": fault.Decode, `{"v":2,"paused":true}`: fault.StateNewer} {
		_, _, err := takePause(changelog.Checkpoint{Pos: "p", State: []changelog.State{{Key: PauseKey, Value: []byte(text)}}})
		if !fault.Is(err, code) || !fault.IsFinal(err) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestPauseIsFollowed(t *testing.T) {
	other := changelog.State{Key: "pauses", Value: []byte("x")}
	asked, err := followState(t.Context(), listedState{entries: []changelog.State{other, pauseEntry(t, false), pauseEntry(t, true)}}, true, nil)
	if !asked || err != nil {
		t.Errorf("%v %v", asked, err)
	}
	_, err = followState(t.Context(), listedState{entries: []changelog.State{{Key: PauseKey, Value: []byte("damaged")}}}, true, nil)
	if !fault.Is(err, fault.Decode) {
		t.Errorf("%v", err)
	}
	lost := errors.New("lost")
	if _, err := followState(t.Context(), listedState{fail: lost}, true, nil); !errors.Is(err, lost) {
		t.Errorf("%v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if asked, err := followState(ended, listedState{}, true, nil); asked || err != nil {
		t.Errorf("%v %v", asked, err)
	}
}

func TestSleepEnds(t *testing.T) {
	open := make(chan struct{})
	p := New(Spec{}, Env{})
	if err := p.sleep(t.Context(), open, listedState{entries: []changelog.State{pauseEntry(t, true), pauseEntry(t, false)}}); !errors.Is(err, ErrPauseChanged) {
		t.Errorf("resumed: %v", err)
	}
	stopped := make(chan struct{})
	close(stopped)
	if err := p.sleep(t.Context(), stopped, listedState{}); err != nil {
		t.Errorf("stopped: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.sleep(ctx, open, listedState{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if p.stats.paused.Load() {
		t.Error("still paused")
	}
}
