package kafkasource

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cdcbridge/integration/harness"
)

// read gives the committed records of a topic, as an independent client sees them; none while it does not exist.
func (e *env) read(ctx context.Context, topic string) ([]harness.Record, error) {
	m, err := e.adm.Metadata(ctx, topic)
	if err != nil || m.Topics[topic].Err != nil {
		return nil, err
	}
	return harness.ReadTopic(ctx, e.brokers, topic)
}

// holds waits until the rows of the bridge fold to the table, and checks that they came by exactly the changes of the sources.
func (b *bridge) holds(t *testing.T, table map[string]string, sources ...*source) {
	t.Helper()
	b.folds(t, table)
	want := map[string]bool{}
	for _, s := range sources {
		maps.Copy(want, s.changes)
	}
	// The table may be complete before the last change is in: one that was undone by the next.
	if err := same("key", folded(b.madeOf(t, nil, want)), table); err != nil {
		t.Fatal(err)
	}
}

// folds waits until the rows fold to the table.
func (b *bridge) folds(t *testing.T, table map[string]string) (records []harness.Record) {
	t.Helper()
	eventually(t, func() (err error) {
		if records, err = b.e.read(t.Context(), b.out()); err != nil {
			return err
		}
		return same("key", folded(records), table)
	})
	return records
}

// madeOf waits until what came behind these offsets comes from exactly these positions.
func (b *bridge) madeOf(t *testing.T, old map[int32]int64, want map[string]bool) (records []harness.Record) {
	t.Helper()
	eventually(t, func() (err error) {
		if records, err = b.e.read(t.Context(), b.out()); err != nil {
			return err
		}
		records = slices.DeleteFunc(records, func(r harness.Record) bool { return r.Offset < old[r.Partition] })
		return exactly(records, want)
	})
	return records
}

// got waits until the rows come from exactly these positions of a topic.
func (b *bridge) got(t *testing.T, positions ...string) {
	t.Helper()
	b.madeOf(t, nil, setOf(positions))
}

// came waits until every change of the source is there.
func (b *bridge) came(t *testing.T, s *source) {
	t.Helper()
	b.madeOf(t, nil, s.changes)
}

// folded gives the values by their keys.
func folded(records []harness.Record) map[string]string {
	m := map[string]string{}
	for key, r := range harness.Fold(records) {
		m[key] = string(r.Value)
	}
	return m
}

// same compares two maps and tells where they first differ.
func same(what string, got, want map[string]string) error {
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if g, ok := got[k]; !ok || !sameJSON(g, want[k]) {
			return fmt.Errorf("%d of %d: %s %s has %q, want %q", len(got), len(want), what, k, g, want[k])
		}
	}
	for _, k := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[k]; !ok {
			return fmt.Errorf("%s %s has %q, and should not be there", what, k, got[k])
		}
	}
	return nil
}

// sameJSON lets the fields come in any order.
func sameJSON(a, b string) bool {
	if a == b {
		return true
	}
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	one, _ := json.Marshal(x)
	other, _ := json.Marshal(y)
	return string(one) == string(other)
}

// exactly verifies that the records come from these positions, each of them once, and those of a key in the order of its partition.
func exactly(records []harness.Record, want map[string]bool) error {
	seen := map[string]harness.Record{}
	last := map[string]place{}
	positions := map[string]bool{}
	for _, r := range records {
		at := r.Headers["cdc.pos"]
		id := at + " " + r.Headers["cdc.ord"] + " " + r.Headers["cdc.op"]
		if old, ok := seen[id]; ok {
			return fmt.Errorf("%s is in %d/%d and again in %d/%d", id, old.Partition, old.Offset, r.Partition, r.Offset)
		}
		seen[id] = r
		if !want[at] {
			return fmt.Errorf("%d/%d comes from %q, which should not have been read", r.Partition, r.Offset, at)
		}
		positions[at] = true
		p, err := placeOf(at)
		if err != nil {
			return err
		}
		if q, ok := last[string(r.Key)]; ok && q.partition == p.partition && p.offset < q.offset {
			return fmt.Errorf("key %s: %s comes after %s@%d", r.Key, at, q.partition, q.offset)
		}
		last[string(r.Key)] = p
	}
	for p := range want {
		if !positions[p] {
			return fmt.Errorf("nothing comes from %s; %d of %d positions are there", p, len(positions), len(want))
		}
	}
	return nil
}

// place is where a change was read.
type place struct {
	partition string // topic/number
	offset    int64
}

func placeOf(position string) (p place, err error) {
	partition, offset, ok := strings.Cut(position, "@")
	if p.partition = partition; ok {
		p.offset, err = strconv.ParseInt(offset, 10, 64)
	}
	if !ok || err != nil {
		return p, fmt.Errorf("%q is no position of a record", position)
	}
	return p, nil
}

func setOf(positions []string) map[string]bool {
	set := map[string]bool{}
	for _, at := range positions {
		set[at] = true
	}
	return set
}

// sorted gives the positions in the order of partitions and offsets, for messages.
func sorted(positions map[string]bool) []string {
	return slices.SortedFunc(maps.Keys(positions), func(a, b string) int {
		p, _ := placeOf(a)
		q, _ := placeOf(b)
		return cmp.Or(cmp.Compare(p.partition, q.partition), cmp.Compare(p.offset, q.offset))
	})
}
