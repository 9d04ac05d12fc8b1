package kafka

import (
	"fmt"

	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// codeFault is kafkawire.ReadFault of topics that are read.
func codeFault(op string, code kafkawire.Code) *fault.Fault {
	f := kafkawire.ReadFault(op, code)
	switch code {
	case kafkawire.TopicAuthorizationFailed:
		f.Hint = "Grant this user Read and Describe on the topic."
	case kafkawire.CorruptMessage:
		f.Final = false // another replica may lead the partition soon
	case kafkawire.UnknownTopicOrPartition, kafkawire.UnknownTopicID:
		f.Code, f.Hint = fault.TopicMissing, hintMissing
	}
	return f
}

const hintMissing = "The topic does not exist. Correct topics; or, if it was deleted and is not needed any more, take it out of topics or name it in exclude."

// replaced is the fault of a topic that was deleted and created again.
func replaced(topic string, was, is kafkawire.TopicID) error {
	return fault.NewFinal(fault.TopicReplaced, "reading topic "+topic, fmt.Errorf("it had the id %s and has %s now", was, is),
		"The topic was deleted and created again, so the offsets of the checkpoint mean nothing in it. cdcbridge reset --to earliest reads the new one from its beginning.")
}

func offsetLost(at kafkawire.TopicPartition, next, first int64) error {
	return fault.NewFinal(fault.OffsetLost, "reading "+at.String(), fmt.Errorf("offset %d comes next, and the partition begins at %d: %d records are gone unread", next, first, first-next),
		"The topic's retention is shorter than the pipeline stood still. on_offset_lost: earliest goes on with what is left; cdcbridge reset --to earliest does so once.")
}

func truncated(at kafkawire.TopicPartition, next, end int64) error {
	return fault.NewFinal(fault.TopicTruncated, "reading "+at.String(), fmt.Errorf("records up to offset %d were read, and the partition ends, or has others, at %d", next, end),
		"A leader without all records was elected, or the topic was restored from an older copy. Compare it with its source, then cdcbridge reset --to offsets or earliest.")
}
