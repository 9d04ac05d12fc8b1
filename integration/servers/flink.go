package servers

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Flink is a running Flink cluster that executes SQL: see flinksql/FlinkSQL.java for how it is asked.
type Flink struct {
	dir  *runDir
	proc *process

	mu      sync.Mutex // one script at a time
	ask     *os.File
	answers *os.File
	lines   *bufio.Reader
}

// FlinkScript is one or more statements, each ended by a semicolon, for a session of their own.
type FlinkScript struct {
	SQL     string
	Limit   int           // rows after which a query is ended; 0: when its sources are
	Timeout time.Duration // of each statement; 0: a minute. A query that is not at its end by then has the rows that came

	Each func(FlinkRow) // is called with each row when it comes, by the goroutine that asked; nil: nobody waits for it
}

// FlinkResult is what the queries of a script gave, one after the other.
type FlinkResult struct {
	Columns []string // of the last query
	Types   []string // of its columns, such as "DECIMAL(10, 2)"
	Rows    []FlinkRow
	Timeout bool // the time was over first
}

// FlinkRow is one change of a query's result. A value is a JSON text, null, an array (ARRAY, ROW) or an object (MAP) of such.
type FlinkRow struct {
	Kind   string            `json:"kind"` // +I, -U, +U or -D
	Values []json.RawMessage `json:"row"`
}

// FlinkError is Flink's refusal: the messages of its exceptions from the outermost to the cause, one a line.
type FlinkError string

func (e FlinkError) Error() string { return string(e) }

// StartFlink installs Flink when it is missing and returns when its cluster takes scripts, which takes some seconds.
func StartFlink(ctx context.Context) (_ *Flink, err error) {
	if err := ensure(ctx, Flink120); err != nil {
		return nil, err
	}
	f := &Flink{}
	if f.dir, err = newRunDir(Flink120, ""); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Stop())
		}
	}()
	stdin, ask, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting Flink: %w", err)
	}
	f.ask = ask
	defer stdin.Close()
	answers, stdout, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting Flink: %w", err)
	}
	f.answers, f.lines = answers, bufio.NewReaderSize(answers, 1<<20)
	defer stdout.Close()
	if f.proc, err = startProcess(spawn{
		name: "Flink", argv: []string{filepath.Join(CacheDir(), Flink120, "flink-run")}, dir: f.dir.path, log: f.Log(),
		env: []string{"TMPDIR=" + f.dir.path}, stdin: stdin, stdout: stdout,
	}); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	_, err = f.answer(ctx, nil)
	return f, err
}

// Log is the path of Flink's log.
func (f *Flink) Log() string { return filepath.Join(f.dir.path, "log") }

// Run executes a script. A refusal by Flink is a FlinkError, with the rows that came before it.
func (f *Flink) Run(ctx context.Context, s FlinkScript) (FlinkResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.Timeout == 0 {
		s.Timeout = time.Minute
	}
	request, err := json.Marshal(map[string]any{"script": s.SQL, "limit": s.Limit, "timeout_ms": s.Timeout.Milliseconds()})
	if err != nil {
		return FlinkResult{}, fmt.Errorf("asking Flink: %w", err)
	}
	if _, err := f.ask.Write(append(request, '\n')); err != nil {
		return FlinkResult{}, fmt.Errorf("asking Flink: %w%s", err, logTail(f.Log()))
	}
	return f.answer(ctx, s.Each)
}

// answer reads up to the line that ends an answer. When ctx is over before, nothing more can be asked.
func (f *Flink) answer(ctx context.Context, each func(FlinkRow)) (out FlinkResult, err error) {
	defer context.AfterFunc(ctx, func() { _ = f.answers.SetReadDeadline(time.Now()) })()
	for {
		line, err := f.lines.ReadBytes('\n')
		switch {
		case ctx.Err() != nil:
			return out, fmt.Errorf("waiting for Flink's answer: %w%s", ctx.Err(), logTail(f.Log()))
		case errors.Is(err, io.EOF):
			return out, fmt.Errorf("waiting for Flink's answer: it ended%s", logTail(f.Log()))
		case err != nil:
			return out, fmt.Errorf("reading Flink's answer: %w", err)
		}
		var a struct {
			FlinkRow
			Columns, Types       []string
			Ready, Done, Timeout bool
			Error                string
		}
		if err := json.Unmarshal(line, &a); err != nil {
			return out, fmt.Errorf("reading Flink's answer: %w: %.200s", err, line)
		}
		switch {
		case a.Error != "":
			return out, FlinkError(a.Error)
		case a.Ready, a.Done:
			out.Timeout = a.Timeout
			return out, nil
		case a.Kind != "":
			out.Rows = append(out.Rows, a.FlinkRow)
			if each != nil {
				each(a.FlinkRow)
			}
		default:
			out.Columns, out.Types = a.Columns, a.Types
		}
	}
}

// Stop ends Flink and what it is running.
func (f *Flink) Stop() error {
	err := f.proc.kill()
	for _, end := range []*os.File{f.ask, f.answers} {
		if end != nil {
			err = errors.Join(err, end.Close())
		}
	}
	return errors.Join(err, f.dir.remove())
}
