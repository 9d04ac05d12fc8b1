package upsert

import (
	"context"
	"fmt"
	"slices"

	"cdcbridge/internal/kafkawire"
)

// Progress is what a commit tells the readers of the progress topic. All times are microseconds since the Unix epoch.
type Progress struct {
	Watermark  int64 // what later commits hold has event times at or after it; 0: not known
	CommitTime int64 // source commit time of the newest transaction that the commit holds or an earlier one did; 0: none
	InTxn      bool  // the commit ends inside a source transaction
}

// progressOutput is how the progress topic is used: one record a pipeline, and pipelines share it.
var progressOutput = Output{Name: "progress", Mode: Upsert, Adopt: true, Settings: TopicSettings{Partitions: 1, Create: true}}

// ProgressUse is the progress topic for Check.
func ProgressUse(topic string) TopicUse { return TopicUse{Topic: topic, Output: &progressOutput} }

// ValidateProgress returns every reason why topic cannot be the progress topic beside these outputs.
func ValidateProgress(topic string, c *Config, outputs []Output) []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("progress_topic: "+format, args...)) }
	if !validTopicName(topic) {
		bad("%q is no topic name: 1 to %d letters, digits, '.', '_' and '-'", topic, maxTopicName)
	}
	if topic == c.StateTopic {
		bad("%s is the state topic", topic)
	}
	if slices.ContainsFunc(outputs, func(o Output) bool { return o.Topic == topic }) {
		bad("rows are written to %s", topic)
	}
	return errs
}

// OpenProgress has every later commit that was reported of write a record into the topic, in its transaction:
//
//	key    {"pipeline":"shop"}
//	value  {"version":1,"watermark_ms":…,"commit_time_ms":…,"written_at_ms":…,"changes":…,"records":…,"split":false,"position":"…"}
//
// The topic is created or checked as a target topic is.
func (s *Sink) OpenProgress(ctx context.Context, topic string) error {
	t, err := s.Topic(ctx, topic, &progressOutput)
	if err != nil {
		return err
	}
	s.progress = t
	return nil
}

// Report says what the next commit tells in the progress topic, if there is one.
func (s *Sink) Report(p Progress) { s.report = &p }

type progressKey struct {
	Pipeline string `json:"pipeline"`
}

// progressValue has times in milliseconds since the Unix epoch, null for what is not known. A watermark is rounded down.
type progressValue struct {
	Version    int    `json:"version"`
	Watermark  *int64 `json:"watermark_ms"`
	CommitTime *int64 `json:"commit_time_ms"`
	WrittenAt  int64  `json:"written_at_ms"`
	Changes    int    `json:"changes"`
	Records    int    `json:"records"`
	Split      bool   `json:"split"`
	Position   string `json:"position"`
}

const progressVersion = 1

// progressPart makes the record that goes with the open transaction. now is in milliseconds since the Unix epoch.
func (s *Sink) progressPart(position string, now int64) (Part, error) {
	value := progressValue{
		Version: progressVersion, Watermark: milliseconds(s.report.Watermark), CommitTime: milliseconds(s.report.CommitTime), WrittenAt: now,
		Changes: s.changes, Records: s.records, Split: s.report.InTxn, Position: position,
	}
	key, err := marshal(progressKey{s.id.Pipeline})
	if err != nil {
		return Part{}, err
	}
	text, err := marshal(value)
	if err != nil {
		return Part{}, err
	}
	return stateParts(s.progress, kafkawire.PartitionOf(key, s.progress.Partitions), []stateRecord{{key, text}}, now)[0], nil
}

// milliseconds rounds down.
func milliseconds(us int64) *int64 {
	if us == 0 {
		return nil
	}
	ms := us / 1000
	if us%1000 < 0 {
		ms--
	}
	return &ms
}
