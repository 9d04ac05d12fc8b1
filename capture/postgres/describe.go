package postgres

import (
	"context"
	"fmt"
	"slices"

	"cdcbridge/capture"
	"cdcbridge/changelog"
)

var _ capture.TableDescriber = (*checker)(nil)

// Describe tells what the captured tables that exist now look like. Before there is a publication it has the columns that will be
// published.
func (k *checker) Describe(ctx context.Context) ([]*changelog.Table, error) {
	c, err := connect(ctx, k.cfg, session{pipeline: k.env.Pipeline})
	if err != nil {
		return nil, err
	}
	defer c.close()
	facts, err := readFacts(ctx, c, session{pipeline: k.env.Pipeline})
	if err != nil {
		return nil, err
	}
	cat, err := k.catalog(c, facts)
	if err != nil {
		return nil, err
	}
	ts, err := cat.read(ctx)
	if err != nil {
		return nil, err
	}
	types := newTypeBook()
	var out []*changelog.Table
	for _, f := range ts.all {
		k.upcoming(f)
		body := f.relation()
		if len(body.Columns) == 0 {
			continue // the log has rows of it, and nothing in them
		}
		if err := types.load(ctx, c, body.types()); err != nil {
			return nil, err
		}
		sh, err := newShape(&body, f, types, nil)
		if err != nil {
			return nil, fmt.Errorf("describing table %s: %w", f.full(), err)
		}
		sh.table.Database = facts.database
		out = append(out, sh.table)
	}
	return out, nil
}

// upcoming marks the columns that will be published, of a table of which none is yet.
func (k *checker) upcoming(f *tableFacts) {
	if slices.ContainsFunc(f.columns, func(c columnFacts) bool { return c.published }) {
		return
	}
	p := k.cfg.published(f)
	for i := range f.columns {
		c := &f.columns[i]
		c.published = !c.generated && (p == nil || len(p.Columns) == 0 || slices.Contains(p.Columns, c.name))
	}
}
