package mysqlsource

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/capture/mysql"
	"cdcbridge/changelog"
)

// scanning is a source whose stream flows and is looked at while its tables are read.
type scanning struct {
	t      testing.TB
	src    capture.Scanner
	cancel context.CancelFunc
	ended  chan error

	mu      sync.Mutex
	pos     changelog.Position
	passed  map[string]time.Time // watermarks, when they came
	changes int
	kept    []*changelog.Batch // all batches, when keep is set
	keep    bool
	failed  error

	expected bool // that it fails
}

// scan opens a source and streams from it.
func scan(t testing.TB, cfg *mysql.Config, keep bool) *scanning {
	t.Helper()
	return scanFrom(t, cfg, "", keep)
}

func scanFrom(t testing.TB, cfg *mysql.Config, at changelog.Position, keep bool) *scanning {
	t.Helper()
	if errs := cfg.Validate(); len(errs) > 0 {
		t.Fatal(errs)
	}
	src := cfg.New(capture.Env{Pipeline: "test", Log: slog.New(slog.DiscardHandler), Snapshot: true})
	cp, err := src.Open(t.Context(), changelog.Checkpoint{Pos: at})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s := &scanning{t: t, src: src.(capture.Scanner), cancel: cancel, ended: make(chan error, 1), pos: cp.Pos, passed: map[string]time.Time{}, keep: keep}
	out, collected := make(chan *changelog.Batch), make(chan struct{})
	go func() {
		defer close(collected)
		for b := range out {
			s.batch(b)
		}
	}()
	go func() {
		err := src.Stream(ctx, out)
		close(out)
		<-collected
		s.mu.Lock()
		s.failed = err
		s.mu.Unlock()
		s.ended <- err
	}()
	t.Cleanup(func() { s.stop(); _ = src.Close() })
	return s
}

func (s *scanning) batch(b *changelog.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pos = changelog.Position(strings.Clone(string(b.Next.Pos)))
	s.changes += len(b.Changes)
	for _, n := range b.Notes {
		if n.Kind == changelog.Watermark {
			if b.InTxn() {
				s.t.Error("a watermark stands within a transaction")
			}
			s.passed[strings.Clone(n.Text)] = time.Now()
		}
	}
	if s.keep {
		s.kept = append(s.kept, b)
		return
	}
	b.Release()
}

// stop ends the stream.
func (s *scanning) stop() {
	s.t.Helper()
	s.cancel()
	err := <-s.ended
	s.ended <- err
	if !s.expected && !errors.Is(err, context.Canceled) {
		s.t.Errorf("the stream ended with %v", err)
	}
}

// position is where the stream stands.
func (s *scanning) position() changelog.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pos
}

func (s *scanning) streamed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changes
}

// watch waits until the stream has passed a place and tells how long that took.
func (s *scanning) watch(end capture.Place) time.Duration {
	s.t.Helper()
	began := time.Now()
	s.src.Watch(end)
	for time.Since(began) < patience {
		s.mu.Lock()
		at, ok := s.passed[string(end)]
		failed := s.failed
		s.mu.Unlock()
		if ok && at.After(began) {
			return at.Sub(began)
		}
		if failed != nil {
			s.t.Fatal(failed)
		}
		time.Sleep(200 * time.Microsecond)
	}
	s.t.Fatalf("the stream has not passed %s; it is at %s", end, s.position())
	return 0
}

// reader opens a reader that is closed with the test.
func (s *scanning) reader() capture.Reader {
	s.t.Helper()
	r, err := s.src.Reader(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(r.Close)
	return r
}

// table finds a table of shop that can be read.
func (s *scanning) table(name string) capture.ScanTable {
	s.t.Helper()
	tables, err := s.src.Scannable(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	i := slices.IndexFunc(tables, func(t capture.ScanTable) bool { return t.Name == name })
	if i < 0 {
		s.t.Fatalf("%s is not in %+v", name, tables)
	}
	return tables[i]
}

// chunk is a chunk of a table from its beginning, which sees what was streamed.
func (s *scanning) chunk(t capture.ScanTable) capture.Chunk {
	return capture.Chunk{Table: t, Seen: s.position(), Bytes: 4 << 20, Time: 200 * time.Millisecond}
}

// pages is what reading a table in chunks gave.
type pages struct {
	batches []*changelog.Batch
	rows    []changelog.Row
	tables  []*changelog.Table // of each row
	chunks  []capture.Scanned
}

// read reads chunks from c on, to the end.
func (s *scanning) read(r capture.Reader, c capture.Chunk) *pages {
	s.t.Helper()
	p := &pages{}
	for len(p.chunks) < 100_000 {
		b := changelog.NewBatch()
		got, err := r.Scan(s.t.Context(), c, b)
		if errors.As(err, new(capture.NotYet)) {
			b.Release()
			s.mu.Lock()
			failed := s.failed
			s.mu.Unlock()
			if failed != nil {
				s.t.Fatalf("%v while %s was read: the stream ended with %v", err, c.Table.FullName(), failed)
			}
			c.Seen = s.position()
			continue
		}
		if err != nil {
			s.t.Fatalf("%s after %q: %v", c.Table.FullName(), c.After, err)
		}
		p.add(s.t, b, got)
		if got.Done {
			return p
		}
		if got.Last == "" || got.Last == c.After {
			s.t.Fatalf("%s: a chunk from %q to %q is not the last one", c.Table.FullName(), c.After, got.Last)
		}
		c.After = got.Last
	}
	s.t.Fatalf("%s: no end", c.Table.FullName())
	return nil
}

func (p *pages) add(t testing.TB, b *changelog.Batch, got capture.Scanned) {
	t.Helper()
	if len(b.Changes) != got.Rows || len(b.Runs) != min(got.Rows, 1) || len(b.Txns) != min(got.Rows, 1) {
		t.Fatalf("%d changes, %d runs, %d transactions for %+v", len(b.Changes), len(b.Runs), len(b.Txns), got)
	}
	for i, c := range b.Changes {
		if c.Op != changelog.Read || c.Before != nil || c.Index != uint64(i) || c.TableIndex != uint64(i) {
			t.Fatalf("change %d: %+v", i, c)
		}
		p.rows, p.tables = append(p.rows, c.After), append(p.tables, b.Runs[0].Table)
	}
	if got.Rows > 0 {
		x, r := b.Txns[0], b.Runs[0]
		if place := capture.Place(x.Origin.File + ":" + itoa(x.Origin.Pos)); !x.Snapshot || !x.First || !x.Last || x.ID != "" || x.Origin.GTID != "" || x.Origin.ServerID != 0 || place != got.End ||
			r.From != 0 || r.To != got.Rows || r.File != x.Origin.File || r.Pos != x.Origin.Pos || r.Time != x.Commit || time.Since(time.UnixMicro(x.Commit)).Abs() > time.Hour {
			t.Fatalf("%+v %+v %+v", x, r, got)
		}
	}
	p.batches, p.chunks = append(p.batches, b), append(p.chunks, got)
}

// explain gives the one line of a plan that is about a table.
func explain(t testing.TB, c *sql.Conn, statement string) (map[string]string, error) {
	t.Helper()
	rows, err := c.QueryContext(t.Context(), "EXPLAIN FORMAT=TRADITIONAL "+statement)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	plan := map[string]string{}
	for rows.Next() {
		values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		if at := slices.Index(columns, "table"); strings.HasPrefix(values[at].String, "<derived") {
			continue // keys in memory
		}
		for i, name := range columns {
			plan[name] += values[i].String
		}
	}
	return plan, rows.Err()
}
