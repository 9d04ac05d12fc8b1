package capture

import (
	"context"
	"slices"
	"strings"
	"time"

	"cdcbridge/changelog"
)

// merger stands between the source below and the pipeline: one goroutine to which tables, windows and records belong.
type merger struct {
	s   *snapshotSource
	src Scanner
	out chan<- *changelog.Batch

	in       chan *changelog.Batch
	ended    chan error // of the stream below
	jobs     chan job
	results  chan result
	requests chan listing

	tables  []*snapshotTable          // those with the highest priority first
	active  []*snapshotTable          // of them those that have rows to be read; there may be very many others
	holding bool                      // changes of some are withheld
	holders map[*changelog.Table]bool // versions of tables that were looked at: whether their changes are withheld
	windows []*window                 // all of them, dropped ones left out
	busy    int                       // jobs under way
	cuts    uint64                    // jobs that looked for bounds
	batches uint64                    // passed on
	pos     changelog.Position
	between bool // pos is between two transactions
	signals signalReader
	waiting []listing
	changed []*snapshotTable // whose records are to be written
	shown   time.Time        // when the statistics were last published
}

func newMerger(s *snapshotSource, out chan<- *changelog.Batch) *merger {
	n := s.cfg.Readers
	m := &merger{
		s: s, src: s.below(), out: out, tables: s.tables, pos: s.start, between: !MidTransaction(s.start),
		in: make(chan *changelog.Batch), ended: make(chan error, 1), jobs: make(chan job, n), results: make(chan result, n), requests: make(chan listing),
		signals: newSignalReader(s.cfg.SignalTable),
	}
	m.regroup()
	return m
}

func (m *merger) run(ctx context.Context) error {
	wake := time.NewTimer(0)
	defer wake.Stop()
	for {
		if err := m.advance(ctx); err != nil {
			return err
		}
		if m.complete() {
			m.publish()
			return ErrComplete
		}
		wake.Reset(m.sleep())
		select {
		case b, ok := <-m.in:
			if !ok {
				return <-m.ended
			}
			if err := m.pass(ctx, b); err != nil {
				return err
			}
		case r := <-m.results:
			if err := m.take(ctx, r); err != nil {
				return err
			}
		case r := <-m.requests:
			m.waiting = append(m.waiting, r)
		case <-wake.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// complete reports that a pipeline which is there to read tables has read them and has nothing else to do.
func (m *merger) complete() bool {
	return m.s.cfg.Mode == SnapshotOnly && m.between && len(m.active) == 0 && !m.s.asked()
}

// Pauses of a merger to which nothing happens.
const (
	restReading = 20 * time.Millisecond
	restIdle    = time.Second
)

func (m *merger) sleep() time.Duration {
	if slices.ContainsFunc(m.active, func(t *snapshotTable) bool { return t.rec.wanted() }) {
		return restReading
	}
	return restIdle
}

// pass sends a batch of the stream on, after what windows must know of it was noted.
func (m *merger) pass(ctx context.Context, b *changelog.Batch) error {
	m.batches++
	m.note(b)
	marks := takeMarks(b)
	signals := m.signals.take(b)
	b.Next.State = append(b.Next.State, signals...)
	if err := m.withhold(b); err != nil {
		return err
	}
	m.pos, m.between = b.Next.Pos, !b.InTxn()
	if len(b.Txns) == 0 {
		m.between = !MidTransaction(b.Next.Pos) // only such a batch does not say it
	}
	if m.between {
		for _, w := range m.windows {
			w.passed = w.passed || w.scanned && slices.Contains(marks, string(w.got.End))
		}
	}
	if len(b.Txns) == 0 && b.Empty() && len(b.Next.State) == 0 && !b.Soon && m.leaving() != nil {
		b.Release() // the position leaves with the chunk
		return nil
	}
	if err := m.send(ctx, b); err != nil {
		return err
	}
	for _, e := range signals {
		m.s.Request(e)
	}
	return nil
}

func (m *merger) send(ctx context.Context, b *changelog.Batch) error {
	select {
	case m.out <- b:
		return nil
	case <-ctx.Done():
		b.Release()
		return ctx.Err()
	}
}

// takeMarks removes the watermarks from a batch and gives their texts.
func takeMarks(b *changelog.Batch) []string {
	var marks []string
	b.Notes = slices.DeleteFunc(b.Notes, func(n changelog.Note) bool {
		if n.Kind == changelog.Watermark {
			marks = append(marks, strings.Clone(n.Text))
		}
		return n.Kind == changelog.Watermark
	})
	return marks
}

// advance does what can be done where the stream stands now.
func (m *merger) advance(ctx context.Context) error {
	if len(m.active) > 0 && time.Since(m.shown) > 100*time.Millisecond {
		m.publish()
	}
	if !m.between {
		return nil
	}
	for w := m.leaving(); w != nil; w = m.leaving() {
		if err := m.leave(ctx, w); err != nil {
			return err
		}
	}
	for len(m.waiting) > 0 {
		l := m.waiting[0]
		m.waiting = m.waiting[1:]
		if err := m.apply(ctx, l); err != nil {
			return err
		}
	}
	if err := m.write(ctx, nil); err != nil {
		return err
	}
	m.dispatch()
	return nil
}

// write sends the records that have changed, and other entries.
func (m *merger) write(ctx context.Context, entries []changelog.State) error {
	for i, t := range m.changed {
		if slices.Contains(m.changed[:i], t) {
			continue
		}
		entry, err := t.rec.entry(t.name)
		if err != nil {
			return err
		}
		entries = append(entries, entry)
	}
	m.changed = nil
	if len(entries) == 0 {
		return nil
	}
	m.publish()
	b := changelog.NewBatch()
	b.Next = changelog.Checkpoint{Pos: m.pos, State: entries}
	b.Soon = true
	return m.send(ctx, b)
}

func (m *merger) publish() {
	m.shown = time.Now()
	m.s.publish(m.tables)
}
