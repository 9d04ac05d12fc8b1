package capturetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// patience is how long anything may take that a server has to do for us.
const patience = 30 * time.Second

// bench is one test: a pipeline and tables of its own. Tables a, b and done are captured, the Other schema's a is not.
type bench struct {
	*testing.T
	db     *Database
	name   string // of the pipeline; its tables' names begin with it and "_"
	marker int    // newest row of done
}

func newBench(t *testing.T, db *Database, name string) *bench {
	b := &bench{T: t, db: db, name: name}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := db.Server.Forget(ctx, b.pipeline()); err != nil {
			t.Errorf("forgetting the pipeline %s: %v", b.pipeline(), err)
		}
	})
	const columns = " (id INT PRIMARY KEY, v VARCHAR(16000))"
	b.exec("CREATE TABLE "+b.table("a")+columns, "CREATE TABLE "+b.table("b")+columns, "CREATE TABLE "+b.foreign("a")+columns,
		"CREATE TABLE "+b.table("done")+" (id INT PRIMARY KEY)")
	return b
}

func (b *bench) pipeline() string { return "suite_" + b.name }

// table is the quoted name of a captured table.
func (b *bench) table(name string) string {
	return b.db.Quote(b.db.Captured) + "." + b.db.Quote(b.name+"_"+name)
}

// foreign is the quoted name of a table in the schema that is not captured.
func (b *bench) foreign(name string) string {
	return b.db.Quote(b.db.Other) + "." + b.db.Quote(b.name+"_"+name)
}

// options captures the test's tables.
func (b *bench) options() Options {
	return Options{Tables: []string{b.db.Captured + "." + b.name + "_*"}}
}

// small is options with batches that a transaction of some hundred rows does not fit into.
func (b *bench) small() Options {
	o := b.options()
	o.Batch = 16 << 10
	return o
}

// exec runs statements on a session of their own.
func (b *bench) exec(statements ...string) {
	b.Helper()
	s := b.session()
	defer s.Close()
	b.run(s, statements...)
}

func (b *bench) session() Session {
	b.Helper()
	s, err := b.db.Server.Connect(b.Context())
	if err != nil {
		b.Fatalf("connecting: %v", err)
	}
	return s
}

func (b *bench) run(s Session, statements ...string) {
	b.Helper()
	for _, text := range statements {
		if err := s.Exec(b.Context(), text); err != nil {
			b.Fatalf("%.200s: %v", text, err)
		}
	}
}

// fill is a statement that inserts n rows with texts of width characters.
func fill(table string, from, n, width int) string {
	var sql strings.Builder
	fmt.Fprintf(&sql, "INSERT INTO %s (id, v) VALUES ", table)
	for i := range n {
		if i > 0 {
			sql.WriteByte(',')
		}
		fmt.Fprintf(&sql, "(%d,'%s')", from+i, strings.Repeat(string(rune('a'+i%26)), width))
	}
	return sql.String()
}

// finish writes a new row into done, which ends what complete waits for.
func (b *bench) finish() {
	b.Helper()
	b.marker++
	b.exec(fmt.Sprintf("INSERT INTO %s (id) VALUES (%d)", b.table("done"), b.marker))
}

// complete is enough when the row of the last finish has come with its transaction.
func (b *bench) complete(r *recording) bool {
	n := len(r.changes)
	return n > 0 && !r.within && r.changes[n-1].brief == fmt.Sprintf("insert done %d", b.marker)
}

// source makes a source that nothing was done with.
func (b *bench) source(o Options) capture.Source {
	b.Helper()
	cfg := b.db.Server.Config(o)
	if errs := cfg.Validate(); len(errs) > 0 {
		b.Fatalf("the section is not valid: %v", errs)
	}
	return cfg.New(b.env())
}

func (b *bench) env() capture.Env {
	return capture.Env{Pipeline: b.pipeline(), Log: slog.New(slog.DiscardHandler)}
}

// attempt is an open source.
type attempt struct {
	b      *bench
	src    capture.Source
	from   changelog.Checkpoint
	closed bool
}

