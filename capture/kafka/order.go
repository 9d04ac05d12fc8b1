package kafka

import "time"

// place is where the head of a partition stands in the log of the database that its messages come from.
type place struct{}

// merger decides which partition's record is read next.
type merger struct {
	stream *stream
}

// newMerger makes the merger of a stream; nil when partitions are read as their records come.
func newMerger(s *stream) *merger {
	if s.cfg.Order != orderSource {
		return nil
	}
	return &merger{stream: s}
}

// next gives a partition that has a head, which is to be read now. When there is none it says how long to wait at most before it is
// asked again; 0: until more has come.
func (m *merger) next(now time.Time) (*partition, time.Duration, error) {
	return m.stream.arrived()
}
