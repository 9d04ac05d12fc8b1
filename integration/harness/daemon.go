// Package harness runs the real cdcbridge binary beside real servers and reads its topics with an independent client, for
// the end-to-end tests, the benchmark and the demo.
package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"cdcbridge/integration/servers"
)

var build = sync.OnceValues(func() (string, error) {
	_, file, _, _ := runtime.Caller(0)
	root := filepath.Dir(filepath.Dir(filepath.Dir(file)))
	bin := filepath.Join(root, "bin", "cdcbridge")
	cmd := exec.Command("go", "build", "-trimpath", "-o", bin, ".")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building cdcbridge: %w\n%s", err, out)
	}
	return bin, nil
})

// Binary is the path of the daemon: that of CDCBRIDGE_BINARY, or one that is built from this checkout, once a process.
func Binary() (string, error) {
	if bin := os.Getenv("CDCBRIDGE_BINARY"); bin != "" {
		return bin, nil
	}
	return build()
}

// Daemon is a running cdcbridge.
type Daemon struct {
	cmd    *exec.Cmd
	dir    string
	log    *syncBuffer
	http   string
	tail   string // of the configuration: its http section
	exited chan struct{}
	err    error // how it ended, set before exited is closed
}

// Start writes config (YAML without an http section) into dir and runs the daemon with it. The daemon dies with this
// process.
func Start(dir, config string) (*Daemon, error) { return start(dir, config, "") }

// StartProfiled is Start with /debug/pprof on the daemon's HTTP listener.
func StartProfiled(dir, config string) (*Daemon, error) { return start(dir, config, ", pprof: true") }

