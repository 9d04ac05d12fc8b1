package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"cdcbridge/capture"
	"cdcbridge/changelog"
)

// inspectSource prints what a pipeline's source gives from now on. The source is one of its own beside that of a daemon.
func (a *app) inspectSource(ctx context.Context, in *inspection, patterns []string) (err error) {
	filter, err := tablePatterns(patterns)
	if err != nil {
		return usageError{err}
	}
	_, p, err := a.loadPipeline(in.pipeline, "say which pipeline by --pipeline")
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	source := p.Spec.Source.New(capture.Env{Pipeline: p.Spec.Name, Log: log, Snapshot: p.Spec.Snapshot.Reads(), Unread: p.Spec.Snapshot.Unread(), Aside: true})
	if _, err := source.Open(ctx, changelog.Checkpoint{}); err != nil {
		return ignoreStop(ctx, fmt.Errorf("opening the source: %w", err))
	}
	_, err = fmt.Fprintf(a.err, "Changes of pipeline %s from now on (%s). Ctrl-C ends it.\n", p.Spec.Name, source.Stats().Position)
	if err == nil {
		printer := &sourcePrinter{out: a.out, json: in.output == outputJSON, pipeline: p.Spec.Name, filter: filter, left: in.max}
		err = look(ctx, source, printer)
	}
	return ignoreStop(ctx, errors.Join(err, source.Close()))
}

// look prints what an open source streams until ctx ends, enough was printed or something fails.
func look(ctx context.Context, source capture.Source, p *sourcePrinter) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := make(chan *changelog.Batch)
	var streamed error
	var streaming sync.WaitGroup
	streaming.Go(func() {
		defer close(batches)
		streamed = source.Stream(ctx, batches)
	})
	var failed error
	for b := range batches {
		if failed == nil {
			if failed = p.batch(b); failed != nil {
				cancel() // and what is still under way is not printed
			}
		}
		source.Ack(b.Next.Pos)
		b.Release()
	}
	streaming.Wait()
	switch {
	case errors.Is(failed, errEnough), failed == nil && errors.Is(streamed, capture.ErrComplete):
		return nil
	case failed != nil:
		return failed
	}
	return fmt.Errorf("reading: %w", streamed)
}
