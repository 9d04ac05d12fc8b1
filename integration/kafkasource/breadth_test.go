package kafkasource

import (
	"strconv"
	"testing"
)

// TestManyPartitions reads 1000 partitions, in little memory, and does so again after a kill.
func TestManyPartitions(t *testing.T) {
	t.Parallel()
	const partitions, limit = 1000, 150 << 20
	e := modern.get(t)
	s, table := e.newSource(t, unique(t)+".in.orders", partitions), newShop(debezium, 1, partitions)
	s.write(t, table.fill(0, partitions)...)
	b := e.reads(t, debezium, "", s.topic)
	d := b.running(t)
	b.holds(t, table.table(), s)
	s.write(t, table.fill(0, partitions)...)
	b.holds(t, table.table(), s)
	peak, err := d.PeakMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("at most %s MiB", strconv.FormatInt(peak>>20, 10))
	if peak > limit {
		t.Errorf("%d partitions took %d bytes", partitions, peak)
	}
	d.Kill()
	s.write(t, table.fill(0, partitions)...)
	b.running(t)
	b.holds(t, table.table(), s)
	e.noLag(t, "cdcbridge-"+b.name, s.topic)
}
