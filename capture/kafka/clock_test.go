package kafka

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

const millis = int64(1000) // in microseconds

// course runs a script over the partitions of a topic in virtual time.
type course struct {
	t      *testing.T
	w      *clocks
	clocks []*clock
}

func newCourse(t *testing.T, w *clocks, partitions int) *course {
	c := &course{t: t, w: w}
	for range partitions {
		c.clocks = append(c.clocks, new(clock))
		w.add(c.clocks[len(c.clocks)-1], time.Now())
	}
	return c
}

// event has a partition read a change of that time, in milliseconds.
func (c *course) event(partition int, at int64) {
	c.w.observe(c.clocks[partition], at*millis)
}

// is looks and expects the pipeline's watermark in milliseconds; 0: none.
func (c *course) is(want int64) {
	c.t.Helper()
	c.w.look(time.Now())
	if got := c.w.pipeline(); got != want*millis {
		c.t.Errorf("the watermark is %d, want %d ms", got, want)
	}
}

func (c *course) idle(want ...bool) {
	c.t.Helper()
	for i, clock := range c.clocks {
		if clock.idle != want[i] {
			c.t.Errorf("partition %d: idle is %v", i, clock.idle)
		}
	}
}

func (c *course) held(want ...bool) {
	c.t.Helper()
	for i, clock := range c.clocks {
		if clock.held != want[i] {
			c.t.Errorf("partition %d: held is %v", i, clock.held)
		}
	}
}

func TestWatermarkIsTheLeastOfThePartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourse(t, newClocks(5*time.Second, 0, 0), 3)
		c.is(0)
		c.event(0, 100_000)
		c.event(1, 70_000)
		c.is(0) // the third partition may have anything
		c.event(2, 90_000)
		c.is(65_000)
		c.event(1, 60_000) // out of order
		c.is(65_000)
		c.event(1, 80_000)
		c.is(75_000)
		c.event(1, 200_000)
		c.is(85_000) // now the third one is the least
		if got := c.clocks[1].watermark; got != 195_000*millis {
			t.Errorf("partition 1 is at %d", got)
		}
		time.Sleep(1000 * time.Hour)
		c.is(85_000) // without a timeout nothing is ever idle
	})
}

func TestWatermarkIsThatOfFlinkToTheMillisecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourse(t, newClocks(time.Second, 0, 0), 1)
		c.w.observe(c.clocks[0], 1_714_979_289_123_999)
		c.is(1_714_979_288_123)
		before := newCourse(t, newClocks(time.Millisecond, 0, 0), 1)
		before.w.observe(before.clocks[0], -1)
		before.is(-2)
	})
}

func TestWatermarkPassesIdlePartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourse(t, newClocks(0, 10*time.Second, 0), 3)
		c.event(0, 100)
		c.event(1, 50)
		c.is(0)
		time.Sleep(6 * time.Second)
		c.event(0, 110)
		c.is(0)
		time.Sleep(4*time.Second - 1)
		c.is(0)
		time.Sleep(time.Nanosecond) // the second and the third one are silent for so long
		c.is(110)
		c.idle(false, true, true)

		c.event(1, 60) // late: the watermark does not go back, and waits again
		c.event(0, 300)
		c.is(110)
		c.idle(false, false, true)
		c.event(1, 200)
		c.is(200)

		time.Sleep(10 * time.Second)
		c.is(200) // all are idle: there is nothing that could move it
		c.idle(true, true, true)
		c.event(2, 150)
		c.is(200)
		c.event(2, 250)
		c.is(250)
	})
}

func TestABacklogIsNotSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourse(t, newClocks(0, time.Second, 0), 2)
		c.event(0, 100)
		c.event(1, 50)
		c.clocks[1].behind = true // its records wait, because the target is slow
		c.is(50)
		time.Sleep(time.Minute)
		c.event(0, 500)
		c.is(50)
		c.idle(false, false)
		c.clocks[1].behind = false // they held nothing that has a time
		c.is(500)
		c.idle(false, true)
		c.clocks[1].behind = true
		c.is(500)
		c.idle(false, false)
	})
}

func TestPartitionsThatRunAheadAreHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourse(t, newClocks(0, 20*time.Second, time.Second), 3)
		c.event(0, 900_000)
		c.event(1, 1000)
		c.is(0)
		c.held(false, false, false) // nothing to measure by
		c.event(2, 2000)
		c.is(1000)
		c.held(true, false, false) // the third one is exactly as far as it may be
		c.event(2, 2001)
		c.is(1000)
		c.held(true, false, true)
		c.event(1, 1500)
		c.is(1500)
		c.held(true, false, false)
		c.event(1, 899_999)
		c.is(2001)
		c.held(true, true, false)

		time.Sleep(20 * time.Second) // the slow one falls silent; those that were kept from reading are not
		c.is(899_999)
		c.idle(false, false, true)
		c.held(false, false, false)
		time.Sleep(20 * time.Second) // counted from when they could be read again
		c.is(899_999)
		c.idle(true, true, true)
	})
}

func TestPartitionsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourse(t, newClocks(0, 5*time.Second, time.Second), 2)
		c.event(0, 10_000)
		c.event(1, 5_000)
		c.is(5_000)
		c.held(true, false)
		c.w.remove(c.clocks[1])
		c.is(10_000)
		late := new(clock)
		c.w.add(late, time.Now())
		c.clocks = append(c.clocks, late)
		c.event(0, 11_000)
		c.is(10_000) // it waits for the new one
		time.Sleep(5 * time.Second)
		c.event(0, 12_000)
		c.is(12_000)
	})
}

func TestWatermarkGoesOnAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourse(t, newClocks(0, time.Minute, 0), 0)
		c.w.restore(700 * millis)
		c.is(700)
		c.clocks = []*clock{{watermark: 900 * millis}, {watermark: 100 * millis}}
		for _, clock := range c.clocks {
			c.w.add(clock, time.Now())
		}
		c.is(700) // the second one was idle before
		c.event(1, 800)
		c.is(800)

		early := &clock{watermark: 900 * millis} // it reads before anybody looks
		c.w.observe(early, 50*millis)
		c.w.add(early, time.Now())
		if early.watermark != 900*millis {
			t.Errorf("its watermark went back to %d", early.watermark)
		}
	})
}

func TestLookSaysWhetherItMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newClocks(0, 0, 0)
		if w.look(time.Now()) {
			t.Error("without partitions")
		}
		c := newCourse(t, w, 1)
		for i, step := range []struct {
			at    int64
			moves bool
		}{{-5, true}, {3, true}, {3, false}, {2, false}, {4, true}} {
			c.event(0, step.at)
			if got := w.look(time.Now()); got != step.moves {
				t.Errorf("step %d: moved is %v", i, got)
			}
		}
	})
}

func TestTimesOutOfRangeDoNotWrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCourse(t, newClocks(time.Hour, 0, time.Hour), 2)
		c.w.observe(c.clocks[0], 1<<63-1)
		c.w.observe(c.clocks[1], -1<<63)
		c.w.look(time.Now())
		if got := c.w.pipeline(); got > -farthest {
			t.Errorf("the watermark is %d", got)
		}
		c.held(true, false)
	})
}

// TestWatermarkAgainstItsDefinition compares with the definition on random courses: of every partition that was not silent for the
// timeout the greatest time so far, of these the least, and of all such values so far the greatest.
func TestWatermarkAgainstItsDefinition(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 8))
			const timeout, lateness = 3 * time.Second, 7
			partitions := 1 + rnd.IntN(4)
			c := newCourse(t, newClocks(lateness*time.Millisecond, timeout, 0), partitions)
			greatest := make([]int64, partitions) // 0: none yet
			last := make([]time.Time, partitions)
			for p := range last {
				last[p] = time.Now()
			}
			want := int64(0)
			for range 100 {
				time.Sleep(time.Duration(rnd.IntN(1500)) * time.Millisecond)
				p := rnd.IntN(partitions)
				at := 1000 + rnd.Int64N(1000)
				c.event(p, at)
				greatest[p], last[p] = max(greatest[p], at), time.Now()
				least, known := int64(1<<62), true
				for p := range greatest {
					if time.Since(last[p]) < timeout {
						least, known = min(least, greatest[p]), known && greatest[p] > 0
					}
				}
				if known {
					want = max(want, least-lateness)
				}
				c.is(want)
			}
		})
	}
}
