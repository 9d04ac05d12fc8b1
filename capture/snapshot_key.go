package capture

import (
	"slices"

	"cdcbridge/changelog"
)

// touched is the keys of a table that the stream has changed lately, each with the number of the last batch that did.
type touched struct {
	keys   map[string]uint64
	size   int                         // bytes of the keys
	shapes map[*changelog.Table]uint64 // the versions that they came in, likewise
	buf    []byte
}

// tooMuchTouched bounds the memory of one table's keys, bytes. Windows that meet more are given up and opened again.
const tooMuchTouched = 16 << 20

// keyCost is what a key takes beside its bytes.
const keyCost = 64

// run takes in the keys of changes, of the old rows and of the new ones. It reports false when a change does not carry its row
// whole: then a row that was read cannot be left out for it.
func (t *touched) run(table *changelog.Table, changes []changelog.Change, batch uint64) (whole bool) {
	if t.keys == nil {
		t.keys, t.shapes = map[string]uint64{}, map[*changelog.Table]uint64{}
	}
	t.shapes[table] = batch
	whole = true
	for i := range changes {
		if changes[i].Fill != changelog.Gone && slices.ContainsFunc(changes[i].After, changelog.Value.IsUnchanged) {
			whole = false
		}
		for _, row := range [2]changelog.Row{changes[i].Before, changes[i].After} {
			if row == nil {
				continue
			}
			t.buf = appendRowKey(t.buf[:0], row, table.Key)
			if _, known := t.keys[string(t.buf)]; !known {
				t.size += len(t.buf) + keyCost
			}
			t.keys[string(t.buf)] = batch
		}
	}
	return whole
}

// forget drops what was touched before a batch.
func (t *touched) forget(before uint64) {
	for key, batch := range t.keys {
		if batch < before {
			delete(t.keys, key)
			t.size -= len(key) + keyCost
		}
	}
	for table, batch := range t.shapes {
		if batch < before {
			delete(t.shapes, table)
		}
	}
}

// comparable reports whether what was touched from a batch on has keys of the same columns and kinds as the table.
func (t *touched) comparable(table *changelog.Table, from uint64) bool {
	for other, batch := range t.shapes {
		if batch >= from && !sameKey(table, other) {
			return false
		}
	}
	return true
}

func sameKey(a, b *changelog.Table) bool {
	return a == b || slices.EqualFunc(a.Key, b.Key, func(i, j int) bool {
		x, y := &a.Columns[i], &b.Columns[j]
		return x.Name == y.Name && x.Type.Kind == y.Type.Kind && x.SourceType == y.SourceType
	})
}

// has reports whether the row's key was touched from a batch on.
func (t *touched) has(row changelog.Row, key []int, from uint64) bool {
	if len(t.keys) == 0 {
		return false
	}
	t.buf = appendRowKey(t.buf[:0], row, key)
	batch, found := t.keys[string(t.buf)]
	return found && batch >= from
}

func appendRowKey(dst []byte, row changelog.Row, key []int) []byte {
	for _, i := range key {
		dst = row[i].AppendIdentity(dst)
	}
	return dst
}
