package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
)

// backlog is what a load has left in the log.
type backlog struct {
	changes int64 // captured row changes
	records int64 // that each output makes of them, tombstones included
	txns    int64
}

// inserts is a backlog of n rows in transactions of that many.
func inserts(n, each int64) backlog { return backlog{changes: n, records: n, txns: n / each} }

// loadOrders inserts rows in transactions of a thousand.
func loadOrders(ctx context.Context, s *stand) (backlog, error) {
	rows := s.rows / 1000 * 1000
	return inserts(rows, 1000), s.parallel(ctx, rows/1000, nil, func(i int64) string { return s.db.thousand(i*1000, 1000) })
}

// loadCompressed is the same with compressed transactions.
func loadCompressed(ctx context.Context, s *stand) (backlog, error) {
	rows := s.rows / 2000 * 1000
	return inserts(rows, 1000), s.parallel(ctx, rows/1000, []string{"SET SESSION binlog_transaction_compression=ON"}, func(i int64) string { return s.db.thousand(i*1000, 1000) })
}

// loadSingle inserts rows in transactions of one.
func loadSingle(ctx context.Context, s *stand) (backlog, error) {
	const each = 1000
	calls := s.rows * 3 / 10 / each
	return inserts(calls*each, 1), s.parallel(ctx, calls, nil, func(i int64) string { return fmt.Sprintf("CALL benchload.single(%d, %d)", i*each, each) })
}

// loadBig inserts all rows in one transaction.
func loadBig(ctx context.Context, s *stand) (backlog, error) {
	rows := s.rows / 1000 * 1000
	tx, err := s.db.pool().BeginTx(ctx, nil)
	if err != nil {
		return backlog{}, err
	}
	defer func() { _ = tx.Rollback() }()
	for i := range rows / 1000 {
		if _, err := tx.ExecContext(ctx, s.db.thousand(i*1000, 1000)); err != nil {
			return backlog{}, err
		}
	}
	return inserts(rows, rows), tx.Commit()
}

// loadValues inserts rows of one value of 10 MB each, ten of text and ten of bytes that do not compress.
func loadValues(ctx context.Context, s *stand) (backlog, error) {
	const size, rows = 10_000_000, 20
	random := rand.NewChaCha8([32]byte{1})
	scan := make([]byte, size)
	for i := range rows {
		var text, bytes any
		if i%2 == 0 {
			piece := fmt.Sprintf("%d: \"ä☃\" <&>\n", i)
			text = strings.Repeat(piece, size/len(piece)+1)
		} else {
			_, _ = random.Read(scan) // never fails
			bytes = scan
		}
		if _, err := s.db.pool().ExecContext(ctx, "INSERT INTO bench.documents VALUES (?, ?, ?)", i, text, bytes); err != nil {
			return backlog{}, err
		}
	}
	return inserts(rows, 1), nil
}

// loadToast inserts documents of 100 KB and counts their revisions up, one in a transaction: the log has the new number and
// leaves the body out.
func loadToast(ctx context.Context, s *stand) (backlog, error) {
	const documents, size = 100, 100_000
	body := strings.Repeat("a line of a long document\n", size/26)
	for i := range documents {
		if _, err := s.db.pool().ExecContext(ctx, "INSERT INTO bench.documents VALUES ($1, 0, $2)", i, body); err != nil {
			return backlog{}, err
		}
	}
	updates := s.rows / 100
	err := s.parallel(ctx, updates, nil, func(i int64) string {
		return fmt.Sprintf("UPDATE bench.documents SET revision = revision + 1 WHERE id = %d", i*7919%documents)
	})
	return inserts(documents+updates, 1), err
}

// loadMixed updates, deletes and inserts over rows that were there before the binlog began.
func loadMixed(ctx context.Context, s *stand) (backlog, error) {
	thousands := s.rows / 4000
	my, ok := s.db.(*mysqlDB)
	if !ok {
		return backlog{}, fmt.Errorf("%s has no statements that it does not log", s.db.name())
	}
	for i := range thousands {
		if err := my.unlogged(ctx, s.db.thousand(i*1000, 1000)); err != nil {
			return backlog{}, err
		}
	}
	statements := []string{
		"UPDATE bench.orders SET quantity = quantity + 1, status = 'paid!', updated_at = updated_at + INTERVAL 1 MINUTE WHERE id >= %d AND id < %d",
		"UPDATE bench.orders SET amount = amount + 1 WHERE id >= %d AND id < %d",
		"DELETE FROM bench.orders WHERE id >= %d AND id < %d",
	}
	err := s.parallel(ctx, thousands, nil, func(i int64) string {
		all := ""
		for _, q := range statements {
			for from := i * 1000; from < (i+1)*1000; from += 100 {
				all += fmt.Sprintf(q+";", from, from+100)
			}
		}
		return all
	})
	n := thousands * 1000
	return backlog{changes: 3 * n, records: 4 * n, txns: 30 * thousands}, err
}

// parallel runs n statements over four connections, in no order.
func (s *stand) parallel(ctx context.Context, n int64, before []string, statement func(i int64) string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int64)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := s.consume(ctx, before, next, statement); err != nil {
				cancel(err)
			}
		})
	}
feed:
	for i := range n {
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

func (s *stand) consume(ctx context.Context, before []string, next <-chan int64, statement func(int64) string) error {
	conn, err := s.db.pool().Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, q := range append(s.db.session(), before...) {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("running %s: %w", q, err)
		}
	}
	for i := range next {
		if _, err := conn.ExecContext(ctx, statement(i)); err != nil {
			return fmt.Errorf("writing part %d of the load: %w", i, err)
		}
	}
	return nil
}
