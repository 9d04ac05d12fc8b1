package upsert

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// This file is the one place that knows what a checkpoint looks like in Kafka: keyed JSON records in the state topic, in the
// same transaction as the rows they cover.
//
//	key    {"pipeline":"shop","kind":"position"}                        {"pipeline":"shop","kind":"pin","name":"shop.orders"}
//	value  {"version":1,"min_reader":1,"position":"…","instance":"…"}   {"version":1,"min_reader":1,"id":"…","partitions":3}
//
// All records of a pipeline are in one partition, so that their order is the order of its transactions.

// statePartitions is fixed for ever: it decides where a pipeline's checkpoint is.
const statePartitions = 16

// Versions of the records. A release reads every record whose min_reader is not above its own stateVersion; a record of a
// kind that it does not know may then be ignored.
const (
	stateVersion   = 1
	stateMinReader = 1
)

// Kinds of state records.
const (
	kindPosition = "position" // where the source stands
	kindClaim    = "claim"    // which instance runs the pipeline
	kindPin      = "pin"      // name: a topic; what it was when it was first written to
	kindEntry    = "entry"    // name: the key of a changelog.State
)

// statePartition is where the records of a pipeline are.
func statePartition(pipeline string) int32 {
	return kafkawire.PartitionOf([]byte(pipeline), statePartitions)
}

type stateKey struct {
	Pipeline string `json:"pipeline"`
	Kind     string `json:"kind"`
	Name     string `json:"name,omitempty"`
}

type stateHeader struct {
	Version   int `json:"version"`
	MinReader int `json:"min_reader"`
}

type positionValue struct {
	stateHeader
	Position string `json:"position"`
	Instance string `json:"instance"`
	Time     string `json:"time"` // wall clock, for people
}

// claimValue has the position too, for people: the position record of the same transaction is what counts.
type claimValue struct {
	positionValue
	Superseded []string `json:"superseded,omitempty"` // instances whose pipeline was taken over, the latest last
}

type pinValue struct {
	stateHeader
	ID         string `json:"id"` // as Kafka's tools print it
	Partitions int32  `json:"partitions"`
	Group      string `json:"group,omitempty"`
}

// entryValue has its data as text where it is text, so that the topic can be read by people.
type entryValue struct {
	stateHeader
	Text  *string `json:"text,omitempty"`
	Bytes []byte  `json:"bytes,omitempty"`
}

// stateRecord is one record to write. A nil value removes the key.
type stateRecord struct{ key, value []byte }

// stateScribe makes the records of one pipeline.
type stateScribe struct {
	pipeline, instance string
	now                string
	recs               []stateRecord
}

func (w *stateScribe) position(pos changelog.Position) error {
	v := positionValue{stateHeader{stateVersion, stateMinReader}, string(pos), w.instance, w.now}
	return w.add(kindPosition, "", v, string(pos))
}

func (w *stateScribe) claim(start changelog.Position, superseded []string) error {
	v := claimValue{positionValue{stateHeader{stateVersion, stateMinReader}, string(start), w.instance, w.now}, superseded}
	return w.add(kindClaim, "", v, string(start))
}

func (w *stateScribe) pin(topic string, p pin) error {
	return w.add(kindPin, topic, pinValue{stateHeader{stateVersion, stateMinReader}, p.ID.String(), p.Partitions, p.Group})
}

func (w *stateScribe) entry(s changelog.State) error {
	if s.Value == nil {
		return w.add(kindEntry, s.Key, nil)
	}
	v := entryValue{stateHeader: stateHeader{stateVersion, stateMinReader}}
	if utf8.Valid(s.Value) {
		text := string(s.Value)
		v.Text = &text
	} else {
		v.Bytes = s.Value
	}
	return w.add(kindEntry, s.Key, v)
}

// add appends a record. Texts are checked, for JSON would silently replace what is not UTF-8, and a position or key that
// comes back different is worse than none.
func (w *stateScribe) add(kind, name string, value any, texts ...string) error {
	for _, s := range append(texts, w.pipeline, w.instance, name) {
		if !utf8.ValidString(s) {
			return fault.NewFinal(fault.Internal, "writing the "+kind+" record", fmt.Errorf("%q is not UTF-8", s), "Report this as a bug.")
		}
	}
	key, err := marshal(stateKey{w.pipeline, kind, name})
	if err != nil {
		return err
	}
	rec := stateRecord{key: key}
	if value != nil {
		if rec.value, err = marshal(value); err != nil {
			return err
		}
	}
	w.recs = append(w.recs, rec)
	return nil
}

// marshal is json.Marshal without the escaping for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fault.NewFinal(fault.Internal, "writing a state record", err, "Report this as a bug.")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// pipelineState is the committed state of one pipeline: the fold of its records, the highest offset of each key.
type pipelineState struct {
	pos     changelog.Position // empty: no committed checkpoint
	entries map[string][]byte
	pins    map[string]pin
	claim   claimSeen
}

func newPipelineState() *pipelineState {
	return &pipelineState{entries: map[string][]byte{}, pins: map[string]pin{}, claim: claimSeen{offset: -1}}
}

// checkpoint returns position and entries, these in the order of their keys.
func (s *pipelineState) checkpoint() changelog.Checkpoint {
	cp := changelog.Checkpoint{Pos: s.pos}
	for _, k := range slices.SortedFunc(maps.Keys(s.entries), strings.Compare) {
		cp.State = append(cp.State, changelog.State{Key: k, Value: s.entries[k]})
	}
	return cp
}

