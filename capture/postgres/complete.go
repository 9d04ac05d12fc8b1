package postgres

import (
	"context"
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// complete gives the changes with these indexes the values that the log left out because an update did not touch them. The
// target holds whole rows, so a change without them must not leave.
func (s *source) complete(_ context.Context, b *changelog.Batch, gaps []int) error {
	for _, i := range gaps {
		t := tableOf(b, i)
		for j, v := range b.Changes[i].After {
			if v.IsUnchanged() {
				return fault.NewFinal(fault.SourceSettings, "completing a row of "+t.FullName(), fmt.Errorf("the update left the large column %q as it was, and the log does not carry its value", t.Columns[j].Name),
					"Run ALTER TABLE "+identifier(t.Schema)+"."+identifier(t.Name)+" REPLICA IDENTITY FULL. Updates that were logged before need a new snapshot of the table.")
			}
		}
	}
	return nil
}

// tableOf finds the table of a change.
func tableOf(b *changelog.Batch, change int) *changelog.Table {
	for i := range b.Runs {
		if r := &b.Runs[i]; r.From <= change && change < r.To {
			return r.Table
		}
	}
	return nil
}
