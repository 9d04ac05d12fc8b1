package kafka

import (
	"testing"
	"time"
)

// TestLagIsThatOfThePartitionThatIsFarthestBack: a partition that has caught up says nothing about the one that has not.
func TestLagIsThatOfThePartitionThatIsFarthestBack(t *testing.T) {
	s := watched(WatermarkConfig{From: timeOfRecord}, 3)
	src := &source{readers: s.readers, numbers: numbers{}}
	now := time.Now().UnixMicro()
	for i, at := range []int64{now, now - 3_600_000_000, 0} {
		s.parts[i].offset, s.parts[i].clock.commit = 5, at
		s.parts[i].lane.end.Store(5)
	}
	src.numbers.listed(s.parts)
	s.readers.heard.Store(now)
	if st := src.Stats(); st.EventTime != now || !st.CaughtUp || st.LastEvent != now {
		t.Errorf("all are read: %+v", st)
	}
	s.parts[1].lane.end.Store(9)
	s.parts[2].lane.end.Store(9)
	if st := src.Stats(); st.EventTime != now-3_600_000_000 || st.CaughtUp || st.Partitions[1].End != 9 {
		t.Errorf("one is behind: %+v", st)
	}
}
