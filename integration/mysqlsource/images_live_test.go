package mysqlsource

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/capture/mysql"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// live is a stream whose changes are looked at as they come.
type live struct {
	t      testing.TB
	cancel context.CancelFunc
	failed chan error
	log    *lockedBuffer

	mu      sync.Mutex
	changes []string // operation, fill and new row
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func goLive(t testing.TB, cfg *mysql.Config) *live {
	t.Helper()
	l := &live{t: t, failed: make(chan error, 1), log: &lockedBuffer{}}
	src := cfg.New(capture.Env{Pipeline: "test", Log: slog.New(slog.NewTextHandler(l.log, nil))})
	if _, err := src.Open(t.Context(), changelog.Checkpoint{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	l.cancel = cancel
	out := make(chan *changelog.Batch)
	go func() {
		err := src.Stream(ctx, out)
		_ = src.Close()
		close(out)
		l.failed <- err
	}()
	go func() {
		for b := range out {
			l.mu.Lock()
			for _, c := range b.Changes {
				l.changes = append(l.changes, fmt.Sprintf("%s %d %s", c.Op, c.Fill, shown(c.After)))
			}
			l.mu.Unlock()
			b.Release()
		}
	}()
	return l
}

// shown is render with a mark for what the log did not carry.
func shown(r changelog.Row) string {
	parts := make([]string, len(r))
	for i := range r {
		if parts[i] = "?"; !r[i].IsUnchanged() {
			parts[i] = render(r[i : i+1])
		}
	}
	return strings.Join(parts, ",")
}

func (l *live) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.changes...)
}

// await waits for the last changes.
func (l *live) await(want ...string) {
	l.t.Helper()
	for began := time.Now(); ; time.Sleep(2 * time.Millisecond) {
		got := l.all()
		if len(got) >= len(want) && fmt.Sprint(got[len(got)-len(want):]) == fmt.Sprint(want) {
			return
		}
		select {
		case err := <-l.failed:
			l.failed <- err
			l.t.Fatalf("the stream ended with %v after %q, want %q", err, got, want)
		default:
		}
		if time.Since(began) > patience {
			l.t.Fatalf("got %q, want %q", got, want)
		}
	}
}

// still makes sure that nothing more comes for a while.
func (l *live) still(n int, d time.Duration) {
	l.t.Helper()
	time.Sleep(d)
	if got := l.all(); len(got) != n {
		l.t.Fatalf("%q came, which is not visible yet", got[n:])
	}
}

// stop ends the stream, at once.
func (l *live) stop() {
	l.t.Helper()
	began := time.Now()
	l.cancel()
	if err := <-l.failed; !errors.Is(err, context.Canceled) {
		l.t.Errorf("a cancelled stream ended with %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		l.t.Errorf("it took %v to stop", took)
	}
}

// end waits for the stream to fail.
func (l *live) end(want fault.Code) *fault.Fault {
	l.t.Helper()
	select {
	case err := <-l.failed:
		f := fault.As(err)
		if f == nil || f.Code != want || f.Hint == "" {
			l.t.Fatalf("the stream ended with %v, want the code %s; it gave %q", err, want, l.all())
		}
		return f
	case <-time.After(patience):
		l.t.Fatalf("the stream has not ended; it gave %q", l.all())
	}
	return nil
}
