package kafka

import (
	"reflect"
	"testing"
)

// TestByTxn: transactions that messages number have an order, and what does not keep to it has none.
func TestByTxn(t *testing.T) {
	const lanes = 2
	for _, tc := range []struct {
		name  string
		steps []step // lane and txn
		want  [][]int
	}{
		{"numbered", []step{{at: 0, lane: 0, txn: 8}, {at: 1, lane: 0, txn: 9}, {at: 2, lane: 1, txn: 7}, {at: 3, lane: 1, txn: 9}}, [][]int{{2}, {0}, {1, 3}}},
		{"one is not", []step{{at: 0, lane: 0, txn: 8}, {at: 1, lane: 1}, {at: 2, lane: 1, txn: 7}}, [][]int{{0, 1, 2}}},
		{"backwards", []step{{at: 0, lane: 0, txn: 8}, {at: 1, lane: 0, txn: 7}, {at: 2, lane: 1, txn: 9}}, [][]int{{0, 1, 2}}},
	} {
		var got [][]int
		for _, steps := range byTxn(tc.steps, lanes) {
			var ats []int
			for _, s := range steps {
				ats = append(ats, s.at)
			}
			got = append(got, ats)
		}
		if !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}
