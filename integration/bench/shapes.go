package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Loads of other rows than those of the table orders. They are MySQL's.

// wideColumns is how many columns a wide row has beside its key.
const wideColumns = 99

// loadWide inserts a tenth of the rows, of a hundred columns of four kinds each, in transactions of a thousand.
func loadWide(ctx context.Context, s *stand) (backlog, error) {
	my, ok := s.db.(*mysqlDB)
	if !ok {
		return backlog{}, errNoMySQL
	}
	definitions, values := []string{"id BIGINT PRIMARY KEY"}, []string{"n"}
	for i := range wideColumns {
		kind := [][2]string{
			{"INT", "n * %d"}, {"VARCHAR(40)", "CONCAT('column %d of row ', n)"}, {"DECIMAL(12,2)", "(n * %d %% 1000000) / 100"}, {"DATETIME(3)", "'2024-05-06 07:08:09.123' + INTERVAL %d + n SECOND"},
		}[i%4]
		definitions = append(definitions, fmt.Sprintf("c%02d %s", i, kind[0]))
		values = append(values, fmt.Sprintf(kind[1], i))
	}
	if err := my.unlogged(ctx, "CREATE TABLE bench.wide ("+strings.Join(definitions, ", ")+")"); err != nil {
		return backlog{}, err
	}
	thousands := max(1, s.rows/10_000)
	err := s.parallel(ctx, thousands, nil, func(i int64) string {
		return fmt.Sprintf("INSERT INTO bench.wide SELECT %s FROM (SELECT %d + i AS n FROM benchload.thousand) t", strings.Join(values, ", "), i*1000)
	})
	return inserts(1000*thousands, 1000), err
}

// loadMegabytes inserts rows of one value of 1 MB each.
func loadMegabytes(ctx context.Context, s *stand) (backlog, error) {
	const size = 1_000_000
	rows := max(20, s.rows/5000)
	for i := range rows {
		piece := fmt.Sprintf("%d: \"ä☃\" <&>\n", i)
		if _, err := s.db.pool().ExecContext(ctx, "INSERT INTO bench.documents VALUES (?, ?, NULL)", i, strings.Repeat(piece, size/len(piece))); err != nil {
			return backlog{}, err
		}
	}
	return inserts(rows, 1), nil
}

// loadTables spreads the rows over n tables, a hundred in a transaction, in turn. Fewer rows than a hundred for each table make fewer tables.
func loadTables(n int64) func(context.Context, *stand) (backlog, error) {
	return func(ctx context.Context, s *stand) (backlog, error) {
		my, ok := s.db.(*mysqlDB)
		if !ok {
			return backlog{}, errNoMySQL
		}
		transactions := s.rows / 100
		tables := min(n, transactions)
		var statements []string
		for i := range tables {
			statements = append(statements, fmt.Sprintf("CREATE TABLE bench.t%04d LIKE bench.orders", i))
		}
		if err := my.unlogged(ctx, statements...); err != nil {
			return backlog{}, err
		}
		err := s.parallel(ctx, transactions, nil, func(i int64) string {
			return strings.Replace(s.db.thousand(i*100, 100), "bench.orders", fmt.Sprintf("bench.t%04d", i%tables), 1)
		})
		return inserts(transactions*100, 100), err
	}
}

var errNoMySQL = errors.New("this load is MySQL's")
