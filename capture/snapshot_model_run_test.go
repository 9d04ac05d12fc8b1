package capture_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
)

// modelRun is a pipeline over the model: attempts, one after the other, each opened from the committed checkpoint.
type modelRun struct {
	t    *testing.T
	seed uint64
	rnd  *rand.Rand
	db   *modelDB
	sink *modelSink
	cfg  capture.SnapshotConfig
	tune func(*modelSource) // sets what a test needs otherwise
	log  *slog.Logger

	each   func(*changelog.Batch) // sees each batch first
	sloth  time.Duration          // longest time that the sink takes for a batch
	commit int                    // one of so many boundaries is a commit
	most   int                    // batches that the attempt lives to see; 0: any number

	mu      sync.Mutex
	src     capture.Source // of the attempt
	sources []*modelSource // that the attempt has made
	ended   error          // of the last Stream
}

func newModelRun(t *testing.T, seed uint64) *modelRun {
	rnd := rand.New(rand.NewPCG(seed, 3))
	db := newModelDB(seed)
	cfg := capture.DefaultSnapshotConfig()
	cfg.Readers = 1 + rnd.IntN(4)
	return &modelRun{
		t: t, seed: seed, rnd: rnd, db: db, sink: newModelSink(t, db), cfg: cfg,
		sloth: time.Duration(rnd.Int64N(int64(5 * time.Millisecond))), commit: 1 + rnd.IntN(6),
	}
}

// source makes a source below.
func (r *modelRun) source() capture.Scanner {
	s := newModelSource(r.t, r.db, r.rnd.Uint64())
	if r.tune != nil {
		r.tune(s)
	}
	r.mu.Lock()
	r.sources = append(r.sources, s)
	r.mu.Unlock()
	return s
}

// hear has the log written to h.
func (r *modelRun) hear(h *heard) { r.log = slog.New(slog.NewTextHandler(h, nil)) }

// newest is the source that was made last.
func (r *modelRun) newest() *modelSource {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sources[len(r.sources)-1]
}

// open opens an attempt and claims the pipeline.
func (r *modelRun) open() (capture.Source, error) {
	r.mu.Lock()
	r.sources = nil
	r.mu.Unlock()
	src := capture.WithSnapshot(r.source, r.cfg, capture.Env{Pipeline: "model", Log: r.log, Snapshot: true})
	start, err := src.Open(r.t.Context(), r.sink.checkpoint())
	if err != nil {
		err = errors.Join(err, src.Close())
		r.closed()
		return nil, err
	}
	r.sink.claim(start)
	r.mu.Lock()
	r.src = src
	r.mu.Unlock()
	for _, e := range r.sink.requests() {
		src.(capture.Requester).Request(e) // was written while the checkpoint was read
	}
	return src, nil
}

// attempt runs until done, a failure or the end of life. It reports whether it is done; the rest is lost unless it is.
func (r *modelRun) attempt(life time.Duration, done func(capture.Source) bool) (bool, error) {
	src, err := r.open()
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	out := make(chan *changelog.Batch)
	ended := make(chan error, 1)
	go func() {
		err := src.Stream(ctx, out)
		if n := r.newest(); n.calls.Load() != 0 || n.readers.Load() != 0 {
			r.t.Errorf("the stream has ended, %d calls and %d readers have not", n.calls.Load(), n.readers.Load())
		}
		ended <- err
	}()
	finished := r.consume(ctx, src, out, ended, life, done)
	cancel()
	for running := true; running; {
		select {
		case b := <-out:
			b.Release()
		case err := <-ended:
			running = false
			r.ended = err
		}
	}
	r.mu.Lock()
	r.src = nil
	r.mu.Unlock()
	if err := src.Close(); err != nil {
		r.t.Errorf("closing: %v", err)
	}
	r.closed()
	if finished || errors.Is(r.ended, capture.ErrComplete) {
		r.sink.commit()
	}
	r.sink.lose()
	return finished, nil
}

