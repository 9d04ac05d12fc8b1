package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"cdcbridge/integration/harness"
)

const (
	// snapshotFactor is how many times the rows of a backlog the table has.
	snapshotFactor = 3
	// writeRate is how many one-row transactions a second are written while the table is read.
	writeRate = 1000
	// firstWritten is the first key of what is written meanwhile. Times are computed from keys and end in 2038.
	firstWritten = 300_000_000
	// snapshotLimit bounds one run.
	snapshotLimit = 10 * time.Minute
)

// measureSnapshot reads a table from its first to its last row, while others write, beside a bare read of it.
func measureSnapshot(ctx context.Context, s *stand) error {
	suite := "snapshot"
	if s.db.name() == onPostgres {
		suite = "pg-snapshot"
	}
	if err := s.db.fresh(ctx); err != nil {
		return err
	}
	rows := s.rows / 1000 * 1000 * snapshotFactor
	began := time.Now()
	if err := s.parallel(ctx, rows/1000, s.db.unloggedSession(), func(i int64) string { return s.db.thousand(i*1000, 1000) }); err != nil {
		return fmt.Errorf("filling the table: %w", err)
	}
	if err := s.db.forget(ctx); err != nil {
		return fmt.Errorf("emptying the log: %w", err)
	}
	progress("   %d rows written in %.1f s", rows, time.Since(began).Seconds())
	for n := range s.runs {
		res, err := s.db.selectAll(ctx)
		if err != nil {
			return fmt.Errorf("reading the table: %w", err)
		}
		s.report.ceiling(suite, "bare read of the table", res)
		progress("   run %d: bare read of the table %s rows/s", n+1, thousands(float64(res.Rows)/res.Seconds))
		smp, err := s.snapshot(ctx, rows)
		if err != nil {
			return err
		}
		s.report.drain(suite, fmt.Sprintf("debezium-json, %d rows/s written", writeRate), smp)
		progress("   run %d: snapshot %s rows/s, %.2f µs of CPU a row, %d MB, lag of the stream up to %.2f s", n+1,
			thousands(float64(smp.Rows)/smp.Seconds), 1e6*smp.CPUSeconds/float64(smp.Rows), smp.PeakMemory>>20, smp.MaxLag)
	}
	return nil
}

// snapshot runs a daemon of its own until the table is read, and verifies what is in the topic.
func (s *stand) snapshot(ctx context.Context, rows int64) (_ sample, err error) {
	name, config, err := s.pipeline(ctx, variant{formats: []string{dbz}, snapshot: "{tables: [{name: bench.documents, skip: true}]}"})
	if err != nil {
		return sample{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, snapshotLimit)
	defer cancel()
	start := harness.Start
	if s.profile != "" {
		start = harness.StartProfiled
	}
	if _, err := harness.Binary(); err != nil {
		return sample{}, err
	}
	smp := sample{Rows: rows}
	before := readUsage()
	began := time.Now()
	d, err := start(s.dir, config)
	if err != nil {
		return smp, err
	}
	defer d.Kill()
	profiled := s.collectProfile(ctx, d, name)
	g, writing := errgroup.WithContext(ctx)
	writing, quiet := context.WithCancel(writing)
	defer quiet()
	var written atomic.Int64
	g.Go(func() error { return s.writeMeanwhile(writing, &written) })
	err = followSnapshot(writing, d, began, &smp)
	smp.Shares = readUsage().since(before, d.PID())
	quiet()
	if err = errors.Join(err, g.Wait(), <-profiled); err != nil {
		return smp, fmt.Errorf("%w\n%s", err, d.Log())
	}
	if err := s.caughtUp(ctx, d); err != nil {
		return smp, fmt.Errorf("%w\n%s", err, d.Log())
	}
	if err := d.Stop(ctx); err != nil {
		return smp, err
	}
	cpu, _ := d.Usage()
	smp.CPUSeconds = cpu.Seconds()
	topic := name + ".o0.orders"
	if err := s.verifySnapshot(ctx, topic, rows, written.Load()); err != nil {
		return smp, err
	}
	if _, err := s.db.pool().ExecContext(ctx, fmt.Sprintf("DELETE FROM bench.orders WHERE id >= %d", int64(firstWritten))); err != nil {
		return smp, err
	}
	return smp, errors.Join(s.db.forget(ctx), s.deleteTopics(ctx, topic))
}

// writeMeanwhile commits one-row transactions at writeRate until ctx ends.
func (s *stand) writeMeanwhile(ctx context.Context, written *atomic.Int64) error {
	conn, err := s.db.pool().Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	insert, err := conn.PrepareContext(ctx, s.db.one())
	if err != nil {
		return err
	}
	defer insert.Close()
	for began := time.Now(); ; {
		due := began.Add(time.Duration(written.Load()) * time.Second / writeRate)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(due)):
		}
		// Not with ctx: a statement that is cut off may have been carried out.
		if _, err := insert.ExecContext(context.WithoutCancel(ctx), firstWritten+written.Load()); err != nil {
			return err
		}
		written.Add(1)
	}
}

