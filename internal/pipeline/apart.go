package pipeline

import (
	"context"
	"errors"
	"slices"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
	"cdcbridge/upsert"
)

// topics is the part of upsert.Sink that finds them.
type topics interface {
	Topic(ctx context.Context, name string, o *upsert.Output) (*upsert.Topic, error)
	Prepare(ctx context.Context, wanted []upsert.Wanted) error
}

// apart keeps what is written apart from what is read: a pipeline that reads what it writes never ends.
func apart(source capture.Source, sink topics) (open upsert.TopicFunc, prepare func(context.Context, []upsert.Wanted) error) {
	reader, ok := source.(capture.TopicReader)
	if !ok {
		return sink.Topic, sink.Prepare
	}
	open = func(ctx context.Context, name string, o *upsert.Output) (*upsert.Topic, error) {
		if reader.Reads(name) {
			return nil, readFault(name, "give the output another topic")
		}
		return sink.Topic(ctx, name, o)
	}
	prepare = func(ctx context.Context, wanted []upsert.Wanted) error {
		return sink.Prepare(ctx, slices.DeleteFunc(wanted, func(w upsert.Wanted) bool { return reader.Reads(w.Name) }))
	}
	return open, prepare
}

// ownTopics does so with what each commit writes beside the rows: with one of these topics among those that are read every commit would
// bring the next one.
func (s *Spec) ownTopics(source capture.Source) error {
	reader, ok := source.(capture.TopicReader)
	switch {
	case !ok:
	case reader.Reads(s.Delivery.StateTopic):
		return readFault(s.Delivery.StateTopic, "set another kafka.state_topic")
	case s.ProgressTopic != "" && reader.Reads(s.ProgressTopic):
		return readFault(s.ProgressTopic, "set another progress_topic")
	}
	return nil
}

func readFault(topic, otherwise string) error {
	return fault.NewFinal(fault.Config, "opening topic "+topic, errors.New("the pipeline's source reads it"),
		"Each record would come back for ever: exclude the topic in the source section, or "+otherwise+".")
}
