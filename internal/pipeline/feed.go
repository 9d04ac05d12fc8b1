package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/upsert"
)

// job is one batch on its way from the feeder through a worker to the committer.
type job struct {
	batch *changelog.Batch
	plans upsert.Plans
	seq   uint64
	held  int64 // bytes of the budget

	truncations []upsert.Truncation // keys that end before the chunk is written

	done  chan struct{} // closed by the worker when chunk is set
	chunk *upsert.Chunk
}

// feeder takes batches from the source, waits until there is memory for them, and hangs the plans on their runs.
type feeder struct {
	planner *upsert.Planner
	prepare func(context.Context, []upsert.Wanted) error // looks up topics before planner asks for each
	start   changelog.Position                           // at which the attempt begins
	budget  *budget
	stats   *counters
	log     *slog.Logger
	seq     uint64
	parked  map[string]bool // topics of which the log has told that a record was parked
}

// expansion is how many bytes a batch may become, for each byte that it holds, while it is being encoded: its messages
// before compression, for two outputs. Once it is encoded, what its chunk does not need is given back.
const expansion = 4

func (f *feeder) run(ctx context.Context, batches <-chan *changelog.Batch, queue, jobs chan<- *job) error {
	beat := newBeat(f.planner.BeatEvery(), f.start)
	defer beat.stop()
	for {
		var b *changelog.Batch
		select {
		case next, ok := <-batches:
			if !ok {
				return ctx.Err()
			}
			b = next
			beat.passes(b)
		case <-beat.wait():
			if b = beat.alone(); b == nil {
				continue
			}
		}
		if err := f.give(ctx, b, queue, jobs); err != nil {
			return err
		}
	}
}

// give hands a batch on when there is memory for it.
func (f *feeder) give(ctx context.Context, b *changelog.Batch, queue, jobs chan<- *job) error {
	j := &job{batch: b, held: min(int64(b.Size())*expansion+1, f.budget.limit), done: make(chan struct{})}
	if err := f.budget.acquire(ctx, j.held); err != nil {
		return err
	}
	f.stats.inFlight.Add(j.held)
	f.seq++
	j.seq = f.seq
	if err := f.plan(ctx, j); err != nil {
		return err
	}
	for _, to := range []chan<- *job{queue, jobs} {
		select {
		case to <- j:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (f *feeder) plan(ctx context.Context, j *job) error {
	if wanted := f.planner.Wanted(j.batch); len(wanted) > 0 {
		if err := f.prepare(ctx, wanted); err != nil {
			return err
		}
	}
	j.plans.Runs = make([][]*upsert.Plan, len(j.batch.Runs))
	for i := range j.batch.Runs {
		plans, err := f.planner.Plans(ctx, j.batch.Runs[i].Table)
		if err != nil {
			return err
		}
		j.plans.Runs[i] = plans
	}
	var err error
	if j.plans.Moves, err = f.planner.Moves(j.batch, j.plans.Runs); err != nil {
		return err
	}
	if j.plans.Topics, err = f.planner.RowTopics(ctx, j.batch, j.plans.Runs); err != nil {
		return err
	}
	if j.plans.Sides, err = f.planner.Sides(ctx, j.batch); err != nil {
		return err
	}
	if j.plans.Parking, err = f.planner.Parking(ctx, j.batch); err != nil {
		return err
	}
	if j.truncations, err = f.planner.Truncations(ctx, j.batch, j.seq); err != nil {
		return err
	}
	for i := range j.batch.Notes {
		if err := f.tell(j.batch, &j.batch.Notes[i]); err != nil {
			return err
		}
	}
	return nil
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
			j.chunk, err = m.Chunk(j.batch, j.plans, time.Now().UnixMicro(), j.seq)
			return err
		})
		if err != nil {
			return err
		}
		j.batch.Release()
		j.batch, j.plans = nil, upsert.Plans{}
		if spare := j.held - int64(j.chunk.Bytes); spare > 0 {
			j.held -= spare
			f.stats.inFlight.Add(-spare)
			f.budget.release(spare)
		}
		close(j.done)
	}
	return nil
}
