package upsert

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// claimSeen is the newest committed claim of a pipeline. Each claim names the instances whose pipeline it took over, so an
// instance that comes back from a long sleep can tell that it was replaced, while one that was merely restarted, and so has a
// new name, is in no such list.
type claimSeen struct {
	instance   string
	superseded []string
	offset     int64 // of its record; -1: there is none
}

// maxSuperseded bounds the list; an instance that slept through so many takeovers is stopped by the next check instead.
const maxSuperseded = 32

// supersedes reports whether the claim took the pipeline from the given instance.
func (c claimSeen) supersedes(instance string) bool {
	return c.instance != instance && slices.Contains(c.superseded, instance)
}

// follows reports whether the claim is newer than seen, the newest one when the given instance was opened, and not its own.
func (c claimSeen) follows(seen claimSeen, instance string) bool {
	return c.offset > seen.offset && c.instance != instance
}

// supersededBy is the list for the claim of the next instance.
func (c claimSeen) supersededBy(next string) []string {
	list := slices.Clone(c.superseded)
	if c.instance != "" {
		list = append(list, c.instance)
	}
	list = slices.DeleteFunc(list, func(s string) bool { return s == next })
	list = slices.Compact(list)
	return list[max(0, len(list)-maxSuperseded):]
}

// ownershipInDoubt tells the codes that a takeover by somebody else gives. A transaction that timed out gives them too.
func ownershipInDoubt(code kafkawire.Code) bool {
	switch code {
	case kafkawire.InvalidProducerEpoch, kafkawire.InvalidTxnState, kafkawire.InvalidProducerIDMapping, kafkawire.ProducerFenced:
		return true
	}
	return false
}

// How long judgeOwnership waits: a successor needs a moment to commit its claim, and two instances that took the id from each
// other must not do it in step.
const (
	doubtWait   = 2 * time.Second
	doubtJitter = 3 * time.Second
)

// judgeOwnership decides what an error of the transaction means. Only another instance's newer committed claim is a fence,
// and then the pipeline stays down here, or two daemons would fence each other for ever. Else it opens again.
func (s *Sink) judgeOwnership(ctx context.Context, err error) error {
	code, ok := codeOf(err)
	if !ok || !ownershipInDoubt(code) {
		return err
	}
	if werr := kafkawire.Pause(ctx, doubtWait+rand.N(doubtJitter)); werr != nil {
		return werr
	}
	if rerr := s.reader.readToEnd(ctx); rerr != nil {
		return fault.New(fault.Kafka, "finding out who runs the pipeline", errors.Join(err, rerr), hintReopen)
	}
	if claim := s.reader.state.claim; claim.follows(s.seen, s.id.Instance) {
		return fencedFault("writing a transaction", claim, err)
	}
	return fault.New(fault.Kafka, "writing a transaction", err, hintReopen)
}

const hintReopen = "Kafka ended the transaction, as it does when the daemon or a broker was stopped for longer than transaction_timeout. The pipeline opens again from its checkpoint by itself."

func fencedFault(op string, c claimSeen, err error) error {
	cause := fmt.Errorf("instance %s has taken the pipeline over", c.instance)
	if err != nil {
		cause = fmt.Errorf("%w: %w", cause, err)
	}
	return fault.NewFinal(fault.Fenced, op, cause, "Run one daemon for a pipeline: stop the other one and restart this one, or remove the pipeline here.")
}
