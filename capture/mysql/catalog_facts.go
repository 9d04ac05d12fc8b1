package mysql

import "cdcbridge/capture/mysql/schema"

// factsOf is what a schema says beyond the log.
func factsOf(t *schema.Table) *tableFacts {
	f := &tableFacts{engine: t.Engine}
	for _, c := range t.Columns {
		f.told = append(f.told, columnFacts{Name: c.Name, ColumnType: c.ColumnType, Generated: c.Generated})
	}
	for _, p := range keyOf(t).Parts {
		f.key = append(f.key, p.Column)
	}
	return f
}
