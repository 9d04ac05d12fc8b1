package capture

import (
	"context"
	"errors"
	"time"

	"cdcbridge/changelog"
)

// job is something for a reader: a window's chunk, or, without window, the bounds of a table's ranges.
type job struct {
	window *window
	chunk  Chunk          // the window belongs to the merger
	table  *snapshotTable // likewise

	cut    uint64 // number of the job
	scan   ScanTable
	pieces int
}

// stale reports that nobody waits for the job any more. It is for the merger to ask.
func (j *job) stale() bool {
	if j.window != nil {
		return j.window.dropped
	}
	return j.table.cutting != j.cut
}

// result is what became of a job.
type result struct {
	job
	bounds []Cursor
	got    Scanned
	batch  *changelog.Batch // of a chunk that was read
	err    error
	broken bool // there was no connection
}

// snapshotReader does one job after the other over a connection of its own.
type snapshotReader struct {
	src    Scanner
	reader Reader // nil: not connected
}

// idleReader is how long a connection without work is kept.
const idleReader = 10 * time.Second

func (r *snapshotReader) run(ctx context.Context, jobs <-chan job, results chan<- result) {
	defer r.close()
	idle := time.NewTimer(idleReader)
	defer idle.Stop()
	for {
		idle.Reset(idleReader)
		select {
		case <-ctx.Done():
			return
		case <-idle.C:
			r.close()
		case j := <-jobs:
			res := r.do(ctx, j)
			select {
			case results <- res:
			case <-ctx.Done():
				if res.batch != nil {
					res.batch.Release()
				}
				return
			}
		}
	}
}

func (r *snapshotReader) do(ctx context.Context, j job) result {
	res := result{job: j}
	if r.reader == nil {
		if r.reader, res.err = r.src.Reader(ctx); res.err != nil {
			r.reader, res.broken = nil, true
			return res
		}
	}
	if j.window == nil {
		res.bounds, res.err = r.reader.Bounds(ctx, j.scan, j.pieces)
	} else {
		res.batch = changelog.NewBatch()
		if res.got, res.err = r.reader.Scan(ctx, j.chunk, res.batch); res.err != nil {
			res.batch.Release()
			res.batch = nil
		}
	}
	var notYet NotYet
	if res.err != nil && !errors.As(res.err, &notYet) {
		r.close()
	}
	return res
}

func (r *snapshotReader) close() {
	if r.reader != nil {
		r.reader.Close()
		r.reader = nil
	}
}
