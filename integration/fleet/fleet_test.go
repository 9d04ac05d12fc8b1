package fleet

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"cdcbridge/integration/harness"
)

const pipelines = 64

// TestManyPipelines: 64 pipelines in one process, over both databases, under load all the time. The process is killed, tables and pipelines come and go by SIGHUP,
// a wrong file changes nothing, and SIGTERM drains. In the end every topic has every change of its table once.
func TestManyPipelines(t *testing.T) {
	began := time.Now()
	s := startStand(t, pipelines, func(i int) int { return 1 - min(i%(pipelines/2), 1) })
	d := harness.StartFor(t, s.yaml())
	quiet := s.during(t)
	wait(t, d, "running", 90*time.Second, running)
	kills := harness.Longer(2, 20)
	for range kills {
		time.Sleep(time.Duration(1000+rand.IntN(4000)) * time.Millisecond)
		d.Kill()
		d = harness.StartFor(t, s.yaml())
	}
	wait(t, d, "running", 90*time.Second, running)
	numbers := s.reloads(t, d)

	// SIGTERM under load.
	asked := time.Now()
	if err := d.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := d.ExitCode(); code != 0 {
		t.Errorf("the daemon ended with %d after SIGTERM under load", code)
	}
	took := time.Since(asked)
	if took > 35*time.Second { // shutdown_timeout, and what a slow machine adds
		t.Errorf("the drain took %s", took)
	}
	time.Sleep(time.Second) // what is written while nobody reads
	d = harness.StartFor(t, s.yaml())
	wait(t, d, "running", 90*time.Second, running)
	quiet()
	transactions, records := s.finish(t, d)
	t.Logf("%d transactions, %d records, %d kills, drained in %s; %v", transactions, records, kills, took.Round(time.Millisecond), numbers)
	if records < 1000 {
		t.Errorf("there are %d records only", records)
	}
	facts := map[string]any{"pipelines": pipelines, "kills": kills, "transactions": transactions, "records": records, "drain_milliseconds": took.Milliseconds(),
		"checked": "fold == SELECT *, and each key's versions without a gap, of every topic; no (transaction, ordinal, op) twice; pipelines that a reload does not change are not restarted"}
	maps.Copy(facts, numbers)
	harness.Evidence(t, began, facts)
}

// reloads does what an operator does to the daemon, and gives what the process needed.
func (s *stand) reloads(t *testing.T, d *harness.Daemon) map[string]any {
	t.Helper()
	before := begun(wait(t, d, "running", 90*time.Second, running))
	wrong, err := d.Reconfigure(t.Context(), s.yaml()+"  - {name: t00, format: none}\n")
	if err != nil {
		t.Fatal(err)
	}
	if wrong.Result != "refused" || wrong.Code != "config" || !strings.Contains(wrong.Error, "t00") {
		t.Errorf("a wrong file: %+v", wrong)
	}

	my, pg := tenant(0), tenant(pipelines/2)
	s.late[my], s.late[pg] = 1, 1
	s.gone[tenant(1)], s.gone[tenant(pipelines/2+1)] = true, true
	s.level = "debug"
	r := harness.ReconfigureFor(t, d, s.yaml())
	if want := []string{my, pg}; r.Result != "applied" || !slices.Equal(r.Changed, want) || !slices.Equal(r.Removed, []string{tenant(1), tenant(pipelines/2 + 1)}) || len(r.Added)+len(r.Retried)+len(r.NeedsRestart) > 0 ||
		!slices.Equal(r.Settings, []string{"log.level", "pipelines[" + my + "].source.tables", "pipelines[" + pg + "].source.tables"}) {
		t.Errorf("tables added, pipelines removed: %+v", r)
	}
	all := wait(t, d, "running", 90*time.Second, running)
	if len(all) != pipelines-2 {
		t.Errorf("there are %d pipelines", len(all))
	}
	if !strings.Contains(d.Log(), "level=DEBUG") {
		t.Error("the log level does not follow")
	}
	time.Sleep(2 * time.Second) // rows come meanwhile for those that are gone

	clear(s.gone)
	s.level = "info"
	r = harness.ReconfigureFor(t, d, s.yaml())
	if r.Result != "applied" || !slices.Equal(r.Added, []string{tenant(1), tenant(pipelines/2 + 1)}) || len(r.Changed)+len(r.Removed) > 0 {
		t.Errorf("pipelines back: %+v", r)
	}
	all = wait(t, d, "running", 90*time.Second, running)
	for name, n := range begun(all) {
		want := before[name]
		switch name {
		case my, pg:
			want++
		case tenant(1), tenant(pipelines/2 + 1):
			want = 1 // a pipeline that comes back is a new one
		}
		if n != want {
			t.Errorf("pipeline %s was started %d times, not %d", name, n, want)
		}
	}
	return measure(t, d)
}

// begun is how often each pipeline was started: attempts, but for those that followed a failure, as they come on a busy machine.
func begun(all []harness.PipelineStatus) map[string]uint64 {
	m := map[string]uint64{}
	for _, p := range all {
		m[p.Name] = p.Attempts
		for _, n := range p.Restarts {
			m[p.Name] -= n
		}
	}
	return m
}

// measure tells what the process needs, and fails when that is more than the pipelines' shares and what every process needs.
func measure(t *testing.T, d *harness.Daemon) map[string]any {
	t.Helper()
	peak, err := d.PeakMemory()
	if err != nil {
		t.Fatal(err)
	}
	_, text, err := d.Get(t.Context(), "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	if most := int64(40<<20 + pipelines*(memory+chunk)); peak > most {
		t.Errorf("the process has needed %d MiB, its pipelines' shares are %d MiB", peak>>20, most>>20)
	}
	of := map[string]any{"peak_rss_mib": peak >> 20}
	for line := range bytes.Lines(text) {
		name, number, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		if name != "go_goroutines" && name != "process_open_fds" {
			continue
		}
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		of[name] = n
	}
	return of
}
