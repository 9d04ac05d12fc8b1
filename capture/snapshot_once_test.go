package capture_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"cdcbridge/changelog"
)

// TestRowsAreReadOnce: while nobody writes, each row is written once, however often the pipeline dies, and the markers stand where
// changelog.Snapshot says.
func TestRowsAreReadOnce(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newModelRun(t, seed)
				r.db.add("ints", []string{"a"}, r.rnd.IntN(60))
				r.db.add("pairs", []string{"a", "b"}, r.rnd.IntN(3))
				r.db.add("names", []string{"b"}, r.rnd.IntN(30))
				r.tune = func(s *modelSource) { s.scanFails = []int{0, 4}[seed%2] }
				r.crashes(r.rnd.IntN(10))
				r.finish()
				for n, table := range r.db.tables {
					r.sink.equals(n, true)
					for k, times := range r.sink.committed.reads[n] {
						if times != 1 {
							t.Errorf("%s: row %v was read %d times", n, k, times)
						}
					}
					checkTable(t, n, len(table.visible), r.sink.committed.places[n])
				}
				checkPlaces(t, r.sink.committed.all)
				if i := slices.Index(r.sink.committed.all, changelog.SnapshotLast); i >= 0 && i < len(r.sink.committed.all)-1 {
					t.Errorf("rows follow the last one: %v", r.sink.committed.all)
				}
			})
		})
	}
}

// checkTable: the first row of a table is marked, and the last one unless only an empty chunk has shown that it was.
func checkTable(t *testing.T, name string, rows int, places []changelog.Snapshot) {
	t.Helper()
	var first, last int
	for i, p := range places {
		switch p {
		case changelog.SnapshotFirst, changelog.SnapshotFirstOfTable:
			first++
			if i != 0 {
				t.Errorf("%s: the first row is marked late: %v", name, places)
			}
		case changelog.SnapshotLast, changelog.SnapshotLastOfTable:
			last++
			if i != len(places)-1 {
				t.Errorf("%s: the last row is marked early: %v", name, places)
			}
		}
	}
	if first > 1 || last > 1 || rows > 1 && first == 0 || rows == 1 && first+last != 1 || rows == 0 && len(places) > 0 {
		t.Errorf("%s: %d rows are marked %v", name, rows, places)
	}
}