// apply folds one committed record in; they come in the order of their offsets. Records of other pipelines are left alone;
// what cannot be read ends the open, for a state that is half understood is worse than none.
func (s *pipelineState) apply(pipeline string, offset int64, key, value []byte) error {
	var k stateKey
	if err := json.Unmarshal(key, &k); err != nil || k.Pipeline == "" || k.Kind == "" {
		if value == nil {
			return nil // somebody has removed it
		}
		return stateFault(offset, fmt.Errorf("its key %.200q is not ours", key))
	}
	if k.Pipeline != pipeline {
		return nil
	}
	if value == nil {
		s.remove(k, offset)
		return nil
	}
	var h stateHeader
	if err := json.Unmarshal(value, &h); err != nil || h.Version < 1 || h.MinReader < 1 {
		return stateFault(offset, fmt.Errorf("the value of %s has no version: %.200q", key, value))
	}
	if h.MinReader > stateVersion {
		return fault.NewFinal(fault.StateNewer, "reading the checkpoint", fmt.Errorf("the %s record at offset %d needs a reader of version %d, this one is %d", k.Kind, offset, h.MinReader, stateVersion),
			"A newer release has run this pipeline: use that release or a newer one.")
	}
	if err := s.set(k, offset, value); err != nil {
		return stateFault(offset, fmt.Errorf("%s: %w", key, err))
	}
	return nil
}

func (s *pipelineState) set(k stateKey, offset int64, value []byte) error {
	switch k.Kind {
	case kindPosition:
		var v positionValue
		if err := json.Unmarshal(value, &v); err != nil {
			return err
		}
		s.pos = changelog.Position(v.Position)
	case kindClaim:
		var v claimValue
		if err := json.Unmarshal(value, &v); err != nil {
			return err
		}
		s.claim = claimSeen{v.Instance, v.Superseded, offset}
	case kindPin:
		var v pinValue
		if err := json.Unmarshal(value, &v); err != nil {
			return err
		}
		p := pin{Partitions: v.Partitions, Group: v.Group}
		id, err := base64.RawURLEncoding.DecodeString(v.ID)
		if err != nil || len(id) != len(p.ID) || v.Partitions < 1 || k.Name == "" {
			return fmt.Errorf("no topic id and partition count in %.200q", value)
		}
		copy(p.ID[:], id)
		s.pins[k.Name] = p
	case kindEntry:
		var v entryValue
		if err := json.Unmarshal(value, &v); err != nil {
			return err
		}
		switch {
		case v.Text != nil && v.Bytes == nil:
			s.entries[k.Name] = []byte(*v.Text)
		case v.Bytes != nil && v.Text == nil:
			s.entries[k.Name] = v.Bytes
		default:
			return fmt.Errorf("neither text nor bytes in %.200q", value)
		}
	}
	return nil // another kind, of a newer release, that a reader of our version may ignore
}

func (s *pipelineState) remove(k stateKey, offset int64) {
	switch k.Kind {
	case kindPosition:
		s.pos = ""
	case kindClaim:
		s.claim = claimSeen{offset: offset}
	case kindPin:
		delete(s.pins, k.Name)
	case kindEntry:
		delete(s.entries, k.Name)
	}
}

func stateFault(offset int64, err error) error {
	return fault.NewFinal(fault.Decode, "reading the checkpoint", fmt.Errorf("state record at offset %d: %w", offset, err),
		"Nothing but cdcbridge may write to the state topic. Remove the record by a tombstone with the same key, or use another kafka.state_topic.")
}

// stateBatchBytes is the size at which a batch of state records is full; one larger record has a batch to itself.
const stateBatchBytes = 256 << 10

// stateParts makes record batches of recs, for one partition of the state topic or the progress topic. now is in milliseconds since 1970.
func stateParts(topic *Topic, partition int32, recs []stateRecord, now int64) []Part {
	var parts []Part
	var batch []byte
	count := int32(0)
	seal := func() {
		if count > 0 {
			h := kafkawire.BatchHeader{Count: count, BaseTimestamp: now, MaxTimestamp: now}
			parts = append(parts, Part{Topic: topic, Partition: partition, Header: h, Batch: batch})
		}
		batch, count = kafkawire.ReserveBatchHeader(nil), 0
	}
	seal()
	for _, r := range recs {
		if len(batch)+len(r.key)+len(r.value) > stateBatchBytes {
			seal()
		}
		batch = kafkawire.AppendRecord(batch, &kafkawire.Record{OffsetDelta: count, Key: r.key, Value: r.value})
		count++
	}
	seal()
	return parts
}

// minPacked is the size from which a batch of state records is compressed. That of a commit that moves a thousand partitions is
// hundreds of kilobytes, most of them the same words.
const minPacked = 1 << 10

// packState compresses the large ones of parts.
func packState(parts []Part, codec kafkawire.Codec) error {
	for i := range parts {
		p := &parts[i]
		if codec == kafkawire.None || len(p.Batch) < minPacked {
			continue
		}
		packed, err := kafkawire.AppendCompressed(kafkawire.ReserveBatchHeader(nil), codec, p.Batch[kafkawire.BatchHeaderSize:])
		if err != nil {
			return fmt.Errorf("compressing the checkpoint: %w", err)
		}
		if len(packed) < len(p.Batch) {
			p.Batch, p.Header.Codec = packed, codec
		}
	}
	return nil
}
