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

// finder is a sink that has every topic, and remembers which it was told of before.
type finder struct{ prepared []string }

func (*finder) Topic(_ context.Context, name string, _ *upsert.Output) (*upsert.Topic, error) {
	return &upsert.Topic{Name: name}, nil
}

func (f *finder) Prepare(_ context.Context, wanted []upsert.Wanted) error {
	for _, w := range wanted {
		f.prepared = append(f.prepared, w.Name)
	}
	return nil
}

// TestNothingIsWrittenIntoWhatIsRead: before the first record of it, and nothing is created for it.
func TestNothingIsWrittenIntoWhatIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		source capture.Source
		topic  string
		code   fault.Code
	}{"the same": {readsIn{}, "in", fault.Config}, "another": {readsIn{}, "out", ""}, "a database": {nil, "in", ""}} {
		var sink finder
		open, prepare := apart(c.source, &sink)
		if _, err := open(t.Context(), c.topic, nil); fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
		if err := prepare(t.Context(), []upsert.Wanted{{Name: c.topic}}); err != nil || (len(sink.prepared) == 1) != (c.code == "") {
			t.Errorf("%s: %v, prepared %v", name, err, sink.prepared)
		}
	}
}
