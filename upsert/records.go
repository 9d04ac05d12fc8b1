package upsert

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// StateRecord is one record of a pipeline's state as it stands in Kafka: its value keeps version and min_reader, and is kept whole when
// its kind is one that only a newer release knows.
type StateRecord struct {
	Kind  string          `json:"kind"`
	Name  string          `json:"name,omitempty"`
	Value json.RawMessage `json:"value"`
}

// ReadRecords returns the committed state of a pipeline, whether it runs or not, in the order of kind and name. It changes nothing and
// disturbs nobody. A pipeline without a checkpoint is a state_missing fault.
func ReadRecords(ctx context.Context, wire kafkawire.Config, cfg Config, pipeline string) ([]StateRecord, error) {
	w := newEntryWriter(wire, cfg, pipeline)
	defer w.wire.Close()
	reader, err := w.mustRead(ctx)
	if err != nil {
		return nil, err
	}
	return reader.records()
}

// CheckRecords reports what would keep a release like this one from going on from these records.
func CheckRecords(recs []StateRecord) error {
	_, err := foldRecords("checked", recs)
	return err
}

// PositionOf is the position in a pipeline's records, empty when there is none or it cannot be read.
func PositionOf(recs []StateRecord) string {
	for _, r := range recs {
		var v positionValue
		if r.Kind == kindPosition && json.Unmarshal(r.Value, &v) == nil {
			return v.Position
		}
	}
	return ""
}

// Restoring is what Restore writes.
type Restoring struct {
	Records    []StateRecord
	StateTopic string // where they come from; its pin is replaced by that of the state topic that they go to
	Replace    bool   // instead of what is there; else there must be no checkpoint
}

// Restore makes records the whole state of the pipeline in one transaction, which holds a claim of this sink too. It is called after
// Open and instead of Claim; the sink can only be closed afterwards. Topics that the records tell of must be as they were, or the
// pipeline would stop at its next start.
func (s *Sink) Restore(ctx context.Context, r Restoring) error {
	const op = "restoring the state of a pipeline"
	if s.txn == nil || s.claimed {
		return misuse(op, "the sink is not open, or has claimed")
	}
	if s.reader.state.pos != "" && !r.Replace {
		return fault.NewFinal(fault.Config, op, fmt.Errorf("the pipeline %s has a checkpoint in %s", s.id.Pipeline, s.cfg.StateTopic), "Say --replace to write over it; export it first.")
	}
	kept := slices.DeleteFunc(slices.Clone(r.Records), func(rec StateRecord) bool {
		return rec.Kind == kindClaim || rec.Kind == kindPin && rec.Name == r.StateTopic
	})
	next, err := foldRecords(s.id.Pipeline, kept)
	if err != nil {
		return err
	}
	probe := Sink{wire: s.wire, reader: &stateReader{state: next}}
	if err := probe.checkPins(ctx); err != nil {
		return err
	}
	w := s.scribe()
	for _, key := range slices.Sorted(maps.Keys(s.reader.newest)) {
		if s.reader.newest[key].value != nil {
			w.recs = append(w.recs, stateRecord{key: []byte(key)})
		}
	}
	if err := w.copy(kept); err != nil {
		return err
	}
	if err := w.pin(s.state.Name, s.state.pin()); err != nil {
		return err
	}
	if err := w.claim(next.pos, s.seen.supersededBy(s.id.Instance)); err != nil {
		return err
	}
	return s.rewrite(ctx, w)
}

