package soak

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
	"github.com/jackc/pgx/v5/pgconn"
)

// What the tables hold, about: the load must not make them grow, or the daemon would have more to do at the end.
const (
	orderIDs    = 2000
	documentIDs = 40
	itemAge     = 500 // order numbers after which items are removed
)

// load writes into one database, over one connection.
type load struct {
	db        *sql.DB
	mysql     bool
	r         *rand.Rand
	serial    int64         // the next number that no row has had
	coupons   atomic.Bool   // the table of coupons is written, too
	pause     time.Duration // between two transactions, on average
	committed atomic.Int64
	lost      atomic.Int64 // transactions of which nobody knows how they ended
}

func newLoad(db *sql.DB, mysql bool, seed uint64) *load {
	db.SetMaxOpenConns(2) // one writes, the other one is for the test's questions
	return &load{db: db, mysql: mysql, r: rand.New(rand.NewPCG(seed, 9)), serial: 1_000_000, pause: 12 * time.Millisecond}
}

// tables are those of the database.
func (l *load) tables() []table {
	if l.mysql {
		return []table{orders, items, documents, audit, coupons}
	}
	return []table{orders, items, documents}
}

// create makes the tables, with rows for the first snapshot.
func (l *load) create(ctx context.Context) error {
	var statements []string
	for _, t := range l.tables() {
		statements = append(statements, t.create(l.mysql))
	}
	for id := 0; id < orderIDs; id += 100 {
		statements = append(statements, l.putOrders(id, 100))
	}
	for id := range documentIDs {
		statements = append(statements, fmt.Sprintf("INSERT INTO documents VALUES (%d, 0, '%s')", id, l.body()))
	}
	for _, s := range statements {
		if _, err := l.db.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%.80s: %w", s, err)
		}
	}
	return nil
}

// run writes until ctx ends. That the server goes away is no error: how the transaction ended is known by the tables.
func (l *load) run(ctx context.Context) error {
	for ctx.Err() == nil {
		switch err := l.transaction(context.WithoutCancel(ctx)); {
		case err == nil:
			l.committed.Add(1)
			time.Sleep(l.pause/2 + time.Duration(l.r.Int64N(int64(l.pause))))
		case isTrouble(err):
			l.lost.Add(1)
			time.Sleep(200 * time.Millisecond)
		default:
			return err
		}
	}
	return nil
}

// isTrouble says that the server or the connection went away, and not that a statement is wrong.
func isTrouble(err error) bool {
	var my *mysql.MySQLError
	if errors.As(err, &my) {
		return my.Number == 1053 || my.Number == 1317 || my.Number == 3169 // shutdown, query interrupted, session killed
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return strings.HasPrefix(pg.Code, "57") // operator intervention
	}
	return true // the connection's own
}

func (l *load) transaction(ctx context.Context) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, s := range l.statements() {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			_ = tx.Rollback() // the error that counts is known
			return fmt.Errorf("%.80s: %w", s, err)
		}
	}
	if l.r.IntN(20) == 0 {
		return tx.Rollback()
	}
	return tx.Commit()
}

// statements are those of the next transaction.
func (l *load) statements() []string {
	if l.r.IntN(400) == 0 {
		return []string{"UPDATE orders SET qty = qty + 1, note = 'swept'"}
	}
	var all []string
	if l.mysql {
		all = append(all, fmt.Sprintf("INSERT INTO audit VALUES (%d, 'entry %d')", l.next(), l.r.IntN(1000)))
		if l.coupons.Load() {
			all = append(all, fmt.Sprintf("REPLACE INTO coupons VALUES (%d, %d)", l.r.IntN(100), l.r.IntN(90)))
		}
	}
	for range 1 + l.r.IntN(4) {
		all = append(all, l.statement())
	}
	return all
}

func (l *load) statement() string {
	switch l.r.IntN(12) {
	case 0, 1, 2, 3:
		return l.putOrders(l.r.IntN(orderIDs), 1+l.r.IntN(8))
	case 4, 5:
		return fmt.Sprintf("UPDATE orders SET qty = qty + 1, note = 'n%d' WHERE region = %d AND id > %d", l.r.IntN(100), l.r.IntN(100), l.r.IntN(orderIDs))
	case 6:
		at := l.r.IntN(orderIDs)
		return fmt.Sprintf("DELETE FROM orders WHERE id BETWEEN %d AND %d", at, at+l.r.IntN(4))
	case 7: // rows go to other keys
		return fmt.Sprintf("UPDATE items SET order_id = %d WHERE order_id = %d", l.next(), l.serial-1-l.r.Int64N(30))
	case 8:
		return fmt.Sprintf("DELETE FROM items WHERE order_id < %d", l.serial-itemAge)
	case 9: // the large value beside it stays as it is
		return fmt.Sprintf("UPDATE documents SET views = views + 1 WHERE id = %d", l.r.IntN(documentIDs))
	case 10:
		if l.r.IntN(10) == 0 {
			return fmt.Sprintf("UPDATE documents SET body = '%s' WHERE id = %d", l.body(), l.r.IntN(documentIDs))
		}
	}
	id := l.next()
	return fmt.Sprintf("INSERT INTO items VALUES (%d, 1, 'lamp', %d.50), (%[1]d, 2, 'tea pot', NULL), (%[1]d, 3, 'Ωmega', 1)", id, l.r.IntN(900))
}

func (l *load) next() int64 {
	l.serial++
	return l.serial
}

// putOrders inserts or overwrites n orders.
func (l *load) putOrders(from, n int) string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf("(%d, %d, %d, 'open', %d.%02d, '2026-05-%02d 12:%02d:07.%03d', NULL)",
			from+i, l.r.IntN(100), l.r.IntN(50), l.r.IntN(10000), l.r.IntN(100), 1+l.r.IntN(28), l.r.IntN(60), l.r.IntN(1000))
	}
	values := strings.Join(rows, ", ")
	if l.mysql {
		return "REPLACE INTO orders VALUES " + values
	}
	return "INSERT INTO orders VALUES " + values + " ON CONFLICT (id) DO UPDATE SET qty = excluded.qty, amount = excluded.amount, touched = excluded.touched"
}

// body is a text that PostgreSQL keeps apart from its row, up to 300 kB.
func (l *load) body() string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	b := make([]byte, 10_000+l.r.IntN(290_000))
	for i := range b {
		b[i] = letters[l.r.Uint32()&63]
	}
	return string(b)
}
