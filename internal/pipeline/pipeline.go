package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/kafkawire"
	"cdcbridge/upsert"
)

// Env is what an attempt gets beside its spec.
type Env struct {
	Instance string // identifies this process among those that may run the same pipeline
	Log      *slog.Logger
	Shared   *Shared // by all pipelines of the process
}

// Pipeline is one attempt. It is used once.
type Pipeline struct {
	spec  Spec
	env   Env
	stats counters
	start changelog.Position // at which the attempt begins, once it is open
	moves *changelog.State   // what upsert keeps of a transaction whose rest is to come, nil: nothing

	paused bool // the state says so: nothing is read

	mu     sync.Mutex // guards source and sink, which Stats reads while Run sets them
	source capture.Source
	sink   *upsert.Sink
}

// New makes an attempt. It does no I/O.
func New(spec Spec, env Env) *Pipeline { return &Pipeline{spec: spec, env: env} }

// Run opens the sink, then the source, and moves changes until stop is closed, ctx is cancelled or something fails.
//
// After stop the source ends, everything that it gave is committed, and Run returns nil. When the source has an end and has
// reached it, everything is committed likewise, and Run returns capture.ErrComplete. Cancelling ctx gives up: the open
// transaction is aborted and Run returns ctx's error. When somebody asks for a pause, or for the end of one, everything is committed likewise
// and Run returns ErrPauseChanged. Everything that Run started has ended when it returns.
func (p *Pipeline) Run(ctx context.Context, stop <-chan struct{}) (err error) {
	codec, err := kafkawire.ParseCodec(p.spec.Delivery.Compression)
	if err != nil {
		return fmt.Errorf("reading the compression setting: %w", err)
	}
	sink := upsert.NewSink(p.spec.Kafka, p.spec.Delivery, upsert.Identity{Pipeline: p.spec.Name, Instance: p.env.Instance}, p.env.Log)
	source := p.newSource()
	defer func() {
		p.stats.running.Store(false)
		err = errors.Join(err, p.close(sink))
	}()
	p.mu.Lock()
	p.source, p.sink = source, sink
	p.mu.Unlock()

	opened, err := p.open(ctx, stop, source, sink)
	if err != nil || !opened {
		return errors.Join(err, source.Close())
	}
	if p.paused {
		return errors.Join(p.sleep(ctx, stop, sink), source.Close())
	}
	p.stats.running.Store(true)
	return errors.Join(p.move(ctx, stop, codec, source, sink), source.Close())
}

// newSource makes the source, with snapshots when it can read its tables.
func (p *Pipeline) newSource() capture.Source {
	env := capture.Env{Pipeline: p.spec.Name, Log: p.env.Log, Snapshot: p.spec.Snapshot.Reads(), Unread: p.spec.Snapshot.Unread(), Batch: p.env.Shared.batch}
	source := p.spec.Source.New(env)
	if _, ok := source.(capture.Scanner); !ok {
		return source
	}
	return capture.WithSnapshot(func() capture.Scanner { return p.spec.Source.New(env).(capture.Scanner) }, p.spec.Snapshot, env)
}

// open does everything that comes before the first row. It reports false when stop was closed meanwhile.
func (p *Pipeline) open(ctx context.Context, stop <-chan struct{}, source capture.Source, sink *upsert.Sink) (bool, error) {
	ctx, release := stoppable(ctx, stop)
	defer release()
	err := p.openBoth(ctx, source, sink)
	if err != nil && errors.Is(context.Cause(ctx), errStopped) {
		return false, nil
	}
	return err == nil, err
}

var errStopped = errors.New("stopped")

// stoppable gives a context that ends, because of errStopped, when stop is closed. release ends it too, and what looks at stop.
func stoppable(ctx context.Context, stop <-chan struct{}) (stopped context.Context, release func()) {
	stopped, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-stop:
			cancel(errStopped)
		case <-stopped.Done():
		}
	})
	return stopped, func() {
		cancel(nil)
		watching.Wait()
	}
}

