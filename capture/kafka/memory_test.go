package kafka

import (
	"encoding/json"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/kafkawire"
)

// FuzzMemories: what states say of rows that were seen is refused, or goes on as it is.
func FuzzMemories(f *testing.F) {
	m := newMerging(2, nil, nil)
	m.fetch(1, 0)
	m.write(event{built: 10, batch: 1, now: 2, is: "a", place: true}, event{built: 11, batch: 1, old: 2, now: 4, was: "a", is: "b", place: true})
	m.fetch(0, 2)
	if err := m.settle(); err != nil {
		f.Fatal(err)
	}
	st, _, err := m.merger.recall.state()
	if err != nil {
		f.Fatal(err)
	}
	var r repeats
	see := func(r *repeats, file string, pos uint64) {
		r.saw(&sighting{
			run: &changelog.Run{Table: keyed("t"), File: file, Pos: pos}, txn: &changelog.Txn{Commit: 1, Origin: changelog.Origin{Built: 1, GTID: "a:1"}},
			change: &changelog.Change{Op: changelog.Insert, After: rowOf(1, "a")}, alone: true,
		})
	}
	see(&r, "binlog.000001", 4)
	see(&r, "", 0)
	f.Add(st.Value, []byte(r.state()))
	f.Add([]byte(`{"partitions":["t/0"],"rows":"AAAA"}`), []byte(`{"rows":"AAAA","tables":[{}]}`))
	f.Fuzz(func(t *testing.T, order, seen []byte) {
		var o orderState
		lanes := map[kafkawire.TopicPartition]*partition{}
		for i := range int32(2) {
			p := partitionAt(i)
			lanes[p.at()] = p
		}
		var known recall
		if json.Unmarshal(order, &o) == nil && known.restore(&o, lanes) == nil {
			known.changed = true
			again, _, err := known.state()
			if err != nil {
				t.Fatal(err)
			}
			var o2 orderState
			if err := json.Unmarshal(again.Value, &o2); err != nil || new(recall).restore(&o2, lanes) != nil {
				t.Fatalf("what was written cannot be read: %s, %v", again.Value, err)
			}
		}
		var r repeats
		if r.restore(seen) != nil {
			return
		}
		see(&r, "binlog.000001", 5)
		see(&r, "", 5)
		if err := new(repeats).restore(r.state()); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
	})
}