// Rename moves the whole state of the pipeline to another name, which must have none, in one transaction. It is called after Open and
// instead of Claim; the sink can only be closed afterwards. Under the old name only the claim of this sink is left, so that a daemon
// that runs the pipeline still, or comes back from a long sleep, is fenced for good.
func (s *Sink) Rename(ctx context.Context, to string) error {
	const op = "renaming a pipeline"
	if s.txn == nil || s.claimed {
		return misuse(op, "the sink is not open, or has claimed")
	}
	from := s.reader.state
	if from.pos == "" {
		return fault.NewFinal(fault.StateMissing, op, fmt.Errorf("the pipeline %s has no checkpoint in %s", s.id.Pipeline, s.cfg.StateTopic),
			"Check kafka.state_topic, kafka.brokers and the pipeline's name: it must have run once with this configuration.")
	}
	target := newStateReader(s.wire, kafkawire.TopicPartition{Topic: s.cfg.StateTopic, Partition: statePartition(to)}, to)
	if err := target.readToEnd(ctx); err != nil {
		return err
	}
	if target.state.pos != "" || len(target.state.entries) > 0 {
		return fault.NewFinal(fault.Config, op, fmt.Errorf("there is a pipeline %s with a checkpoint in %s", to, s.cfg.StateTopic), "Take a name that is free.")
	}
	recs, err := s.reader.records()
	if err != nil {
		return err
	}
	recs = slices.DeleteFunc(recs, func(r StateRecord) bool { return r.Kind == kindClaim })
	old, renamed := s.scribe(), s.scribe()
	renamed.pipeline = to
	for _, r := range recs {
		if err := old.add(r.Kind, r.Name, nil); err != nil {
			return err
		}
	}
	superseded := s.seen.supersededBy(s.id.Instance)
	if err := errors.Join(old.claim(from.pos, superseded), renamed.copy(recs), renamed.claim(from.pos, superseded)); err != nil {
		return err
	}
	if err := s.rewrite(ctx, old, renamed); err != nil {
		return err
	}
	if err := target.readToEnd(ctx); err != nil {
		return err
	}
	if target.state.claim.instance != s.id.Instance || target.state.pos != from.pos {
		return fault.NewFinal(fault.Fenced, op, fmt.Errorf("instance %s has begun to run a pipeline %s meanwhile", target.state.claim.instance, to), "Stop it, and import an export that was made before.")
	}
	return nil
}

// rewrite commits the records of scribes, each in the partition of its pipeline, and waits until the transaction has ended everywhere.
func (s *Sink) rewrite(ctx context.Context, scribes ...*stateScribe) error {
	var parts []Part
	for _, w := range scribes {
		parts = append(parts, stateParts(s.state, statePartition(w.pipeline), w.recs, time.Now().UnixMilli())...)
	}
	if err := packState(parts, s.codec); err != nil {
		return err
	}
	if err := s.txn.write(ctx, parts); err != nil {
		return s.judgeOwnership(ctx, err)
	}
	if err := s.txn.commit(ctx); err != nil {
		return s.judgeOwnership(ctx, err)
	}
	return s.txn.awaitEnd(ctx)
}

// copy writes records as they are, under the scribe's pipeline.
func (w *stateScribe) copy(recs []StateRecord) error {
	for _, r := range recs {
		if err := w.add(r.Kind, r.Name, r.Value); err != nil {
			return err
		}
	}
	return nil
}

// records are what the state holds now, unknown kinds included.
func (r *stateReader) records() ([]StateRecord, error) {
	var recs []StateRecord
	for _, key := range slices.Sorted(maps.Keys(r.newest)) {
		held := r.newest[key]
		if held.value == nil {
			continue
		}
		var k stateKey
		if err := json.Unmarshal([]byte(key), &k); err != nil { // apply has read it before
			return nil, stateFault(held.offset, err)
		}
		if k.Pipeline == r.pipeline {
			recs = append(recs, StateRecord{Kind: k.Kind, Name: k.Name, Value: bytes.Clone(held.value)})
		}
	}
	slices.SortStableFunc(recs, func(a, b StateRecord) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name)) })
	return recs, nil
}

// foldRecords reads records as an open would. They must be a checkpoint, each key once.
func foldRecords(pipeline string, recs []StateRecord) (*pipelineState, error) {
	const op, hint = "reading the records", "Take an export that cdcbridge state export has written, unchanged."
	state := newPipelineState()
	seen := map[stateKey]bool{}
	for i, r := range recs {
		k := stateKey{pipeline, r.Kind, r.Name}
		if seen[k] || r.Kind == "" || len(r.Value) == 0 || bytes.Equal(r.Value, []byte("null")) {
			return nil, fault.NewFinal(fault.Decode, op, fmt.Errorf("record %d (%s %s) is there twice, or has no kind or no value", i, r.Kind, r.Name), hint)
		}
		seen[k] = true
		key, err := marshal(k)
		if err != nil {
			return nil, err
		}
		if err := state.apply(pipeline, int64(i), key, r.Value); err != nil {
			if fault.Is(err, fault.StateNewer) {
				return nil, err
			}
			return nil, fault.NewFinal(fault.Decode, op, err, hint)
		}
	}
	if state.pos == "" {
		return nil, fault.NewFinal(fault.Decode, op, errors.New("there is no position among them"), hint)
	}
	return state, nil
}
