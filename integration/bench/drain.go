package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/internal/pipeline"
)

// sample is one measurement of the daemon.
type sample struct {
	Rows    int64 `json:"rows"`
	Txns    int64 `json:"transactions"`
	Records int64 `json:"records"` // of all outputs
	Commits int64 `json:"commits"`
	Splits  int64 `json:"split_commits"`
	Bytes   int64 `json:"bytes"` // record batches, compressed

	Seconds       float64 `json:"seconds"`              // from the start of the process to the commit of the last row
	FirstSeconds  float64 `json:"first_commit_seconds"` // from the start of the process until rows are readable
	SteadySeconds float64 `json:"steady_seconds"`
	SteadyRows    int64   `json:"steady_rows"` // committed within them: between the first and the last commit
	CommitSeconds float64 `json:"commit_seconds"`
	CPUSeconds    float64 `json:"cpu_seconds"` // of the daemon, start and stop included
	PeakMemory    int64   `json:"peak_memory"` // resident bytes
	Mallocs       int64   `json:"allocations"` // of the daemon since its start
	Shares        shares  `json:"cores"`       // who used the machine meanwhile

	MaxLag float64 `json:"max_lag_seconds,omitempty"` // of the stream, while a table was read
}

// counters is what a drain reads of /status, of all pipelines together.
type counters struct {
	Changes, Records, Bytes, Commits int64
	Splits                           int64
	CommitSeconds                    float64 `json:"commit_seconds"`
}

// drainLimit bounds one drain.
const drainLimit = 15 * time.Minute

// drain runs a daemon of its own on the backlog until every row is committed, and verifies what is in the topics.
func (s *stand) drain(ctx context.Context, v variant, b backlog) (_ sample, topics []string, err error) {
	name, config, err := s.pipeline(ctx, v)
	if err != nil {
		return sample{}, nil, err
	}
	smp, err := s.measure(ctx, v.label, name, config, b)
	if err != nil {
		return smp, nil, err
	}
	for i := range v.formats {
		got, err := s.topics(ctx, fmt.Sprintf("%s.o%d.", name, i))
		if err != nil {
			return smp, nil, err
		}
		if err := s.verify(ctx, got, b.records); err != nil {
			return smp, nil, fmt.Errorf("verifying output %d of %s: %w", i, v.label, err)
		}
		topics = append(topics, got...)
	}
	return smp, topics, nil
}

// measure runs a daemon of its own on the backlog until every row is committed.
func (s *stand) measure(ctx context.Context, label, name, config string, b backlog) (sample, error) {
	smp := sample{Rows: b.changes, Txns: b.txns}
	limit, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	start := harness.Start
	if s.profile != "" {
		start = harness.StartProfiled
	}
	if _, err := harness.Binary(); err != nil { // built before the clock starts
		return smp, err
	}
	before := readUsage()
	began := time.Now()
	d, err := start(s.dir, config)
	if err != nil {
		return smp, err
	}
	defer d.Kill()
	profiled := s.collectProfile(limit, d, name)
	if err := follow(limit, d, began, &smp); err != nil {
		return smp, fmt.Errorf("draining %s: %w\n%s", label, err, d.Log())
	}
	smp.Shares = readUsage().since(before, d.PID())
	if err := errors.Join(<-profiled, s.collectHeap(limit, d, name), d.Stop(limit)); err != nil {
		return smp, err
	}
	cpu, _ := d.Usage()
	smp.CPUSeconds = cpu.Seconds()
	return smp, nil
}

// follow polls the counters until every change is committed.
func follow(ctx context.Context, d *harness.Daemon, began time.Time, smp *sample) error {
	const often, seldom = 20 * time.Millisecond, 250 * time.Millisecond // to ask is work for the daemon: often at the beginning and near the end
	var first time.Time
	var firstRows, seen int64
	next := time.NewTimer(often)
	defer next.Stop()
	for {
		select {
		case <-next.C:
			next.Reset(often)
		case <-d.Exited():
			return errors.New("the daemon ended")
		case <-ctx.Done():
			return fmt.Errorf("%d of %d rows are committed: %w", seen, smp.Rows, ctx.Err())
		}
		state, c, err := readCounters(ctx, d)
		if err != nil {
			continue // it does not listen yet
		}
		if state == "failed" || state == "retrying" {
			return fmt.Errorf("the pipeline is %s", state)
		}
		now := time.Now()
		if first.IsZero() && c.Changes > 0 {
			first, firstRows, smp.FirstSeconds = now, c.Changes, now.Sub(began).Seconds()
		}
		seen = c.Changes
		if seen >= smp.Rows {
			if smp.Mallocs, err = mallocs(ctx, d); err != nil {
				return err
			}
		}
		if peak, err := d.PeakMemory(); err == nil {
			smp.PeakMemory = peak
		}
		if seen < smp.Rows {
			commitInterval := pipeline.DefaultCommitPolicy().MaxInterval // the longest that a backlog waits
			if rate := float64(seen) / now.Sub(began).Seconds(); seen > 0 && float64(smp.Rows-seen) > 2*rate*(seldom+commitInterval).Seconds() {
				next.Reset(seldom)
			}
			continue
		}
		smp.Records, smp.Commits, smp.Splits, smp.Bytes, smp.CommitSeconds = c.Records, c.Commits, c.Splits, c.Bytes, c.CommitSeconds
		smp.Seconds, smp.SteadySeconds, smp.SteadyRows = now.Sub(began).Seconds(), now.Sub(first).Seconds(), seen-firstRows
		if seen > smp.Rows {
			return fmt.Errorf("%d rows are committed, the backlog has %d", seen, smp.Rows)
		}
		return nil
	}
}

