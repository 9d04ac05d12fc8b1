package shape

import (
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// filter is a Filter for one table version and what is done by it.
type filter struct {
	test   test
	needs  []int // columns that it reads
	key    []int // of the record key
	upsert bool
}

// compileFilter binds the filter of the rules to the table.
func (s *Shape) compileFilter(t *changelog.Table, w *Want) error {
	if w.Rules.Filter == nil {
		return nil
	}
	test, needs, err := w.Rules.Filter.compile(t)
	if err != nil && keyAlone(t) {
		test, err = undecided{}, nil
	}
	if err != nil {
		return err
	}
	s.filter = &filter{test: test, needs: needs, key: w.Key, upsert: w.Upsert}
	return nil
}

// Filters reports that some changes are not written.
func (s *Shape) Filters() bool { return s != nil && s.filter != nil }

// Judge says as what a change of the run is to be written, in the form of the table: as it is, as the insert of a row that comes into
// the filter, as the delete of one that leaves it, or not at all, which is nil. Where the old row is not known well enough, a key of a
// compacted topic that may have a row ends; it may be ended once more than needed. A topic that keeps all changes has no such
// way out. The result is valid until the next call.
func (s *Shaper) Judge(ch *changelog.Change) (*changelog.Change, error) {
	f := s.shape.filter
	if f == nil {
		return ch, nil
	}
	gone := ch.Fill == changelog.Gone && f.upsert // what is missing of After is known not to matter
	after, before := f.of(ch.After), f.of(ch.Before)
	switch ch.Op {
	case changelog.Read, changelog.Insert, changelog.Upsert:
		before = falseOnly
		if ch.Op == changelog.Upsert {
			before = anyTruth
		}
		if gone {
			return ch, nil
		}
	case changelog.Update:
	case changelog.Delete:
		after = falseOnly
	default:
		return nil, fault.NewFinal(fault.Internal, "filtering a change", fmt.Errorf("operation %d", ch.Op), "Report this as a bug.")
	}
	if !after.decided() && !gone {
		return nil, s.lacking("new", ch.After)
	}
	if ch.Op != changelog.Upsert || after.out() {
		if !before.decided() && !f.upsert {
			return nil, s.lacking("old", ch.Before)
		}
	}
	switch {
	case after.in() && (ch.Op != changelog.Update || !before.out()), ch.Op == changelog.Delete && !before.out():
		return ch, nil
	case after.in():
		s.judged = *ch
		s.judged.Op, s.judged.Before = changelog.Insert, nil
		return &s.judged, nil
	case before.out():
		return nil, nil
	}
	return s.leaves(f, ch), nil
}

// leaves is the delete of a row that the filter no longer wants.
func (s *Shaper) leaves(f *filter, ch *changelog.Change) *changelog.Change {
	s.judged = *ch
	s.judged.Op, s.judged.Fill, s.judged.After = changelog.Delete, changelog.Logged, nil
	if ch.Before != nil {
		return &s.judged
	}
	// The log leaves the old row out only where the key did not change.
	s.keys = s.keys[:0]
	for range ch.After {
		s.keys = append(s.keys, changelog.Unchanged())
	}
	for _, k := range f.key {
		if k < len(s.keys) {
			s.keys[k] = ch.After[k]
		}
	}
	s.judged.Before = s.keys
	return &s.judged
}

// of judges a row; of a row that the log does not have nothing is known.
func (f *filter) of(row changelog.Row) truth {
	if row == nil {
		return anyTruth
	}
	return f.test.of(row)
}

// lacking is the fault of a row about which the filter cannot decide.
func (s *Shaper) lacking(which string, row changelog.Row) error {
	f, what := s.shape.filter, "more than the key"
	for _, i := range f.needs {
		if i >= len(row) || row[i].IsUnchanged() {
			what = fmt.Sprintf("column %q", s.shape.source.Columns[i].Name)
			break
		}
	}
	hint := "Let the source log whole rows (binlog_row_image=FULL on MySQL, REPLICA IDENTITY FULL on PostgreSQL)."
	if which == "old" {
		hint = "Whether the row comes or goes cannot be told: let the source log whole rows (binlog_row_image=FULL on MySQL, REPLICA IDENTITY FULL on PostgreSQL), or write the output in mode: upsert."
	}
	return fault.NewFinal(fault.SourceSettings, "filtering a change", fmt.Errorf("the log does not carry %s of the %s row", what, which), hint)
}
