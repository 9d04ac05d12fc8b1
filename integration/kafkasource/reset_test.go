package kafkasource

import (
	"strings"
	"testing"

	"cdcbridge/integration/harness"
)

// TestReset moves a pipeline that is down to each kind of place, after it has said what it will do, and not before it is told to.
func TestReset(t *testing.T) {
	for _, c := range []struct {
		name, to string
		first    [2]int64 // the offsets that are read next
	}{
		{"Earliest", "earliest", [2]int64{0, 0}},
		{"Latest", "latest", [2]int64{8, 8}},
		{"Timestamp", "timestamp=2026-03-01T12:02:00Z", [2]int64{2, 2}},
		{"Offsets", "offsets=TOPIC:0:3,TOPIC:1:1", [2]int64{3, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := modern.get(t)
			s, table := numbered(t, e, unique(t)+".in.orders", debezium, 6)
			b := e.reads(t, debezium, "", s.topic)
			d := b.running(t)
			b.came(t, s)
			harness.StopFor(t, d)
			old := b.count(t)
			s.write(t, dated(table.fill(12, 16))...) // two more in each
			to := strings.ReplaceAll(c.to, "TOPIC", s.topic)

			out, code := command(t, "reset", b.name, "--to", to, "-c", d.Config())
			if code != 0 || !strings.Contains(out, s.topic) || !strings.Contains(out, "--yes") {
				t.Fatalf("without --yes it ends with %d and says:\n%s", code, out)
			}
			out, code = command(t, "reset", b.name, "--to", to, "--yes", "-c", d.Config())
			if code != 0 {
				t.Fatalf("the reset ends with %d and says:\n%s", code, out)
			}
			d = b.running(t)
			s.write(t, table.fill(16, 18)...)
			want := append(s.from(0, c.first[0]), s.from(1, c.first[1])...)
			b.gotAfter(t, old, want...)
			harness.StopFor(t, d)
		})
	}
}

// TestResetOfARunningPipeline says that it would take the pipeline over, and does not unless it is told to. The daemon that runs then
// finds out that somebody else has it.
func TestResetOfARunningPipeline(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	s, table := e.newSource(t, unique(t)+".in.orders", 1), newShop(debezium, 1, 1)
	s.write(t, table.fill(0, 6)...)
	b := e.reads(t, debezium, "", s.topic)
	d := b.running(t)
	b.came(t, s)
	if out, code := command(t, "reset", b.name, "--to", "earliest", "-c", d.Config()); code != 0 || !strings.Contains(out, "fenced") {
		t.Fatalf("without --yes it ends with %d and says:\n%s", code, out)
	}
	s.write(t, table.fill(6, 8)...)
	b.came(t, s)
	old := b.count(t)
	if out, code := command(t, "reset", b.name, "--to", "earliest", "--yes", "-c", d.Config()); code != 0 {
		t.Fatalf("it ends with %d and says:\n%s", code, out)
	}
	s.write(t, table.fill(8, 10)...)
	gaveUp(t, d, "fenced", b.name)
	d.Kill()
	b.running(t)
	b.gotAfter(t, old, sorted(s.changes)...)
}

// reset has a bridge that is down, and whose daemon is to end, go on elsewhere.
func (b *bridge) reset(t *testing.T, d *harness.Daemon, to string) {
	t.Helper()
	d.Kill()
	if out, code := command(t, "reset", b.name, "--to", to, "--yes", "-c", d.Config()); code != 0 {
		t.Fatalf("the reset ends with %d and says:\n%s", code, out)
	}
}

// startsAt runs the bridge again and waits until what it writes now comes from exactly these positions.
func (b *bridge) startsAt(t *testing.T, positions ...string) {
	t.Helper()
	old := b.count(t)
	b.running(t)
	b.gotAfter(t, old, positions...)
}

// count gives how many records each partition of the rows has.
func (b *bridge) count(t *testing.T) map[int32]int64 {
	t.Helper()
	return b.e.ends(t, b.out())
}

// gotAfter waits until what came behind these offsets comes from exactly these positions.
func (b *bridge) gotAfter(t *testing.T, old map[int32]int64, positions ...string) {
	t.Helper()
	b.madeOf(t, old, setOf(positions))
}
