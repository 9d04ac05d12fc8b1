package pipeline

import (
	"context"
	"fmt"
	"strings"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
)

// requestsEvery is how often the state is looked at for requests.
const requestsEvery = time.Second

// follower is the part of upsert.Sink that brings requests.
type follower interface {
	Tail(ctx context.Context, every time.Duration, prefixes []string, give func(changelog.State)) error
}

// followState hands requests to the source, nil for one that takes none, until somebody asks for paused, or streaming ends, or something
// fails. asked says the first.
func followState(streaming context.Context, state follower, paused bool, source capture.Requester) (asked bool, err error) {
	tailing, end := context.WithCancel(streaming)
	defer end()
	prefixes := []string{PauseKey}
	if source != nil {
		prefixes = append(prefixes, capture.RequestPrefix)
	}
	var bad error
	err = state.Tail(tailing, requestsEvery, prefixes, func(e changelog.State) {
		switch {
		case bad != nil:
		case e.Key == PauseKey:
			var r Pause
			r, bad = parsePause(e)
			if asked = bad == nil && r.Paused == paused; asked || bad != nil {
				end()
			}
		case source != nil && strings.HasPrefix(e.Key, capture.RequestPrefix):
			source.Request(e)
		}
	})
	switch {
	case bad != nil:
		return false, bad
	case asked || streaming.Err() != nil:
		return asked, nil
	}
	return false, fmt.Errorf("following requests: %w", err)
}
