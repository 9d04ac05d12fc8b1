package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/upsert"
)

// job is what becomes one chunk on its way from the feeder through a worker to the committer: batches that follow each other.
type job struct {
	batches []upsert.Planned
	bytes   int   // that the batches hold
	held    int64 // bytes of the budget

	truncations []upsert.Truncation // keys that end before the chunk is written; such a job has one batch

	done  chan struct{} // closed by the worker when chunk is set
	chunk *upsert.Chunk
}

// feeder takes batches from the source, waits until there is memory for them, and hangs the plans on their runs. Small ones of a source that
// is drained it gathers while the committer has no use for them: each would be a request to Kafka, and all of them are readable with the
// same commit.
type feeder struct {
	planner *upsert.Planner
	prepare func(context.Context, []upsert.Wanted) error // looks up topics before planner asks for each
	start   changelog.Position                           // at which the attempt begins
	budget  *budget
	stats   *counters
	log     *slog.Logger
	wanted  <-chan struct{} // the committer would write what is gathered now
	next    *job            // is being gathered, nil: nothing is
	seq     uint64
	parked  map[string]bool // topics of which the log has told that a record was parked
}

// expansion is how many bytes a batch may become, for each byte that it holds, while it is being encoded: its messages
// before compression, for two outputs. Once it is encoded, what its chunk does not need is given back.
const expansion = 4

// What is gathered is handed on, whether the committer waits for it or not, when it is a request of its own: so many bytes, or batches, each of
// which has more memory than it uses.
const (
	gatheredBytes   = 256 << 10
	gatheredBatches = 32
)

func (f *feeder) run(ctx context.Context, batches <-chan *changelog.Batch, queue, jobs chan<- *job) error {
	beat := newBeat(f.planner.BeatEvery(), f.start)
	defer beat.stop()
	for {
		var wanted <-chan struct{}
		if f.next != nil {
			wanted = f.wanted
		}
		var b *changelog.Batch
		select {
		case next, ok := <-batches:
			if !ok {
				return errors.Join(f.hand(ctx, queue, jobs), ctx.Err())
			}
			b = next
			beat.passes(b)
		case <-beat.wait():
			if b = beat.alone(); b == nil {
				continue
			}
		case <-wanted:
			if err := f.hand(ctx, queue, jobs); err != nil {
				return err
			}
			continue
		}
		if err := f.take(ctx, b, queue, jobs); err != nil {
			return err
		}
	}
}

// take plans a batch when there is memory for it. It hands on what there is no reason to gather more for.
func (f *feeder) take(ctx context.Context, b *changelog.Batch, queue, jobs chan<- *job) error {
	held := min(int64(b.Size())*expansion+1, f.budget.limit)
	if !f.budget.try(held) {
		if err := f.hand(ctx, queue, jobs); err != nil { // it holds memory too
			return err
		}
		if err := f.budget.acquire(ctx, held); err != nil {
			return err
		}
	}
	f.stats.inFlight.Add(held)
	f.seq++
	if wanted := f.planner.Wanted(b); len(wanted) > 0 {
		if err := f.hand(ctx, queue, jobs); err != nil { // it need not wait for topics that are made
			return err
		}
		if err := f.prepare(ctx, wanted); err != nil {
			return err
		}
	}
	plans, err := f.plan(ctx, b)
	if err != nil {
		return err
	}
	truncations, err := f.planner.Truncations(ctx, b, f.seq)
	if err != nil {
		return err
	}
	if len(truncations) > 0 { // the keys end behind everything before and before everything in the batch
		if err := f.hand(ctx, queue, jobs); err != nil {
			return err
		}
	}
	if f.next == nil {
		f.next = &job{truncations: truncations, done: make(chan struct{})}
	}
	f.next.add(upsert.Planned{Batch: b, Plans: plans, Seq: f.seq}, held)
	if b.Drained && len(truncations) == 0 && f.next.bytes < gatheredBytes && len(f.next.batches) < gatheredBatches {
		return nil
	}
	return f.hand(ctx, queue, jobs)
}

func (j *job) add(p upsert.Planned, held int64) {
	j.batches = append(j.batches, p)
	j.bytes += p.Batch.Size()
	j.held += held
}

