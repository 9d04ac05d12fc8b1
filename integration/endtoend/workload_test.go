package endtoend

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
)

// workload writes random transactions into one database.
type workload struct {
	db         *sql.DB
	name       string // database
	everything []column
	large      bool          // many transactions change every row of a table
	pause      time.Duration // between two transactions of a connection
	committed  atomic.Int64
}

func newWorkload(db *sql.DB, name string, withVector bool) *workload {
	w := &workload{db: db, name: name, everything: everything}
	if withVector {
		w.everything = append(everything[:len(everything):len(everything)], vector)
	}
	return w
}

// run writes until ctx ends or n transactions are committed (n < 0: no limit), over one connection.
func (w *workload) run(ctx context.Context, seed uint64, n int) error {
	r := rand.New(rand.NewPCG(seed, 7))
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "SET SESSION sql_mode='', time_zone='+00:00', innodb_lock_wait_timeout=5"); err != nil {
		return err
	}
	for done := 0; n < 0 || done < n; {
		err := w.transaction(ctx, conn, r)
		switch {
		case err == nil:
			done++
			w.committed.Add(1)
			time.Sleep(w.pause)
		case ctx.Err() != nil:
			return nil
		case !retryable(err):
			return err
		}
	}
	return nil
}

// retryable errors are what concurrent random writers do to each other: deadlocks, lock waits, duplicate keys.
func retryable(err error) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && (e.Number == 1213 || e.Number == 1205 || e.Number == 1062)
}

func (w *workload) transaction(ctx context.Context, conn *sql.Conn, r *rand.Rand) error {
	if w.large && r.IntN(8) == 0 {
		_, err := conn.ExecContext(ctx, fmt.Sprintf("UPDATE %s.%s", w.name, oneOf("orders SET qty = qty + 1", "everything SET ti = NULL, tx = REPEAT('x', 90)", "items SET price = price + 1")(r)))
		return err
	}
	if r.IntN(4) == 0 { // autocommit: one statement, one transaction
		_, err := conn.ExecContext(ctx, w.statement(r))
		return err
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for i := range 1 + r.IntN(6) {
		if r.IntN(8) == 0 {
			if err := w.savepoint(ctx, tx, r, i); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, w.statement(r)); err != nil {
			return err
		}
	}
	if r.IntN(10) == 0 {
		return tx.Rollback()
	}
	return tx.Commit()
}

func (w *workload) savepoint(ctx context.Context, tx *sql.Tx, r *rand.Rand, i int) error {
	name := fmt.Sprintf("s%d", i)
	for _, s := range []string{"SAVEPOINT " + name, w.statement(r), "ROLLBACK TO SAVEPOINT " + name} {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (w *workload) statement(r *rand.Rand) string {
	switch r.IntN(10) {
	case 0, 1, 2:
		return w.writeEverything(r)
	case 3, 4, 5:
		return w.writeOrders(r)
	case 6, 7:
		return w.writeItems(r)
	case 8:
		return w.writeNames(r)
	default:
		return fmt.Sprintf("REPLACE INTO %s.uncaptured VALUES (%d, %d)", w.name, r.IntN(50), r.IntN(1000))
	}
}

func (w *workload) writeEverything(r *rand.Rand) string {
	const ids = 60
	switch r.IntN(6) {
	case 0:
		return fmt.Sprintf("DELETE FROM %s.everything WHERE id = %d", w.name, r.IntN(ids))
	case 1:
		return fmt.Sprintf("UPDATE %s.everything SET id = id + %d WHERE id = %d", w.name, 1000, r.IntN(ids))
	case 2, 3:
		var set []string
		for _, c := range w.everything {
			if c.value != nil && r.IntN(5) == 0 {
				set = append(set, c.name+"="+value(c, r))
			}
		}
		if len(set) > 0 {
			return fmt.Sprintf("UPDATE %s.everything SET %s WHERE id BETWEEN %d AND %d", w.name, strings.Join(set, ","), r.IntN(ids), r.IntN(ids))
		}
	}
	names, values := []string{"id"}, []string{fmt.Sprint(r.IntN(ids))}
	for _, c := range w.everything {
		if c.value != nil {
			names, values = append(names, c.name), append(values, value(c, r))
		}
	}
	return fmt.Sprintf("REPLACE INTO %s.everything (%s) VALUES (%s)", w.name, strings.Join(names, ","), strings.Join(values, ","))
}

func value(c column, r *rand.Rand) string {
	if r.IntN(6) == 0 {
		return "NULL"
	}
	return c.value(r)
}

func (w *workload) writeOrders(r *rand.Rand) string {
	const ids = 500
	switch r.IntN(5) {
	case 0:
		return fmt.Sprintf("DELETE FROM %s.orders WHERE id BETWEEN %d AND %d LIMIT 3", w.name, r.IntN(ids), r.IntN(ids))
	case 1, 2:
		return fmt.Sprintf("UPDATE %s.orders SET qty = qty + 1, touched = NOW(3), note = CONCAT('n', %d) WHERE region = %d", w.name, r.IntN(99), r.IntN(20))
	}
	var rows []string
	for range 1 + r.IntN(8) {
		rows = append(rows, fmt.Sprintf("(%d,%d,%d,'open','note %d','sku-%d','city',%d.%02d,%d,NOW(3),NOW(3),%d)",
			r.IntN(ids), r.IntN(1000), r.IntN(20), r.IntN(1000), r.IntN(100), r.IntN(1000), r.IntN(100), r.IntN(9), r.IntN(2)))
	}
	return fmt.Sprintf("INSERT INTO %s.orders VALUES %s ON DUPLICATE KEY UPDATE qty = VALUES(qty), amount = VALUES(amount), customer = VALUES(customer)", w.name, strings.Join(rows, ","))
}

func (w *workload) writeItems(r *rand.Rand) string {
	switch r.IntN(5) {
	case 0:
		return fmt.Sprintf("DELETE FROM %s.items WHERE order_id = %d", w.name, r.IntN(30))
	case 1: // moves rows to other keys
		return fmt.Sprintf("UPDATE IGNORE %s.items SET order_id = order_id + %d, code = 'moved' WHERE order_id = %d ORDER BY line DESC", w.name, r.IntN(5), r.IntN(30))
	}
	return fmt.Sprintf("REPLACE INTO %s.items (order_id, line, code, note, price) VALUES (%d, %d, 'c%d', NULL, %d.5), (%d, %d, 'd', 'two', 2)",
		w.name, r.IntN(30), r.IntN(5), r.IntN(9), r.IntN(99), r.IntN(30), r.IntN(5))
}

func (w *workload) writeNames(r *rand.Rand) string {
	name := func() string {
		return oneOf("'a'", "'A'", "'ä'", "'☃'", "'longer name'", "'q\"uo'", "'1'", "'tab\t'")(r)
	}
	switch r.IntN(4) {
	case 0:
		return fmt.Sprintf("DELETE FROM %s.names WHERE name = %s", w.name, name())
	case 1:
		return fmt.Sprintf("UPDATE IGNORE %s.names SET name = %s, v = v + 1 WHERE name = %s", w.name, name(), name())
	}
	return fmt.Sprintf("REPLACE INTO %s.names VALUES (%s, %d)", w.name, name(), r.IntN(100))
}
