package upsert

import (
	"fmt"
	"slices"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/shape"
)

// TableRule says what is special about some tables. Of several rules that fit a table and an output the first one counts, and only
// that one.
type TableRule struct {
	Name    string   // database.table or schema.table, where * and ? are wildcards
	Outputs []string // names of the outputs that it is about; empty: all
	Key     []string // columns that form the record key, in this order; empty: the primary key
	Shape   shape.Rules
}

// fits reports that the rule is about that table in that output.
func (r *TableRule) fits(t *changelog.Table, o *Output) bool {
	return r.about(o.Name) && capture.MatchTable(r.Name, t.Namespace(), t.Name)
}

func (r *TableRule) about(output string) bool {
	return len(r.Outputs) == 0 || slices.Contains(r.Outputs, output)
}

// noRule leaves a table as it is.
var noRule TableRule

func (p *Planner) rule(t *changelog.Table, o *Output) *TableRule {
	for i := range p.rules {
		if p.rules[i].fits(t, o) {
			return &p.rules[i]
		}
	}
	return &noRule
}

// key resolves the record key: the table's rule, else the output's, else its primary key.
func (r *TableRule) key(t *changelog.Table, o *Output) ([]int, error) {
	if len(r.Key) > 0 {
		key := make([]int, len(r.Key))
		for i, name := range r.Key {
			if key[i] = t.ColumnIndex(name); key[i] < 0 {
				return nil, fault.NewFinal(fault.Config, "resolving the record key", fmt.Errorf("table %s has no column %q", t.FullName(), name),
					"Correct the key of this table in the pipeline's tables section.")
			}
		}
		return key, nil
	}
	if key, err := keyByRule(o.Keys, t); err != nil || key != nil {
		return key, err
	}
	if len(t.Key) == 0 && o.Mode == Upsert {
		return nil, fault.NewFinal(fault.NoKey, "resolving the record key", fmt.Errorf("table %s has no primary key", t.FullName()),
			"Give the table a primary key, name key columns in the pipeline's tables section, use mode: changelog, or exclude the table.")
	}
	return t.Key, nil
}

// hides reports that values of some table are not to be seen in the output. A statement may write to several tables, so that the text
// of none may be seen there.
func (p *Planner) hides(o *Output) bool {
	return slices.ContainsFunc(p.rules, func(r TableRule) bool { return r.about(o.Name) && r.Shape.Hides() })
}
