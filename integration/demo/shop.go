package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// tables of the shop, all captured, with their columns.
var tables = []struct {
	name    string
	columns []string
}{
	{"customers", []string{"id", "name", "city", "since", "points"}},
	{"orders", []string{"id", "customer_id", "status", "total", "placed", "touched"}},
	{"order_items", []string{"order_id", "line", "product", "quantity", "price"}},
}

// language is what one database's SQL has of its own. The shop's statements are otherwise the same everywhere, written with
// a question mark for each parameter.
type language struct {
	schema      []string                   // makes the tables in the database, and sets the session's clock to UTC
	statement   func(string) string        // a statement in this database's words
	text        func(column string) string // an expression that renders the column as text
	transaction func(id string) string     // what people call a transaction, of its cdc.txn
}

// shop is the database and what its clerks do.
type shop struct {
	db        *sql.DB
	speak     language
	r         *rand.Rand
	open      []int64 // orders that something may still happen to
	order     int64   // the newest
	committed int     // transactions
}

// openShop makes the tables. They are empty until fill.
func openShop(ctx context.Context, server database) (*shop, error) {
	db, err := server.Open()
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // one session, so that its settings hold for all statements
	s := &shop{db: db, speak: server.Language(), r: rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0)), order: 1000}
	for _, q := range s.speak.schema {
		if _, err := db.ExecContext(ctx, q); err != nil {
			return nil, errors.Join(fmt.Errorf("making the shop: %w", err), db.Close())
		}
	}
	return s, nil
}

func (s *shop) close() { _ = s.db.Close() } // nothing is left to lose

// fill brings the first customers and the first order, so that no table is empty. It returns how many records come of it at
// least.
func (s *shop) fill(ctx context.Context) (records int, err error) {
	if err := errors.Join(s.hire(ctx), s.transaction(ctx, s.newOrder)); err != nil {
		return 0, fmt.Errorf("filling the shop: %w", err)
	}
	return len(people) + 3, nil // an order, its total, and one item at least
}

var (
	people   = []string{"Ada Lovelace", "Émilie du Châtelet", "Grace Hopper", "Katherine Johnson", "Sofja Kowalewskaja", "王贞仪"}
	cities   = []string{"Berlin", "Lyon", "New York", "Porto", "Sankt Peterburg", "Zürich"}
	products = []string{"tea pot", "lamp", "atlas", "chess set", "umbrella", "fountain pen"}
)

// hire makes the customers, in one transaction.
func (s *shop) hire(ctx context.Context) error {
	return s.transaction(ctx, func(tx clerk) error {
		for i, name := range people {
			if err := tx.do("INSERT INTO customers (id, name, city, since) VALUES (?, ?, ?, CURRENT_DATE)", i+1, name, cities[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// clerk works in one transaction.
type clerk struct {
	tx    *sql.Tx
	speak language
}

func (c clerk) do(statement string, args ...any) error {
	_, err := c.tx.Exec(c.speak.statement(statement), args...)
	return err
}

func (s *shop) transaction(ctx context.Context, f func(clerk) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(clerk{tx, s.speak}); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	s.committed++
	return nil
}

// write does business until ctx ends: a transaction, then a pause that lets people read.
func (s *shop) write(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Duration(250+s.r.IntN(500)) * time.Millisecond):
		}
		// A transaction that has begun is carried through, so that the summary knows of it.
		if err := s.transaction(context.WithoutCancel(ctx), s.something); err != nil {
			return err
		}
	}
}

// something is one piece of business.
func (s *shop) something(tx clerk) error {
	if len(s.open) < 2 || s.r.IntN(3) == 0 {
		return s.newOrder(tx)
	}
	at := s.r.IntN(len(s.open))
	id := s.open[at]
	switch s.r.IntN(8) {
	case 0, 1, 2: // from new to paid, with points for the customer
		err := tx.do("UPDATE orders SET status = 'paid', touched = CURRENT_TIMESTAMP(3) WHERE id = ? AND status = 'new'", id)
		if err == nil {
			err = tx.do("UPDATE customers SET points = points + 10 WHERE id = (SELECT customer_id FROM orders WHERE id = ? AND status = 'paid')", id)
		}
		return err
	case 3, 4:
		err := tx.do("UPDATE orders SET status = 'shipped', touched = CURRENT_TIMESTAMP(3) WHERE id = ?", id)
		return err
	case 5: // the order gets another number: its key changes
		s.order++
		err := tx.do("UPDATE orders SET id = ? WHERE id = ?", s.order, id)
		if err == nil {
			err = tx.do("UPDATE order_items SET order_id = ? WHERE order_id = ?", s.order, id)
		}
		s.open[at] = s.order
		return err
	case 6:
		err := tx.do("UPDATE customers SET city = ? WHERE id = ?", cities[s.r.IntN(len(cities))], 1+s.r.IntN(len(people)))
		return err
	default:
		s.open = append(s.open[:at], s.open[at+1:]...)
		err := tx.do("DELETE FROM order_items WHERE order_id = ?", id)
		if err == nil {
			err = tx.do("DELETE FROM orders WHERE id = ?", id)
		}
		return err
	}
}

func (s *shop) newOrder(tx clerk) error {
	s.order++
	if err := tx.do("INSERT INTO orders VALUES (?, ?, 'new', 0, CURRENT_TIMESTAMP(3), CURRENT_TIMESTAMP(3))", s.order, 1+s.r.IntN(len(people))); err != nil {
		return err
	}
	for line := range 1 + s.r.IntN(3) {
		err := tx.do("INSERT INTO order_items VALUES (?, ?, ?, ?, ?)", s.order, line+1, products[s.r.IntN(len(products))], 1+s.r.IntN(3), fmt.Sprintf("%d.%02d", 5+s.r.IntN(90), s.r.IntN(100)))
		if err != nil {
			return err
		}
	}
	s.open = append(s.open, s.order)
	err := tx.do("UPDATE orders SET total = (SELECT SUM(quantity * price) FROM order_items WHERE order_id = ?) WHERE id = ?", s.order, s.order)
	return err
}
