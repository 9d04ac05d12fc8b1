package upgrade

import (
	"math/rand/v2"
	"testing"
	"time"

	"cdcbridge/integration/harness"
)

// TestOneReleaseBack has this release and the one before it take turns with the same pipelines. Each is killed in the middle of its work, of
// the snapshot at first, and the other one goes on from its state: no row is lost, doubled or read again.
func TestOneReleaseBack(t *testing.T) {
	began := time.Now()
	old, known := buildBefore(t)
	if !known {
		t.Logf("%s is not in the history of this clone (git fetch --unshallow brings it): this release alone takes all turns, and TestState compares what it writes with what %s wrote", before, before)
	}
	bin, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	if !known {
		old = bin
	}
	s := open(t, firstRows)
	seed := harness.FreshSeed(t)
	r := rand.New(rand.NewPCG(seed, 0))
	end := s.write(t.Context(), t, seed)
	defer end()
	turns := harness.Longer(6, 30)
	for turn := range turns {
		t.Setenv("CDCBRIDGE_BINARY", []string{bin, old}[turn%2])
		d := harness.StartFor(t, s.config())
		harness.StateFor(t, d, time.Minute, "running")
		if turn == 0 {
			inSnapshot(t, d)
		} else {
			time.Sleep(time.Duration(500+r.IntN(1500)) * time.Millisecond)
		}
		if err := d.Alive(t.Context()); err != nil {
			t.Fatalf("turn %d: %v", turn, err)
		}
		d.Kill()
	}
	t.Setenv("CDCBRIDGE_BINARY", old) // the last word is with the one before: nothing that is left is strange to it
	d := harness.StartFor(t, s.config())
	harness.StateFor(t, d, time.Minute, "running")
	end()
	for topic := range formats {
		s.settled(t, topic)
	}
	if err := d.Alive(t.Context()); err != nil {
		t.Error(err)
	}
	harness.StopFor(t, d)
	harness.Evidence(t, began, map[string]any{"turns": turns, "seed": seed, "before": before, "built": known})
}

// inSnapshot waits until a pipeline is in the middle of its snapshot.
func inSnapshot(t *testing.T, d *harness.Daemon) {
	t.Helper()
	for patience := time.Now().Add(time.Minute); time.Now().Before(patience); time.Sleep(10 * time.Millisecond) {
		all, err := d.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range all {
			for _, s := range p.Snapshots {
				if s.Status == "reading" && s.Rows > 0 && s.Rows < firstRows*3/4 {
					return
				}
			}
		}
	}
	t.Fatal("no snapshot was seen in its middle")
}
