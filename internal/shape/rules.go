package shape

import (
	"fmt"
	"slices"
)

// Rules say what an output writes of the rows of a table. All names are those that the columns have in the table. The zero Rules
// leave the table as it is.
type Rules struct {
	Include []string // columns that are written; empty: all
	Exclude []string // columns that are not written
	Masks   []Mask
	Renames []Rename
	Filter  *Filter // which rows are written; nil: all
}

// Rename gives a column another name.
type Rename struct{ Column, To string }

// Empty reports that the rules change nothing.
func (r *Rules) Empty() bool {
	return len(r.Include) == 0 && len(r.Exclude) == 0 && len(r.Masks) == 0 && len(r.Renames) == 0 && r.Filter == nil
}

// Hides reports that values of the table are to be seen nowhere.
func (r *Rules) Hides() bool { return len(r.Include) > 0 || len(r.Exclude) > 0 || len(r.Masks) > 0 }

// Validate returns every problem that can be seen without the table, each beginning with the key that it is about.
func (r *Rules) Validate() []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(r.Include) > 0 && len(r.Exclude) > 0 {
		bad("exclude_columns: cannot be given together with include_columns")
	}
	once := func(key string, columns []string) {
		for i, c := range columns {
			if c == "" || slices.Index(columns, c) < i {
				bad("%s[%d]: must be the name of a column, each once", key, i)
			}
		}
	}
	once("include_columns", r.Include)
	once("exclude_columns", r.Exclude)
	masked := map[string]bool{}
	for i := range r.Masks {
		m := &r.Masks[i]
		for _, err := range m.validate() {
			bad("mask[%d].%w", i, err)
		}
		for k, c := range m.Columns {
			switch {
			case c == "" || masked[c]:
				bad("mask[%d].columns[%d]: must be the name of a column, each once", i, k)
			case !r.writes(c):
				bad("mask[%d].columns[%d]: column %q is not written at all", i, k, c)
			}
			masked[c] = true
		}
	}
	return append(errs, r.validateRenames()...)
}

func (r *Rules) validateRenames() []error {
	var errs []error
	renamed, taken := map[string]bool{}, map[string]bool{}
	for i, n := range r.Renames {
		switch {
		case n.Column == "" || renamed[n.Column]:
			errs = append(errs, fmt.Errorf("rename[%d].column: must be the name of a column, each once", i))
		case !r.writes(n.Column):
			errs = append(errs, fmt.Errorf("rename[%d].column: column %q is not written at all", i, n.Column))
		}
		if n.To == "" || taken[n.To] {
			errs = append(errs, fmt.Errorf("rename[%d].to: must be a name, each once", i))
		}
		renamed[n.Column], taken[n.To] = true, true
	}
	return errs
}

// writes reports that the rules leave a column in.
func (r *Rules) writes(column string) bool {
	if len(r.Include) > 0 {
		return slices.Contains(r.Include, column)
	}
	return !slices.Contains(r.Exclude, column)
}