func (p *Pipeline) openBoth(ctx context.Context, source capture.Source, sink *upsert.Sink) error {
	cp, err := sink.Open(ctx)
	if err != nil {
		return fmt.Errorf("opening the sink: %w", err)
	}
	cp, paused, err := takePause(cp)
	if err != nil {
		return fmt.Errorf("opening the checkpoint: %w", err)
	}
	if paused {
		return p.claimPaused(ctx, sink, cp)
	}
	cp, p.moves = takeEntry(cp, upsert.MovesKey)
	start, err := source.Open(ctx, cp)
	if err != nil {
		return fmt.Errorf("opening the source: %w", err)
	}
	if err := p.spec.ownTopics(source); err != nil {
		return err
	}
	if err := sink.Claim(ctx, start); err != nil {
		return fmt.Errorf("claiming the pipeline: %w", err)
	}
	if p.spec.ProgressTopic != "" {
		if err := sink.OpenProgress(ctx, p.spec.ProgressTopic); err != nil {
			return fmt.Errorf("opening the sink: %w", err)
		}
	}
	source.Ack(start.Pos)
	p.start = start.Pos
	p.stats.opened(start.Pos, cp.Pos != "")
	return nil
}

// move runs the stages. The first one that fails ends them all.
func (p *Pipeline) move(ctx context.Context, stop <-chan struct{}, codec kafkawire.Codec, source capture.Source, sink *upsert.Sink) error {
	wanted := make(chan struct{})
	f, err := p.feeder(source, sink, wanted)
	if err != nil {
		return err
	}
	defer f.budget.close()
	g, ctx := errgroup.WithContext(ctx)
	streaming, endStream := context.WithCancel(ctx)
	defer endStream()
	batches := make(chan *changelog.Batch)
	queue := make(chan *job, 2*p.spec.Workers)
	jobs := make(chan *job, p.spec.Workers)

	complete := false // set before batches is closed, read after everything has ended
	g.Go(func() error {
		defer close(batches)
		defer endStream()
		err := source.Stream(streaming, batches)
		switch {
		case ctx.Err() == nil && errors.Is(err, capture.ErrComplete):
			complete = true
			return nil // drain what has been given
		case ctx.Err() == nil && streaming.Err() != nil:
			return nil // asked to stop: likewise
		case err == nil:
			return fmt.Errorf("streaming: the source ended by itself")
		}
		return fmt.Errorf("streaming: %w", err)
	})
	pausing := false // set before its goroutine ends, read after everything has ended
	g.Go(func() error {
		requester, _ := source.(capture.Requester)
		asked, err := followState(streaming, sink, true, requester)
		if pausing = asked; asked {
			endStream()
		}
		return err
	})
	g.Go(func() error {
		select {
		case <-stop:
			endStream()
		case <-streaming.Done():
		}
		return nil
	})
	g.Go(func() error {
		defer close(queue)
		defer close(jobs)
		return f.run(ctx, batches, queue, jobs)
	})
	for range p.spec.Workers {
		g.Go(func() error { return f.work(ctx, upsert.NewMaterializer(codec), jobs) })
	}
	c := committer{
		sink: sink, ack: source.Ack, policy: p.spec.Commit, stats: &p.stats,
		splitAfter: p.spec.Delivery.TransactionTimeout / 3, release: f.budget.release,
		wanted: wanted, eager: p.spec.Delivery.AtLeastOnce,
	}
	g.Go(func() error { return c.run(ctx, queue) })
	err = g.Wait()
	switch {
	case err != nil:
		return err
	case complete:
		return capture.ErrComplete
	case pausing:
		return ErrPauseChanged
	}
	return nil
}

// feeder makes the feeder, whose planner goes on with a transaction that was begun.
func (p *Pipeline) feeder(source capture.Source, sink *upsert.Sink, wanted <-chan struct{}) (*feeder, error) {
	topic, prepare := apart(source, sink)
	planner := upsert.NewPlanner(p.spec.Name, p.spec.Outputs, p.spec.Tables, topic)
	if p.moves != nil {
		if err := planner.RestoreMoves(*p.moves); err != nil {
			return nil, err
		}
	}
	return &feeder{
		planner: planner, prepare: prepare, start: p.start, budget: p.env.Shared.budget(p.spec.Memory),
		stats: &p.stats, log: p.env.Log, wanted: wanted,
	}, nil
}

// closeTimeout bounds how long the abort of an open transaction may take when an attempt ends.
const closeTimeout = 5 * time.Second

func (p *Pipeline) close(sink *upsert.Sink) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return sink.Close(ctx)
}
