package capture

import (
	"context"

	"cdcbridge/changelog"
)

// Resettable is implemented by configs of sources that can be told to go on elsewhere.
type Resettable interface {
	// Resetter makes what plans that. It does no I/O.
	Resetter(env Env) Resetter
}

// Resetter finds out what a checkpoint becomes when its source is told to go on elsewhere. It changes nothing.
type Resetter interface {
	// Plan reads where to go on (earliest, latest, timestamp=2026-01-31T12:00:00Z, offsets=topic:partition:offset,…) and says what that
	// means for cp, a committed checkpoint of the pipeline. A text that means nothing here is a config fault.
	Plan(ctx context.Context, cp changelog.Checkpoint, to string) (ResetPlan, error)
}

// ResetPlan is what becomes of a checkpoint.
type ResetPlan struct {
	Next  changelog.Checkpoint // its position, and what changes of its state
	Moves []ResetMove          // in the order of their places
	Notes []string             // sentences that a person should read before agreeing
}

// ResetMove is what changes in one place, which has offsets of its own.
type ResetMove struct {
	Place string `json:"place"` // "orders/0"
	From  int64  `json:"from"`  // offset at which the source would go on; -1: it has not been there yet
	To    int64  `json:"to"`    // offset at which it is to go on
}
