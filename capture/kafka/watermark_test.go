package kafka

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// watched is a stream over partitions of a topic that nobody fetches.
func watched(cfg WatermarkConfig, partitions int) *stream {
	c := NewConfig().(*Config)
	c.Watermark = cfg
	s := &stream{cfg: c, readers: newReaders(nil, wordFail, slog.New(slog.DiscardHandler))}
	s.marks = newWatermarks(s)
	for i := range partitions {
		p := partAt("orders", int32(i), idOne, 0)
		l := newLane(p)
		l.end.Store(0)
		s.parts = append(s.parts, p)
		s.readers.add(l)
	}
	return s
}

// reads has a partition read a change whose record has that timestamp, in milliseconds.
func (s *stream) reads(t *testing.T, partition int, at int64) {
	t.Helper()
	b := timed(changelog.Insert, changelog.Null())
	if err := s.marks.saw(s.parts[partition], &kafkawire.FetchedRecord{Timestamp: at}, b, mark{changes: 1}); err != nil {
		t.Fatal(err)
	}
}

func TestReadersFollowTheClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watched(WatermarkConfig{From: timeOfRecord, MaxDrift: time.Second}, 2)
		fast, slow := s.parts[0].lane, s.parts[1].lane
		s.reads(t, 0, 9000)
		s.reads(t, 1, 1000)
		if got := s.marks.now(); got != 1000*millis || !fast.held || slow.held || !s.parts[0].clock.held {
			t.Fatalf("at %d, held %v %v", got, fast.held, slow.held)
		}
		fast.queue, slow.queue = []chunk{{size: 1}, {size: 2}}, []chunk{{size: 3}}
		s.readers.line(fast)
		s.readers.line(slow)
		if l, c := s.readers.first(); l != slow || c.size != 3 {
			t.Error("a chunk of a partition that is held came first")
		}
		if l, _ := s.readers.first(); l != nil {
			t.Error("a partition that is held is read")
		}
		s.reads(t, 1, 8500)
		s.marks.tick(time.Now())
		if fast.held {
			t.Error("it is still held")
		}
		select {
		case <-s.readers.ready:
		default:
			t.Error("nobody is told that there is something to read")
		}
		for _, want := range []int{1, 2} {
			if l, c := s.readers.first(); l != fast || c.size != want {
				t.Errorf("chunk %d does not come", want)
			}
		}
		if every := s.marks.interval(); every != 50*time.Millisecond {
			t.Errorf("it looks every %s", every)
		}
	})
}

func TestIdlePartitionsMoveTheWatermarkByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watched(WatermarkConfig{From: timeOfRecord, IdleTimeout: time.Second}, 2)
		s.parts[1].lane.end.Store(-1) // not known yet
		s.reads(t, 0, 9000)
		if got := s.marks.now(); got != 0 {
			t.Errorf("at %d", got)
		}
		time.Sleep(time.Second)
		s.reads(t, 0, 9000)
		if s.marks.tick(time.Now()) {
			t.Error("a partition of which nothing is known counts as idle")
		}
		s.parts[1].lane.end.Store(0)
		for range 2 {
			if !s.marks.tick(time.Now()) {
				t.Error("the watermark has moved, and no batch has said so")
			}
		}
		if got := s.marks.now(); got != 9000*millis || s.marks.tick(time.Now()) {
			t.Errorf("at %d", got)
		}
		if every := s.marks.interval(); every != 100*time.Millisecond {
			t.Errorf("it looks every %s", every)
		}
	})
}

func TestPartitionsThatAreReadToTheirEndDoNotHoldTheWatermark(t *testing.T) {
	s := watched(WatermarkConfig{From: timeOfRecord}, 3)
	s.parts[2].end = 0 // empty
	s.reads(t, 0, 9000)
	s.reads(t, 1, 1000)
	if got := s.marks.now(); got != 1000*millis {
		t.Errorf("at %d", got)
	}
	s.parts[1].offset, s.parts[1].end = 5, 5
	if got := s.marks.now(); got != 9000*millis {
		t.Errorf("at %d", got)
	}
	s.parts[0].offset, s.parts[0].end = 7, 7
	s.reads(t, 0, 9500) // the last one, in the same batch
	if got := s.marks.now(); got != 9500*millis {
		t.Errorf("at %d", got)
	}
	if got := s.marks.now(); got != 9500*millis {
		t.Errorf("at the end at %d", got)
	}
	if every := s.marks.interval(); every != 0 {
		t.Errorf("it looks every %s", every)
	}
}

// TestWatermarkOfARunThatIsOneBatch: its partitions end before anybody has looked at them.
func TestWatermarkOfARunThatIsOneBatch(t *testing.T) {
	s := watched(WatermarkConfig{From: timeOfRecord}, 2)
	for i, p := range s.parts {
		p.end = 1
		s.reads(t, i, int64(1000*(i+1)))
		p.offset = 1
	}
	if got := s.marks.now(); got != 2000*millis {
		t.Errorf("at %d", got)
	}
	if got := watched(WatermarkConfig{From: timeOfRecord}, 0).marks.now(); got != 0 {
		t.Errorf("without partitions at %d", got)
	}
}

func TestEventTimesThatAreWrongEndTheAttempt(t *testing.T) {
	s := watched(WatermarkConfig{From: timeOfColumn, Column: "moment"}, 1)
	err := s.marks.saw(s.parts[0], &kafkawire.FetchedRecord{}, timed(changelog.Insert, changelog.Null()), mark{changes: 1})
	if !fault.Is(err, fault.Config) {
		t.Errorf("got %v", err)
	}
	b := timed(changelog.Insert, changelog.Null(), changelog.Null())
	mark{txns: 1, runs: 1, changes: 1}.undo(b)
	if len(b.Changes) != 1 || len(b.Runs) != 1 || len(b.Txns) != 1 {
		t.Errorf("the batch has %d changes, %d runs", len(b.Changes), len(b.Runs))
	}
}

func TestDriftAndOrderExcludeEachOther(t *testing.T) {
	c := NewConfig().(*Config)
	c.Topics, c.Order, c.Watermark.MaxDrift = []string{"orders"}, orderSource, time.Second
	if errs := c.Validate(); len(errs) != 1 {
		t.Errorf("got %v", errs)
	}
}
