package mysql

import (
	"context"
	"slices"
	"testing"

	"cdcbridge/changelog"
)

// A transaction that does not fit beside those before it gets a batch of its own before its rows are decoded, not after: its length
// and the rows before tell. Only the first one comes too early for that.
func TestRowsAreDecodedOnce(t *testing.T) {
	const transactions, rows = 200, 30
	for events, length := range map[int]uint64{1: 0, 5: 5000} {
		w := newLog()
		w.length = length
		var want []int64
		for i := range transactions {
			w.begin()
			for e := range events {
				w.tableMap("shop", "a")
				var ids []int64
				for r := range rows / events {
					ids = append(ids, int64(i*rows+e*rows/events+r))
				}
				w.insert("a", 130, ids...)
				want = append(want, ids...)
			}
			w.xid()
		}
		s, out := memStream(t, w.out, nil, 64<<10, 0)
		go func() { _ = s.run(context.Background()); close(out) }()
		var got []int64
		for b := range out {
			if b.Size() > 64<<10 {
				t.Errorf("a batch of %d bytes", b.Size())
			}
			got = append(got, ids([]*changelog.Batch{b})...)
			b.Release()
		}
		s.close()
		if !slices.Equal(got, want) {
			t.Fatalf("%d rows, want %d", len(got), len(want))
		}
		if again := s.txn.serial - transactions; again != 0 {
			t.Errorf("%d of %d transactions of %d events were decoded again", again, transactions, events)
		}
	}
}
