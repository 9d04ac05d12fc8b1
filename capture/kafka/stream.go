package kafka

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/kafkawire"
)

// stream decodes what the readers fetch, in one goroutine, and gives it away in batches.
//
//	next (stream: as it came; order.go: by the position in the messages) ─▶ read (decode.go) ─▶ dropRepeated ─▶ checkMoved ─▶ batch
type stream struct {
	cfg *Config
	src *source
	log *slog.Logger
	out chan<- *changelog.Batch

	readers   *readers
	parts     []*partition // by topic and number
	topics    map[string]*topicParts
	current   *partition // whose chunk is being read, when they are read as they came
	merger    *merger    // nil: they are
	marks     *watermarks
	kept      []int     // changes that are no repetitions: dedup.go
	scattered scattered // rows that are in several partitions: moved.go
	reader    formats.Reader
	lessons   lessons
	emptied   emptied // tables that were truncated, where partitions are merged

	batch    *changelog.Batch
	readable readable
	headers  headerSlabs
	touched  []*partition // whose state is not that of the last batch
	taught   []changelog.State
	pos      position
	moved    uint64 // offsets passed since the last batch
	spare    [][]byte
	stats    counters
	clock    time.Time // when the loop last looked
	steps    int
	ticked   time.Time
}

// topicParts are the partitions of one topic.
type topicParts struct {
	parts []*partition
	count int // that the topic has, read or not
}

func newStream(src *source, out chan<- *changelog.Batch) *stream {
	s := &stream{
		cfg: src.cfg, src: src, log: src.log, out: out, readers: src.readers, topics: map[string]*topicParts{}, reader: src.reader, lessons: src.lessons,
		batch: changelog.NewBatch(), readable: readable{names: nameTable{}}, pos: src.pos, clock: time.Now(), ticked: time.Now(),
	}
	s.merger, s.marks = newMerger(s), newWatermarks(s)
	s.emptied.tables = src.emptied
	return s
}

// add begins to read partitions.
func (s *stream) add(parts ...*partition) {
	for _, p := range parts {
		t := s.topics[p.topic]
		if t == nil {
			t = new(topicParts)
			s.topics[p.topic] = t
		}
		t.parts = append(t.parts, p)
		t.count = max(t.count, int(p.number)+1)
		s.parts = append(s.parts, p)
		if l := newLane(p); !p.complete() {
			s.readers.add(l)
			if s.merger != nil {
				s.merger.join(p)
			}
		}
	}
	slices.SortFunc(s.parts, func(a, b *partition) int { return compareParts(a.at(), b.at()) })
}

// How often the loop looks at the clock and at what others want from it.
const stepsPerLook = 64

// run reads until ctx ends, a bounded run is complete, or something fails.
func (s *stream) run(ctx context.Context) error {
	for {
		if s.steps++; s.steps%stepsPerLook == 0 {
			if err := s.look(ctx); err != nil {
				return err
			}
		}
		p, wait, err := s.next()
		if err != nil && s.merger == nil {
			return s.beforeFailing(ctx, err)
		}
		if err != nil {
			return err
		}
		if p == nil {
			if err := s.rest(ctx, wait); err != nil {
				return err
			}
			continue
		}
		err = s.read(p)
		if errors.Is(err, errFirst) {
			if err := s.merger.interrupt(); err != nil {
				return err
			}
			if err := s.send(ctx, false); err != nil {
				return err
			}
			err = s.read(p)
		}
		if err != nil {
			return s.beforeFailing(ctx, err)
		}
		if s.batch.Size() >= s.src.env.BatchBytes(s.cfg.BatchBytes) && !s.merger.together() {
			if err := s.send(ctx, false); err != nil {
				return err
			}
		}
	}
}

// next gives a partition whose head is to be read now.
func (s *stream) next() (*partition, time.Duration, error) {
	if s.merger != nil {
		return s.merger.next(s.clock)
	}
	return s.arrived()
}

// arrived gives the partitions as their records came, one chunk after the other.
func (s *stream) arrived() (*partition, time.Duration, error) {
	for {
		if p := s.current; p != nil {
			if more, err := s.peek(p); err != nil || more {
				return p, 0, err
			}
			s.current = nil
		}
		l, c := s.readers.first()
		if l == nil {
			return nil, 0, nil
		}
		s.current = l.owner
		s.begin(l.owner, c)
	}
}

// peek makes sure that the head is there; false at the end of the partition's chunk.
func (s *stream) peek(p *partition) (bool, error) {
	if p.hasHead {
		return true, nil
	}
	p.head.Topic, p.head.Partition = p.topic, p.number
	more, err := p.records.Next(&p.head)
	if err != nil {
		return false, err
	}
	if more && (p.end < 0 || p.head.Offset < p.end) {
		p.hasHead = true
		return true, nil
	}
	s.ended(p, more)
	return false, nil
}

// begin starts to read a chunk.
func (s *stream) begin(p *partition, c chunk) {
	var scratch []byte
	if n := len(s.spare); n > 0 {
		scratch, s.spare = s.spare[n-1], s.spare[:n-1]
	}
	p.bytes += uint64(c.size)
	p.order.came = c.at
	s.stats.bytes += uint64(c.size)
	p.records.Begin(&c.got, p.offset, p.epoch, scratch)
}

// ended leaves a chunk: what is behind its last record are markers and records of aborted transactions. beyond says that the end of
// the bounded run comes before the next record.
func (s *stream) ended(p *partition, beyond bool) {
	next, epoch := p.records.Offset(), p.records.Epoch()
	if scratch := p.records.End(); scratch != nil {
		s.spare = append(s.spare, scratch)
	}
	if beyond || p.end >= 0 && next >= p.end {
		next = p.end
		s.readers.drop(p.lane)
	}
	if next > p.offset {
		s.moved += uint64(next - p.offset)
		p.offset, p.epoch = next, epoch
		s.touch(p)
	}
}

