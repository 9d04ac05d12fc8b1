package capture_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// modelPos is a place in the model's log: so many transactions, and inside of one so many of its changes.
type modelPos struct {
	At  int       `json:"at"`
	Txn *modelPar `json:"txn,omitempty"`
}

type modelPar struct {
	Rows int `json:"rows"`
}

func (p modelPos) text() changelog.Position {
	text, _ := json.Marshal(p)
	return changelog.Position(text)
}

func posOf(p changelog.Position) modelPos {
	var m modelPos
	if err := json.Unmarshal([]byte(p), &m); err != nil {
		panic(err)
	}
	return m
}

// modelSource is a Scanner over a modelDB.
type modelSource struct {
	t  *testing.T
	db *modelDB

	mu      sync.Mutex
	rnd     *rand.Rand
	watched []int
	asked   chan struct{}
	from    modelPos
	acked   changelog.Position
	given   []changelog.State // what Open was given
	opens   int
	closes  int
	started bool // StartOver was called

	calls   atomic.Int64 // Stream, Scan, Bounds, Reader under way
	readers atomic.Int64 // open connections
	scans   atomic.Int64 // begun

	part       int           // changes of a batch that holds a part
	lag        time.Duration // longest pause between two batches
	idle       time.Duration // between idle batches
	scanTime   time.Duration // longest time of a scan
	rows       int           // most rows of a chunk
	fixed      bool          // every chunk has so many, and its end is known
	estimate   int64
	ahead      int // so far ahead of the log may the end of a scan be
	scanFails  int // one of so many scans fails; 0: none
	streamFail int // one of so many batches ends the stream; 0: none
	openErr    error
	scan       func(c capture.Chunk) error // looks at each scan first
	bounds     func() []capture.Cursor     // gives other bounds than those that are right
	piece      int                         // most rows of a table without key; 0: any number
	block      chan struct{}               // scans wait until it is closed, when it is set
}

func newModelSource(t *testing.T, db *modelDB, seed uint64) *modelSource {
	rnd := rand.New(rand.NewPCG(seed, 2))
	return &modelSource{
		t: t, db: db, rnd: rnd, asked: make(chan struct{}, 1), part: 3 + rnd.IntN(10), idle: time.Second,
		lag: time.Duration(rnd.Int64N(int64(20 * time.Millisecond))), scanTime: time.Duration(rnd.Int64N(int64(20 * time.Millisecond))),
		rows: 1 + rnd.IntN(12), estimate: []int64{-1, 10, 500_000, 5_000_000}[rnd.IntN(4)], ahead: []int{0, 5}[rnd.IntN(2)],
	}
}

func (s *modelSource) dice(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rnd.IntN(n)
}

