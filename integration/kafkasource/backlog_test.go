package kafkasource

import (
	"fmt"
	"testing"

	"cdcbridge/integration/harness"
)

// TestBacklog kills and stops the bridge while it works through what has piled up.
func TestBacklog(t *testing.T) {
	t.Parallel()
	e, total := modern.get(t), harness.Longer(20_000, 200_000)
	s, table := e.newSource(t, unique(t)+".in.orders", 4), newShop(debezium, harness.FreshSeed(t), 4)
	w := e.writer(t, unique(t))
	for len(s.changes) < total {
		s.write(t, table.some(1000)...)
		restore := table.keep()
		w.begin(t, s, table.some(500)...)(false)
		restore()
		w.begin(t, s, table.some(500)...)(true)
	}
	b := e.reads(t, debezium, ", batch_bytes: 32KiB", s.topic)
	b.commit = "{max_bytes: 128KiB, max_interval: 50ms}"
	const rounds = 8
	unfinished := 0
	for round := range rounds {
		start := b.start
		if round%2 == 1 {
			start = b.running // a process that has just begun does not know yet what a signal asks of it
		}
		d := start(t)
		b.grows(t, int64(total*(round+1)/(rounds+2)))
		if round%2 == 0 {
			d.Kill()
		} else {
			harness.StopFor(t, d)
		}
		records, err := b.e.read(t.Context(), b.out())
		if err != nil {
			t.Fatal(err)
		}
		if n := len(records); n < len(s.changes) {
			unfinished++
		}
		if err := onlySome(records, s.changes); err != nil {
			t.Fatal(err)
		}
		if round%2 == 1 { // a killed one leaves a transaction behind, which may be about the group too
			if err := exactly(records, setOf(s.upTo(e.offsets(t, "cdcbridge-"+b.name, s.topic)))); err != nil {
				t.Fatalf("the group's offsets are not those of the rows: %v", err)
			}
		}
	}
	if unfinished == 0 {
		t.Error("the bridge was never in the middle of it: the test proves little")
	}
	b.running(t)
	b.holds(t, table.table(), s)
}

// upTo gives the positions before the offsets.
func (s *source) upTo(offsets map[int32]int64) (positions []string) {
	for partition, end := range offsets {
		positions = append(positions, s.within(partition, 0, end)...)
	}
	return positions
}

// grows waits until the rows' topic has that many offsets.
func (b *bridge) grows(t *testing.T, n int64) {
	t.Helper()
	eventually(t, func() error {
		m, err := b.e.adm.Metadata(t.Context(), b.out())
		if err != nil {
			return err
		}
		if err := m.Topics[b.out()].Err; err != nil {
			return err
		}
		sum := int64(0)
		for _, end := range b.count(t) {
			sum += end
		}
		if sum < n {
			return fmt.Errorf("%d of %d offsets", sum, n)
		}
		return nil
	})
}

// onlySome verifies that what is there so far is of these positions, once, and without a gap in any partition.
func onlySome(records []harness.Record, all map[string]bool) error {
	ends := map[string]int64{}
	for _, r := range records {
		p, err := placeOf(r.Headers["cdc.pos"])
		if err != nil {
			return err
		}
		ends[p.partition] = max(ends[p.partition], p.offset+1)
	}
	want := map[string]bool{}
	for at := range all {
		if p, err := placeOf(at); err == nil && p.offset < ends[p.partition] {
			want[at] = true
		}
	}
	return exactly(records, want)
}