// followSnapshot polls until the table is read, and notes how far the stream falls behind.
func followSnapshot(ctx context.Context, d *harness.Daemon, began time.Time, smp *sample) error {
	ticker := time.NewTicker(40 * time.Millisecond)
	defer ticker.Stop()
	var first time.Time
	var firstRows int64
	for {
		select {
		case <-ticker.C:
		case <-d.Exited():
			return errors.New("the daemon ended")
		case <-ctx.Done():
			return fmt.Errorf("the table is not read: %w", context.Cause(ctx))
		}
		all, err := d.Status(ctx)
		if err != nil || len(all) == 0 {
			continue // it does not listen yet
		}
		p := &all[0]
		if p.State == "failed" || p.State == "retrying" {
			return fmt.Errorf("the pipeline is %s: %s", p.State, p.Error)
		}
		if p.LagSeconds != nil {
			smp.MaxLag = max(smp.MaxLag, *p.LagSeconds)
		}
		if peak, err := d.PeakMemory(); err == nil {
			smp.PeakMemory = peak
		}
		now := time.Now()
		for _, t := range p.Snapshots {
			if t.Table != "bench.orders" {
				continue
			}
			if first.IsZero() && t.Rows > 0 {
				first, firstRows = now, int64(t.Rows)
			}
			if t.Status == "done" {
				_, c, err := readCounters(ctx, d)
				smp.Records, smp.Commits, smp.Bytes, smp.CommitSeconds = c.Records, c.Commits, c.Bytes, c.CommitSeconds
				smp.Seconds, smp.SteadySeconds, smp.SteadyRows = now.Sub(began).Seconds(), now.Sub(first).Seconds(), int64(t.Rows)-firstRows
				return err
			}
		}
	}
}

// caughtUp waits until everything that was written is committed.
func (s *stand) caughtUp(ctx context.Context, d *harness.Daemon) error {
	for times := 0; times < 5; {
		all, err := d.Status(ctx)
		if err == nil && len(all) > 0 && all[0].CaughtUp && all[0].LagSeconds != nil && *all[0].LagSeconds == 0 {
			times++
		} else {
			times = 0
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the stream: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// verifySnapshot reads the topic: each row of the table is there once as a read. A row that was written meanwhile is there once as
// an insert, or was read when it was written before the stream began.
func (s *stand) verifySnapshot(ctx context.Context, topic string, rows, written int64) error {
	reads, inserts, readToo := make([]uint8, rows), make([]uint8, written), make([]bool, written)
	err := s.scan(ctx, func(r *kgo.Record) error {
		var key struct{ ID int64 }
		if err := json.Unmarshal(r.Key, &key); err != nil {
			return err
		}
		read := bytes.Contains(r.Value, []byte(`"op":"r"`))
		i := key.ID - firstWritten
		switch {
		case i >= 0 && i < written && read:
			readToo[i] = true
		case i >= 0 && i < written:
			inserts[i]++
		case read && key.ID < rows:
			reads[key.ID]++
		default:
			return fmt.Errorf("row %d is in the topic", key.ID)
		}
		return nil
	}, topic)
	if err != nil {
		return fmt.Errorf("reading %s: %w", topic, err)
	}
	for i, n := range reads {
		if n != 1 {
			return fmt.Errorf("row %d was read %d times", i, n)
		}
	}
	for i, n := range inserts {
		if n > 1 || n == 0 && !readToo[i] {
			return fmt.Errorf("row %d of those written meanwhile is in the topic %d times", i, n)
		}
	}
	return nil
}
