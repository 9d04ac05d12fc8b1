package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"cdcbridge/integration/servers"
)

// world is what a new user has before cdcbridge comes: a broker, and a database named shop with a table in it.
type world struct {
	kind    string // of the database
	heading string // of its section in the page
	product string // as comments in the page's SQL name it
	topic   string // where the table's rows go

	kafka   *servers.Kafka
	execute func(ctx context.Context, statement string) error // as the database's administrator
	restart func(ctx context.Context) error                   // what the page says that a setting needs; nil: nothing
	stops   []func() error
}

// orders are the table's first rows. The walk ends well when they are in the topic.
var orders = []string{
	"CREATE TABLE orders (id INT PRIMARY KEY, customer VARCHAR(20) NOT NULL, amount DECIMAL(10,2))",
	"INSERT INTO orders VALUES (1, 'Ada', 12.5), (2, 'Grace', 99)",
}

// newWorld starts both servers where the page says that they are.
func newWorld(ctx context.Context, kind string) (_ *world, err error) {
	w := &world{kind: kind}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.stop())
		}
	}()
	var database sync.WaitGroup
	var failed error
	var rows []string
	database.Go(func() {
		if kind == "postgres" {
			rows, failed = w.postgres(ctx)
			return
		}
		rows, failed = w.mysql(ctx)
	})
	w.kafka, err = servers.StartKafka(ctx, servers.KafkaOptions{Ports: []int{9092}})
	database.Wait()
	if err = errors.Join(err, failed); err != nil {
		return nil, err
	}
	for _, statement := range rows {
		if err := w.execute(ctx, statement); err != nil {
			return nil, fmt.Errorf("running %s: %w", statement, err)
		}
	}
	return w, nil
}

func (w *world) mysql(ctx context.Context) ([]string, error) {
	w.heading, w.product, w.topic = "From MySQL or MariaDB", "MySQL", "cdc.shop.orders"
	my, err := servers.StartMySQL(ctx, servers.MySQLOptions{Port: 3306, Metadata: "MINIMAL"}) // as it is found
	if err != nil {
		return nil, err
	}
	w.stops = append(w.stops, my.Stop)
	db, err := my.DB("shop")
	if err != nil {
		return nil, err
	}
	w.stops = append([]func() error{db.Close}, w.stops...)
	w.execute = func(ctx context.Context, statement string) error {
		_, err := db.ExecContext(ctx, statement)
		return err
	}
	return orders, nil
}

func (w *world) postgres(ctx context.Context) ([]string, error) {
	w.heading, w.product, w.topic = "From PostgreSQL", "PostgreSQL", "cdc.public.orders"
	pg, err := servers.StartPostgres(ctx, servers.PostgresOptions{Port: 5432, Settings: map[string]string{"wal_level": "replica"}}) // as it is found
	if err != nil {
		return nil, err
	}
	w.stops = append(w.stops, pg.Stop)
	db, err := pg.DB("shop")
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	w.execute = func(ctx context.Context, statement string) error { return pg.Exec(ctx, "shop", statement) }
	w.restart = func(ctx context.Context) error { return pg.Restart(ctx, nil) }
	return append([]string{"CREATE ROLE shop_owner"}, append(orders, "ALTER TABLE orders OWNER TO shop_owner")...), nil
}

// prepare runs the page's SQL, and what it says to be needed for it.
func (w *world) prepare(ctx context.Context, section page) error {
	statements, err := section.statements(w.product)
	if err != nil {
		return err
	}
	for _, s := range statements {
		if err := w.execute(ctx, s); err != nil {
			return fmt.Errorf("running %s: %w", s, err)
		}
	}
	if w.restart == nil {
		return nil
	}
	return w.restart(ctx)
}

func (w *world) stop() error {
	var errs []error
	for _, stop := range w.stops {
		errs = append(errs, stop())
	}
	if w.kafka != nil {
		errs = append(errs, w.kafka.Stop())
	}
	return errors.Join(errs...)
}

// readPage reads the page of a checkout.
func readPage(file string) (page, error) {
	text, err := os.ReadFile(file)
	return page(text), err
}