// open opens a source at a checkpoint. The server may need a moment to notice that the last attempt has gone, so a place that
// is taken is asked for again, as the daemon does.
func (b *bench) open(o Options, at changelog.Checkpoint) (*attempt, error) {
	b.Helper()
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		src := b.source(o)
		cp, err := src.Open(b.Context(), at)
		if err == nil {
			a := &attempt{b: b, src: src, from: cp}
			b.Cleanup(a.close)
			return a, nil
		}
		if closed := src.Close(); closed != nil {
			b.Errorf("closing after %v: %v", err, closed)
		}
		if !fault.Is(err, fault.SlotInUse) || fault.IsFinal(err) || time.Since(begun) > patience {
			return nil, err
		}
	}
}

func (b *bench) mustOpen(o Options, at changelog.Checkpoint) *attempt {
	b.Helper()
	a, err := b.open(o, at)
	if err != nil {
		b.Fatalf("opening at %q: %v", at.Pos, err)
	}
	return a
}

func (a *attempt) close() {
	a.b.Helper()
	if a.closed {
		return
	}
	a.closed = true
	if err := a.src.Close(); err != nil {
		a.b.Errorf("closing: %v", err)
	}
}

// running is a stream under way.
type running struct {
	b      *bench
	out    chan *changelog.Batch
	failed chan error // the stream's end
	cancel context.CancelFunc
}

// run begins to stream. The test reads out, or does not.
func (a *attempt) run() *running {
	ctx, cancel := context.WithTimeout(a.b.Context(), 2*patience)
	r := &running{b: a.b, out: make(chan *changelog.Batch), failed: make(chan error, 1), cancel: cancel}
	go func() { r.failed <- a.src.Stream(ctx, r.out) }()
	return r
}

// stop cancels the stream and waits for its end.
func (r *running) stop() {
	r.b.Helper()
	r.cancel()
	select {
	case err := <-r.failed:
		if !errors.Is(err, context.Canceled) {
			r.b.Errorf("a stream that was cancelled ended with %v", err)
		}
	case <-time.After(patience):
		r.b.Fatalf("a stream that was cancelled %v ago has not ended", patience)
	}
}

// stream runs the source until enough says so or the stream ends by itself, which is the error.
func (a *attempt) stream(enough func(*recording) bool) (*recording, error) {
	a.b.Helper()
	r := a.run()
	defer r.cancel()
	got, late := newRecording(a.b.name+"_", a.from), time.After(patience)
	for {
		select {
		case batch := <-r.out:
			err := got.add(batch)
			batch.Release()
			if err == nil && !enough(got) {
				continue
			}
			r.stop()
			if err != nil {
				a.b.Fatalf("batch %d: %v", got.batches, err)
			}
			return got, nil
		case err := <-r.failed:
			if err == nil {
				a.b.Fatal("a stream ended by itself and without an error")
			}
			return got, err
		case <-late:
			a.b.Fatalf("not enough came in %v: %d changes in %d batches, the last of them %q", patience, len(got.changes), got.batches, tail(got.briefs()))
		}
	}
}

func tail(s []string) []string { return s[max(0, len(s)-3):] }

// collect opens a source, streams and closes it.
func (b *bench) collect(o Options, at changelog.Checkpoint, enough func(*recording) bool) (*recording, error) {
	b.Helper()
	a, err := b.open(o, at)
	if err != nil {
		return nil, err
	}
	defer a.close()
	return a.stream(enough)
}

// record collects up to the last finish.
func (b *bench) record(o Options, at changelog.Checkpoint) *recording {
	b.Helper()
	got, err := b.collect(o, at, b.complete)
	if err != nil {
		b.Fatalf("streaming from %q: %v", at.Pos, err)
	}
	return got
}

// start is a checkpoint before all that is written from now on.
func (b *bench) start(o Options) changelog.Checkpoint {
	b.Helper()
	a := b.mustOpen(o, changelog.Checkpoint{})
	defer a.close()
	return a.from
}

// refused holds an error to being a fault with that code, or any code when it is "", and a remedy.
func (b *bench) refused(what string, err error, want fault.Code) *fault.Fault {
	b.Helper()
	f := fault.As(err)
	if f == nil || f.Code == "" || want != "" && f.Code != want {
		b.Fatalf("%s: got %v, want a fault with the code %q", what, err, want)
	}
	if f.Hint == "" || f.Op == "" {
		b.Errorf("%s: the fault lacks hint or operation: %v", what, err)
	}
	return f
}

// retried holds an error to being one that the daemon opens again after.
func (b *bench) retried(what string, err error) {
	b.Helper()
	if f := b.refused(what, err, ""); f.Final {
		b.Errorf("%s is final: %v", what, err)
	}
}
