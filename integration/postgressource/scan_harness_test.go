package postgressource

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/capture/postgres"
	"cdcbridge/changelog"
)

// scanning is a source whose stream flows, beside which its tables are read.
type scanning struct {
	t      testing.TB
	src    capture.Scanner
	cancel context.CancelFunc
	ended  chan error

	mu      sync.Mutex
	pos     changelog.Position
	changes []streamed
	marks   map[string]time.Time // watermarks, and when they came
	batches int
	moved   chan struct{} // closed and renewed by each batch
}

// streamed is a change of the log in a form that outlives its batch.
type streamed struct {
	op    changelog.Op
	table *changelog.Table
	xid   uint32
	after string
	name  string
}

// startScanning opens a source and lets it stream.
func startScanning(t testing.TB, cfg *postgres.Config, at changelog.Position) *scanning {
	t.Helper()
	src, pos, err := open(t, cfg, at)
	if err != nil {
		t.Fatal(err)
	}
	s := &scanning{t: t, src: src.(capture.Scanner), pos: pos, ended: make(chan error, 1), marks: map[string]time.Time{}, moved: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	out := make(chan *changelog.Batch)
	go func() {
		s.ended <- s.src.Stream(ctx, out)
		close(out)
	}()
	go func() {
		for b := range out {
			s.take(b)
		}
	}()
	t.Cleanup(s.stop)
	return s
}

// stop ends the stream, if it still flows, and closes the source.
func (s *scanning) stop() {
	if s.cancel == nil {
		return
	}
	s.cancel()
	s.cancel = nil
	if err := <-s.ended; !errors.Is(err, context.Canceled) {
		s.t.Errorf("the stream ended with %v", err)
	}
	if err := s.src.Close(); err != nil {
		s.t.Error(err)
	}
}

func (s *scanning) take(b *changelog.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range b.Runs {
		for _, c := range b.Changes[r.From:r.To] {
			s.changes = append(s.changes, streamed{c.Op, r.Table, b.Txns[r.Txn].Origin.XID, dump(c.After), r.Table.Name})
		}
	}
	for _, n := range b.Notes {
		if n.Kind == changelog.Watermark {
			if n.At != len(b.Changes) || n.Txn != -1 || b.InTxn() {
				s.t.Errorf("a watermark that stands at %d of %d", n.At, len(b.Changes))
			}
			s.marks[strings.Clone(n.Text)] = time.Now()
		}
	}
	s.batches++
	s.pos = b.Next.Pos
	s.src.Ack(s.pos)
	b.Release()
	close(s.moved)
	s.moved = make(chan struct{})
}

// until waits for something that batches bring.
func (s *scanning) until(what string, done func() bool) {
	s.t.Helper()
	end := time.After(patience)
	for {
		s.mu.Lock()
		ok, moved := done(), s.moved
		s.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-moved:
		case err := <-s.ended:
			s.ended <- err
			s.t.Fatalf("waiting for %s: the stream ended with %v", what, err)
		case <-end:
			s.t.Fatalf("waiting for %s: %d changes came", what, len(s.changes))
		}
	}
}

// streamed waits for n changes and gives all.
func (s *scanning) streamedAtLeast(n int) []streamed {
	s.t.Helper()
	s.until(fmt.Sprintf("%d changes", n), func() bool { return len(s.changes) >= n })
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]streamed(nil), s.changes...)
}

// passed waits until the stream has passed a place, and says how long that took.
func (s *scanning) passed(end capture.Place) time.Duration {
	s.t.Helper()
	s.mu.Lock()
	delete(s.marks, string(end))
	s.mu.Unlock()
	began := time.Now()
	s.src.Watch(end)
	var at time.Time
	s.until("a watermark", func() bool {
		at = s.marks[string(end)]
		return !at.IsZero()
	})
	return max(at.Sub(began), 0)
}

func (s *scanning) position() changelog.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pos
}