func start(dir, config, moreHTTP string) (*Daemon, error) {
	bin, err := Binary()
	if err != nil {
		return nil, err
	}
	port, err := servers.ReservePort(0) // until the daemon is gone: one that is only found free may be an outgoing connection's by then
	if err != nil {
		return nil, err
	}
	d := &Daemon{dir: dir, log: &syncBuffer{}, http: "127.0.0.1:" + strconv.Itoa(port), exited: make(chan struct{})}
	d.tail = "\nhttp: {listen: \"" + d.http + "\"" + moreHTTP + "}\n"
	file := filepath.Join(dir, fmt.Sprintf("cdcbridge-%d.yaml", port))
	if err := os.WriteFile(file, []byte(config+d.tail), 0o600); err != nil {
		return nil, fmt.Errorf("writing the configuration: %w", errors.Join(err, servers.ReleasePort(port)))
	}
	d.cmd = exec.Command(bin, "run", "--config", file)
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	started := make(chan error)
	go func() {
		runtime.LockOSThread()                                  // the death signal is bound to the thread that starts the child
		d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's Ctrl-C is for us
		servers.DieWithStarter(d.cmd.SysProcAttr)
		err := d.cmd.Start()
		started <- err
		if err == nil {
			d.err = errors.Join(d.cmd.Wait(), servers.ReleasePort(port))
			close(d.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting cdcbridge: %w", errors.Join(err, servers.ReleasePort(port)))
	}
	return d, nil
}

// PID is the daemon's process id.
func (d *Daemon) PID() int { return d.cmd.Process.Pid }

// Config is the path of the daemon's configuration.
func (d *Daemon) Config() string { return d.cmd.Args[len(d.cmd.Args)-1] }

// HTTP is the address of the daemon's HTTP listener.
func (d *Daemon) HTTP() string { return d.http }

// Log is everything that the daemon has printed so far.
func (d *Daemon) Log() string { return d.log.String() }

// Kill ends the daemon with SIGKILL and waits until it is gone.
func (d *Daemon) Kill() {
	_ = d.cmd.Process.Kill()
	<-d.exited
}

// Signal sends a signal.
func (d *Daemon) Signal(s os.Signal) error { return d.cmd.Process.Signal(s) }

// Exited is closed when the daemon has ended.
func (d *Daemon) Exited() <-chan struct{} { return d.exited }

// ExitCode waits for the end and returns the exit code; -1 after a signal.
func (d *Daemon) ExitCode() int {
	<-d.exited
	return d.cmd.ProcessState.ExitCode()
}

// Usage returns CPU time and peak resident memory in bytes of an ended daemon. Linux hands the peak of the process that
// started it down to it, so rss is an upper bound that may be ours; PeakMemory is exact.
func (d *Daemon) Usage() (cpu time.Duration, rss int64) {
	<-d.exited
	u := d.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return d.cmd.ProcessState.UserTime() + d.cmd.ProcessState.SystemTime(), u.Maxrss << 10
}

// Stop asks the daemon to drain and waits until it has ended; it is killed when ctx ends first.
func (d *Daemon) Stop(ctx context.Context) error {
	if err := d.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-d.exited:
		if d.err != nil {
			return fmt.Errorf("cdcbridge ended with %w\n%s", d.err, d.Log())
		}
		return nil
	case <-ctx.Done():
		d.Kill()
		return fmt.Errorf("cdcbridge did not drain: %w\n%s", ctx.Err(), d.Log())
	}
}

// Get fetches a path of the daemon's HTTP listener.
func (d *Daemon) Get(ctx context.Context, path string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.http+path, nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// PipelineStatus is what the tests read from /status.
type PipelineStatus struct {
	Name  string `json:"name"`
	State string `json:"state"`
	Code  string `json:"code"`
	Hint  string `json:"hint"`
	Error string `json:"error"`

	Attempts uint64            `json:"attempts"` // begun
	Restarts map[string]uint64 `json:"restarts"` // of these, those that followed a failure, by its code

	Position string `json:"position"` // committed
	Server   string `json:"server"`   // that is read

	CaughtUp   bool     `json:"caught_up"`   // the source has nothing more
	LagSeconds *float64 `json:"lag_seconds"` // age of what is not readable yet

	Watermark  *time.Time `json:"watermark"`
	Partitions []struct { // of a source that reads topics
		Topic     string     `json:"topic"`
		Partition int32      `json:"partition"`
		Offset    int64      `json:"offset"`
		Committed int64      `json:"committed"`
		Watermark *time.Time `json:"watermark"`
		Idle      bool       `json:"idle"`
		Held      bool       `json:"held"`
	} `json:"partitions"`

	Snapshots []struct {
		Table  string `json:"table"`
		Status string `json:"status"`
		Rows   uint64 `json:"rows"`
		Waits  string `json:"waits"`
	} `json:"snapshots"`

	Counters struct {
		Changes uint64 `json:"changes"`
		Commits uint64 `json:"commits"`
		Splits  uint64 `json:"splits"`
	} `json:"counters"`
}

// Status reads /status.
func (d *Daemon) Status(ctx context.Context) ([]PipelineStatus, error) {
	_, body, err := d.Get(ctx, "/status")
	if err != nil {
		return nil, err
	}
	var s struct {
		Pipelines []PipelineStatus `json:"pipelines"`
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return nil, fmt.Errorf("reading /status: %w: %s", err, body)
	}
	return s.Pipelines, nil
}

// Alive says whether the daemon has ended, or a pipeline of it has given up. One that does not listen yet is well.
func (d *Daemon) Alive(ctx context.Context) error {
	select {
	case <-d.exited:
		return fmt.Errorf("cdcbridge ended: %s", d.cmd.ProcessState)
	default:
	}
	all, err := d.Status(ctx)
	if err != nil {
		return nil
	}
	for _, s := range all {
		if s.State == "failed" {
			return fmt.Errorf("pipeline %s stopped: %s: %s", s.Name, s.Code, s.Error)
		}
	}
	return nil
}

// WaitState waits until the only or first pipeline is in one of the states, and returns its status.
func (d *Daemon) WaitState(ctx context.Context, states ...string) (PipelineStatus, error) {
	var last PipelineStatus
	for {
		if all, err := d.Status(ctx); err == nil && len(all) > 0 {
			last = all[0]
			for _, s := range states {
				if last.State == s {
					return last, nil
				}
			}
		}
		select {
		case <-d.exited:
			return last, fmt.Errorf("cdcbridge ended while waiting for %v: %s\n%s", states, d.cmd.ProcessState, d.Log())
		case <-ctx.Done():
			return last, fmt.Errorf("waiting for %v, last %+v: %w\n%s", states, last, ctx.Err(), d.Log())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
