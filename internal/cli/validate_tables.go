package cli

import (
	"context"
	"slices"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/config"
	"cdcbridge/upsert"
)

// listTables lists the captured tables. What rules make of columns depends on their types, for which a source looks closer.
func listTables(ctx context.Context, p *config.Pipeline, lister capture.TableLister) ([]changelog.Table, error) {
	describer, ok := lister.(capture.TableDescriber)
	if !ok || !slices.ContainsFunc(p.Spec.Tables, func(r upsert.TableRule) bool { return !r.Shape.Empty() }) {
		return lister.Tables(ctx)
	}
	described, err := describer.Describe(ctx)
	if err != nil {
		return nil, err
	}
	tables := make([]changelog.Table, len(described))
	for i, t := range described {
		tables[i] = *t
	}
	return tables, nil
}
