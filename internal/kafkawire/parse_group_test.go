package kafkawire

import (
	"errors"
	"slices"
)

// groupAnswers are the answers about groups and epochs.
func groupAnswers() map[string]func(*encoder) {
	return map[string]func(*encoder){
		"DescribeGroups":        describedGroup,
		"ConsumerGroupDescribe": describedConsumers,
		"OffsetFetch": func(e *encoder) {
			e.int32(0)
			e.array(1)
			e.string("t")
			e.array(2)
			for i := range int32(2) {
				e.int32(1 - i)
				e.int64(40 + int64(i))
				e.int32(7)
				e.optional("")
				e.int16(int16(i) * int16(UnstableOffsetCommit))
				e.tags()
			}
			e.tags()
			e.int16(0)
			e.tags()
		},
		"AddOffsetsToTxn": func(e *encoder) { e.int32(0); e.int16(int16(ConcurrentTransactions)); e.tags() },
		"TxnOffsetCommit": func(e *encoder) {
			e.int32(0)
			e.array(1)
			e.string("t")
			e.array(1)
			e.int32(1)
			e.int16(int16(UnknownMemberID))
			for range 3 {
				e.tags()
			}
		},
		"OffsetForLeaderEpoch": func(e *encoder) {
			e.int32(0)
			e.array(1)
			e.string("t")
			e.array(1)
			e.int16(0)
			e.int32(1)
			e.int32(6)
			e.int64(88)
			for range 3 {
				e.tags()
			}
		},
	}
}

func describedGroup(e *encoder) {
	e.int32(0)
	e.array(1)
	e.int16(0)
	e.string("g")
	e.string("Stable")
	e.string("consumer")
	e.string("range")
	e.array(1)
	e.string("member")
	e.optional("")
	e.string("client")
	e.string("/host")
	e.bytes([]byte("metadata"))
	e.bytes([]byte("assignment"))
	e.tags()
	e.int32(-1 << 31)
	e.tags()
	e.tags()
}

func describedConsumers(e *encoder) {
	e.int32(0)
	e.array(1)
	e.int16(0)
	e.optional("")
	e.string("g")
	e.string("Stable")
	e.int32(3)
	e.int32(3)
	e.string("uniform")
	e.array(1)
	e.string("member")
	e.optional("")
	e.optional("")
	e.int32(3)
	e.string("client")
	e.string("/host")
	e.array(1)
	e.string("t")
	e.optional("")
	for range 2 {
		e.array(1)
		e.uuid(TopicID{1})
		e.string("t")
		e.array(1)
		e.int32(0)
		e.tags()
		e.tags()
	}
	e.tags()
	e.int32(-1 << 31)
	e.tags()
	e.tags()
}

// parseGroupAs is parseAs for what is about groups and epochs.
func parseGroupAs(name string, r *reader) (right bool, err error) {
	parts := []TopicPartition{{Topic: "t"}, {Topic: "t", Partition: 1}}
	switch name {
	case "DescribeGroups":
		s, code, err := parseDescribeGroups(r)
		return code == OK && s.State == "Stable" && s.Live() && s.Members[0] == "client at /host", err
	case "ConsumerGroupDescribe":
		s, code, err := parseConsumerGroup(r)
		return code == OK && s.State == "Stable" && s.Live() && s.Members[0] == "client at /host", err
	case "OffsetFetch":
		all, allCode, err := parseOffsetFetch(&reader{b: r.b, flex: r.flex}, nil)
		asked, code, err2 := parseOffsetFetch(r, parts)
		return code == UnstableOffsetCommit && allCode == code && slices.Equal(asked, []GroupOffset{{parts[0], 41, 7}, {parts[1], 40, 7}}) &&
			slices.Equal(all, []GroupOffset{asked[1], asked[0]}), errors.Join(err, err2)
	case "AddOffsetsToTxn":
		code, err := parseAddOffsets(r)
		return code == ConcurrentTransactions, err
	case "TxnOffsetCommit":
		codes := make([]Code, 2)
		code, err := parseOffsetCodes(r, name, []GroupOffset{{TopicPartition: parts[0]}, {TopicPartition: parts[1]}}, codes)
		return code == UnknownServerError && slices.Equal(codes, []Code{UnknownServerError, UnknownMemberID}), err
	case "OffsetForLeaderEpoch":
		ends := []EpochEnd{{TopicPartition: parts[0]}, {TopicPartition: parts[1]}}
		codes, err := parseEpochEnds(r, ends, []led{{index: 0}, {index: 1}})
		return slices.Equal(codes, []Code{UnknownServerError, OK}) && ends[1] == EpochEnd{parts[1], 6, 88}, err
	}
	panic("no parser " + name)
}
