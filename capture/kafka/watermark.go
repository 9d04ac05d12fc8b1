package kafka

import (
	"time"

	"cdcbridge/changelog"
	"cdcbridge/internal/kafkawire"
)

// watermarks has the clocks follow what the stream reads, and the readers follow the clocks. It belongs to the stream's goroutine.
type watermarks struct {
	clocks *clocks
	times  eventTimes
	stream *stream
	told   int64 // the pipeline's, with the last batch
}

func newWatermarks(s *stream) *watermarks {
	cfg := &s.cfg.Watermark
	w := &watermarks{clocks: newClocks(cfg.Lateness, cfg.IdleTimeout, cfg.MaxDrift), times: eventTimes{from: cfg.From, column: cfg.Column}, stream: s}
	w.clocks.restore(s.pos.Watermark)
	w.told = s.pos.Watermark
	return w
}

// saw takes the event time of a record, and of the changes and notes behind from that were read from it, if any.
func (w *watermarks) saw(p *partition, rec *kafkawire.FetchedRecord, b *changelog.Batch, from mark) error {
	if len(b.Changes) > from.changes {
		p.clock.commit = b.Runs[len(b.Runs)-1].Time
	}
	at, there, err := w.times.of(b, from.changes, rec.Timestamp)
	if there {
		w.clocks.observe(&p.clock, at)
	}
	return err
}

// now gives the watermark of the pipeline, for a batch that holds everything that was seen; 0: unknown.
func (w *watermarks) now() int64 {
	w.tick(time.Now())
	w.told = w.clocks.pipeline()
	return w.told
}

// tick is called now and then, at least every interval: partitions become idle, or have drifted apart (stream.hold). moved says that
// the pipeline's watermark is another one than with the last batch.
func (w *watermarks) tick(now time.Time) (moved bool) {
	for _, p := range w.stream.parts {
		c := &p.clock
		c.behind = p.lag() != 0
		if c.quiet.IsZero() {
			w.clocks.add(c, now)
		}
	}
	w.clocks.look(now)
	w.leave(now)
	for _, p := range w.stream.parts {
		if p.clock.held != p.clock.stopped {
			p.clock.stopped = p.clock.held
			w.stream.hold(p, p.clock.held)
		}
	}
	return w.clocks.pipeline() != w.told
}

// leave takes partitions out that were read to their end: they say nothing any more. At the end of them all it is as late as it was
// in any of them.
func (w *watermarks) leave(now time.Time) {
	left, latest := false, int64(0)
	for _, p := range w.stream.parts {
		c := &p.clock
		if p.complete() && !c.gone {
			w.clocks.remove(c)
			left = true
		}
		if c.seen && (latest == 0 || c.watermark > latest) {
			latest = c.watermark
		}
	}
	switch {
	case left && len(w.clocks.all) == 0:
		w.clocks.end(latest)
	case left:
		w.clocks.look(now)
	}
}

const (
	oftenest = 10 * time.Millisecond
	rarest   = 200 * time.Millisecond // as often as Flink looks by default
)

// interval is how often tick is to be called; 0: never, for nothing changes but by what is read.
func (w *watermarks) interval() time.Duration {
	switch cfg := &w.stream.cfg.Watermark; {
	case cfg.IdleTimeout > 0:
		return min(max(cfg.IdleTimeout/10, oftenest), rarest)
	case cfg.MaxDrift > 0:
		return rarest / 4
	}
	return 0
}
