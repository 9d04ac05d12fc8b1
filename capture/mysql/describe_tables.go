package mysql

import (
	"context"
	"errors"
	"fmt"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

var _ capture.TableDescriber = (*checker)(nil)

// Describe tells what the captured tables that exist now look like.
func (k *checker) Describe(ctx context.Context) ([]*changelog.Table, error) {
	filter, err := k.cfg.filter()
	if err != nil {
		return nil, fault.NewFinal(fault.Config, "reading tables", err, "")
	}
	c, err := connectFirst(ctx, k.cfg)
	if err != nil {
		return nil, err
	}
	defer c.raw.Close()
	facts, err := c.readFacts(ctx)
	if err != nil {
		return nil, err
	}
	found, err := catalog{c, filter}.tables(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("listing the captured tables: %w", err)
	}
	var tables []*changelog.Table
	err = c.during(ctx, func() error {
		server := emptyHistory()
		if err := server.ask(c, facts); err != nil {
			return err
		}
		for _, name := range sortedNames(found) {
			t, err := c.changelogTable(name, server.ids, facts, found[name].words)
			if errors.Is(err, capture.ErrTableGone) {
				continue // meanwhile
			}
			if err != nil {
				return fmt.Errorf("describing table %s: %w", name, err)
			}
			tables = append(tables, t)
		}
		return nil
	})
	return tables, err
}

// changelogTable describes a table as the stream and the reader of chunks would now.
func (c *conn) changelogTable(name tableName, collations map[string]uint32, server *serverFacts, words *tableWords) (*changelog.Table, error) {
	d, err := c.describe(name)
	if err != nil {
		return nil, err
	}
	l, facts, err := layoutOf(d, collations, c.mariadb)
	if err != nil {
		return nil, err
	}
	sh, err := l.shape(name, facts)
	if err != nil {
		return nil, err
	}
	words.describe(sh, server)
	return sh.table, nil
}
