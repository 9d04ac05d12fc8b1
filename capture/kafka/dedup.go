package kafka

import (
	"encoding/json"

	"cdcbridge/changelog"
)

// repeats is what is known of the changes of a partition that were read before.
type repeats struct{}

// state is the durable text, nil when there is nothing to know.
func (r *repeats) state() json.RawMessage { return nil }

func (r *repeats) restore(json.RawMessage) error { return nil }

// dropRepeated takes those changes out of the batch behind from that were read before, and says how many.
func (s *stream) dropRepeated(p *partition, b *changelog.Batch, from mark) (int, error) {
	return 0, nil
}
