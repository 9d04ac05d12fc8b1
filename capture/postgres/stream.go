package postgres

import (
	"context"
	"errors"

	"cdcbridge/changelog"
)

// Stream implements capture.Source.
func (s *source) Stream(context.Context, chan<- *changelog.Batch) error {
	return errors.New("streaming is not built yet")
}
