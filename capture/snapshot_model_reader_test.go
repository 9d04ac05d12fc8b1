package capture_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// modelReader reads chunks of a modelDB.
type modelReader struct {
	s      *modelSource
	failed bool
	closed bool
}

func (s *modelSource) Reader(ctx context.Context) (capture.Reader, error) {
	s.calls.Add(1)
	defer s.calls.Add(-1)
	if err := s.rest(ctx, time.Millisecond); err != nil {
		return nil, err
	}
	if s.scanFails > 0 && s.dice(3*s.scanFails) == 0 {
		return nil, fault.New(fault.Unreachable, "connecting", errors.New("connection refused"), "Start the server.")
	}
	s.readers.Add(1)
	return &modelReader{s: s}, nil
}

func (r *modelReader) Close() {
	if r.closed {
		r.s.t.Error("a reader is closed twice")
	}
	r.closed = true
	r.s.readers.Add(-1)
}

func (r *modelReader) Bounds(ctx context.Context, t capture.ScanTable, n int) ([]capture.Cursor, error) {
	s := r.s
	s.calls.Add(1)
	defer s.calls.Add(-1)
	if err := s.rest(ctx, 5*time.Millisecond); err != nil {
		return nil, err
	}
	if s.bounds != nil {
		if out := s.bounds(); out != nil {
			return out, nil
		}
	}
	keys := r.keys(t.Name)
	var out []capture.Cursor
	for i := 1; i < n; i++ {
		if len(keys) > 0 {
			out = append(out, keys[s.dice(len(keys))].cursor())
		}
	}
	slices.SortFunc(out, func(a, b capture.Cursor) int { return compareKeys(keyAt(a), keyAt(b)) })
	return slices.Compact(out), nil
}

func (r *modelReader) keys(table string) []modelKey {
	r.s.db.mu.Lock()
	defer r.s.db.mu.Unlock()
	var keys []modelKey
	for k := range r.s.db.tables[table].visible {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compareKeys)
	return keys
}

// patience is how long a scan waits for what it must see.
const patience = 15 * time.Millisecond

func (r *modelReader) Scan(ctx context.Context, c capture.Chunk, b *changelog.Batch) (capture.Scanned, error) {
	s := r.s
	s.calls.Add(1)
	defer s.calls.Add(-1)
	s.scans.Add(1)
	if r.failed || r.closed {
		s.t.Error("a reader is used after its end")
	}
	got, err := r.read(ctx, c, b)
	var notYet capture.NotYet
	r.failed = err != nil && !errors.As(err, &notYet)
	return got, err
}

func (r *modelReader) read(ctx context.Context, c capture.Chunk, b *changelog.Batch) (capture.Scanned, error) {
	s := r.s
	if s.scan != nil {
		if err := s.scan(c); err != nil {
			return capture.Scanned{}, err
		}
	}
	if s.block != nil {
		select {
		case <-s.block:
		case <-ctx.Done():
			return capture.Scanned{}, ctx.Err()
		}
	}
	if capture.MidTransaction(c.Seen) {
		s.t.Errorf("a chunk must see half a transaction: %s", c.Seen)
	}
	if err := s.rest(ctx, s.scanTime); err != nil {
		return capture.Scanned{}, err
	}
	if err := r.await(ctx, posOf(c.Seen).At); err != nil {
		return capture.Scanned{}, err
	}
	got, bound, err := r.rows(c, b)
	if err != nil {
		return got, err
	}
	if s.scanFails > 0 && s.dice(s.scanFails) == 0 {
		return capture.Scanned{}, errors.New("the connection was killed")
	}
	if err := s.rest(ctx, s.scanTime); err != nil {
		return capture.Scanned{}, err
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	got.End = capture.Place(strconv.Itoa(bound + s.dice(len(s.db.log)+s.ahead-bound+1)))
	return got, nil
}

// await waits a little until everything before a place is visible.
func (r *modelReader) await(ctx context.Context, at int) error {
	for end := time.Now().Add(patience); ; {
		r.s.db.mu.Lock()
		ok := r.s.db.sees(at)
		r.s.db.mu.Unlock()
		if ok {
			return nil
		}
		if !time.Now().Before(end) {
			return fmt.Errorf("reading: %w", capture.NotYet{Why: "a transaction is not visible yet"})
		}
		if err := r.s.rest(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

// rows reads in one instant. It gives the place by which everything that is visible is in the log.
func (r *modelReader) rows(c capture.Chunk, b *changelog.Batch) (got capture.Scanned, bound int, err error) {
	db := r.s.db
	db.mu.Lock()
	defer db.mu.Unlock()
	t := db.tables[c.Table.Name]
	if t.signals {
		r.s.t.Error("the signal table is read")
	}
	if t.dropped {
		return got, 0, fmt.Errorf("reading shop.%s: %w", t.name, capture.ErrTableGone)
	}
	if !slices.Equal(t.logged(), c.Table.Key) {
		return got, 0, fmt.Errorf("reading shop.%s: %w", t.name, capture.ErrKeyChanged)
	}
	var keys []modelKey
	for k := range t.visible {
		if (c.After == "" || compareKeys(k, keyAt(c.After)) > 0) && (c.UpTo == "" || compareKeys(k, keyAt(c.UpTo)) <= 0) && meets(c.Where, k) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, compareKeys)
	n := r.s.rows
	if !r.s.fixed {
		n = 1 + r.s.dice(n)
	}
	if t.keyless {
		return r.whole(t, keys, b), db.newest, nil
	}
	got.Done = len(keys) < n || len(keys) == n && (r.s.fixed || r.s.dice(2) == 0)
	keys = keys[:min(n, len(keys))]
	got.Rows = len(keys)
	for _, k := range keys {
		b.Changes = append(b.Changes, changelog.Change{Op: changelog.Read, After: image(b, t.seen, k, t.visible[k])})
		got.Last = k.cursor()
	}
	if len(keys) > 0 {
		b.Txns = append(b.Txns, changelog.Txn{First: true, Last: true, Snapshot: true})
		b.Runs = append(b.Runs, changelog.Run{Table: t.seen, From: 0, To: len(keys)})
	}
	return got, db.newest, nil
}

// meets is the model's SQL: no condition, or which keys.
func meets(where string, k modelKey) bool {
	n := k.A
	for _, c := range k.B {
		n += int64(c)
	}
	switch where {
	case "even":
		return n%2 == 0
	case "odd":
		return n%2 != 0
	}
	return where == ""
}
