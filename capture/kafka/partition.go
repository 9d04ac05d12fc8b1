package kafka

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// partition is a partition that is read, as the stream knows it. It belongs to the stream's goroutine; lane is what it shares with
// the readers.
type partition struct {
	topic  string
	number int32
	id     kafkawire.TopicID

	offset int64 // of the next record to read: what is before it is in batches
	epoch  int32 // leader epoch of the batch that was read last, -1: none
	end    int64 // where a bounded run ends in it, -1: nowhere

	lane    *lane
	records kafkawire.CommittedRecords // of the chunk that is being read
	head    kafkawire.FetchedRecord    // the next record, when hasHead
	hasHead bool

	deleted []byte // key of the record before offset when that was a delete: a tombstone of it says nothing new

	clock   clock   // event times: watermark.go
	repeats repeats // what was read before: dedup.go
	order   place   // where the head stands in the log of the database: order.go
	made    when    // the latest moment of what was read: order_recall.go

	listed bool   // among the stream's touched ones
	index  int    // among all partitions, in their order
	read   uint64 // records since the source was opened
	bytes  uint64 // of their batches, as they came over the wire
}

func newPartition(at kafkawire.TopicPartition, id kafkawire.TopicID) *partition {
	return &partition{topic: at.Topic, number: at.Partition, id: id, epoch: -1, end: -1}
}

// at names the partition.
func (p *partition) at() kafkawire.TopicPartition {
	return kafkawire.TopicPartition{Topic: p.topic, Partition: p.number}
}

// String renders "topic/partition".
func (p *partition) String() string { return p.at().String() }

// complete reports that a bounded run has read all that it is to read of the partition.
func (p *partition) complete() bool { return p.end >= 0 && p.offset >= p.end }

// lag is how many offsets are between what was read and what can be read, as far as that is known; -1: it is not yet.
func (p *partition) lag() int64 {
	end := p.lane.stable()
	if end < 0 {
		return -1
	}
	return max(0, end-p.offset)
}

// Keys of the states.
const (
	partitionPrefix = "partition/"
	endPrefix       = "end/"
	lessonPrefix    = "lesson/"
)

// Versions of the states. A release reads those whose min_reader is not above its own stateVersion.
const (
	stateVersion   = 1
	stateMinReader = 1
)

// stateHeader begins each state. Members that a reader does not know may be left alone when min_reader allows it to read at all.
type stateHeader struct {
	Version   int `json:"version"`
	MinReader int `json:"min_reader"`
}

func newStateHeader() stateHeader { return stateHeader{stateVersion, stateMinReader} }

// partitionState is the durable text of a partition: all that the next start must know to go on behind the last record.
type partitionState struct {
	stateHeader
	TopicID   string          `json:"topic_id"` // as Kafka's tools print it
	Offset    int64           `json:"offset"`   // of the next record to read
	Epoch     int32           `json:"leader_epoch"`
	Watermark int64           `json:"watermark,omitempty"` // greatest event time less the lateness, microseconds since the Unix epoch
	Deleted   []byte          `json:"deleted,omitempty"`   // key of the last record, when it was a delete
	Seen      json.RawMessage `json:"seen,omitempty"`      // what deduplication knows
	Made      []uint64        `json:"made,omitempty"`      // latest moment of what was read, as far as Canal's messages tell
}

func (p *partition) stateKey() string {
	return partitionPrefix + p.topic + "/" + strconv.Itoa(int(p.number))
}

// state makes the durable text.
func (p *partition) state() (changelog.State, error) {
	s := partitionState{
		stateHeader: newStateHeader(), TopicID: p.id.String(), Offset: p.offset, Epoch: p.epoch, Watermark: p.clock.watermark, Deleted: p.deleted, Seen: p.repeats.state(),
	}
	if p.made != (when{}) {
		s.Made = []uint64{p.made.major, uint64(p.made.minor)}
	}
	return newState(p.stateKey(), s)
}

func newState(key string, value any) (changelog.State, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return changelog.State{}, fault.NewFinal(fault.Internal, "writing the state "+key, err, "Report this as a bug.")
	}
	return changelog.State{Key: key, Value: bytes.TrimSuffix(b.Bytes(), []byte("\n"))}, nil
}

// restore takes over what a state says.
func (p *partition) restore(s *partitionState) error {
	id, err := parseTopicID(s.TopicID)
	if err != nil {
		return badState(p.stateKey(), err)
	}
	p.id, p.offset, p.epoch, p.deleted = id, s.Offset, s.Epoch, s.Deleted
	p.clock.watermark = s.Watermark
	if len(s.Made) == 2 {
		p.made = when{s.Made[0], uint32(s.Made[1])}
	}
	if err := p.repeats.restore(s.Seen); err != nil {
		return badState(p.stateKey(), err)
	}
	return nil
}

func parseTopicID(text string) (id kafkawire.TopicID, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) != len(id) {
		return id, fmt.Errorf("%q is not the id of a topic", text)
	}
	copy(id[:], raw)
	return id, nil
}

// readState decodes a state into value, whose header is h.
func readState(s changelog.State, value any, h *stateHeader) error {
	if err := json.Unmarshal(s.Value, h); err != nil || h.Version < 1 || h.MinReader < 1 {
		return badState(s.Key, fmt.Errorf("it has no version: %.200q", s.Value))
	}
	if h.MinReader > stateVersion {
		return fault.NewFinal(fault.StateNewer, "reading the state "+s.Key, fmt.Errorf("it needs a reader of version %d, this one is %d", h.MinReader, stateVersion),
			"A newer release has run this pipeline: use that release or a newer one.")
	}
	if err := json.Unmarshal(s.Value, value); err != nil {
		return badState(s.Key, err)
	}
	return nil
}

// stateOf reads the state with that key, if there is one.
func stateOf(states []changelog.State, key string, value any, h *stateHeader) (there bool, err error) {
	i := slices.IndexFunc(states, func(st changelog.State) bool { return st.Key == key })
	if i < 0 {
		return false, nil
	}
	return true, readState(states[i], value, h)
}

func badState(key string, err error) error {
	return fault.NewFinal(fault.Decode, "reading the state "+key, err, "Nothing but cdcbridge may write to the state topic. Restore the pipeline's state, or begin anew with cdcbridge reset.")
}

// partitionOf takes the name of a partition from the key of a state.
func partitionOf(key, prefix string) (kafkawire.TopicPartition, error) {
	name, ok := strings.CutPrefix(key, prefix)
	topic, number, cut := strings.Cut(name, "/")
	n, err := strconv.ParseInt(number, 10, 32)
	if !ok || !cut || err != nil || n < 0 {
		return kafkawire.TopicPartition{}, badState(key, fmt.Errorf("its key names no partition"))
	}
	return kafkawire.TopicPartition{Topic: topic, Partition: int32(n)}, nil
}
