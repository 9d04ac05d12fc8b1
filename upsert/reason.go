package upsert

import (
	"context"
	"errors"

	"cdcbridge/internal/kafkawire"
)

// codeOf finds Kafka's code in an error.
func codeOf(err error) (kafkawire.Code, bool) {
	var code kafkawire.Code
	ok := errors.As(err, &code)
	return code, ok
}

// reason chooses what to say when the time ran out in the middle of a call: what Kafka answered to the one before.
func reason(ctx context.Context, answered, err error) error {
	if ctx.Err() != nil && answered != nil {
		return answered
	}
	return err
}
