package pipeline

import (
	"context"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
	"cdcbridge/upsert"
)

type readsIn struct{ capture.Source }

func (readsIn) Reads(topic string) bool { return topic == "in" }

// TestNothingIsWrittenIntoWhatIsRead: before the first record of it.
func TestNothingIsWrittenIntoWhatIsRead(t *testing.T) {
	open := func(_ context.Context, name string, _ *upsert.Output) (*upsert.Topic, error) {
		return &upsert.Topic{Name: name}, nil
	}
	for name, c := range map[string]struct {
		source capture.Source
		topic  string
		code   fault.Code
	}{"the same": {readsIn{}, "in", fault.Config}, "another": {readsIn{}, "out", ""}, "a database": {nil, "in", ""}} {
		if _, err := apart(c.source, open)(t.Context(), c.topic, nil); fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}