// mallocs is how many allocations the daemon has made, by its metrics.
func mallocs(ctx context.Context, d *harness.Daemon) (int64, error) {
	_, body, err := d.Get(ctx, "/metrics")
	if err != nil {
		return 0, fmt.Errorf("reading /metrics: %w", err)
	}
	_, rest, ok := strings.Cut(string(body), "\ngo_memstats_mallocs_total ")
	text, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseFloat(text, 64)
	if !ok || err != nil {
		return 0, fmt.Errorf("reading /metrics: no go_memstats_mallocs_total, but %q", text)
	}
	return int64(n), nil
}

// readCounters also says the state of the pipelines: running, or that of the first one that does not run.
func readCounters(ctx context.Context, d *harness.Daemon) (state string, c counters, err error) {
	_, body, err := d.Get(ctx, "/status")
	if err != nil {
		return "", c, err
	}
	var doc struct {
		Pipelines []struct {
			State    string
			Counters counters
		}
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return "", c, fmt.Errorf("reading /status: %w", err)
	}
	if len(doc.Pipelines) == 0 {
		return "", c, errors.New("/status has no pipelines")
	}
	for _, p := range doc.Pipelines {
		if state == "" || state == "running" {
			state = p.State
		}
		c.Changes, c.Records, c.Bytes, c.Commits = c.Changes+p.Counters.Changes, c.Records+p.Counters.Records, c.Bytes+p.Counters.Bytes, c.Commits+p.Counters.Commits
		c.Splits, c.CommitSeconds = c.Splits+p.Counters.Splits, c.CommitSeconds+p.Counters.CommitSeconds
	}
	return state, c, nil
}

// writeProfile writes a profile and, as text, the functions that stand highest in it, of each kind of samples that is named.
func writeProfile(ctx context.Context, path string, profile []byte, kinds ...string) error {
	if err := os.WriteFile(path+".pprof", profile, 0o644); err != nil {
		return err
	}
	for _, kind := range kinds {
		text, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodecount", "40", "-sample_index", kind, path+".pprof").Output()
		if err != nil {
			return fmt.Errorf("reading the profile %s: %w", path, err)
		}
		if err := os.WriteFile(path+"."+kind+".txt", text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// collectHeap takes a profile of what the daemon still holds when its work is done, and of all that it has allocated, if that is wanted.
func (s *stand) collectHeap(ctx context.Context, d *harness.Daemon, name string) error {
	if s.profile == "" {
		return nil
	}
	_, body, err := d.Get(ctx, "/debug/pprof/heap?gc=1")
	if err != nil {
		return fmt.Errorf("reading the heap profile: %w", err)
	}
	return writeProfile(ctx, filepath.Join(s.profile, name+".heap"), body, "inuse_space", "alloc_space")
}

// collectProfile takes a CPU profile of the daemon's first seconds of work, if that is wanted. The channel tells when it is
// done.
func (s *stand) collectProfile(ctx context.Context, d *harness.Daemon, name string) <-chan error {
	done := make(chan error, 1)
	if s.profile == "" {
		done <- nil
		return done
	}
	go func() {
		for {
			_, _, err := readCounters(ctx, d)
			if err == nil {
				break
			}
			select {
			case <-ctx.Done():
				done <- ctx.Err()
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
		_, body, err := d.Get(ctx, "/debug/pprof/profile?seconds=5")
		if err == nil {
			err = writeProfile(ctx, filepath.Join(s.profile, name+".cpu"), body, "cpu")
		}
		done <- err
	}()
	return done
}