// more begins the next chunk of a partition, if one has come; false: none has.
func (s *stream) more(p *partition) bool {
	c, ok := s.readers.of(p.lane)
	if ok {
		s.begin(p, c)
	}
	return ok
}

// touch notes that the state of a partition must be in the next batch.
func (s *stream) touch(p *partition) {
	if !p.listed {
		p.listed = true
		s.touched = append(s.touched, p)
	}
}

// hold stops the fetching of a partition, or lets it go on.
func (s *stream) hold(p *partition, held bool) {
	p.clock.held = held
	s.readers.hold(p.lane, held)
}

// look does what is due now and then.
func (s *stream) look(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.clock = time.Now()
	if every := s.marks.interval(); every > 0 && s.clock.Sub(s.ticked) >= every {
		s.ticked = s.clock
		if s.marks.tick(s.clock) && s.batch.Empty() && len(s.touched) == 0 {
			return s.send(ctx, true)
		}
	}
	select {
	case parts := <-s.src.found:
		s.discovered(parts)
	default:
	}
	return nil
}

// discovered begins to read partitions that came while the stream runs.
func (s *stream) discovered(parts []*partition) {
	for _, p := range parts {
		s.log.Info("a partition has come that is read from now on", "topic", p.topic, "partition", p.number, "offset", p.offset)
		if s.topics[p.topic] != nil && s.merger == nil {
			s.log.Warn("keys of the topic may be in another partition now; without order: source their changes are read in no certain order", "topic", p.topic)
		}
		s.touch(p)
	}
	s.add(parts...)
	s.src.numbers.listed(s.parts)
}

// gather is how long more is waited for before a batch that is not full goes out while there is more to read.
const gather = 5 * time.Millisecond

// rest is what happens when nothing can be read now: what there is goes out, and something is waited for.
func (s *stream) rest(ctx context.Context, wait time.Duration) error {
	pending := (!s.batch.Empty() || len(s.touched) > 0 || len(s.taught) > 0) && !s.merger.together()
	switch {
	case pending && s.readers.caughtUp():
		if err := s.send(ctx, true); err != nil {
			return err
		}
	case pending:
		waited, err := s.wait(ctx, gather)
		if err != nil {
			return err
		}
		if waited {
			return s.send(ctx, false)
		}
		return s.look(ctx)
	}
	if s.complete() {
		return capture.ErrComplete
	}
	if every := s.marks.interval(); every > 0 && (wait == 0 || every < wait) {
		wait = every
	}
	s.src.numbers.all(s)
	if _, err := s.wait(ctx, wait); err != nil {
		return err
	}
	return s.look(ctx)
}

// complete reports that a bounded run has read everything.
func (s *stream) complete() bool {
	return s.cfg.bounded() && !slices.ContainsFunc(s.parts, func(p *partition) bool { return !p.complete() })
}

// wait waits until something has arrived, or for so long, 0: for ever. waited says that it was so long.
func (s *stream) wait(ctx context.Context, d time.Duration) (waited bool, err error) {
	var timer <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-s.readers.ready:
		return false, s.readers.failed()
	case <-timer:
		return true, nil
	case parts := <-s.src.found:
		s.discovered(parts)
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// send gives the batch away.
func (s *stream) send(ctx context.Context, drained bool) error {
	b := s.batch
	if err := s.checkpoint(b); err != nil {
		return err
	}
	b.Drained, b.Watermark = drained, s.pos.Watermark
	select {
	case s.out <- b:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.batch = changelog.NewBatch()
	return nil
}

// checkpoint says where the source stands behind the batch.
func (s *stream) checkpoint(b *changelog.Batch) error {
	s.pos.Records, s.pos.Watermark, s.moved = s.pos.Records+s.moved, s.marks.now(), 0
	text, err := s.pos.text()
	if err != nil {
		return err
	}
	b.Next = changelog.Checkpoint{Pos: text, State: make([]changelog.State, 0, len(s.touched)+len(s.taught))}
	offsets := make([]changelog.GroupOffset, 0, len(s.touched))
	for _, p := range s.touched {
		st, err := p.state()
		if err != nil {
			return err
		}
		b.Next.State = append(b.Next.State, st)
		offsets = append(offsets, p.groupOffset())
		p.listed = false
	}
	s.src.numbers.gave(s)
	b.Next.State = append(b.Next.State, s.taught...)
	if b.Next.State, err = s.merger.appendState(b.Next.State); err != nil {
		return err
	}
	if b.Next.State, err = s.emptied.appendState(b.Next.State); err != nil {
		return err
	}
	s.taught, s.touched = nil, s.touched[:0]
	b.Next.Group = s.src.offsets.gave(s.pos.Records, offsets)
	return nil
}

// beforeFailing gives away what was read before a record that ends the attempt, so that the next one begins with that record.
func (s *stream) beforeFailing(ctx context.Context, why error) error {
	if len(s.touched) == 0 || s.merger.together() {
		return why
	}
	if err := s.send(ctx, true); err != nil {
		return err
	}
	s.src.offsets.reachedBy(ctx, s.pos.Records, failingPatience)
	return why
}

// failingPatience is how long the end of an attempt waits for what was read before it.
const failingPatience = 5 * time.Second

// compareParts sorts by topic and number.
func compareParts(a, b kafkawire.TopicPartition) int {
	if a.Topic != b.Topic {
		if a.Topic < b.Topic {
			return -1
		}
		return 1
	}
	return int(a.Partition) - int(b.Partition)
}
