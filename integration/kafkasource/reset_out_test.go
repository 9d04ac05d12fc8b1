package kafkasource

import (
	"strings"
	"testing"

	"cdcbridge/integration/harness"
)

// TestResetIsTheWayOut: after a topic was created again its offsets mean nothing, and reset is what the hint says. A wrong place is refused
// before anything is touched.
func TestResetIsTheWayOut(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	s, _ := numbered(t, e, unique(t)+".in.orders", debezium, 6)
	b := e.reads(t, debezium, "", s.topic)
	d := b.running(t)
	b.came(t, s)
	harness.StopFor(t, d)
	for _, c := range []struct {
		to   string
		code int
		says string
	}{
		{"offsets=" + s.topic + ":0:7", 3, "has the offsets 0 to 6, not 7"},
		{"offsets=" + s.topic + ":2:0", 3, "is none of the partitions that are read"},
		{"offsets=" + s.topic + ":0", 3, "is not topic:partition:offset"},
		{"yesterday", 3, "is no place to go on"},
		{"offsets=" + s.topic + ":0:6", 0, "nothing to do"},
	} {
		if out, code := command(t, "reset", b.name, "--to", c.to, "--yes", "-c", d.Config()); code != c.code || !strings.Contains(out, c.says) {
			t.Errorf("--to %s ends with %d and says:\n%s", c.to, code, out)
		}
	}

	old := b.count(t)
	e.drop(t, s.topic)
	s = e.newSource(t, s.topic, 1) // with one partition less
	s.anew(t)
	s.write(t, newShop(debezium, 1, 1).fill(100, 108)...)
	failed := b.fails(t, "topic_replaced", s.topic)
	failed.Kill()
	if out, code := command(t, "reset", b.name, "--to", "offsets="+s.topic+":0:5", "--yes", "-c", failed.Config()); code != 0 || !strings.Contains(strings.Join(strings.Fields(out), " "), s.topic+"/0 - 5 new") {
		t.Fatalf("it ends with %d and says:\n%s", code, out)
	}
	d = b.running(t)
	b.gotAfter(t, old, s.from(0, 5)...)
	harness.StopFor(t, d)
}

// TestResetToAnotherCluster: a checkpoint is that of its cluster, and nothing is read elsewhere until all offsets are replaced.
func TestResetToAnotherCluster(t *testing.T) {
	t.Parallel()
	from, next, to := classic.get(t), modern.get(t), modern.get(t)
	topic := unique(t) + ".in.orders"
	s, _ := numbered(t, from, topic, debezium, 6)
	b := to.reads(t, debezium, elsewhere(from), topic)
	d := b.running(t)
	b.came(t, s)
	harness.StopFor(t, d)
	old := b.count(t)
	moved, _ := numbered(t, next, topic, debezium, 4)
	b.source = strings.ReplaceAll(b.source, elsewhere(from), elsewhere(next))
	d = b.fails(t, "wrong_server", "reset")
	d.Kill()
	out, code := command(t, "reset", b.name, "--to", "timestamp=2026-03-01T12:02:00Z", "--yes", "-c", d.Config())
	if code != 0 || !strings.Contains(out, "another cluster") {
		t.Fatalf("it ends with %d and says:\n%s", code, out)
	}
	d = b.running(t)
	b.gotAfter(t, old, append(moved.from(0, 2), moved.from(1, 2)...)...)
	harness.StopFor(t, d)
}

// TestResetOfABoundedRun: it is complete again at the end that there is now.
func TestResetOfABoundedRun(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	s, table := numbered(t, e, unique(t)+".in.orders", debezium, 6)
	b := e.reads(t, debezium, ", end: {at: latest}", s.topic)
	b.completes(t)
	b.came(t, s)
	old := b.count(t)
	s.write(t, dated(table.fill(12, 16))...)
	b.says(t, 0, []string{"reset", b.name, "--to", "offsets=" + s.topic + ":0:1", "--yes"}, "found anew")
	b.completes(t)
	b.gotAfter(t, old, append(s.from(0, 1), s.from(1, 6)...)...)
}
