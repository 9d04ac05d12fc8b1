package kafkawire

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol"

	"cdcbridge/internal/fault"
)

// producersAnswer is for partition 0 of topic t, in which producer 9 has a transaction open, and 8 had one.
func producersAnswer(code Code) []byte {
	e := &encoder{flex: true}
	e.tags() // header
	e.int32(0)
	e.array(1)
	e.string("t")
	e.array(1)
	e.int32(0)
	e.int16(int16(code))
	e.optional("")
	e.array(2)
	for id := range int64(2) {
		e.int64(8 + id)
		e.int32(4)
		e.int32(0)
		e.int64(1)
		e.int32(int32(id) * 6)
		e.int64(id*78 - 1)
		e.tags()
	}
	for range 3 {
		e.tags()
	}
	return e.buf
}

func markersAnswer(code Code) []byte {
	e := &encoder{flex: true}
	e.tags() // header
	e.array(1)
	e.int64(9)
	e.array(1)
	e.string("t")
	e.array(1)
	e.int32(0)
	e.int16(int16(code))
	for range 4 {
		e.tags()
	}
	return e.buf
}

// leading is a broker that leads topic t and answers one kind of request with these codes, the last one for ever; silent is no
// answer.
func leading(t *testing.T, key protocol.ApiKey, answer func(Code) []byte, codes ...Code) (c *Client, asked func() []string) {
	requests := make(chan string, 100)
	f := &fakeBroker{t: t, answer: func(k protocol.ApiKey, _ int16, body []byte) []byte {
		switch k {
		case protocol.Metadata:
			return ledTopic()
		case key:
			requests <- string(body)
			code := codes[min(len(requests), len(codes))-1]
			if code == silent {
				return nil
			}
			return answer(code)
		}
		t.Errorf("%v was sent", k)
		return nil
	}}
	return f.client(Config{RequestTimeout: time.Second}), func() (all []string) {
		for len(requests) > 0 {
			all = append(all, <-requests)
		}
		return all
	}
}

const silent Code = 999

// TestUndecided asks a leader again that has just lost or got its partition, and one that did not answer.
func TestUndecided(t *testing.T) {
	at := TopicPartition{Topic: "t"}
	c, asked := leading(t, apiDescribeProducers, producersAnswer, NotLeader, silent, OK)
	open, err := c.Undecided(t.Context(), []TopicPartition{at}, []int64{9, 8})
	if want := []LeftOpen{{at, ProducerID{9, 4}, 6}}; err != nil || !slices.Equal(open, want) || len(asked()) != 3 {
		t.Errorf("%+v, %v", open, err)
	}
	if open, err := c.Undecided(t.Context(), nil, []int64{9}); err != nil || len(open) > 0 || len(asked()) > 0 {
		t.Errorf("in no partition: %+v, %v", open, err)
	}
	c, asked = leading(t, apiDescribeProducers, producersAnswer, TopicAuthorizationFailed)
	if _, err := c.Undecided(t.Context(), []TopicPartition{at}, []int64{9}); !fault.Is(err, fault.Permission) || !fault.IsFinal(err) || len(asked()) != 1 {
		t.Errorf("without the right: %v", err)
	}
	c, _ = leading(t, apiDescribeProducers, producersAnswer, NotLeader)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := c.Undecided(ctx, []TopicPartition{at}, []int64{9}); fault.As(err) == nil || fault.IsFinal(err) {
		t.Errorf("of a partition that nobody leads: %v", err)
	}
}

// TestMarkers writes a control batch again where it was refused for a moment, and never where it may have been written.
func TestMarkers(t *testing.T) {
	open := []LeftOpen{{TopicPartition{Topic: "t"}, ProducerID{9, 4}, 6}}
	for _, tc := range []struct {
		codes []Code
		calls int
		final bool
		code  fault.Code // of the error, "": none
	}{
		{[]Code{OK}, 1, false, ""},
		{[]Code{NotLeader, NotEnoughReplicas, OK}, 3, false, ""},
		{[]Code{NotLeader, silent}, 2, false, fault.Unreachable},
		{[]Code{InvalidProducerEpoch}, 1, false, fault.Kafka},
		{[]Code{UnknownServerError}, 1, false, fault.Kafka},
		{[]Code{ClusterAuthorizationFailed}, 1, true, fault.Permission},
	} {
		c, asked := leading(t, protocol.WriteTxnMarkers, markersAnswer, tc.codes...)
		err := c.WriteMarkers(t.Context(), open, true)
		requests := asked()
		if len(requests) != tc.calls || tc.code == "" && err != nil || tc.code != "" && (!fault.Is(err, tc.code) || fault.IsFinal(err) != tc.final) {
			t.Errorf("%v: %d calls, %v", tc.codes, len(requests), err)
		}
		if tc.final && !strings.Contains(fault.As(err).Hint, "Alter on the cluster") {
			t.Errorf("%v: the hint is %q", tc.codes, fault.As(err).Hint)
		}
		for _, body := range requests {
			r := &reader{b: []byte(body), flex: true}
			r.tags() // header
			r.array(1)
			if id, epoch, commit := r.int64(), r.int16(), r.bool(); id != 9 || epoch != 4 || !commit {
				t.Errorf("%v: a control batch of %d/%d, commit %v", tc.codes, id, epoch, commit)
			}
			r.eachPartition(4, func(at TopicPartition) {
				if at != open[0].TopicPartition {
					t.Errorf("%v: a control batch for %s", tc.codes, at)
				}
			})
			if coordinator := r.int32(); coordinator != 6 || r.err != nil {
				t.Errorf("%v: coordinator epoch %d, %v", tc.codes, coordinator, r.err)
			}
		}
	}
}
