package pipeline

import (
	"context"
	"errors"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
)

// fakeState gives an entry of each kind that is asked for, then ends with its error or with the stream.
type fakeState struct{ fail error }

func (s fakeState) Tail(ctx context.Context, _ time.Duration, prefixes []string, give func(changelog.State)) error {
	for _, prefix := range prefixes {
		give(changelog.State{Key: prefix + "1"})
	}
	if s.fail != nil {
		return s.fail
	}
	<-ctx.Done()
	return ctx.Err()
}

type askedSource struct{ asked []string }

func (s *askedSource) Request(e changelog.State) { s.asked = append(s.asked, e.Key) }

func TestRequestsReachTheSource(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	end()
	var s askedSource
	if _, err := followState(ctx, fakeState{}, true, &s); err != nil || len(s.asked) != 1 || s.asked[0] != capture.RequestPrefix+"1" {
		t.Errorf("asked %q: %v", s.asked, err)
	}
	damaged := errors.New("damaged")
	if _, err := followState(t.Context(), fakeState{damaged}, true, &s); !errors.Is(err, damaged) {
		t.Errorf("got %v", err)
	}
}
