package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"cdcbridge/integration/servers"
)

// tables of the shop, all captured.
var tables = []string{"customers", "orders", "order_items"}

var schema = []string{
	`CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(60) NOT NULL, city VARCHAR(40), since DATE NOT NULL, points INT UNSIGNED NOT NULL DEFAULT 0)`,
	`CREATE TABLE orders (id BIGINT PRIMARY KEY, customer_id INT NOT NULL, status ENUM('new','paid','shipped','returned') NOT NULL,
		total DECIMAL(10,2) NOT NULL, placed DATETIME(3) NOT NULL, touched TIMESTAMP(3) NOT NULL)`,
	`CREATE TABLE order_items (order_id BIGINT, line SMALLINT, product VARCHAR(40) NOT NULL, quantity INT NOT NULL, price DECIMAL(8,2) NOT NULL, PRIMARY KEY (order_id, line))`,
}

// shop is the database and what its clerks do.
type shop struct {
	db        *sql.DB
	r         *rand.Rand
	open      []int64 // orders that something may still happen to
	order     int64   // the newest
	committed int     // transactions
	stock     int     // records that come at least of what was written before the daemon ran
}

func openShop(ctx context.Context, my *servers.MySQL) (*shop, error) {
	db, err := my.DB("shop")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // one session, so that its settings hold for all statements
	s := &shop{db: db, r: rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0)), order: 1000}
	for _, q := range append([]string{"SET SESSION time_zone='+00:00'"}, schema...) {
		if _, err := db.ExecContext(ctx, q); err != nil {
			return nil, errors.Join(fmt.Errorf("making the shop: %w", err), db.Close())
		}
	}
	if err := errors.Join(s.hire(ctx), s.transaction(ctx, s.newOrder)); err != nil {
		return nil, errors.Join(fmt.Errorf("filling the shop: %w", err), db.Close())
	}
	s.stock = len(people) + 3 // an order, its total, and one item at least
	return s, nil
}

func (s *shop) close() { _ = s.db.Close() } // nothing is left to lose

var (
	people   = []string{"Ada Lovelace", "Émilie du Châtelet", "Grace Hopper", "Katherine Johnson", "Sofja Kowalewskaja", "王贞仪"}
	cities   = []string{"Berlin", "Lyon", "New York", "Porto", "Sankt Peterburg", "Zürich"}
	products = []string{"tea pot", "lamp", "atlas", "chess set", "umbrella", "fountain pen"}
)

// hire makes the customers, in one transaction.
func (s *shop) hire(ctx context.Context) error {
	return s.transaction(ctx, func(tx *sql.Tx) error {
		for i, name := range people {
			if _, err := tx.ExecContext(ctx, "INSERT INTO customers (id, name, city, since) VALUES (?, ?, ?, CURDATE())", i+1, name, cities[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *shop) transaction(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
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
func (s *shop) something(tx *sql.Tx) error {
	if len(s.open) < 2 || s.r.IntN(3) == 0 {
		return s.newOrder(tx)
	}
	at := s.r.IntN(len(s.open))
	id := s.open[at]
	switch s.r.IntN(8) {
	case 0, 1, 2: // from new to paid, with points for the customer
		_, err := tx.Exec("UPDATE orders SET status = 'paid', touched = NOW(3) WHERE id = ? AND status = 'new'", id)
		if err == nil {
			_, err = tx.Exec("UPDATE customers SET points = points + 10 WHERE id = (SELECT customer_id FROM orders WHERE id = ? AND status = 'paid')", id)
		}
		return err
	case 3, 4:
		_, err := tx.Exec("UPDATE orders SET status = 'shipped', touched = NOW(3) WHERE id = ?", id)
		return err
	case 5: // the order gets another number: its key changes
		s.order++
		_, err := tx.Exec("UPDATE orders SET id = ? WHERE id = ?", s.order, id)
		if err == nil {
			_, err = tx.Exec("UPDATE order_items SET order_id = ? WHERE order_id = ?", s.order, id)
		}
		s.open[at] = s.order
		return err
	case 6:
		_, err := tx.Exec("UPDATE customers SET city = ? WHERE id = ?", cities[s.r.IntN(len(cities))], 1+s.r.IntN(len(people)))
		return err
	default:
		s.open = append(s.open[:at], s.open[at+1:]...)
		_, err := tx.Exec("DELETE FROM order_items WHERE order_id = ?", id)
		if err == nil {
			_, err = tx.Exec("DELETE FROM orders WHERE id = ?", id)
		}
		return err
	}
}

func (s *shop) newOrder(tx *sql.Tx) error {
	s.order++
	if _, err := tx.Exec("INSERT INTO orders VALUES (?, ?, 'new', 0, NOW(3), NOW(3))", s.order, 1+s.r.IntN(len(people))); err != nil {
		return err
	}
	for line := range 1 + s.r.IntN(3) {
		_, err := tx.Exec("INSERT INTO order_items VALUES (?, ?, ?, ?, ?)", s.order, line+1, products[s.r.IntN(len(products))], 1+s.r.IntN(3), fmt.Sprintf("%d.%02d", 5+s.r.IntN(90), s.r.IntN(100)))
		if err != nil {
			return err
		}
	}
	s.open = append(s.open, s.order)
	_, err := tx.Exec("UPDATE orders SET total = (SELECT SUM(quantity * price) FROM order_items WHERE order_id = ?) WHERE id = ?", s.order, s.order)
	return err
}
