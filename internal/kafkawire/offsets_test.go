package kafkawire

import (
	"context"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol"

	"cdcbridge/internal/fault"
)

// offsetsAnswer is one for partition 0 of topic t.
func offsetsAnswer(code Code, offset int64) []byte {
	e := &encoder{flex: true}
	e.tags() // header
	e.int32(0)
	e.array(1)
	e.string("t")
	e.array(1)
	e.int32(0)
	e.int16(int16(code))
	e.int64(-1)
	e.int64(offset)
	e.int32(1)
	e.tags()
	e.tags()
	e.tags()
	return e.buf
}

// ledTopic is the Metadata of topic t with one partition that broker 1 leads.
func ledTopic() []byte {
	e := &encoder{flex: true}
	e.tags() // header
	e.int32(0)
	e.array(1)
	e.int32(1)
	e.string("broker")
	e.int32(9092)
	e.optional("")
	e.tags()
	e.optional("cluster")
	e.int32(1)
	e.array(1)
	e.int16(0)
	e.string("t")
	e.uuid(TopicID{1})
	e.bool(false)
	e.array(1)
	e.int16(0)
	e.int32(0) // index
	e.int32(1) // leader
	e.int32(1) // its epoch
	for range 2 {
		e.array(1)
		e.int32(1)
	}
	e.array(0)
	e.tags()
	e.int32(-1)
	e.tags()
	e.tags()
	return e.buf
}

// TestEndOfANewLeader asks a leader for the end that does not know its high watermark yet. It is asked again until it does: an
// end that is too low would hide the newest checkpoint.
func TestEndOfANewLeader(t *testing.T) {
	asked := 0
	f := &fakeBroker{t: t, answer: func(key protocol.ApiKey, version int16, _ []byte) []byte {
		switch key {
		case protocol.Metadata:
			return ledTopic()
		case protocol.ListOffsets:
			if version < 5 {
				t.Errorf("ListOffsets v%d answers with a stale end", version)
			}
			if asked++; asked < 4 {
				return offsetsAnswer(OffsetNotAvailable, 7)
			}
			return offsetsAnswer(OK, 42)
		}
		t.Errorf("%v was sent", key)
		return nil
	}}
	c := f.client(Config{})
	got, err := c.ListOffsets(t.Context(), []TopicPartition{{Topic: "t"}}, ReadUncommitted, LatestOffset)
	if err != nil || got[0].Offset != 42 || asked != 4 {
		t.Fatalf("%v %+v after %d questions", err, got, asked)
	}
	asked = -1 << 30
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	got, err = c.ListOffsets(short, []TopicPartition{{Topic: "t"}}, ReadUncommitted, LatestOffset)
	if ended := fault.Is(err, fault.Kafka) || fault.Is(err, fault.Unreachable); !ended || fault.IsFinal(err) { // time is up between two questions or within one
		t.Fatalf("of a leader that never knows: %v %+v", err, got)
	}
}
