package shape

import (
	"fmt"
	"slices"

	"cdcbridge/changelog"
)

// apply makes the table of the columns that the rules leave of t. The errors name what t does not have, or must keep.
func (s *Shape) apply(t *changelog.Table, w *Want) error {
	r := w.Rules
	if err := known(t, r); err != nil && !keyAlone(t) {
		return err
	}
	left := *t
	left.Columns, s.take = nil, []int{}
	at := make([]int, len(t.Columns)) // where each column of t is now, -1: nowhere
	masked := make([]bool, len(t.Columns))
	for i := range t.Columns {
		c := t.Columns[i]
		if at[i] = -1; !r.writes(c.Name) {
			continue
		}
		m := r.maskOf(c.Name)
		if m != nil {
			var err error
			if c, err = m.column(c, t); err != nil {
				return err
			}
			if s.masks == nil {
				s.masks = make([]*Mask, len(t.Columns))
			}
			s.masks[len(s.take)], masked[i] = m, true
		}
		c.Name = r.nameOf(c.Name)
		if k := left.ColumnIndex(c.Name); k >= 0 {
			return fmt.Errorf("columns %q and %q would both be called %q", t.Columns[s.take[k]].Name, t.Columns[i].Name, c.Name)
		}
		at[i], s.take = len(s.take), append(s.take, i)
		left.Columns = append(left.Columns, c)
	}
	s.Key = make([]int, len(w.Key))
	for i, k := range w.Key {
		if s.Key[i] = at[k]; at[k] < 0 || masked[k] {
			return fmt.Errorf("column %q is a part of the key, which must be written as it is", t.Columns[k].Name)
		}
	}
	left.Key = keyLeft(t, at, masked)
	s.Table, s.own = &left, len(s.take)
	if len(s.take) == len(t.Columns) {
		s.take = nil
	}
	return s.compileFilter(t, w)
}

// keyLeft is the primary key of the table in its new form; nil where it is no longer whole.
func keyLeft(t *changelog.Table, at []int, masked []bool) []int {
	var key []int
	for _, k := range t.Key {
		if at[k] < 0 || masked[k] {
			return nil
		}
		key = append(key, at[k])
	}
	return key
}

// keyAlone reports a table of which a message, a tombstone above all, tells nothing but the key. There is nothing to leave out or to hide.
func keyAlone(t *changelog.Table) bool { return t.Inferred && len(t.Columns) == len(t.Key) }

// known refuses rules about columns that the table does not have: what was to be left out or hidden may have another name now.
func known(t *changelog.Table, r *Rules) error {
	lists := [][]string{r.Include, r.Exclude}
	for i := range r.Masks {
		lists = append(lists, r.Masks[i].Columns)
	}
	for _, n := range r.Renames {
		lists = append(lists, []string{n.Column})
	}
	for _, name := range slices.Concat(lists...) {
		if t.ColumnIndex(name) < 0 {
			return fmt.Errorf("the table has no column %q", name)
		}
	}
	return nil
}

// maskOf finds the mask of a column; nil: it has none.
func (r *Rules) maskOf(column string) *Mask {
	for i := range r.Masks {
		if slices.Contains(r.Masks[i].Columns, column) {
			return &r.Masks[i]
		}
	}
	return nil
}

// nameOf is what a column is called in the output.
func (r *Rules) nameOf(column string) string {
	for _, n := range r.Renames {
		if n.Column == column {
			return n.To
		}
	}
	return column
}
