package kafkasource

import (
	"strings"
	"testing"

	"cdcbridge/integration/harness"
)

// TestDiscovery finds topics and partitions while it runs, and reads them from their beginning, whatever was said of the start.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	name := unique(t)
	old, table := e.newSource(t, name+".in.a", 1), newShop(debezium, 1, 1)
	old.write(t, table.fill(0, 5)...) // before the start
	early := len(old.changes)
	b := e.finds(t, debezium, name+`\.in\..*`, ", exclude: ["+name+".in.not], start: {from: latest}")
	b.running(t)
	old.write(t, table.fill(5, 10)...)
	b.got(t, sorted(old.changes)[early:]...)

	excluded := e.newSource(t, name+".in.not", 1)
	excluded.write(t, table.fill(100, 105)...)
	other := e.newSource(t, "other-"+name+".in.a", 1) // the pattern is for the whole name
	other.write(t, table.fill(100, 105)...)
	found := e.newSource(t, name+".in.b", 2)
	table.partitions = 2
	found.write(t, table.fill(20, 30)...)
	want := append(sorted(old.changes)[early:], sorted(found.changes)...)
	b.got(t, want...)

	if _, err := e.adm.CreatePartitions(t.Context(), 2, old.topic); err != nil { // from 1 to 3
		t.Fatal(err)
	}
	e.led(t, old.topic, 3)
	table.partitions = 3
	old.anew(t)
	old.write(t, table.fill(30, 45)...)
	want = append(sorted(old.changes)[early:], sorted(found.changes)...)
	b.got(t, want...)
}

// TestDiscoveryWhileDown finds after a restart what came meanwhile.
func TestDiscoveryWhileDown(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	name := unique(t)
	a, table := e.newSource(t, name+".in.a", 1), newShop(debezium, 1, 1)
	b := e.finds(t, debezium, name+`\.in\..*`, ", start: {from: latest}, discovery_interval: 0s")
	d := b.running(t)
	a.write(t, table.fill(0, 5)...)
	b.got(t, sorted(a.changes)...)
	d.Kill()
	c := e.newSource(t, name+".in.c", 1)
	c.write(t, table.fill(5, 10)...)
	if _, err := e.adm.CreatePartitions(t.Context(), 1, a.topic); err != nil {
		t.Fatal(err)
	}
	e.led(t, a.topic, 2)
	table.partitions = 2
	a.anew(t)
	a.write(t, table.fill(10, 20)...)
	b.running(t)
	b.holds(t, table.table(), a, c)
}

// twoSources makes two topics with five rows in each.
func (e *env) twoSources(t *testing.T) (a, c *source, table *shop) {
	t.Helper()
	a, c, table = e.newSource(t, unique(t)+".in.a", 1), e.newSource(t, unique(t)+".in.c", 1), newShop(debezium, 1, 1)
	a.write(t, table.fill(0, 5)...)
	c.write(t, table.fill(5, 10)...)
	return a, c, table
}

// TestTopicsChange takes a topic out of the configuration, and back: meanwhile it is not read, and then it is gone on with where it was.
func TestTopicsChange(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	name := unique(t)
	a, c, table := e.twoSources(t)
	b := e.finds(t, debezium, name+`\.in\.[ac]`, "")
	d := b.running(t)
	b.holds(t, table.table(), a, c)
	harness.StopFor(t, d)

	b = e.finds(t, debezium, name+`\.in\.a`, "")
	d = b.running(t)
	c.write(t, table.fill(10, 15)...)
	unread := sorted(c.changes)[5:]
	a.write(t, table.fill(15, 20)...)
	want := append(sorted(a.changes), sorted(c.changes)[:5]...)
	b.got(t, want...)
	harness.StopFor(t, d)
	if !strings.Contains(d.Log(), c.topic) {
		t.Errorf("the log says nothing of %s, which is no longer read:\n%s", c.topic, d.Log())
	}
	b.got(t, want...)

	b = e.finds(t, debezium, name+`\.in\.[ac]`, "")
	b.running(t)
	b.got(t, append(want, unread...)...)
	b.holds(t, table.table(), a, c)
}

// TestTopicAdded adds a topic to a list: it is begun at its beginning, whatever was said of the pipeline's first start.
func TestTopicAdded(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	name := unique(t)
	a, c, table := e.newSource(t, name+".in.a", 1), e.newSource(t, name+".in.c", 1), newShop(debezium, 1, 1)
	c.write(t, table.fill(0, 5)...)
	b := e.reads(t, debezium, ", start: {from: latest}", a.topic)
	d := b.running(t)
	a.write(t, table.fill(5, 10)...)
	b.got(t, sorted(a.changes)...)
	harness.StopFor(t, d)
	b = e.reads(t, debezium, ", start: {from: latest}", a.topic, c.topic)
	b.running(t)
	b.holds(t, table.table(), a, c)
}

// TestOwnOutput has a pattern that means what the bridge itself writes: rows, or its state. It stops before it reads that for ever; what it
// parks is never meant.
func TestOwnOutput(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	name := unique(t)
	s, table := e.newSource(t, name+".in.orders", 1), newShop(rows, 1, 1)
	b := e.finds(t, rows, name+`\..*`, ", dead_letter: "+name+".dead")
	s.write(t, table.fill(0, 3)...)
	s.write(t, message{value: []byte("not a row")})
	d := b.start(t)
	gaveUp(t, d, "config", b.out(), "exclude")
	d.Kill()
	b.source += ", exclude: [" + b.out() + "]"
	own := b
	own.kafka = ", state_topic: " + name + ".state"
	own.fails(t, "config", name+".state", "exclude").Kill()
	b.running(t)
	s.write(t, table.fill(3, 6)...)
	b.holds(t, table.table(), s)
	if dead := e.ends(t, name+".dead"); dead[0]+dead[1]+dead[2] != 2 { // the record and the marker of its transaction
		t.Errorf("one record cannot be read, and the dead-letter topic ends at %v", dead)
	}
}

// TestPatternOfNothing waits for the first topic that its pattern means. When one of the topics is gone it says so, and goes on with the
// others when the configuration says that it is not needed.
func TestPatternOfNothing(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	name := unique(t)
	b := e.finds(t, debezium, name+`\.in\..*`, ", start: {from: latest}")
	b.running(t)
	a, table := e.newSource(t, name+".in.a", 1), newShop(debezium, 1, 1)
	a.write(t, table.fill(0, 5)...)
	b.came(t, a)
	c := e.newSource(t, name+".in.c", 1)
	c.write(t, table.fill(5, 10)...)
	b.holds(t, table.table(), a, c)
}

// TestPatternLosesATopic has one of several topics deleted.
func TestPatternLosesATopic(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	name := unique(t)
	a, c, table := e.twoSources(t)
	b := e.finds(t, debezium, name+`\.in\..*`, "")
	d := b.running(t)
	b.holds(t, table.table(), a, c)
	e.drop(t, c.topic)
	gaveUp(t, d, "topic_missing", c.topic, "exclude")
	d.Kill()
	a.write(t, table.fill(10, 15)...)
	b.fails(t, "topic_missing", c.topic).Kill()
	b.source += ", exclude: [" + c.topic + "]"
	b.running(t)
	b.holds(t, table.table(), a, c)
}
