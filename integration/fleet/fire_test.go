package fleet

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"cdcbridge/integration/harness"
)

// TestReloadedAndKilled has a daemon reload again and again under load: tables are added, pipelines come and go and get other settings. Every other reload is one in which the
// daemon is killed, or told to stop, at a moment that nobody has chosen.
func TestReloadedAndKilled(t *testing.T) {
	began := time.Now()
	const later = 4
	s := startStand(t, 4, func(int) int { return later })
	r := rand.New(rand.NewPCG(harness.FreshSeed(t), 3))
	d := harness.StartFor(t, s.yaml())
	quiet := s.during(t)
	wait(t, d, "running", time.Minute, running)
	kills, stops, reloads := 0, 0, harness.Longer(16, 150)
	for range reloads {
		s.changeSomething(r, later)
		switch r.IntN(4) {
		case 0:
			kills++
			s.interrupted(t, d, time.Duration(r.IntN(400))*time.Millisecond, syscall.SIGKILL)
			d = harness.StartFor(t, s.yaml())
		case 1:
			stops++
			s.interrupted(t, d, time.Duration(r.IntN(400))*time.Millisecond, syscall.SIGTERM)
			d = harness.StartFor(t, s.yaml())
		default:
			if got := harness.ReconfigureFor(t, d, s.yaml()); got.Result != "applied" || len(got.NeedsRestart) > 0 {
				t.Fatalf("the reload ended as %+v", got)
			}
		}
		time.Sleep(time.Duration(r.IntN(1500)) * time.Millisecond)
		wait(t, d, "as the file says", time.Minute, func(p harness.PipelineStatus) bool { return !s.gone[p.Name] })
	}
	clear(s.gone)
	harness.ReconfigureFor(t, d, s.yaml())
	quiet()
	transactions, records := s.finish(t, d)
	t.Logf("%d transactions, %d records, %d reloads, %d kills, %d stops; tables %v", transactions, records, reloads, kills, stops, s.late)
	harness.Evidence(t, began, map[string]any{
		"reloads": reloads, "kills": kills, "stops": stops, "transactions": transactions, "records": records,
		"checked": "fold == SELECT *, and each key's versions without a gap, of every topic; no (transaction, ordinal, op) twice",
	})
}

// changeSomething is what an operator does to the file: one more table of a pipeline, a pipeline less or back, or another setting of one.
func (s *stand) changeSomething(r *rand.Rand, later int) {
	name := tenant(r.IntN(s.n))
	switch what := r.IntN(3); {
	case what == 0 && s.late[name] < later && !s.gone[name]:
		s.late[name]++
	case what == 1 && s.gone[name]:
		delete(s.gone, name)
	case what == 1 && len(s.gone) < s.n-1:
		s.gone[name] = true
	default:
		s.kilo[name]++
	}
}

// interrupted asks for a reload and ends the daemon by a signal so much later.
func (s *stand) interrupted(t *testing.T, d *harness.Daemon, after time.Duration, by syscall.Signal) {
	t.Helper()
	if err := d.Rewrite(s.yaml()); err != nil {
		t.Fatal(err)
	}
	if err := d.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	if err := d.Signal(by); err != nil {
		t.Fatal(err)
	}
	if code := d.ExitCode(); by == syscall.SIGTERM && code != 0 {
		t.Fatal(fmt.Errorf("the daemon ended with %d after SIGTERM in a reload", code))
	}
}
