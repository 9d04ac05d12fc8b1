package upsert

import (
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// Target is where one output writes the rows of one table.
type Target struct {
	Output  *Output
	Table   *changelog.Table // as the output writes it
	Options formats.Options  // what the output's format is told: topic, key columns, whether the topic is compacted
}

// Targets lists them, but for those of outboxes, in the order of the outputs and then of the tables. It fails at a table that an output could not write. It asks
// nobody.
func Targets(pipeline string, outputs []Output, rules []TableRule, tables []*changelog.Table) ([]Target, error) {
	p := NewPlanner(pipeline, outputs, rules, nil)
	var targets []Target
	for i := range outputs {
		o := &outputs[i]
		for _, t := range tables {
			if o.Outbox != nil { // it has messages, and no rows
				break
			}
			if !o.takes(t) {
				continue
			}
			w, err := p.written(t, o)
			if err != nil {
				return nil, fmt.Errorf("planning output %s of table %s: %w", o.Name, t.FullName(), err)
			}
			targets = append(targets, Target{Output: o, Table: w.table, Options: formats.Options{Key: w.key, Topic: w.topic, Upsert: o.Mode == Upsert}})
		}
	}
	return targets, nil
}
