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

// eventClock is how far the event times of one partition are. Like all in this file it belongs to the goroutine that decodes.
type eventClock struct {
	newest int64 // greatest event time, microseconds since the Unix epoch, in whole milliseconds
	seen   bool  // there was one
	behind bool  // the partition has records that were not decoded yet; kept up to date by who reads
	idle   bool  // the pipeline's watermark does not wait for it
	held   bool  // it is too far ahead of the pipeline's watermark to be read now

	stirred bool      // there was an event since the last look
	quiet   time.Time // of the last look that found an event
}

// farthest bounds event times to 73 000 years around the epoch, so that sums of them stay in range.
const farthest = math.MaxInt64 / 4

// observe takes the event time of a change, microseconds since the Unix epoch. Flink's times have milliseconds, and so have ours: the
// rest would make a watermark of more than what was promised to whom compares the two.
func (c *eventClock) observe(micros int64) {
	millis := micros / 1000
	if micros%1000 < 0 {
		millis--
	}
	micros = min(max(millis, -farthest/1000), farthest/1000) * 1000
	if !c.seen || micros > c.newest {
		c.newest, c.seen = micros, true
	}
	c.stirred = true
}

// watermarks combine the clocks of all partitions.
type watermarks struct {
	lateness, drift int64         // microseconds; drift 0: none
	idleAfter       time.Duration // 0: never
	clocks          []*eventClock
	value           int64 // the pipeline's, microseconds since the Unix epoch
	known           bool
}

func newWatermarks(lateness, idleAfter, drift time.Duration) *watermarks {
	return &watermarks{lateness: lateness.Microseconds(), drift: drift.Microseconds(), idleAfter: idleAfter}
}

// restore makes the watermark go on from where an earlier attempt was.
func (w *watermarks) restore(micros int64) {
	if micros != 0 {
		w.value, w.known = micros, true
	}
}

// add takes a partition in, which may have been restored. The pipeline's watermark waits for its first event, or until it is idle.
func (w *watermarks) add(c *eventClock, now time.Time) {
	c.quiet = now
	w.clocks = append(w.clocks, c)
}

// remove takes a partition out that is read no more.
func (w *watermarks) remove(c *eventClock) {
	c.held = false
	w.clocks = slices.DeleteFunc(w.clocks, func(o *eventClock) bool { return o == c })
}

// of gives the watermark of a partition, microseconds since the Unix epoch; 0: none yet.
func (w *watermarks) of(c *eventClock) int64 {
	if !c.seen {
		return 0
	}
	return c.newest - w.lateness
}

// pipeline gives the watermark of all, microseconds since the Unix epoch; 0: none yet.
func (w *watermarks) pipeline() int64 {
	if !w.known {
		return 0
	}
	return w.value
}

// look brings everything up to date with the events since the last look and with the time. It reports whether the pipeline's watermark
// has moved.
func (w *watermarks) look(now time.Time) bool {
	least, complete := int64(math.MaxInt64), false
	for _, c := range w.clocks {
		w.settle(c, now)
		if c.idle {
			continue
		}
		complete = true
		if !c.seen {
			least = math.MinInt64
			continue
		}
		least = min(least, c.newest-w.lateness)
	}
	moved := complete && least != math.MinInt64 && (!w.known || least > w.value)
	if moved {
		w.value, w.known = least, true
	}
	for _, c := range w.clocks {
		c.held = w.drift > 0 && w.known && c.seen && !c.idle && c.newest-w.lateness > w.value+w.drift
	}
	return moved
}

// settle decides whether a partition is idle: it had no event for that long, has none to read, and is not kept from reading. What is
// not decoded yet may hold one, so a partition with a backlog is waited for, however long the target takes.
func (w *watermarks) settle(c *eventClock, now time.Time) {
	if c.stirred || c.held {
		c.quiet = now
	}
	c.stirred = false
	c.idle = w.idleAfter > 0 && !c.behind && now.Sub(c.quiet) >= w.idleAfter
}

// next tells how long a look finds nothing new unless there are events; false: for ever.
func (w *watermarks) next(now time.Time) (time.Duration, bool) {
	least, any := time.Duration(math.MaxInt64), false
	for _, c := range w.clocks {
		if w.idleAfter > 0 && !c.idle && !c.behind && !c.held {
			least, any = min(least, w.idleAfter-now.Sub(c.quiet)), true
		}
	}
	return max(least, 0), any
}
