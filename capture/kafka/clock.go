package kafka

import (
	"math"
	"slices"
	"time"
)

// This file is the one place that knows how far the event times of a source are. The rules are those of Flink's watermarks per
// partition, WATERMARK FOR t AS t - INTERVAL 'lateness': a partition's watermark is the greatest event time that it has had less the
// lateness; the pipeline's is the least of the partitions that are not idle, and never goes back. docs/kafka-source.md says where the
// two differ.

// clock is how far the event times of one partition are. Like all in this file it belongs to the goroutine that decodes.
type clock struct {
	watermark int64 // greatest event time less the lateness, microseconds since the Unix epoch; 0: none yet
	idle      bool  // the pipeline's watermark does not wait for it
	held      bool  // it is too far ahead of the pipeline's watermark to be read now
	behind    bool  // the partition has records that were not decoded yet; kept up to date by who reads

	commit  int64     // when the newest change that was read was committed, microseconds since the Unix epoch; 0: not said
	seen    bool      // there was an event
	stirred bool      // there was an event since the last look
	stopped bool      // its reader follows held
	gone    bool      // it was removed
	quiet   time.Time // of the last look that found an event; zero: it was never added
}

// farthest bounds event times to 73 000 years around the epoch, so that sums of them stay in range.
const farthest = math.MaxInt64 / 4

// clocks combine those of all partitions.
type clocks struct {
	lateness, drift int64         // microseconds; drift 0: none
	idleAfter       time.Duration // 0: never
	all             []*clock
	value           int64 // the pipeline's, microseconds since the Unix epoch
	known           bool
}

func newClocks(lateness, idleAfter, drift time.Duration) *clocks {
	return &clocks{lateness: lateness.Microseconds(), drift: drift.Microseconds(), idleAfter: idleAfter}
}

// restore makes the watermark go on from where an earlier attempt was.
func (cs *clocks) restore(micros int64) {
	if micros != 0 {
		cs.value, cs.known = micros, true
	}
}

// add takes a partition in, which may have been restored. The pipeline's watermark waits for its first event, or until it is idle.
func (cs *clocks) add(c *clock, now time.Time) {
	c.quiet, c.seen = now, c.seen || c.watermark != 0
	cs.all = append(cs.all, c)
}

// remove takes a partition out that is read no more.
func (cs *clocks) remove(c *clock) {
	if i := slices.Index(cs.all, c); i >= 0 {
		cs.all = slices.Delete(cs.all, i, i+1)
	}
	c.held, c.idle, c.gone = false, false, true
}

// observe takes the event time of a change, microseconds since the Unix epoch. It counts in whole milliseconds, as Flink's do: whoever
// compares the two finds the same.
func (cs *clocks) observe(c *clock, micros int64) {
	millis := micros / 1000
	if micros%1000 < 0 {
		millis--
	}
	at := min(max(millis, -farthest/1000), farthest/1000)*1000 - cs.lateness
	if at > c.watermark || !c.seen && c.watermark == 0 {
		c.watermark = at
	}
	c.seen, c.stirred = true, true
}

// end moves the watermark when nothing comes any more; 0: there was no event.
func (cs *clocks) end(micros int64) {
	if micros != 0 && (!cs.known || micros > cs.value) {
		cs.value, cs.known = micros, true
	}
}

// pipeline gives the watermark of all, microseconds since the Unix epoch; 0: none yet.
func (cs *clocks) pipeline() int64 {
	if !cs.known {
		return 0
	}
	return cs.value
}

// look brings everything up to date with the events since the last look and with the time. It reports whether the pipeline's watermark
// has moved.
func (cs *clocks) look(now time.Time) bool {
	least, complete := int64(math.MaxInt64), false
	for _, c := range cs.all {
		cs.settle(c, now)
		if c.idle {
			continue
		}
		complete = true
		if !c.seen {
			least = math.MinInt64
			continue
		}
		least = min(least, c.watermark)
	}
	moved := complete && least != math.MinInt64 && (!cs.known || least > cs.value)
	if moved {
		cs.value, cs.known = least, true
	}
	for _, c := range cs.all {
		c.held = cs.drift > 0 && cs.known && c.seen && !c.idle && c.watermark > cs.value+cs.drift
	}
	return moved
}

// settle decides whether a partition is idle: it had no event for that long, has none to read, and is not kept from reading. What is
// not decoded yet may hold one, so a partition with a backlog is waited for, however long the target takes.
func (cs *clocks) settle(c *clock, now time.Time) {
	if c.stirred || c.held {
		c.quiet = now
	}
	c.stirred = false
	c.idle = cs.idleAfter > 0 && !c.behind && now.Sub(c.quiet) >= cs.idleAfter
}