// crashes runs attempts that die soon.
func (r *modelRun) crashes(n int) {
	r.t.Helper()
	for range n {
		r.most = 1 + r.rnd.IntN(60)
		if _, err := r.attempt(time.Duration(r.rnd.Int64N(int64(400*time.Millisecond))), nil); err != nil {
			r.t.Fatalf("opening: %v", err)
		}
	}
	r.most = 0
}

// closed makes sure that each source that was opened is closed once.
func (r *modelRun) closed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sources {
		if (s.opens > 0 || s.started) && s.closes != 1 || s.opens > 1 {
			r.t.Errorf("a source was opened %d times and closed %d times", s.opens, s.closes)
		}
	}
}

func (r *modelRun) consume(ctx context.Context, src capture.Source, out <-chan *changelog.Batch, ended chan error, life time.Duration, done func(capture.Source) bool) bool {
	end := time.NewTimer(life)
	defer end.Stop()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case b := <-out:
			if r.each != nil {
				r.each(b)
			}
			inTxn := b.InTxn()
			r.sink.take(b)
			next := b.Next.Pos
			b.Release()
			if r.sloth > 0 {
				time.Sleep(time.Duration(r.rnd.Int64N(int64(r.sloth))))
			}
			chance := r.commit
			if inTxn {
				chance *= 5
			}
			if r.rnd.IntN(chance) == 0 {
				r.sink.commit()
				src.Ack(next)
			}
			if r.most > 0 {
				if r.most--; r.most == 0 {
					if !inTxn && r.rnd.IntN(2) == 0 {
						r.sink.commit()
					}
					return false
				}
			}
		case err := <-ended:
			ended <- err
			return false
		case <-tick.C:
			if done != nil && done(src) {
				return true
			}
		case <-end.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// settled reports that the log is streamed to its end and that no table is read any more.
func (r *modelRun) settled(src capture.Source) bool {
	if !r.db.settled() || len(r.sink.requests()) > 0 {
		return false
	}
	for _, s := range src.Stats().Snapshots {
		switch s.Status {
		case capture.SnapshotWaiting, capture.SnapshotReading, capture.SnapshotPaused:
			return false
		}
	}
	r.sink.mu.Lock()
	defer r.sink.mu.Unlock()
	for n := range r.db.tables {
		switch statusIn(r.sink.open.state, n) {
		case capture.SnapshotWaiting, capture.SnapshotReading, capture.SnapshotPaused:
			return false
		}
	}
	return r.sink.open.next.text() == modelPos{At: r.db.length()}.text()
}

// ask hands a request over as an operator does.
func (r *modelRun) ask(id string, q capture.SnapshotRequest) {
	q.Time = time.Now()
	text, err := q.Encode()
	if err != nil {
		r.t.Fatal(err)
	}
	r.askRaw(id, text)
}

func (r *modelRun) askRaw(id string, text []byte) {
	e := changelog.State{Key: capture.RequestPrefix + id, Value: text}
	r.sink.put(e)
	r.mu.Lock()
	src := r.src
	r.mu.Unlock()
	if src != nil {
		src.(capture.Requester).Request(e)
	}
}

// finish runs attempts without a crash until everything is settled.
func (r *modelRun) finish() { r.finishAfter(&sync.WaitGroup{}) }

// finishAfter does the same, and waits for others to end.
func (r *modelRun) finishAfter(others *sync.WaitGroup) {
	r.t.Helper()
	quiet := make(chan struct{})
	go func() {
		others.Wait()
		close(quiet)
	}()
	for range 50 {
		done, err := r.attempt(10*time.Minute, func(src capture.Source) bool {
			select {
			case <-quiet:
				return r.settled(src)
			default:
				return false
			}
		})
		if err != nil {
			r.t.Fatalf("opening: %v", err)
		}
		if done {
			return
		}
		if errors.Is(r.ended, context.Canceled) {
			r.t.Fatalf("the snapshot does not end: %+v", r.sink.committed.state)
		}
	}
	r.t.Fatalf("the snapshot does not end, the last attempt says: %v", r.ended)
}
