package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/config"
	"cdcbridge/internal/daemon"
)

// waiter looks on while a request is carried out.
type waiter struct {
	app      *app
	url      string // of the daemon
	pipeline *config.Pipeline
	key      string // of the request
	request  capture.SnapshotRequest
	text     bool // tell a person what happens
	board    *board
}

const (
	askEvery      = 500 * time.Millisecond
	tellAfter     = 3 * time.Second  // a request that is not taken up by then needs a word
	daemonAbsence = 60 * time.Second // how long the daemon may be away, as for a restart
)

// wait waits until the request is taken up and, if it starts something, until that has ended. It gives the snapshots that the
// request was about as they are then. The error is errLeft when ctx ended before.
func (w *waiter) wait(ctx context.Context) ([]daemon.SnapshotProgress, error) {
	w.board = w.app.newBoard(w.app.err)
	if err := w.taken(ctx); err != nil {
		return nil, w.left(ctx, err)
	}
	tables, err := w.ended(ctx)
	if w.board != nil {
		w.board.show(nil)
	}
	if err != nil {
		return tables, w.left(ctx, err)
	}
	return tables, w.judge(tables)
}

func (w *waiter) left(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errLeft
	}
	return err
}

// taken waits until the pipeline has taken the request up, and says why that may take long.
func (w *waiter) taken(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- w.app.state.Taken(ctx, w.pipeline, w.key) }()
	select {
	case err := <-done:
		return err
	case <-time.After(tellAfter):
	}
	if err := w.say("%s\n", w.slow(ctx)); err != nil {
		cancel()
		return errors.Join(err, <-done)
	}
	return <-done
}

// slow says what the daemon is doing instead.
func (w *waiter) slow(ctx context.Context) string {
	_, s, err := askStatus(ctx, w.url)
	if err != nil {
		return "No daemon answers at " + w.url + "; the request waits in Kafka until the pipeline runs somewhere. Ctrl-C leaves it there."
	}
	for i := range s.Pipelines {
		if p := &s.Pipelines[i]; p.Name == w.pipeline.Spec.Name && p.State != daemon.Running {
			return fmt.Sprintf("The pipeline is %s; the request waits in Kafka until it runs. Ctrl-C leaves it there.", p.State)
		}
	}
	return "Waiting for the pipeline to take the request up."
}

// ended shows progress until nothing that the request has started goes on.
func (w *waiter) ended(ctx context.Context) ([]daemon.SnapshotProgress, error) {
	heard := time.Now()
	for {
		tables, err := w.look(ctx)
		switch {
		case err == nil:
			heard = time.Now()
			if !w.goesOn(tables) {
				return tables, nil
			}
			if w.board != nil && w.text {
				w.board.show(bars(tables))
			}
		case time.Since(heard) > daemonAbsence || ctx.Err() != nil:
			return nil, err
		}
		select {
		case <-time.After(askEvery):
		case <-ctx.Done():
			return tables, ctx.Err()
		}
	}
}

// look asks the daemon for the snapshots that the request is about.
func (w *waiter) look(ctx context.Context) ([]daemon.SnapshotProgress, error) {
	_, s, err := askStatus(ctx, w.url)
	if err != nil {
		return nil, err
	}
	meant := func(string) bool { return true }
	if len(w.request.Tables) > 0 {
		filter, err := capture.NewFilter(w.request.Tables, nil)
		if err != nil {
			return nil, usageError{err}
		}
		meant = func(name string) bool {
			schema, table, _ := strings.Cut(name, ".")
			return filter.Match(schema, table)
		}
	}
	var tables []daemon.SnapshotProgress
	for i := range s.Pipelines {
		for _, t := range s.Pipelines[i].Snapshots {
			if s.Pipelines[i].Name == w.pipeline.Spec.Name && meant(t.Table) {
				tables = append(tables, t)
			}
		}
	}
	return tables, nil
}

// goesOn reports whether something is still to be waited for.
func (w *waiter) goesOn(tables []daemon.SnapshotProgress) bool {
	if w.request.Action == capture.SnapshotPause || w.request.Action == capture.SnapshotCancel {
		return false // it was, in the transaction that took the request up
	}
	for _, t := range tables {
		switch t.Status {
		case capture.SnapshotWaiting, capture.SnapshotReading, capture.SnapshotPaused:
			return true
		case capture.SnapshotDone, capture.SnapshotCancelled, capture.SnapshotSkipped, capture.SnapshotGone:
		}
	}
	return false
}

// judge tells what has become of each table. The error names what was not read.
func (w *waiter) judge(tables []daemon.SnapshotProgress) error {
	var bad []string
	for _, t := range tables {
		if err := w.say("%s: %s\n", t.Table, t); err != nil {
			return err
		}
		if t.Status != capture.SnapshotDone {
			bad = append(bad, fmt.Sprintf("%s is %s", t.Table, t.Status))
		}
	}
	switch {
	case len(tables) == 0:
		return fmt.Errorf("pipeline %s has no such table to read, or nothing to be done with it; the daemon's log says what it made of the request", w.pipeline.Spec.Name)
	case w.request.Action == capture.SnapshotPause, w.request.Action == capture.SnapshotCancel, len(bad) == 0:
		return nil
	}
	return fmt.Errorf("not read to the end: %s", strings.Join(bad, ", "))
}

func (w *waiter) say(format string, args ...any) error {
	if !w.text {
		return nil
	}
	_, err := io.WriteString(w.app.out, fmt.Sprintf(format, args...))
	return err
}