// rest sleeps up to longest.
func (s *modelSource) rest(ctx context.Context, longest time.Duration) error {
	select {
	case <-time.After(time.Duration(s.dice(int(longest) + 1))):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *modelSource) Open(_ context.Context, cp changelog.Checkpoint) (changelog.Checkpoint, error) {
	s.opens++
	s.given = cp.State
	if s.openErr != nil && !s.started {
		return cp, s.openErr
	}
	for _, e := range cp.State {
		if !strings.HasPrefix(e.Key, "model") {
			s.t.Errorf("the source is handed an entry that is not its own: %s", e.Key)
		}
	}
	if cp.Pos == "" {
		cp.Pos = modelPos{At: s.db.length()}.text()
	}
	s.from = posOf(cp.Pos)
	return changelog.Checkpoint{Pos: cp.Pos, State: []changelog.State{{Key: "model", Value: []byte("x")}}}, nil
}

func (s *modelSource) Ack(p changelog.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked = p
}
func (s *modelSource) Stats() capture.Stats { return capture.Stats{Connected: true} }

func (s *modelSource) Close() error {
	s.closes++
	return nil
}

func (s *modelSource) StartOver(context.Context) error {
	s.started = true
	return nil
}

func (s *modelSource) Scannable(ctx context.Context) ([]capture.ScanTable, error) {
	s.calls.Add(1)
	defer s.calls.Add(-1)
	if err := s.rest(ctx, time.Millisecond); err != nil {
		return nil, err
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if s.db.listErr != nil {
		return nil, s.db.listErr
	}
	var out []capture.ScanTable
	for _, n := range s.db.names {
		t := s.db.tables[n]
		if t.dropped || t.hidden {
			continue
		}
		st := capture.ScanTable{Schema: "shop", Name: n, Key: t.logged(), Rows: s.estimate, Bytes: -1}
		out = append(out, st)
	}
	return out, nil
}

func (s *modelSource) Watch(end capture.Place) {
	at, err := strconv.Atoi(string(end))
	if err != nil {
		s.t.Errorf("watching %q: %v", end, err)
	}
	s.mu.Lock()
	s.watched = append(s.watched, at)
	s.mu.Unlock()
	select {
	case s.asked <- struct{}{}:
	default:
	}
}

func (s *modelSource) Stream(ctx context.Context, out chan<- *changelog.Batch) error {
	s.calls.Add(1)
	defer s.calls.Add(-1)
	at := s.from
	beat := time.NewTicker(s.idle)
	defer beat.Stop()
	for {
		s.db.mu.Lock()
		grown, more := s.db.grown, at.At < len(s.db.log)
		s.db.mu.Unlock()
		idle := false
		if !more {
			s.mu.Lock()
			idle = len(s.watched) > 0
			if idle && slices.Min(s.watched) > at.At {
				s.mu.Unlock()
				s.db.beat() // or the log would never come there
				continue
			}
			s.mu.Unlock()
			if !idle {
				select {
				case <-grown:
				case <-s.asked:
				case <-beat.C:
					idle = true
				case <-ctx.Done():
					return ctx.Err()
				}
				if !idle {
					continue
				}
			}
		}
		b := s.batch(&at)
		select {
		case out <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := s.rest(ctx, s.lag); err != nil {
			return err
		}
		if s.streamFail > 0 && s.dice(s.streamFail) == 0 {
			return fault.New(fault.Source, "streaming", errors.New("the server has gone away"), "Try again.")
		}
	}
}

// batch makes the next batch from at on and moves at.
func (s *modelSource) batch(at *modelPos) *changelog.Batch {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	b := changelog.NewBatch()
	for n := 1 + s.rnd.IntN(4); n > 0 && at.At < len(s.db.log); n-- {
		x := s.db.log[at.At]
		from := 0
		if at.Txn != nil {
			from = at.Txn.Rows
		}
		if len(x.changes)-from > s.part {
			if len(b.Txns) == 0 {
				s.fill(b, at.At, from, from+s.part)
				*at = modelPos{At: at.At, Txn: &modelPar{from + s.part}}
			}
			break
		}
		s.fill(b, at.At, from, len(x.changes))
		*at = modelPos{At: at.At + 1}
		if from > 0 {
			break
		}
	}
	b.Next.Pos = at.text()
	b.Drained = at.At == len(s.db.log)
	if at.Txn == nil {
		s.mark(b, at.At)
	}
	if len(b.Txns) == 0 && s.rnd.IntN(2) == 0 {
		b.Notes = append(b.Notes, changelog.Note{Kind: changelog.Heartbeat, Txn: -1})
	}
	return b
}

// mark puts the notes of watched places that are passed into a batch.
func (s *modelSource) mark(b *changelog.Batch, at int) {
	s.watched = slices.DeleteFunc(s.watched, func(w int) bool {
		if w > at {
			return false
		}
		b.Notes = append(b.Notes, changelog.Note{Kind: changelog.Watermark, At: len(b.Changes), Txn: -1, Text: strconv.Itoa(w)})
		return true
	})
}

// fill appends changes of a transaction to a batch.
func (s *modelSource) fill(b *changelog.Batch, at, from, to int) {
	x := s.db.log[at]
	txn := len(b.Txns)
	b.Txns = append(b.Txns, changelog.Txn{ID: fmt.Sprintf("t%d", at), First: from == 0, Last: to == len(x.changes)})
	if x.kind != 0 {
		n := changelog.Note{Kind: x.kind, At: len(b.Changes), Txn: txn, Table: x.shape, Text: "ALTER"}
		if x.vague {
			n.Table = nil
		}
		b.Notes = append(b.Notes, n)
		return
	}
	for i := from; i < to; i++ {
		c := &x.changes[i]
		ch := changelog.Change{Op: c.op, Index: uint64(i), Pos: c.row.version}
		if c.signal[0] != "" {
			ch.After = b.NewRow(3)
			for i, text := range c.signal {
				ch.After[i] = changelog.String(b.Copy([]byte(text)))
			}
		} else if c.op != changelog.Insert {
			ch.Before = image(b, c.shape, c.old, c.before)
			dice := s.rnd.IntN(3)
			if len(c.shape.Key) == 0 {
				dice = 2 // the log has whole rows
			}
			if dice == 0 {
				ch.Before = keyImage(b, c.shape, c.old)
			} else if dice == 1 && c.op == changelog.Update && c.old == c.key {
				ch.Before = nil
			}
		}
		if c.signal[0] == "" && c.op != changelog.Delete {
			ch.After = image(b, c.shape, c.key, c.row)
			if c.partial {
				ch.After[3] = changelog.Unchanged()
			}
		}
		b.Changes = append(b.Changes, ch)
		if last := len(b.Runs) - 1; last >= 0 && b.Runs[last].Table == c.shape && b.Runs[last].Txn == txn && s.rnd.IntN(4) > 0 {
			b.Runs[last].To++
			continue
		}
		b.Runs = append(b.Runs, changelog.Run{Table: c.shape, Txn: txn, From: len(b.Changes) - 1, To: len(b.Changes)})
	}
}
