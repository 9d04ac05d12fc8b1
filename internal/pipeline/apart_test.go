package pipeline

import (
	"context"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
	"cdcbridge/upsert"
)

type readsIn struct{ capture.Source }

func (readsIn) Reads(topic string) bool { return topic == "in" }

// TestNoCommitIsReadBack: state and progress are written with every commit, so that reading them would make the next one.
func TestNoCommitIsReadBack(t *testing.T) {
	for name, c := range map[string]struct {
		source          capture.Source
		state, progress string
		words           string
	}{
		"state":       {readsIn{}, "in", "", "kafka.state_topic"},
		"progress":    {readsIn{}, "state", "in", "progress_topic"},
		"neither":     {readsIn{}, "state", "progress", ""},
		"no progress": {readsIn{}, "state", "", ""},
		"a database":  {nil, "in", "in", ""},
	} {
		spec := Spec{ProgressTopic: c.progress, Delivery: upsert.Config{StateTopic: c.state}}
		f := fault.As(spec.ownTopics(c.source))
		switch {
		case (f != nil) != (c.words != ""):
			t.Errorf("%s: %v", name, f)
		case f != nil && (f.Code != fault.Config || !f.Final || !strings.Contains(f.Hint, c.words)):
			t.Errorf("%s: %v (%s)", name, f, f.Hint)
		}
	}
}

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
