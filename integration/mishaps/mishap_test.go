package mishaps

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/fault/faulttest"
)

// mishap is something that goes wrong in the world, and the code under which an operator meets it.
type mishap struct {
	name  string // fit for a database and a topic
	code  fault.Code
	cause func(*scene) *harness.Daemon // gives the daemon that meets it

	retried bool // the daemon tries again, so that the state is retrying and not failed
	exit    int  // of the daemon with on_failure: exit; 1 when 0
	once    bool // a restart does not meet it again: it is caused twice
	long    bool // takes minutes of waiting: in the long tier only
}

// withheld are the codes that nothing outside of the process can cause.
var withheld = map[fault.Code]string{
	fault.Internal: "a broken invariant of ours: what causes it from outside is a bug to be mended, and gets a code of its own",
}

// mishaps are all of them; those that take long come first.
func mishaps() []mishap {
	return slices.Concat(sourceTopicMishaps, logMishaps, clusterMishaps, accountMishaps, databaseMishaps, postgresMishaps, stateMishaps, topicMishaps, recordMishaps)
}

// TestEveryCodeHasAMishap fails when a code is added that nobody has seen an operator meet.
func TestEveryCodeHasAMishap(t *testing.T) {
	met := map[fault.Code]bool{}
	names := map[string]bool{}
	for _, m := range mishaps() {
		met[m.code] = true
		if names[m.name] {
			t.Errorf("two mishaps are called %s", m.name)
		}
		names[m.name] = true
	}
	codes := faulttest.Codes(t, "../..")
	if len(codes) < 40 {
		t.Fatalf("found %d codes only", len(codes))
	}
	for _, code := range codes {
		switch why := withheld[code]; {
		case why == "" && !met[code]:
			t.Errorf("no mishap leads to the code %s: add one, or say in withheld why nothing outside can cause it", code)
		case why != "" && met[code]:
			t.Errorf("%s is said not to be caused from outside, and a mishap does", code)
		}
	}
	for code := range withheld {
		if !slices.Contains(codes, code) {
			t.Errorf("%s is no code", code)
		}
	}
}

// TestMishaps causes each of them and looks for its code in every place.
func TestMishaps(t *testing.T) {
	w, began := newWorld(t), time.Now()
	var mu sync.Mutex // guards seen
	seen := map[fault.Code][]string{}
	t.Run("all", func(t *testing.T) { // ends when the parallel ones have
		for _, m := range mishaps() {
			if m.long && !harness.Long {
				continue
			}
			t.Run(string(m.code)+"/"+m.name, func(t *testing.T) {
				t.Parallel()
				s := &scene{T: t, world: w, name: m.name, ending: "stay"}
				d := m.cause(s)
				s.meets(d, m)
				discreet(t, "the log", d.Log())
				s.ends(d, m)
				mu.Lock()
				defer mu.Unlock()
				seen[m.code] = append(seen[m.code], m.name)
			})
		}
	})
	harness.Evidence(t, began, map[string]any{"mishaps": seen, "checked": "log, /status, /readyz, /metrics, page in Chromium, status command, last words and exit code"})
}

// ends looks at how the process ends: a daemon that tries again when it is asked to stop, one that is not to stay down by itself.
func (s *scene) ends(d *harness.Daemon, m mishap) {
	s.Helper()
	if m.retried {
		if err := d.Signal(stopSignal); err != nil {
			s.Fatal(err)
		}
		s.ended(d)
		if exit := d.ExitCode(); exit != 0 && !strings.Contains(d.Log(), "cdcbridge: draining pipeline "+s.name+": "+string(m.code)) {
			s.Errorf("asked to stop it ends with %d", exit)
		}
		return
	}
	harness.StopFor(s.T, d) // a pipeline that is down is nothing that a stop fails for
	s.ending = "exit"
	if m.once {
		s.name += "-exit"
		d = m.cause(s)
	} else {
		d = harness.StartFor(s.T, strings.Replace(s.last, "on_failure: stay", "on_failure: exit", 1))
	}
	s.ended(d)
	want := max(m.exit, 1)
	log := d.Log()
	if exit := d.ExitCode(); exit != want {
		s.Errorf("with on_failure: exit it ends with %d, want %d", exit, want)
	}
	said := log[max(0, strings.LastIndex(log, "\ncdcbridge: ")):]
	for _, words := range []string{"running pipeline " + s.name + ": " + string(m.code) + ": ", "\nWhat to do: ", "\nMore: docs/errors.md#" + string(m.code) + "\n"} {
		if !strings.Contains(said, words) {
			s.Errorf("its last words lack %q: %s", words, said)
		}
	}
}

// ended waits for the end of a daemon.
func (s *scene) ended(d *harness.Daemon) {
	s.Helper()
	s.until(func() error {
		select {
		case <-d.Exited():
			return nil
		default:
			return fmt.Errorf("the daemon has not ended")
		}
	})
}
