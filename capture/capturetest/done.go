package capturetest

import (
	"fmt"
	"slices"
	"strings"

	"cdcbridge/changelog"
)

// CheckDone checks what the parts of a transaction say of those before: their changes of each table are those that come before
// the first one of this part. It must be one whose changes come again in the order in which they came.
func CheckDone(b *changelog.Batch) error {
	for i := range b.Txns {
		x := &b.Txns[i]
		if x.First != (x.Done == nil) {
			return fmt.Errorf("first %v, and %v is done of %s", x.First, x.Done, x.ID)
		}
		if !slices.IsSortedFunc(x.Done, func(a, b changelog.Count) int { return strings.Compare(a.Table, b.Table) }) {
			return fmt.Errorf("%v is done of %s, in no order", x.Done, x.ID)
		}
		if err := checkDone(b, i); err != nil {
			return fmt.Errorf("%v is done of %s: %w", x.Done, x.ID, err)
		}
	}
	return nil
}

func checkDone(b *changelog.Batch, txn int) error {
	all, of := uint64(0), map[string]uint64{}
	for _, c := range b.Txns[txn].Done {
		all += c.Changes
		if of[c.Table] += c.Changes; c.Changes == 0 || of[c.Table] != c.Changes {
			return fmt.Errorf("%s has %d changes and %d", c.Table, of[c.Table], c.Changes)
		}
	}
	for _, r := range b.Runs {
		if r.Txn != txn {
			continue
		}
		for _, c := range b.Changes[r.From:r.To] {
			name := r.Table.FullName()
			if c.Index != all || c.TableIndex != of[name] {
				return fmt.Errorf("the change %d, %d of %s comes after %d, %d", c.Index, c.TableIndex, name, all, of[name])
			}
			all++
			of[name]++
		}
	}
	return nil
}
