package capture

import (
	"testing"

	"cdcbridge/changelog"
)

func keyTable(sourceType string) *changelog.Table {
	return &changelog.Table{Name: "t", Key: []int{1}, Columns: []changelog.Column{
		{Name: "v", Type: changelog.Type{Kind: changelog.KindString}},
		{Name: "id", Type: changelog.Type{Kind: changelog.KindInt}, SourceType: sourceType},
	}}
}

func keyRow(v string, id int64) changelog.Row {
	return changelog.Row{changelog.String([]byte(v)), changelog.Int(id)}
}

// TestTouchedKeys: old and new keys count from their batch on, whatever else the row has, until they are forgotten.
func TestTouchedKeys(t *testing.T) {
	table := keyTable("int")
	var touched touched
	if !touched.run(table, []changelog.Change{
		{Op: changelog.Update, Before: keyRow("a", 1), After: keyRow("b", 2)},
		{Op: changelog.Delete, Before: keyRow("c", 3)},
		{Op: changelog.Update, Fill: changelog.Gone, After: changelog.Row{changelog.Unchanged(), changelog.Int(4)}},
	}, 7) {
		t.Error("whole changes are called partial")
	}
	if touched.run(table, []changelog.Change{{Op: changelog.Update, After: changelog.Row{changelog.Unchanged(), changelog.Int(5)}}}, 8) {
		t.Error("a partial change is called whole")
	}
	has := func(id int64, from uint64) bool { return touched.has(keyRow("another", id), table.Key, from) }
	for id := range int64(7) {
		if has(id, 7) != (id >= 1 && id <= 5) || has(id, 8) != (id == 5) {
			t.Errorf("key %d: %v from batch 7, %v from 8", id, has(id, 7), has(id, 8))
		}
	}
	size := touched.size
	touched.run(table, []changelog.Change{{Op: changelog.Insert, After: keyRow("x", 1)}}, 9)
	if touched.size != size || !has(1, 9) {
		t.Error("a key that is there counts once, from the newest batch on")
	}
	touched.forget(8)
	if has(2, 0) || !has(1, 0) || !has(5, 0) || len(touched.keys) != 2 {
		t.Errorf("%d keys are left", len(touched.keys))
	}
	touched.forget(10)
	if touched.size != 0 || len(touched.keys) != 0 || len(touched.shapes) != 0 {
		t.Errorf("%d bytes are left", touched.size)
	}
}

// TestKeysOfOtherShapes: keys are compared only with those of the same columns and types.
func TestKeysOfOtherShapes(t *testing.T) {
	old, same, other := keyTable("int"), keyTable("int"), keyTable("bigint")
	same.Columns = append(same.Columns, changelog.Column{Name: "more"})
	var touched touched
	touched.run(old, nil, 3)
	touched.run(other, nil, 5)
	renamed := keyTable("int")
	renamed.Columns[1].Name = "number"
	for _, c := range []struct {
		table *changelog.Table
		from  uint64
		want  bool
	}{{old, 3, false}, {other, 5, true}, {other, 4, true}, {other, 3, false}, {old, 6, true}, {same, 6, true}, {renamed, 6, true}, {renamed, 5, false}} {
		if got := touched.comparable(c.table, c.from); got != c.want {
			t.Errorf("%s %s from batch %d: %v", c.table.Columns[1].Name, c.table.Columns[1].SourceType, c.from, got)
		}
	}
	touched.forget(5)
	if !touched.comparable(other, 0) || touched.comparable(same, 0) {
		t.Error("shapes are forgotten like keys")
	}
}
