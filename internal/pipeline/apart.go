package pipeline

import (
	"context"
	"errors"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
	"cdcbridge/upsert"
)

// apart keeps what is written apart from what is read: a pipeline that reads what it writes never ends.
func apart(source capture.Source, open upsert.TopicFunc) upsert.TopicFunc {
	reader, ok := source.(capture.TopicReader)
	if !ok {
		return open
	}
	return func(ctx context.Context, name string, o *upsert.Output) (*upsert.Topic, error) {
		if reader.Reads(name) {
			return nil, fault.NewFinal(fault.Config, "opening topic "+name, errors.New("the pipeline's source reads it"),
				"Each record would come back for ever: exclude the topic in the source section, or give the output another topic.")
		}
		return open(ctx, name, o)
	}
}
