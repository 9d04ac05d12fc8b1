package mysql

import (
	"context"
	"fmt"

	"cdcbridge/capture"
	"cdcbridge/changelog"
)

var _ capture.TableLister = (*checker)(nil)

// Tables lists the captured tables that exist now.
func (k *checker) Tables(ctx context.Context) ([]changelog.Table, error) {
	filter, err := k.cfg.filter()
	if err != nil {
		return nil, fmt.Errorf("reading the table patterns: %w", err)
	}
	c, err := connectFirst(ctx, k.cfg)
	if err != nil {
		return nil, err
	}
	defer c.raw.Close()
	found, err := catalog{c, filter}.tables(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("listing the captured tables: %w", err)
	}
	var tables []changelog.Table
	for _, name := range sortedNames(found) {
		t := changelog.Table{Origin: (&serverFacts{mariadb: c.mariadb}).origin(), Database: name.database, Name: name.name}
		for _, c := range found[name].described() {
			t.Columns = append(t.Columns, changelog.Column{Name: c.Name})
		}
		for _, column := range found[name].key {
			t.Key = append(t.Key, t.ColumnIndex(column))
		}
		tables = append(tables, t)
	}
	return tables, nil
}