// hand gives what is gathered to a worker and, in its place, to the committer.
func (f *feeder) hand(ctx context.Context, queue, jobs chan<- *job) error {
	if f.next == nil {
		return nil
	}
	for _, to := range []chan<- *job{queue, jobs} {
		select {
		case to <- f.next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f.next = nil
	return nil
}

// plan finds what the batch is written by, and tells of what is no change of a row.
func (f *feeder) plan(ctx context.Context, b *changelog.Batch) (plans upsert.Plans, err error) {
	plans.Runs = make([][]*upsert.Plan, len(b.Runs))
	for i := range b.Runs {
		if plans.Runs[i], err = f.planner.Plans(ctx, b.Runs[i].Table); err != nil {
			return plans, err
		}
	}
	if plans.Moves, err = f.planner.Moves(b, plans.Runs); err != nil {
		return plans, err
	}
	if plans.Topics, err = f.planner.RowTopics(ctx, b, plans.Runs); err != nil {
		return plans, err
	}
	if plans.Sides, err = f.planner.Sides(ctx, b); err != nil {
		return plans, err
	}
	if plans.Parking, err = f.planner.Parking(ctx, b); err != nil {
		return plans, err
	}
	for i := range b.Notes {
		if err := f.tell(b, &b.Notes[i]); err != nil {
			return plans, err
		}
	}
	return plans, nil
}

// maxTold is how much of a logical message's content the log shows, bytes.
const maxTold = 200

// tell says in the daemon's log what is no change of a row. None of it goes to a table's topic, where every record is a row
// and readers fail at anything else. After a restart what is read again is told again.
func (f *feeder) tell(b *changelog.Batch, n *changelog.Note) error {
	table := ""
	if n.Table != nil {
		table = n.Table.FullName()
	}
	switch n.Kind {
	case changelog.Truncate:
		if n.Policy == upsert.PolicyTombstone {
			f.log.Warn("a table was truncated; all its keys in compacted topics end", "table", table, "statement", n.Text)
			break
		}
		f.log.Warn("a statement changed rows without logging them; the topic keeps what it has", "table", table, "statement", n.Text)
	case changelog.DDL:
		f.log.Info("the table's definition changed", "table", table, "statement", n.Text)
	case changelog.Message:
		txn := ""
		if n.Txn >= 0 && n.Txn < len(b.Txns) {
			txn = b.Txns[n.Txn].ID
		}
		f.log.Info("a logical message is in the log", "prefix", n.Prefix, "transaction", txn, "bytes", len(n.Text), "content", n.Text[:min(len(n.Text), maxTold)])
	case changelog.Parked:
		f.tellParked(b, n)
	case changelog.Heartbeat:
	default: // watermarks are between a source and its snapshots
		return fault.NewFinal(fault.Internal, "reading the notes of a batch", fmt.Errorf("note of kind %d", n.Kind), "Report this with the daemon's log.")
	}
	return nil
}

// tellParked tells of the first record of each topic that is parked: there may be very many, which the source counts.
func (f *feeder) tellParked(b *changelog.Batch, n *changelog.Note) {
	r := &b.Records[n.Record-1]
	if f.parked[r.Topic] {
		return
	}
	if f.parked == nil {
		f.parked = map[string]bool{}
	}
	f.parked[strings.Clone(r.Topic)] = true
	f.log.Warn("a record that cannot be read goes to the dead-letter topic, and so will others of its topic without being told here",
		"topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "code", n.Code, "reason", n.Text, "dead_letter", n.Prefix, "doc", fault.Code(n.Code).Doc())
}

// work encodes jobs until there are no more. It ends the life of each batch.
func (f *feeder) work(ctx context.Context, m *upsert.Materializer, jobs <-chan *job) error {
	for j := range jobs {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		err := f.budget.shared.encode(ctx, func() (err error) {
			j.chunk, err = m.Chunk(time.Now().UnixMicro(), j.batches...)
			return err
		})
		if err != nil {
			return err
		}
		for _, p := range j.batches {
			p.Batch.Release()
		}
		j.batches = nil
		if spare := j.held - int64(j.chunk.Bytes); spare > 0 {
			j.held -= spare
			f.stats.inFlight.Add(-spare)
			f.budget.release(spare)
		}
		close(j.done)
	}
	return nil
}
