package upsert

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// Tail looks about every interval for entries whose keys begin with one of the prefixes and that were committed after Open has read the
// checkpoint, by whomever, and hands each over once. Of those that were replaced or removed before it looked only what is left
// counts; an entry that is written again after its removal is another one. give must not block, and the entry is its own.
//
// It runs beside Write and Commit, from Open on, in a goroutine of the caller's, and returns when ctx ends or when an entry
// cannot be understood. A cluster that does not answer is asked again, each time later, and the log says so once.
func (s *Sink) Tail(ctx context.Context, every time.Duration, prefixes []string, give func(changelog.State)) error {
	if s.txn == nil {
		return misuse("following the state", "the sink is not open")
	}
	t := entryTail{pipeline: s.id.Pipeline, prefixes: prefixes, seen: map[string]int64{}}
	// Nothing that was written before is undecided: the open has ended it. So the partition need not be read twice.
	t.reader = s.wire.NewUndecidedReader(s.stateAt(), t.ours).From(s.openedAt)
	failures := 0
	for {
		wait := every
		fresh, err := t.look(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			failures = 0
		case fault.Is(err, fault.Decode) || fault.Is(err, fault.StateNewer):
			return err
		default:
			if failures == 0 {
				s.log.Warn("requests cannot be read from the state topic for now", "error", err)
			}
			failures++
			wait = min(every<<min(failures, 10), maxTailWait)
		}
		for _, e := range fresh {
			give(e)
		}
		if err := kafkawire.Pause(ctx, wait); err != nil {
			return ctx.Err()
		}
	}
}

const (
	maxTailWait  = 30 * time.Second // how long Tail waits at most before it asks a cluster again
	tailPatience = 10 * time.Second // how long the cluster may take for one look
)

// entryTail is where Tail stands.
type entryTail struct {
	reader   *kafkawire.UndecidedReader
	pipeline string
	prefixes []string
	seen     map[string]int64 // offset of the newest record of each key, so that an older one that is decided later counts for nothing
}

func (t *entryTail) ours(key []byte) bool {
	var k stateKey
	return json.Unmarshal(key, &k) == nil && k.Pipeline == t.pipeline && k.Kind == kindEntry &&
		slices.ContainsFunc(t.prefixes, func(prefix string) bool { return strings.HasPrefix(k.Name, prefix) })
}

// look reads to the end and returns what is new, in the order in which it was written. What an error leaves unread comes the
// next time; what was read before it is returned with it.
func (t *entryTail) look(ctx context.Context) ([]changelog.State, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, tailPatience, errTooLate)
	defer cancel()
	fresh := map[string]heldState{}
	readErr := t.reader.ReadToEnd(ctx, func(r *kafkawire.FetchedRecord) error {
		if newest, ok := t.seen[string(r.Key)]; !ok || r.Offset > newest {
			t.seen[string(r.Key)] = r.Offset
			fresh[string(r.Key)] = heldState{r.Offset, bytes.Clone(r.Value)}
		}
		return nil
	})
	var entries []changelog.State
	for _, key := range slices.SortedFunc(maps.Keys(fresh), func(a, b string) int { return cmp.Compare(fresh[a].offset, fresh[b].offset) }) {
		held := fresh[key]
		state := newPipelineState()
		if err := state.apply(t.pipeline, held.offset, []byte(key), held.value); err != nil {
			return nil, err
		}
		entries = append(entries, state.checkpoint().State...) // one, or none if it was removed
	}
	return entries, readErr
}
