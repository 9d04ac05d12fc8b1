package kafka

import "cdcbridge/changelog"

// arrange puts the changes of a batch behind from into another order, given by their indexes in Batch.Changes, and leaves out those
// that the order does not name. Runs follow their changes; a note stays before the change that it stood before.
func arrange(b *changelog.Batch, from mark, order []int) {
	changes := append([]changelog.Change(nil), b.Changes[from.changes:]...)
	runs := append([]changelog.Run(nil), b.Runs[from.runs:]...)
	runOf := make([]int, len(changes))
	for n := range runs {
		for i := runs[n].From; i < runs[n].To; i++ {
			runOf[i-from.changes] = n
		}
	}
	clear(b.Changes[from.changes:])
	b.Changes, b.Runs = b.Changes[:from.changes], b.Runs[:from.runs]
	placed := make([]int, len(changes)) // where each change is now, counted from 1; 0: nowhere
	last := -1
	for _, i := range order {
		i -= from.changes
		at := len(b.Changes)
		b.Changes = append(b.Changes, changes[i])
		placed[i] = at + 1
		if n := runOf[i]; n == last {
			b.Runs[len(b.Runs)-1].To++
		} else {
			run := runs[n]
			run.From, run.To, last = at, at+1, n
			b.Runs = append(b.Runs, run)
		}
	}
	for n := from.notes; n < len(b.Notes); n++ {
		b.Notes[n].At = placeOfNote(b.Notes[n].At-from.changes, placed, len(b.Changes))
	}
	from.nothing(b)
}

// placeOfNote finds the change that a note stands before now: the first one that was behind it and still is there.
func placeOfNote(at int, placed []int, end int) int {
	for ; at >= 0 && at < len(placed); at++ {
		if placed[at] > 0 {
			return placed[at] - 1
		}
	}
	return end
}