func (s *scanning) reader() capture.Reader {
	s.t.Helper()
	r, err := s.src.Reader(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(r.Close)
	return r
}

// table finds a table among those that can be read.
func (s *scanning) table(name string) capture.ScanTable {
	s.t.Helper()
	all, err := s.src.Scannable(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, t := range all {
		if t.FullName() == name {
			return t
		}
	}
	s.t.Fatalf("%s is not among %v", name, all)
	return capture.ScanTable{}
}

// read is what a chunk had.
type read struct {
	capture.Scanned
	table *changelog.Table
	rows  []string // dumped
	keys  []string // the first column's text
	size  int
}

// scan reads a chunk; a chunk that does not say what it must see must see all that was streamed.
func (s *scanning) scan(r capture.Reader, c capture.Chunk) (read, error) {
	s.t.Helper()
	if c.Seen == "" {
		c.Seen = s.position()
	}
	b := changelog.NewBatch()
	defer b.Release()
	got, err := r.Scan(s.t.Context(), c, b)
	if err != nil {
		if len(b.Changes)+len(b.Runs)+len(b.Txns) > 0 {
			s.t.Errorf("%v left %d changes, %d runs, %d transactions", err, len(b.Changes), len(b.Runs), len(b.Txns))
		}
		return read{}, err
	}
	out := read{Scanned: got, size: b.Size()}
	if got.Rows != len(b.Changes) {
		s.t.Errorf("%d rows were said and %d came", got.Rows, len(b.Changes))
	}
	if got.Rows == 0 {
		if !b.Empty() || len(b.Runs)+len(b.Txns) > 0 {
			s.t.Error("a chunk without rows is not empty")
		}
		return out, nil
	}
	if len(b.Runs) != 1 || len(b.Txns) != 1 || b.Runs[0].To != len(b.Changes) || !b.Txns[0].Snapshot || !b.Txns[0].First || !b.Txns[0].Last {
		s.t.Fatalf("runs %v, transactions %v", b.Runs, b.Txns)
	}
	if age := time.Since(time.UnixMicro(b.Txns[0].Commit)); age < -time.Minute || age > time.Minute {
		s.t.Errorf("the rows were read %v ago", age)
	}
	out.table = b.Runs[0].Table
	for i, ch := range b.Changes {
		if ch.Op != changelog.Read || ch.Before != nil || ch.Index != uint64(i) || ch.TableIndex != uint64(i) || ch.Pos != b.Txns[0].Origin.Pos {
			s.t.Fatalf("change %d is %+v", i, ch)
		}
		out.rows = append(out.rows, dump(ch.After))
		out.keys = append(out.keys, render(ch.After[:1]))
	}
	return out, nil
}

// mustScan reads a chunk that must be readable, now or soon.
func (s *scanning) mustScan(r capture.Reader, c capture.Chunk) read {
	s.t.Helper()
	for end := time.Now().Add(patience); ; {
		got, err := s.scan(r, c)
		if err == nil {
			return got
		}
		if wait := (capture.NotYet{}); !errors.As(err, &wait) || time.Now().After(end) {
			s.t.Fatal(err)
		}
	}
}

// all reads a table in chunks like c.
func (s *scanning) all(r capture.Reader, c capture.Chunk) (rows []string, chunks int) {
	s.t.Helper()
	for {
		got := s.mustScan(r, c)
		rows = append(rows, got.rows...)
		chunks++
		if got.Done {
			return rows, chunks
		}
		if got.Last == "" || got.Last == c.After {
			s.t.Fatalf("after %s came %s", c.After, got.Last)
		}
		c.After = got.Last
	}
}

// notYet wants a chunk to be refused for now, and gives the reason.
func (s *scanning) notYet(r capture.Reader, c capture.Chunk) string {
	s.t.Helper()
	began := time.Now()
	_, err := s.scan(r, c)
	var wait capture.NotYet
	if !errors.As(err, &wait) {
		s.t.Fatalf("got %v, want one that is not yet", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		s.t.Errorf("it took %v to say not yet", took)
	}
	return wait.Why
}

// dump writes a row so that equal texts are equal values.
func dump(r changelog.Row) string {
	if r == nil {
		return "-"
	}
	parts := make([]string, len(r))
	for i, v := range r {
		parts[i] = dumpValue(v)
	}
	return strings.Join(parts, " | ")
}

func dumpValue(v changelog.Value) string {
	if elems := v.Elems(); len(elems) > 0 {
		return fmt.Sprintf("%d[%s]", v.Kind(), dump(elems))
	}
	if v.Kind() == changelog.KindInterval {
		months, days, micros := v.Interval()
		return fmt.Sprintf("interval %d %d %d %d", v.Form(), months, days, micros)
	}
	return fmt.Sprintf("%d/%d:%d:%d:%q", v.Kind(), v.Form(), v.Uint(), v.Int(), v.Bytes())
}

func publishedColumns(table string, columns ...string) postgres.Published {
	return postgres.Published{Table: table, Columns: columns}
}
