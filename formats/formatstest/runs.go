package formatstest

import (
	"fmt"
	"slices"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// runsAreRows: a change is written alike wherever in a run it stands, and whatever its worker has written before.
func (s *suite) runsAreRows(t *testing.T) {
	table, other := s.db.orders(), s.db.orders()
	other.Name = "orders2"
	encoders := []formats.Encoder{s.upsert(t, table), s.upsert(t, other)}
	worker := context(table)
	const runs, rows = 3, 4
	for n := range 2 * runs {
		alone := context(table)
		alone.Seq += uint64(n / runs)
		alone.Txn.Commit += int64(n) * 1_000_001
		alone.Txn.Origin.Pos += uint64(n)
		alone.Run.Pos += uint64(n)
		alone.Run.File += fmt.Sprint(n)
		ch := changelog.Change{Op: changelog.Insert, After: OrdersRow()}
		if n%runs == 1 {
			alone.Run.Snapshot, alone.Txn.Snapshot, ch.Op = changelog.SnapshotIncremental, true, changelog.Read
		}
		run := *alone.Run
		at := min(n, 2*runs-1-n) // the second batch begins at the place where the first one ended
		run.From, run.To = at*rows, (at+1)*rows
		worker.Txn, worker.Run, worker.Now, worker.Seq = alone.Txn, &run, alone.Now, alone.Seq
		slices.Reverse(encoders) // the one that wrote last begins
		for _, enc := range encoders {
			for row := range rows {
				ch.RowInEvent, ch.Pos = int32(row), uint64(5000+row)
				_, want := encode(t, alone, enc, ch)
				if _, got := encode(t, worker, enc, ch); string(got) != string(want) {
					t.Errorf("row %d of run %d:\ngot  %s\nwant %s", row, n, got, want)
				}
			}
		}
	}
}
