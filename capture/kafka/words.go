package kafka

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cdcbridge/internal/kafkawire"
)

// oneOf reports a value that is none of the words.
func oneOf(key, value string, words ...string) []error {
	if slices.Contains(words, value) {
		return nil
	}
	return []error{fmt.Errorf("%s: %q is none of %s", key, value, strings.Join(words, ", "))}
}

// places checks the keys that go together with some words of a mode: start.timestamp with start.from: timestamp, and so on.
func places(section, key, mode, timestamp string, offsets []PartitionOffset) []error {
	var errs []error
	if (mode == fromTimestamp) != (timestamp != "") {
		errs = append(errs, fmt.Errorf("%s.timestamp: goes together with %s: %s", section, key, fromTimestamp))
	} else if _, err := wallClock(timestamp); timestamp != "" && err != nil {
		errs = append(errs, fmt.Errorf("%s.timestamp: %w", section, err))
	}
	if (mode == fromOffsets) != (len(offsets) > 0) {
		errs = append(errs, fmt.Errorf("%s.offsets: goes together with %s: %s", section, key, fromOffsets))
	}
	seen := map[kafkawire.TopicPartition]bool{}
	for i, o := range offsets {
		at := o.at()
		switch err := topicName(o.Topic); {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s.offsets[%d].topic: %w", section, i, err))
		case o.Partition < 0:
			errs = append(errs, fmt.Errorf("%s.offsets[%d].partition: must not be negative", section, i))
		case o.Offset < 0:
			errs = append(errs, fmt.Errorf("%s.offsets[%d].offset: must not be negative", section, i))
		case seen[at]:
			errs = append(errs, fmt.Errorf("%s.offsets[%d]: %s was named before", section, i, at))
		}
		seen[at] = true
	}
	return errs
}

// wallClock reads a time as milliseconds since the Unix epoch.
func wallClock(text string) (int64, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		return n, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0, fmt.Errorf("%q is neither of the form 2026-01-31T12:00:00Z nor milliseconds since 1970", text)
	}
	return t.UnixMilli(), nil
}
